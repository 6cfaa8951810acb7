from django.core.exceptions import ValidationError
from django.db import models

from accounts.addresses import valid_networks
from accounts.models.user import User

STAFF_SCOPES = ("read", "operate")


def valid_staff_scopes(values: object) -> None:
    """Raise ValidationError for anything but a list of at least one of STAFF_SCOPES."""
    if not isinstance(values, list) or not values or any(value not in STAFF_SCOPES for value in values):
        raise ValidationError(f"At least one of: {', '.join(STAFF_SCOPES)}")


class StaffKey(models.Model):
    """A key of a member of staff for `X-Staff-Key`: 256 random bits, shown once, kept as SHA-256.

    It never does more than its scopes say, and nothing once its person may not enter the admin any more.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="staff_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=20, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(
        default=list, validators=[valid_staff_scopes], help_text="read: look; operate: start, stop, change."
    )
    active = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: works until it is revoked.")
    ip_whitelist = models.JSONField(default=list, blank=True, validators=[valid_networks])
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "staff key"
        verbose_name_plural = "staff keys"

    def __str__(self) -> str:
        return f"{self.prefix}…"
