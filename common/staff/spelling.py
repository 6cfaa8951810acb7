"""How columns are called on the screen: what Django makes of their names, with abbreviations in capitals."""

from typing import Final

from django.db.models import Field, Model

_CAPITALS: Final = frozenset(
    {"api", "ca", "dlr", "id", "ip", "npi", "otp", "pdu", "tls", "tlv", "ton", "tps", "udh", "url"}
)


def spell(model: type[Model]) -> None:
    """Spell the columns of `model` that were given no name of their own: `tls_ca` becomes "TLS CA", for forms, lists
    and filters alike. Migrations do not see it: they keep the names that were given.
    """
    for field in model._meta.get_fields():
        if isinstance(field, Field) and getattr(field, "_verbose_name", None) is None:
            field.verbose_name = " ".join(_spelt(word) for word in field.name.split("_"))


def _spelt(word: str) -> str:
    return word.upper() if word in _CAPITALS else word
