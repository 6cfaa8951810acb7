from django.db import models

from accounts.models import Account
from common.ids import new_id
from connectors.models import Connector
from messaging.models.message import loose


class OutboxBatch(models.Model):
    """Part ids that a queue must still be told of; deleted once the broker confirmed them."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    connector = loose(Connector, db_index=False)
    lane = models.CharField(max_length=13)
    parts = models.TextField()  # hex ids, comma separated, at most 200
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "outbox batch"
        verbose_name_plural = "outbox batches"

    def __str__(self) -> str:
        return f"{self.connector_id}.{self.lane}"


class LineBatch(models.Model):
    """deliver_sm and data_sm PDUs as they came over a bind, up to 500 a row: committed before they are answered,
    deleted by the transaction that records what they mean. One row per batch keeps the write budget."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    connector = loose(Connector, db_index=False)
    bind_no = models.PositiveSmallIntegerField()
    received_at = models.DateTimeField()
    pdus = models.TextField()  # hex, comma separated
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)  # why the last try failed

    class Meta:
        verbose_name = "carrier line batch"
        verbose_name_plural = "carrier line batches"
        indexes = [models.Index(fields=["received_at"], name="line_received")]

    def __str__(self) -> str:
        return f"{self.connector_id}/{self.bind_no} {self.id}"


class IdempotencyKey(models.Model):
    """One key, one answer, for 24 hours; also proves after a lost COMMIT whether it happened."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    response = models.TextField()  # the JSON body of the answer
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="one_answer_a_key")]

    def __str__(self) -> str:
        return self.key


class ReceiptSeen(models.Model):
    """Digests of receipts of the last 72 h: a repeated one changes nothing."""

    id = models.BigAutoField(primary_key=True)
    connector = loose(Connector, db_index=False)
    digest = models.BinaryField(max_length=16)
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "receipt seen"
        verbose_name_plural = "receipts seen"
        constraints = [models.UniqueConstraint(fields=["connector", "digest"], name="one_receipt_seen")]

    def __str__(self) -> str:
        return f"{self.connector_id} {bytes(self.digest).hex()}"
