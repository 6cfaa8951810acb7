from django.db import models


class ConfigVersion(models.Model):
    """How often the configuration under a topic has changed; snapshots compare it (common.site)."""

    topic = models.CharField(max_length=40, primary_key=True)
    version = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "configuration version"
        verbose_name_plural = "configuration versions"

    def __str__(self) -> str:
        return f"{self.topic} v{self.version}"


class SiteSetting(models.Model):
    """A setting that staff change at run time; the value is JSON."""

    key = models.CharField(max_length=80, primary_key=True)
    value = models.JSONField()
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.key


class ProcessLease(models.Model):
    """A process that lives, and what it holds as a whole: one row for all of it, extended by the process itself."""

    id = models.UUIDField(primary_key=True, editable=False)
    purpose = models.CharField(max_length=20)
    holds = models.JSONField(default=list)  # numbers; what they are is the purpose's business
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "process lease"
        verbose_name_plural = "process leases"

    def __str__(self) -> str:
        return f"{self.purpose} {self.id}"


class Alert(models.Model):
    """Something that an operator must know of: raised, seen again, resolved; one open row for each key."""

    key = models.CharField(max_length=120)
    level = models.CharField(max_length=8, help_text="warn: somebody should know; fail: something does not work")
    subject = models.CharField(max_length=120)
    words = models.CharField(max_length=500)
    advice = models.CharField(max_length=300, blank=True)
    count = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "alert"
        verbose_name_plural = "alerts"
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(resolved_at__isnull=True), name="one_open_alert_a_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.subject}: {self.words}"
