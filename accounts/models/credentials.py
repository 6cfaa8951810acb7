from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from accounts.addresses import valid_networks
from accounts.models.account import TOPIC, Account, slug
from common.money import MoneyField
from common.queues import Lane
from common.secrets import EncryptedTextField, signing_secret
from common.site import Versioned

LANES = [(lane.value, lane.value) for lane in Lane]


class ClientAlphabet(models.TextChoices):
    """What data_coding 0 means on a client's links (spec/smpp.md 5.3)."""

    GSM = "gsm", "GSM 03.38, one septet an octet"
    GSM_PACKED = "gsm_packed", "GSM 03.38, packed"
    LATIN1 = "latin1", "Latin-1"
    ASCII = "ascii", "ASCII"


class IdStyle(models.TextChoices):
    """How message ids are written to a client; the receipt repeats the same characters."""

    UUID = "uuid", "UUID, 36 characters"
    DEC = "dec", "Decimal, at most 19 digits"
    HEX = "hex", "Hexadecimal, 16 digits"


# What a client may want otherwise in its receipts: as data_sm; without the two parameters; without text; without
# sub and dlvrd; dates with seconds.
RECEIPT_OPTIONS = ("data_sm", "no_tlvs", "no_text", "no_counts", "seconds")
BIND_MODES = ("transmitter", "receiver", "transceiver")


def _listed(values: object, known: tuple[str, ...]) -> None:
    wrong = values if not isinstance(values, list) else [value for value in values if value not in known]
    if wrong or not isinstance(values, list):
        raise ValidationError(f"Of: {', '.join(known)}")


def valid_receipt_options(values: object) -> None:
    """Raise ValidationError for anything but a list of RECEIPT_OPTIONS that leaves something to read."""
    _listed(values, RECEIPT_OPTIONS)
    if isinstance(values, list) and {"no_tlvs", "no_text"} <= set(values):
        raise ValidationError("A receipt without text and without parameters says nothing.")


def valid_bind_modes(values: object) -> None:
    """Raise ValidationError for anything but a list of BIND_MODES."""
    _listed(values, BIND_MODES)


class ApiClient(Versioned):
    """REST credentials of an account (the panel's "HTTP API account", S0-109…S0-114)."""

    config_topic = TOPIC

    account = models.ForeignKey(Account, models.CASCADE, related_name="api_clients")
    username = models.CharField(max_length=64, unique=True, validators=[slug])
    password = models.CharField(max_length=200, editable=False, help_text="Argon2id hash")
    description = models.CharField(max_length=200, blank=True)
    active = models.BooleanField(default=True)
    url_credentials = models.BooleanField(default=False, help_text="Accept ?user=&password= in the URL.")
    rate_limit = models.PositiveIntegerField(default=10, help_text="Messages a second; 0: no limit.")
    daily_limit = models.PositiveIntegerField(default=0, help_text="Messages a day; 0: no limit.")
    spending_cap = MoneyField(null=True, blank=True, help_text="Of the account's credits; empty: no cap.")
    default_sender = models.CharField(max_length=21, blank=True)
    traffic_class = models.CharField(max_length=13, choices=LANES, default=Lane.TRANSACTIONAL)
    otp_allowed = models.BooleanField(default=False)
    dlr_url = models.CharField(max_length=500, blank=True)
    webhook_secret = EncryptedTextField(
        blank=True, default=signing_secret, help_text="Signs webhooks (Standard Webhooks); two while one is rotated."
    )
    ip_whitelist = models.JSONField(default=list, blank=True, validators=[valid_networks])
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "HTTP API account"
        verbose_name_plural = "HTTP API accounts"

    def __str__(self) -> str:
        return self.username


class ApiKey(Versioned):
    """A key for `X-API-Key`: 256 random bits, shown once, kept as SHA-256."""

    config_topic = TOPIC

    account = models.ForeignKey(Account, models.CASCADE, related_name="api_keys")
    api_client = models.ForeignKey(ApiClient, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=20, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, blank=True, help_text="Of: send, read, balance; empty: all.")
    active = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    ip_whitelist = models.JSONField(default=list, blank=True, validators=[valid_networks])
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.prefix}…"


class SmppClient(Versioned):
    """Bind credentials of an account (the panel's "ESME account", S0-108)."""

    config_topic = TOPIC

    account = models.ForeignKey(Account, models.CASCADE, related_name="smpp_clients")
    system_id = models.CharField(max_length=15, unique=True, validators=[slug])
    password = models.CharField(max_length=200, editable=False, help_text="Argon2id hash")
    active = models.BooleanField(default=True)
    max_binds = models.PositiveSmallIntegerField(default=2, help_text="0: no limit")
    ip_whitelist = models.JSONField(default=list, blank=True, validators=[valid_networks])
    bind_modes = models.JSONField(
        default=list,
        blank=True,
        validators=[valid_bind_modes],
        help_text="Of: transmitter, receiver, transceiver; empty: all.",
    )
    tls_only = models.BooleanField(default=False, help_text="Refuse binds on the port without TLS.")
    tps = models.PositiveIntegerField(default=0, help_text="Messages a second over all binds; 0: no limit.")
    window = models.PositiveIntegerField(
        default=100, validators=[MinValueValidator(1)], help_text="Requests that the client may leave unanswered."
    )
    deliver_window = models.PositiveIntegerField(
        default=10, validators=[MinValueValidator(1)], help_text="Receipts and texts that we leave unanswered."
    )
    enquire_link_seconds = models.PositiveIntegerField(
        default=30, help_text="Silence after which we ask whether the client lives; 0: never."
    )
    inactivity_seconds = models.PositiveIntegerField(
        default=120, help_text="Silence after which the session ends; 0: never."
    )
    default_alphabet = models.CharField(max_length=10, choices=ClientAlphabet.choices, default=ClientAlphabet.GSM)
    id_style = models.CharField(max_length=4, choices=IdStyle.choices, default=IdStyle.UUID)
    receipt_options = models.JSONField(
        default=list,
        blank=True,
        validators=[valid_receipt_options],
        help_text="Of: data_sm, no_tlvs, no_text, no_counts, seconds; empty: text and parameters in full.",
    )
    default_sender = models.CharField(max_length=21, blank=True)
    traffic_class = models.CharField(max_length=13, choices=LANES, default=Lane.TRANSACTIONAL)
    otp_allowed = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "SMPP client account"
        verbose_name_plural = "SMPP client accounts"

    def __str__(self) -> str:
        return self.system_id


class WebhookEndpoint(Versioned):
    """An account-wide URL for events (S0-97)."""

    config_topic = TOPIC

    account = models.ForeignKey(Account, models.CASCADE, related_name="webhook_endpoints")
    name = models.CharField(max_length=100)
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list, help_text="Of: dlr, mo")
    secret = EncryptedTextField(blank=True, default=signing_secret)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "webhook"
        verbose_name_plural = "webhooks"

    def __str__(self) -> str:
        return self.name
