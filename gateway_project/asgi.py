"""The dispatcher: one port, two lanes of HTTP (architecture section 3), and the probes."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")

from gateway_project.wsgi import application as django_application  # isort: skip  # sets Django up

from api.dispatcher import Dispatcher
from api.gate import Gate

application = Gate(Dispatcher(django_application))
