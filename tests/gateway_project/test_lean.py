"""Processes that serve no pages do not carry the libraries of pages."""

import os
import subprocess
import sys

import pytest

from tests.support.embedded import ROOT

PAGES = ("rest_framework", "drf_spectacular", "unfold", "django.contrib.admin.sites", "whitenoise", "api", "portal")
LOADED = f"import sys; print([name for name in {PAGES!r} if name in sys.modules])"
WORKER = (
    "import sys; sys.argv = ['/bin/celery', 'worker']; import gateway_project.celery as made; "
    "made.app.loader.import_default_modules(); made.app.finalize(); "
)
BINDS = (
    "import os, sys; sys.argv = ['manage.py', 'run_binds', '--help']; "
    "os.environ['DJANGO_SETTINGS_MODULE'] = 'gateway_project.settings'; import django; django.setup(); "
    "import workers.management.commands.run_binds as made; assert made.Command.requires_system_checks == []; "
)
SMPP = BINDS.replace("run_binds", "run_smpp_server")
CLOCK = "import workers.clock; assert 'celery' not in sys.modules and 'messaging.models' not in sys.modules; "


@pytest.mark.parametrize(
    "starts", [WORKER, BINDS, SMPP, f"import sys; {CLOCK}"], ids=["worker", "binds", "smpp", "clock"]
)
def test_a_process_without_pages_does_not_load_them(starts):
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", starts + LOADED], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
