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
