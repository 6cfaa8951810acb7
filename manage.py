#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from gateway_project import env_file

NO_ANSWER = ("connection failed", "connection timeout expired", "Multiple connection attempts failed")  # psycopg
ADVICE = ".venv/bin/honcho run .venv/bin/python manage.py …"


def main() -> None:
    """What the operator has to correct is one line; --traceback shows where it came up."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_project.settings")
    if env_file.is_passed_over() and "run_gateway" not in sys.argv:
        sys.stderr.write(f"Note: started without the DATABASE_URL of .env, on the embedded database: {ADVICE}\n")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"The settings are not right: {error}")
    except OperationalError as error:
        if "--traceback" in sys.argv or not str(error).startswith(NO_ANSWER):
            raise
        sys.exit(f"The database of DATABASE_URL does not answer: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
