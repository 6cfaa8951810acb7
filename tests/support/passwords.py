"""Argon2 at its lowest cost, so that a suite of many logins stays quick."""

from common.passwords import Argon2


class CheapArgon2(Argon2):
    """Same algorithm and format as in production, 1 MiB and one pass."""

    time_cost = 1
    memory_cost = 1024
