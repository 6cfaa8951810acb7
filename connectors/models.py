"""Who carries: the lines that we buy from providers, their leases and live state."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from common.money import MoneyField
from common.queues import Lane
from common.secrets import EncryptedTextField
from common.site import Versioned
from connectors import tables
from connectors.limits import WEEK, between, check_certificates, check_host, check_hosts

TOPIC = "connectors"
VERSIONS = (0x33, 0x34, 0x50)  # of SMPP


class Kind(models.TextChoices):
    SMPP = "smpp", "SMPP"


class BindMode(models.TextChoices):
    TRANSCEIVER = "transceiver"
    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"


class Alphabet(models.TextChoices):
    GSM = "gsm", "GSM 03.38, one septet an octet"
    GSM_PACKED = "gsm_packed", "GSM 03.38, packed"
    LATIN1 = "latin1", "Latin-1"
    ASCII = "ascii", "ASCII"


class LongMessages(models.TextChoices):
    UDH = "udh", "User data header, 8-bit reference"
    SAR = "sar", "SAR TLVs"
    PAYLOAD = "payload", "message_payload TLV, whole messages"


class DlrParts(models.TextChoices):
    """On which parts of a long message the carrier reports (docs/operations.md, "Receipts of long messages")."""

    EACH = "each", "Each part"
    FIRST = "first", "The first part, for all of them"
    LAST = "last", "The last part, for all of them"
    ANY = "any", "One of the parts, for all of them"


class IdRule(models.TextChoices):
    AS_IS = "as_is", "As is"
    HEX_TO_DEC = "hex_to_dec", "Answer hex, receipt decimal"
    DEC_TO_HEX = "dec_to_hex", "Answer decimal, receipt hex"
    CASEFOLD = "casefold", "Ignore case"
    STRIP_ZEROS = "strip_zeros", "Ignore leading zeros"
    PUNCTUATION = "punctuation", "Ignore dots, dashes and case"
    CORE = "core", "Longest run of letters and digits; prefix, suffix, domain dropped"
    LOW_32_HEX = "low_32_hex", "Answer hex, receipt its low 32 bits in decimal"
    LOW_32_DEC = "low_32_dec", "Answer decimal, receipt its low 32 bits in decimal"


class Desired(models.TextChoices):
    """What an operator wants of a line (docs/operations.md, "Carrier lines").

    Stopped: no binds, still a candidate of routing, messages wait. Draining: no candidate, what is queued goes out;
    the bind worker makes it drained when nothing is left: no binds, no candidate.
    """

    STARTED = "started"
    STOPPED = "stopped"
    DRAINING = "draining"
    DRAINED = "drained"


def default_uncertain_policy() -> dict[str, str]:
    """What happens to a part written without an answer, by lane (architecture section 3)."""
    return {Lane.OTP: "resend", Lane.TRANSACTIONAL: "resend", Lane.BULK: "hold"}


class Connector(Versioned):
    """A line to a provider; the queue `submit_<name>` is named after it."""

    config_topic = TOPIC

    name = models.CharField(
        max_length=40, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*$", "a-z 0-9 _ - only.")]
    )
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.SMPP)
    channel = models.CharField(max_length=12, default="sms")
    provider = models.CharField(max_length=100, blank=True)
    active = models.BooleanField(default=True, help_text="Off: never a candidate of routing.")
    desired = models.CharField(
        max_length=8,
        choices=Desired.choices,
        default=Desired.STARTED,
        help_text="Stopped: no binds; messages wait until their validity ends. Draining: no new messages, those that "
        "wait go out, then it is drained.",
    )
    generation = models.PositiveIntegerField(
        default=0, db_default=0, editable=False
    )  # grows: binds of an older one start anew
    # -- the line
    host = models.CharField(max_length=255, validators=[check_host])
    port = models.PositiveIntegerField(default=2775, validators=between(1, 65_535))
    more_hosts = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        validators=[check_hosts],
        help_text='Further hosts of the same carrier, ["host", "host:port"]: each bind begins at one of them.',
    )
    use_tls = models.BooleanField(default=False)
    tls_verify = models.BooleanField(default=True)
    tls_server_name = models.CharField(max_length=255, blank=True, validators=[check_host])
    tls_ca = models.TextField(
        blank=True, validators=[check_certificates], help_text="PEM of the carrier's own authority"
    )
    tls_certificate = models.TextField(
        blank=True, validators=[check_certificates], help_text="PEM of our client certificate"
    )
    tls_key = EncryptedTextField(blank=True)
    system_id = models.CharField(max_length=15, blank=True)
    password = EncryptedTextField(blank=True)
    system_type = models.CharField(max_length=12, blank=True)
    address_range = models.CharField(max_length=40, blank=True)
    interface_version = models.PositiveSmallIntegerField(default=0x34)
    bind_mode = models.CharField(max_length=12, choices=BindMode.choices, default=BindMode.TRANSCEIVER)
    binds = models.PositiveSmallIntegerField(default=1, validators=between(1, 64))
    window = models.PositiveIntegerField(default=10, validators=between(1, 5_000))
    tps = models.PositiveIntegerField(default=0, help_text="submit_sm a second over all binds; 0: no limit.")
    carrier_account = models.CharField(
        max_length=64, blank=True, help_text="Receipts match across all connectors of one; blank: its own."
    )
    # -- messages
    service_type = models.CharField(max_length=5, blank=True)
    # the numbers that SMPP 3.4 §5.2.5 and §5.2.6 know
    source_ton = models.SmallIntegerField(default=-1, validators=between(-1, 6), help_text="-1: by the address")
    source_npi = models.SmallIntegerField(default=-1, validators=between(-1, 18))
    dest_ton = models.SmallIntegerField(default=1, validators=between(-1, 6))
    dest_npi = models.SmallIntegerField(default=1, validators=between(-1, 18))
    default_alphabet = models.CharField(max_length=12, choices=Alphabet.choices, default=Alphabet.GSM)
    long_messages = models.CharField(max_length=8, choices=LongMessages.choices, default=LongMessages.UDH)
    dlr_parts = models.CharField(
        max_length=5,
        choices=DlrParts.choices,
        default=DlrParts.EACH,
        db_default=DlrParts.EACH,
        help_text="Parts of a long message that the carrier reports on.",
    )
    id_rule = models.CharField(max_length=12, choices=IdRule.choices, default=IdRule.AS_IS)
    tlv_dictionary = models.JSONField(
        default=dict,
        blank=True,
        help_text='{"name": {"tag": 5120, "type": "octets|cstring|int", "length": 30}}',
    )
    error_classes = models.JSONField(
        default=dict, blank=True, help_text='Overrides by command_status: {"1040": "permanent"}'
    )
    uncertain_policy = models.JSONField(default=default_uncertain_policy, blank=True)
    default_validity = models.PositiveIntegerField(default=86_400, help_text="Seconds; 0: the carrier's own.")
    max_attempts = models.PositiveSmallIntegerField(default=3, help_text="Counted tries on this connector")
    # -- failover to the next connector of the route, seconds; 0: never
    failover_after = models.PositiveIntegerField(
        default=0,
        db_default=0,
        validators=between(0, WEEK),
        help_text="Without a bind for so long, its waiting messages go to the route's next connector.",
    )
    receipt_timeout = models.PositiveIntegerField(
        default=0,
        db_default=0,
        validators=between(0, WEEK),
        help_text="Without a receipt for so long, a message is sent once more, over the next connector.",
    )
    # -- timers, seconds (spec/smpp.md 5.1)
    connect_timeout = models.PositiveSmallIntegerField(default=10, validators=between(1, 3_600))
    bind_timeout = models.PositiveSmallIntegerField(default=30, validators=between(1, 3_600))
    enquire_link_interval = models.PositiveSmallIntegerField(default=30, validators=between(1, 3_600))
    enquire_link_timeout = models.PositiveSmallIntegerField(default=10, validators=between(1, 3_600))
    response_timeout = models.PositiveSmallIntegerField(default=60, validators=between(1, 3_600))
    inactivity_timeout = models.PositiveSmallIntegerField(default=300, validators=between(1, 3_600))
    pdu_read_timeout = models.PositiveSmallIntegerField(default=10, validators=between(1, 3_600))
    reconnect_max = models.PositiveSmallIntegerField(default=300, validators=between(1, 3_600))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what the table or the wire would not take, in words and by column."""
        columns = ("tlv_dictionary", "error_classes", "uncertain_policy")
        found = tables.problems({name: getattr(self, name) for name in columns})
        if self.more_hosts is None:
            found["more_hosts"] = "A list of hosts; empty: []"
        if self.interface_version not in VERSIONS:
            found["interface_version"] = "51 (3.3), 52 (3.4) or 80 (5.0)"
        if found:
            raise ValidationError(found)


