"""The environment, read strictly: a value that means nothing is one line with the variable's name."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
FALSE = ("false", "off", "no", "n", "0", "")


class Environment(environ.Env):
    """Raises ImproperlyConfigured."""

    def int(self, var: str, default: Any = environ.Env.NOTSET) -> int:
        """A whole number."""
        return self._cast(var, int, default, "no whole number")

    def float(self, var: str, default: Any = environ.Env.NOTSET) -> float:
        """A number."""
        return self._cast(var, float, default, "no number")

    def bool(self, var: str, default: Any = environ.Env.NOTSET) -> bool:
        """The base class takes every word that it does not know for false."""
        return self._cast(var, _truth, default, "neither true nor false")

    def choice(self, var: str, choices: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        value: str = self.str(var, default=default)
        if value not in choices:
            raise ImproperlyConfigured(f"{var}={value} is none of {', '.join(word or '(empty)' for word in choices)}")
        return value

    def zone(self, var: str, default: str) -> str:
        """The name of a time zone."""
        value: str = self.str(var, default=default)
        try:
            ZoneInfo(value)
        except (ValueError, OSError, LookupError):
            raise ImproperlyConfigured(f"{var}={value} is no time zone; write it like Europe/Berlin") from None
        return value

    def address(self, var: str, like: str) -> str:
        """A URL. It may hold a password, so that the complaint does not repeat it."""
        value: str = self.str(var)
        if "://" not in value:
            raise ImproperlyConfigured(f"{var} is no address; write it like {like}")
        return value

    def database(self, var: str) -> dict[str, Any]:
        """Django's settings of the database of a URL."""
        like = "postgres://user:password@host:5432/name"
        try:
            with warnings.catch_warnings(action="ignore"):  # it would write out the password
                found: dict[str, Any] = self.db_url(var)
        except ValueError:
            found = {}
        if "." not in found.get("ENGINE", "") or not found.get("NAME"):
            raise ImproperlyConfigured(f"{var} is no address; write it like {like}")
        return found

    def _cast(self, var: str, cast: Callable[[str], T], default: Any, otherwise: str) -> T:
        try:
            value: T = self.get_value(var, cast=cast, default=default)
        except ValueError:
            raise ImproperlyConfigured(f"{var}={self.get_value(var)} is {otherwise}") from None
        return value


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*environ.Env.BOOLEAN_TRUE_STRINGS, *FALSE):
        raise ValueError(text)
    return word not in FALSE
