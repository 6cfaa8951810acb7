"""Celery's wrappers: fetch, call, return. Each takes ids or nothing, ends in time, and may run twice."""

import os
from importlib import import_module

from workers import canary
from workers.tasks import deliveries, events, housekeeping, schedule

__all__ = ["canary", "deliveries", "events", "housekeeping", "schedule"]

# More modules of tasks: an installation's own, and the poison of the crash tests.
for _name in filter(None, os.environ.get("EXTRA_TASK_MODULES", "").split(",")):
    import_module(_name)