class ConnectorProfile(Versioned):
    """What a connector costs and how far it may be used (S0-48)."""

    config_topic = TOPIC

    connector = models.OneToOneField(Connector, models.CASCADE, primary_key=True, related_name="profile")
    cost_per_message = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    currency = models.CharField(max_length=3, default="USD")
    current_provider_balance = MoneyField(null=True, blank=True)
    monthly_limit = models.PositiveBigIntegerField(default=0, help_text="Parts a month; 0: no limit.")

    def __str__(self) -> str:
        return f"{self.connector_id}"


class BindLease(models.Model):
    """Who may hold bind `bind_no` of a connector; the fence grows with every owner."""

    connector = models.ForeignKey(Connector, models.CASCADE, related_name="leases")
    bind_no = models.PositiveSmallIntegerField()
    owner = models.CharField(max_length=80, blank=True)
    fence = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "bind lease"
        verbose_name_plural = "bind leases"
        constraints = [models.UniqueConstraint(fields=["connector", "bind_no"], name="one_lease_a_bind")]

    def __str__(self) -> str:
        return f"{self.connector_id}/{self.bind_no}"


class BindState(models.Model):
    """What a bind reports of itself, every few seconds: for people.

    Only two questions are decided by it: for how long a connector has been without a bind (messaging.failover), and
    whether a refused bind is one too many rather than a wrong password (credential_checks).
    """

    connector = models.ForeignKey(Connector, models.CASCADE, related_name="states")
    bind_no = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, default="stopped")  # stopped connecting bound waiting refused
    generation = models.PositiveIntegerField(default=0, db_default=0, help_text="Of the settings that it runs with")
    since = models.DateTimeField(null=True)
    owner = models.CharField(max_length=80, blank=True)
    host = models.CharField(
        max_length=262, blank=True, default="", db_default="", help_text="host:port of the present or the last try"
    )
    bound_at = models.DateTimeField(null=True, help_text="When it was last seen bound")
    last_error = models.CharField(max_length=300, blank=True)
    bind_status = models.PositiveBigIntegerField(null=True, help_text="command_status of the last answer to a bind")
    next_try_at = models.DateTimeField(null=True)
    window_used = models.PositiveIntegerField(default=0)
    rate = models.FloatField(default=0, help_text="submit_sm a second, last 10 s")
    ceiling = models.FloatField(null=True, help_text="submit_sm a second, learned from throttling; empty: none")
    probe_ms = models.FloatField(null=True, help_text="Round trip of the last enquire_link")
    submitted = models.BigIntegerField(default=0, help_text="Since the process started")
    last_submit_at = models.DateTimeField(null=True)
    last_receipt_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "bind"
        verbose_name_plural = "binds (live)"
        constraints = [models.UniqueConstraint(fields=["connector", "bind_no"], name="one_state_a_bind")]

    def __str__(self) -> str:
        return f"{self.connector_id}/{self.bind_no} {self.state}"


