"""Celery's wrappers: fetch, call, return. Each takes ids or nothing, ends in time, and may run twice."""

from workers import canary
from workers.tasks import alerts, deliveries, events, housekeeping, schedule

__all__ = ["alerts", "canary", "deliveries", "events", "housekeeping", "schedule"]
