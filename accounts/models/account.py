from django.core.validators import RegexValidator
from django.db import models

from accounts.addresses import valid_networks
from common.site import Versioned

TOPIC = "accounts"
slug = RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9_.@-]*$", "Letters, digits and _ . @ - only.")


class BillingMode(models.TextChoices):
    FLAT_CREDIT = "flat_credit", "1 credit per part"
    RATE = "rate", "The route's rate per part"


class ChargeOn(models.TextChoices):
    SUBMIT = "submit", "When accepted; refunded on definite failure"
    DELIVERY = "delivery", "When accepted; refunded unless delivered"


class OverLimit(models.TextChoices):
    QUEUE = "queue", "Accept and send later"
    REJECT = "reject", "Refuse with 429"


class SenderPolicy(models.TextChoices):
    ANY = "any", "Any well-formed sender"
    REGISTERED = "registered", "Only the account's registered senders and its defaults"


class Group(models.Model):
    """A set of accounts that filters and reports may name."""

    name = models.CharField(max_length=64, unique=True, validators=[slug])

    def __str__(self) -> str:
        return self.name


class Account(Versioned):
    """A customer: owns credits, senders, users, credentials and messages."""

    config_topic = TOPIC

    name = models.CharField(max_length=64, unique=True, validators=[slug])
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    group = models.ForeignKey(Group, models.SET_NULL, null=True, blank=True, related_name="accounts")
    company = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=32, blank=True)
    active = models.BooleanField(default=True, help_text="Off: suspended; every credential is refused.")
    billing_mode = models.CharField(max_length=12, choices=BillingMode.choices, default=BillingMode.FLAT_CREDIT)
    charge_on = models.CharField(max_length=10, choices=ChargeOn.choices, default=ChargeOn.SUBMIT)
    tps = models.PositiveIntegerField(default=0, help_text="Messages a second over all credentials; 0: no limit.")
    daily_limit = models.PositiveIntegerField(default=0, help_text="Messages a day; 0: no limit.")
    over_limit = models.CharField(max_length=8, choices=OverLimit.choices, default=OverLimit.QUEUE)
    max_parts = models.PositiveSmallIntegerField(default=10, help_text="Longer texts are refused, never cut.")
    sender_policy = models.CharField(max_length=12, choices=SenderPolicy.choices, default=SenderPolicy.ANY)
    default_sender = models.CharField(max_length=21, blank=True)
    intermediate_dlr = models.BooleanField(default=False, help_text="Also tell ENROUTE to the webhook.")
    mask_connector = models.BooleanField(default=False, help_text="Hide connector names in callbacks.")
    ip_whitelist = models.JSONField(
        default=list,
        blank=True,
        validators=[valid_networks],
        help_text="Addresses or CIDR networks; empty: all.",
    )
    time_zone = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=8, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "enterprise account"
        verbose_name_plural = "enterprise accounts"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
