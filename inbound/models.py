"""What the network tells us: texts from handsets, kept whatever becomes of them (S0-37)."""

from django.db import models

from accounts.models import Account
from common.ids import new_id
from connectors.models import Connector


class InboundMessage(models.Model):
    """A text from a handset (MO), as it came; joining, keywords and forwarding build on these rows."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    connector = models.ForeignKey(Connector, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    account = models.ForeignKey(
        Account, models.DO_NOTHING, db_constraint=False, null=True, db_index=False, related_name="+"
    )
    source = models.CharField(max_length=21)
    destination = models.CharField(max_length=21)
    content = models.TextField()
    encoding = models.CharField(max_length=8)
    udh = models.CharField(max_length=280, blank=True)
    provider_id = models.CharField(max_length=65, blank=True)
    raw = models.TextField()  # hex of the PDU
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = "inbound message (MO)"
        verbose_name_plural = "inbound messages (MO)"
        indexes = [models.Index(fields=["destination", "id"], name="inbound_destination")]

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}"