class CredentialCheck(models.Model):
    """Whether the carrier takes our credentials: one row for all binds of a connector on all hosts.

    Carriers lock accounts after a few wrong tries (spec/smpp.md 5.1), so the tries of all binds are counted together.
    """

    connector = models.OneToOneField(Connector, models.CASCADE, primary_key=True, related_name="credential_check")
    fingerprint = models.CharField(max_length=64, blank=True)  # of address and credentials: other ones count anew
    refusals = models.PositiveSmallIntegerField(default=0, help_text="Tries in a row that were refused")
    last_status = models.PositiveBigIntegerField(null=True, help_text="command_status of the last refusal")
    last_refused_at = models.DateTimeField(null=True)
    refused_by = models.CharField(
        max_length=262, blank=True, default="", db_default="", help_text="host:port of the last refusal"
    )
    verified_at = models.DateTimeField(null=True, help_text="When a bind last succeeded")
    trying_until = models.DateTimeField(null=True)  # a bind tries for all; the others wait for what it hears
    next_try_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "credential check"
        verbose_name_plural = "credential checks"

    def __str__(self) -> str:
        return f"{self.connector_id}: {self.refusals} refused"


class AnswerCount(models.Model):
    """How many submit_sm a connector answered with which command_status in a minute; kept for a day.

    Binds add what they counted in memory every ten seconds. `command_status` -1: no answer came.
    """

    connector = models.ForeignKey(Connector, models.CASCADE, related_name="answer_counts", db_index=False)
    minute = models.DateTimeField(db_index=True)
    command_status = models.BigIntegerField()
    count = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "answer count"
        verbose_name_plural = "answer counts"
        constraints = [
            models.UniqueConstraint(fields=["connector", "minute", "command_status"], name="one_count_a_minute")
        ]

    def __str__(self) -> str:
        return f"{self.connector_id} {self.minute:%F %R} {self.command_status}: {self.count}"
