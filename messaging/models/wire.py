from django.db import models

from common.ids import new_id


class WireLog(models.Model):
    """What one process saw on the links of one subject in some seconds: many PDUs in one compressed value.

    `key` is the id of an SmppClient or a Connector, 0 for those whom nobody knows. Only messaging.wirelog reads
    `entries`; a subject keeps rows for its newest PDUs, and none of them longer than a week.
    """

    class Kind(models.TextChoices):
        CLIENT = "client", "an SMPP client that was bound"
        KNOCK = "knock", "refused binds under the system_id of an SMPP client"
        CONNECTOR = "connector", "a connector"
        STRANGER = "stranger", "refused binds of whom nobody knows"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    key = models.BigIntegerField()
    process = models.CharField(max_length=100)  # host:process
    since = models.DateTimeField()
    until = models.DateTimeField()
    count = models.PositiveIntegerField()
    entries = models.BinaryField()

    class Meta:
        verbose_name = "SMPP wire log"
        verbose_name_plural = "SMPP wire log"
        indexes = [
            models.Index(fields=["kind", "key", "-until"], name="wire_log_subject"),
            models.Index(fields=["until"], name="wire_log_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} {self.until:%F %T}"
