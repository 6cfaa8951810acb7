from django.db import models
from django.db.models import Q

from common.ids import new_id
from connectors.models import Connector
from messaging.models.message import Part, loose


class Receipt(models.Model):
    """A delivery report from the network: MATCHED to a part, or PARKED until one fits or 72 h are over."""

    class State(models.TextChoices):
        MATCHED = "MATCHED"
        PARKED = "PARKED"
        ORPHAN = "ORPHAN"  # 72 h without a part
        DUPLICATE = "DUPLICATE"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    connector = loose(Connector, db_index=False)
    bind_no = models.PositiveSmallIntegerField(null=True)
    carrier_account = models.CharField(max_length=64)
    provider_id = models.CharField(max_length=65)
    provider_key = models.CharField(max_length=65)
    state = models.CharField(max_length=9, choices=State.choices)
    part = loose(Part, null=True)
    matched_by = models.CharField(max_length=8, blank=True)
    status = models.CharField(max_length=11)  # messaging Status, or ENROUTE, ACCEPTED
    error_code = models.CharField(max_length=16, blank=True)
    source = models.CharField(max_length=21, blank=True)  # the handset's number on most links
    destination = models.CharField(max_length=21, blank=True)
    submit_date = models.CharField(max_length=14, blank=True)
    done_date = models.CharField(max_length=14, blank=True)
    raw = models.TextField()  # hex of the PDU
    received_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = "delivery report"
        verbose_name_plural = "delivery reports"
        indexes = [
            models.Index(
                fields=["carrier_account", "provider_key"], condition=Q(state="PARKED"), name="receipt_parked"
            ),
            models.Index(fields=["next_try_at"], condition=Q(state="PARKED"), name="receipt_retry"),
            # Looked for twice a second while parts are in doubt: of 300,000 parked ones none but those of the number.
            models.Index(
                fields=["carrier_account", "source"], condition=Q(state="PARKED"), name="receipt_parked_source"
            ),
            models.Index(
                fields=["carrier_account", "destination"], condition=Q(state="PARKED"), name="receipt_parked_dest"
            ),
            # What the DLR doctor reads, the newest first; receipts that met their part are not in it. By the time, not
            # the id: for an order by id the planner would rather go through the key, past every receipt that met.
            models.Index(
                fields=["carrier_account", "received_at", "id"],
                condition=Q(state__in=["PARKED", "ORPHAN"]),
                name="receipt_unmatched",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.status}"
