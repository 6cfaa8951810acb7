"""Every job that the domain can ask for has exactly one wrapper, which takes the arguments that are sent."""

import importlib
import inspect
import pkgutil

from common.jobs import Job
from workers import canary
from workers.beat import TICKS

DOMAIN = ("accounts", "connectors", "routing", "billing", "messaging", "campaigns", "inbound")
ARGUMENTS = {"messaging.record_line_events": {"ids"}, "messaging.deliver": {"ids", "token"}}


def jobs_of_the_domain():
    found = set(TICKS)
    for package in DOMAIN:
        module = importlib.import_module(package)
        for info in pkgutil.walk_packages(module.__path__, f"{package}."):
            if ".migrations" in info.name or ".management" in info.name:
                continue
            found |= {value for value in vars(importlib.import_module(info.name)).values() if isinstance(value, Job)}
    return found


def wrappers():
    from gateway_project.celery import app

    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    return {name: task for name, task in ours.items() if not task.__module__.startswith("tests.")}  # poison


def test_every_job_has_one_wrapper_and_every_wrapper_a_job():
    assert {job.name for job in jobs_of_the_domain()} == set(wrappers()) - {canary.TASK}


def test_wrappers_take_the_arguments_that_are_sent():
    for name, task in wrappers().items():
        assert set(inspect.signature(task.run).parameters) == ARGUMENTS.get(name, set()), name


def test_every_wrapper_has_an_end():
    for name, task in wrappers().items():
        assert task.time_limit and task.soft_time_limit < task.time_limit, name
