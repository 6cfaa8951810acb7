"""May it go, and which way: profiles of prefix routes, their assignment, senders."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from accounts.models import Account, ApiClient, SmppClient
from common.site import Versioned
from connectors.models import Connector

TOPIC = "routing"


class RoutingProfile(Versioned):
    """A table of prefixes that says which connectors carry what (S0-61)."""

    config_topic = TOPIC

    name = models.CharField(max_length=64, unique=True)
    active = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    sender = models.CharField(max_length=21, blank=True, help_text="Used when the request names none.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_profile")
        ]

    def __str__(self) -> str:
        return self.name


class MtRoute(Versioned):
    """One prefix of a profile; the longest that matches wins, connectors are tried in order."""

    config_topic = TOPIC

    profile = models.ForeignKey(RoutingProfile, models.CASCADE, related_name="routes")
    prefix = models.CharField(
        max_length=15,
        blank=True,
        validators=[RegexValidator(r"^[0-9]*$", "Digits only.")],
        help_text="Blank: all.",
    )
    order = models.PositiveIntegerField(default=100, help_text="Among equal prefixes the lower number wins.")
    sender = models.CharField(max_length=21, blank=True)
    rate = models.DecimalField(max_digits=12, decimal_places=6, default=0, help_text="Credits per part")
    active = models.BooleanField(default=True)

    class Meta:
        verbose_name = "MT route"
        verbose_name_plural = "MT routes"
        ordering = ["profile", "prefix", "order"]

    def __str__(self) -> str:
        return f"{self.profile}: {self.prefix or 'all'}"


class RouteConnector(Versioned):
    """The connectors of a route in the order in which they are tried."""

    config_topic = TOPIC

    route = models.ForeignKey(MtRoute, models.CASCADE, related_name="hops")
    connector = models.ForeignKey(Connector, models.PROTECT, related_name="routes")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = "connector of a route"
        verbose_name_plural = "connectors of routes"
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["route", "connector"], name="one_hop_a_connector")]

    def __str__(self) -> str:
        return f"{self.route_id} → {self.connector_id}"


class ProfileAssignment(Versioned):
    """Which profile an account or one of its credentials uses; the credential's wins."""

    config_topic = TOPIC

    profile = models.ForeignKey(RoutingProfile, models.PROTECT, related_name="assignments")
    account = models.OneToOneField(Account, models.CASCADE, null=True, blank=True, related_name="profile_assignment")
    api_client = models.OneToOneField(
        ApiClient, models.CASCADE, null=True, blank=True, related_name="profile_assignment"
    )
    smpp_client = models.OneToOneField(
        SmppClient, models.CASCADE, null=True, blank=True, related_name="profile_assignment"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="assigned_to_exactly_one",
                condition=Q(account__isnull=False, api_client__isnull=True, smpp_client__isnull=True)
                | Q(account__isnull=True, api_client__isnull=False, smpp_client__isnull=True)
                | Q(account__isnull=True, api_client__isnull=True, smpp_client__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.account or self.api_client or self.smpp_client}: {self.profile}"


class SenderId(Versioned):
    """A sender that an account may use; with the account left empty, everybody may."""

    config_topic = TOPIC

    value = models.CharField(max_length=21)
    account = models.ForeignKey(Account, models.CASCADE, null=True, blank=True, related_name="senders")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "sender ID"
        verbose_name_plural = "sender IDs"
        constraints = [models.UniqueConstraint(fields=["value", "account"], name="one_sender_an_account")]

    def __str__(self) -> str:
        return self.value
