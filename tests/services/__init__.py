"""PostgreSQL, RabbitMQ and Redis for the test suite, wherever it runs.

`python -m tests.services run -- COMMAND` runs COMMAND with DATABASE_URL, BROKER_URL and CACHE_URL
in its environment. Each service is, in this order: the one that the environment names; the one that
answers on its standard local port; a private throw-away one from installed binaries; one from packages
that root may install on Debian or Ubuntu. Otherwise one line says what is missing: nothing is skipped.
"""
