"""The dispatcher: one port, two lanes of HTTP (architecture section 3), and the probes."""

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

from gateway_project.wsgi import application as django_application  # isort: skip  # sets Django up

from django.core.checks.urls import check_resolver
from django.urls import get_resolver

from api.dispatcher import Dispatcher
from api.gate import Gate

check_resolver(get_resolver())  # loads what the first request would
application = Gate(Dispatcher(django_application))

# Under `gunicorn --preload` the workers are forks of the process that has loaded this: what is there stays shared, as
# long as no collection of garbage touches, and so copies, every page.
gc.collect()
gc.freeze()
