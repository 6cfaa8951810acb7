from django.db import models
from django.db.models import Q

from accounts.models import Account, ApiClient, SmppClient, WebhookEndpoint
from messaging.models.message import loose


class Delivery(models.Model):
    """Passing a receipt or an inbound text on to the customer; its id is the event id of every try."""

    class State(models.TextChoices):
        PENDING = "PENDING"
        CLAIMED = "CLAIMED"
        DELIVERED = "DELIVERED"
        EXHAUSTED = "EXHAUSTED"  # the dead letters

    id = models.UUIDField(primary_key=True, editable=False)  # ids.derive(message, 1000 + n-th event)
    account = loose(Account, db_index=False)
    subject = models.UUIDField(db_index=True)  # Message or InboundMessage
    kind = models.CharField(max_length=4)  # dlr, mo
    api_client = loose(ApiClient, null=True, db_index=False)
    endpoint = loose(WebhookEndpoint, null=True, db_index=False)
    smpp_client = loose(SmppClient, null=True, db_index=False)
    url = models.CharField(max_length=500, blank=True)
    body = models.TextField()  # the JSON that is posted, byte for byte the same on each try; or messaging.esme's
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    token = models.BigIntegerField(null=True)  # of the claim
    last_code = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(state="PENDING"), name="delivery_due"),
            models.Index(fields=["lease_until"], condition=Q(state="CLAIMED"), name="delivery_lease"),
            models.Index(fields=["account", "id"], condition=Q(state="EXHAUSTED"), name="delivery_dead"),
            models.Index(
                fields=["smpp_client", "id"],
                condition=Q(state="PENDING", smpp_client__isnull=False),
                name="delivery_mailbox",
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(state="PENDING", smpp_client__isnull=False),
                name="delivery_unfetched",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class DeliveryAttempt(models.Model):
    """One try that failed; a success at once is columns of Delivery."""

    delivery = loose(Delivery)
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    milliseconds = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "failed webhook attempt"
        verbose_name_plural = "failed webhook attempts"

    def __str__(self) -> str:
        return f"{self.delivery_id} #{self.number}"
