from django.conf import settings
from django.db import models


class AuditEntry(models.Model):
    """Who changed what, and when (S0-99); rows are only ever added."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    actor = models.CharField(max_length=150, help_text="User name, or the command that acted")
    action = models.CharField(max_length=64)
    entity = models.CharField(max_length=64)
    entity_id = models.CharField(max_length=64, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.entity} {self.entity_id}"
