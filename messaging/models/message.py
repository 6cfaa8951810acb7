from typing import Any

from django.db import models
from django.db.models import Q

from accounts.models import Account, ApiClient, SmppClient
from common.ids import new_id
from common.money import MoneyField
from connectors.models import Connector


def loose(to: type[models.Model] | str, **options: object) -> "models.ForeignKey[Any, Any]":
    """A foreign key without a database constraint: one would block DROP and DETACH of partitions."""
    return models.ForeignKey(to, models.DO_NOTHING, db_constraint=False, related_name="+", **options)  # type: ignore[arg-type]


class Status(models.TextChoices):
    """States of a part; a message shows its least advanced part, or the failure (architecture section 3)."""

    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    SUBMITTING = "SUBMITTING"
    UNCERTAIN = "UNCERTAIN"
    SUBMITTED = "SUBMITTED"
    DELIVERED = "DELIVERED"
    UNDELIVERED = "UNDELIVERED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DELETED = "DELETED"
    UNKNOWN = "UNKNOWN"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"


class Message(models.Model):
    """What a customer asked us to send (MT)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = loose(Account, db_index=False)
    api_client = loose(ApiClient, null=True, db_index=False)
    smpp_client = loose(SmppClient, null=True, db_index=False)
    source = models.CharField(max_length=10)  # api smpp portal campaign auto system
    channel = models.CharField(max_length=10, default="sms")
    sender = models.CharField(max_length=21)
    recipient = models.CharField(max_length=20)  # E.164 digits without plus
    recipient_given = models.CharField(max_length=40, blank=True)  # the caller's form, where it differs
    content = models.TextField()  # text; hex of the octets when encoding is binary
    encoding = models.CharField(max_length=8)
    flash = models.BooleanField(default=False)
    udh = models.CharField(max_length=280, blank=True)  # hex, given by the customer
    reference = models.PositiveIntegerField(null=True)  # of concatenated parts
    parts = models.PositiveSmallIntegerField()
    lane = models.CharField(max_length=13)
    status = models.CharField(max_length=11, choices=Status.choices)
    over_limit = models.BooleanField(default=False)  # its public id is queued_<uuid>
    client_ref = models.CharField(max_length=100, blank=True)
    tags = models.JSONField(null=True)
    tlvs = models.JSONField(null=True)
    esme = models.JSONField(null=True)  # how a client asked for it over its bind: messaging.esme
    dlr = models.BooleanField(default=True)
    dlr_url = models.CharField(max_length=500, blank=True)
    send_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    route = models.JSONField(null=True)  # compact explanation: {"profile", "route", "prefix", "hops": [connector ids]}
    connector = loose(Connector, null=True, db_index=False)
    rate = models.DecimalField(max_digits=12, decimal_places=6, default=0)  # the route's, snapshot
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=0)  # ours, per part, snapshot
    unit_price = MoneyField(default=0)  # charged per part
    price = MoneyField(default=0)  # unit_price × parts
    charge = models.UUIDField(null=True)  # LedgerEntry
    error_code = models.CharField(max_length=16, blank=True)
    error = models.CharField(max_length=200, blank=True)
    possible_duplicate = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "message (MT)"
        verbose_name_plural = "message logs"
        indexes = [
            models.Index(fields=["account", "id"], name="message_account"),
            models.Index(fields=["recipient", "id"], name="message_recipient"),
            models.Index(fields=["account", "client_ref"], condition=~Q(client_ref=""), name="message_client_ref"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Part(models.Model):
    """One segment on the wire, with the provider's id and its own status."""

    id = models.UUIDField(primary_key=True, editable=False)  # ids.derive(message, seq)
    message = loose(Message)
    seq = models.PositiveSmallIntegerField()  # 1 …
    connector = loose(Connector, db_index=False)
    lane = models.CharField(max_length=13)
    status = models.CharField(max_length=11, choices=Status.choices)
    attempts = models.PositiveSmallIntegerField(default=0)  # counted tries on the present connector
    hop = models.PositiveSmallIntegerField(default=0)  # index into the message's route["hops"]
    bind_no = models.PositiveSmallIntegerField(null=True)
    fence = models.BigIntegerField(null=True)  # of the lease that claimed it
    claimed_at = models.DateTimeField(null=True)
    send_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    # UNCERTAIN: until when an answer is waited for; SUBMITTED: until when a receipt is, where the line has a limit.
    uncertain_until = models.DateTimeField(null=True)
    submitted_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    provider_id = models.CharField(max_length=65, blank=True)
    provider_key = models.CharField(max_length=65, blank=True)  # normalised by the connector's rule
    command_status = models.BigIntegerField(null=True)
    error_code = models.CharField(max_length=16, blank=True)
    possible_duplicate = models.BooleanField(default=False)
    matched_by = models.CharField(max_length=8, blank=True)  # id, address, attempt, sibling

    class Meta:
        indexes = [
            models.Index(fields=["connector", "lane", "id"], condition=Q(status="QUEUED"), name="part_claim"),
            models.Index(fields=["send_at"], condition=Q(status="SCHEDULED"), name="part_due"),
            models.Index(fields=["uncertain_until"], condition=Q(status="UNCERTAIN"), name="part_uncertain"),
            models.Index(fields=["connector", "bind_no"], condition=Q(status="SUBMITTING"), name="part_submitting"),
            models.Index(fields=["provider_key"], condition=~Q(provider_key=""), name="part_provider_key"),
            models.Index(fields=["expires_at"], condition=Q(status__in=["SCHEDULED", "QUEUED"]), name="part_expiry"),
            models.Index(fields=["expires_at"], condition=Q(status="SUBMITTED"), name="part_silent"),
            models.Index(
                fields=["uncertain_until"],
                condition=Q(status="SUBMITTED", uncertain_until__isnull=False),
                name="part_receipt_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id}/{self.seq}"


class Attempt(models.Model):
    """A try that ended without success, or was followed by another; the first success is columns of Part."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    part = loose(Part)
    message = loose(Message)
    number = models.PositiveSmallIntegerField()
    connector = loose(Connector, db_index=False)
    bind_no = models.PositiveSmallIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    outcome = models.CharField(max_length=12)  # errors.SendKind
    command_status = models.BigIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    # Of a try that the carrier took and another one followed, because no receipt came in time.
    provider_id = models.CharField(max_length=65, blank=True, default="", db_default="")
    provider_key = models.CharField(max_length=65, blank=True, default="", db_default="")

    class Meta:
        verbose_name = "failed attempt"
        verbose_name_plural = "failed attempts"
        indexes = [
            models.Index(fields=["provider_key"], condition=~Q(provider_key=""), name="attempt_provider_key"),
        ]

    def __str__(self) -> str:
        return f"{self.part_id} #{self.number} {self.outcome}"


class MessageEvent(models.Model):
    """What the other rows cannot tell: conflicts, illegal transitions, operator deeds."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message = loose(Message)
    part = loose(Part, null=True, db_index=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=32)
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"


class TrafficCount(models.Model):
    """Insert-only deltas per hour, squashed by beat; dashboards read these, never COUNT over messages."""

    hour = models.DateTimeField()
    account = loose(Account, null=True, db_index=False)
    connector = loose(Connector, null=True, db_index=False)
    measure = models.CharField(max_length=12)  # accepted, blocked, and each final Status
    messages = models.BigIntegerField(default=0)
    parts = models.BigIntegerField(default=0)
    amount = MoneyField(default=0)

    class Meta:
        verbose_name = "traffic count"
        verbose_name_plural = "traffic counts"
        indexes = [models.Index(fields=["hour", "account", "connector", "measure"], name="traffic_key")]

    def __str__(self) -> str:
        return f"{self.hour:%F %H} {self.measure} {self.messages}"
