"""Bodies as the OpenAPI document describes them. The contract reads requests; these only tell of it."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer
from rest_framework import serializers as s

from common.queues import Lane

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 printable characters. The same key and request within 24 h give the same answer, with the "
    "header `Idempotent-Replayed: true`; the same key with another request is refused with 409.",
)


def _from(serializer: type[s.Serializer[Any]]) -> type[s.Serializer[Any]]:
    """`from` is a word of Python, so the field is added by name."""
    serializer._declared_fields["from"] = s.CharField(
        required=False, max_length=21, help_text="Sender: at most 11 characters, or digits; default if left out"
    )
    return serializer


@_from
class CompatSend(s.Serializer[Any]):
    to = s.CharField(help_text="International format, for example 971501234567")
    content = s.CharField(help_text="Long texts are split")
    coding = s.ChoiceField(["0", "8"], required=False, help_text="0: GSM 7-bit, 8: UCS-2; found out if left out")
    dr = s.ChoiceField([0, 1], required=False, help_text="Whether a delivery report is wanted; default 1")


class CompatAccepted(s.Serializer[Any]):
    ok = s.BooleanField()
    queued = s.BooleanField(required=False, help_text="true: over a rate or daily limit, sent later")
    message_id = s.CharField()


class CompatError(s.Serializer[Any]):
    ok = s.BooleanField(default=False)
    error = s.CharField()


class Problem(s.Serializer[Any]):
    ok = s.BooleanField(default=False)
    error = s.CharField(help_text="For people")
    code = s.CharField(help_text="For programs")
    request_id = s.CharField()
    fields = s.DictField(child=s.CharField(), help_text="What is wrong with which field")  # type: ignore[assignment]


def _refusals(body: type[s.Serializer[Any]], **texts: str) -> dict[int, OpenApiResponse]:
    return {int(status.removeprefix("s")): OpenApiResponse(body, text) for status, text in texts.items()}


_SEND_TEXTS = {
    "s400": "A field is missing or wrong, or no route",
    "s401": "Wrong credentials",
    "s402": "Not enough credits",
    "s403": "Suspended, address or sender not allowed, number blocked",
    "s405": "Wrong method",
    "s409": "Idempotency-Key used with another request, or its request is in progress",
    "s413": "Body too large",
    "s415": "Not JSON",
    "s429": "Over the rate, see Retry-After",
    "s503": "Come again, see Retry-After",
}
COMPAT_RESPONSES: dict[int, Any] = {200: CompatAccepted, **_refusals(CompatError, **_SEND_TEXTS)}


@_from
class NewMessage(s.Serializer[Any]):
    to = s.CharField(help_text="International format")
    content = s.CharField(required=False, help_text="Text; required unless `binary` is given")
    coding = s.ChoiceField(["0", "8"], required=False)
    client_ref = s.CharField(required=False, max_length=100, help_text="Your own reference")
    send_at = s.DateTimeField(required=False, help_text="ISO 8601 with offset, at most 30 days ahead")
    validity = s.IntegerField(required=False, min_value=0, help_text="Seconds; 0: until the network gives up")
    traffic_class = s.ChoiceField([lane.value for lane in Lane], required=False)
    dlr = s.BooleanField(required=False, help_text="Whether a callback is wanted; default true")
    dlr_url = s.URLField(required=False, help_text="Callback of this message alone")
    flash = s.BooleanField(required=False)
    udh = s.CharField(required=False, help_text="User data header, hexadecimal, with its length octet")
    binary = s.CharField(required=False, help_text="Octets, hexadecimal, instead of `content`")
    tlvs = s.DictField(required=False, help_text="Name of the connector's TLV dictionary to text or number")
    max_parts = s.IntegerField(required=False, min_value=0, help_text="Refuse longer texts; 0: the account's limit")
    tags = s.ListField(child=s.CharField(max_length=50), required=False, max_length=10)


class NewMessageAlone(NewMessage):
    dry_run = s.BooleanField(required=False, help_text="Tell parts and price, send nothing")


class NewMessages(s.Serializer[Any]):
    messages = NewMessage(many=True, help_text="1 to 10,000")
    dry_run = s.BooleanField(required=False)


SEND_REQUEST = PolymorphicProxySerializer(
    "SendRequest", [NewMessageAlone, NewMessages, NewMessage(many=True)], resource_type_field_name=None, many=False
)


class Sent(s.Serializer[Any]):
    ok = s.BooleanField()
    message_id = s.CharField(allow_null=True, help_text="null in a dry run")
    parts = s.IntegerField()
    price = s.CharField(help_text="Credits")
    status = s.CharField(help_text="QUEUED or SCHEDULED")
    queued = s.BooleanField(required=False, help_text="true: over a limit, sent later")
    dry_run = s.BooleanField(required=False)


class Result(s.Serializer[Any]):
    index = s.IntegerField(help_text="Place in the request, from 0")
    ok = s.BooleanField()
    message_id = s.CharField(required=False, allow_null=True)
    parts = s.IntegerField(required=False)
    price = s.CharField(required=False)
    status = s.CharField(required=False)
    queued = s.BooleanField(required=False)
    error = s.CharField(required=False)
    code = s.CharField(required=False)
    fields = s.DictField(child=s.CharField(), required=False)  # type: ignore[assignment]


class SentMany(s.Serializer[Any]):
    ok = s.BooleanField(help_text="true: the request was worked on; each result has its own")
    accepted = s.IntegerField()
    refused = s.IntegerField()
    results = Result(many=True)
    dry_run = s.BooleanField(required=False)


SEND_ANSWER = PolymorphicProxySerializer("SendAnswer", [Sent, SentMany], resource_type_field_name=None, many=False)
SEND_RESPONSES: dict[int, Any] = {200: SEND_ANSWER, **_refusals(Problem, **_SEND_TEXTS)}
READ_RESPONSES: dict[int, OpenApiResponse] = _refusals(
    Problem,
    s401="Wrong credentials",
    s403="Suspended, address not allowed, scope missing",
    s429="Too many wrong attempts",
    s503="Come again",
)
NOT_FOUND: dict[int, OpenApiResponse] = _refusals(Problem, s404="No such message of yours")
BAD_FILTER: dict[int, OpenApiResponse] = _refusals(Problem, s400="A filter is wrong")
CONFLICT: dict[int, OpenApiResponse] = _refusals(Problem, s409="Already on its way, or ended")


class MessageShape(s.Serializer[Any]):
    message_id = s.CharField()
    to = s.CharField()
    sender = s.CharField()
    content = s.CharField()
    encoding = s.ChoiceField(["gsm7", "ucs2", "latin1", "binary"])
    parts = s.IntegerField()
    status = s.CharField(help_text="SCHEDULED QUEUED SENT DELIVRD UNDELIV REJECTD EXPIRED DELETED UNKNOWN")
    error_code = s.CharField()
    error = s.CharField()
    traffic_class = s.CharField()
    client_ref = s.CharField()
    tags = s.ListField(child=s.CharField())
    price = s.CharField()
    created_at = s.DateTimeField()
    send_at = s.DateTimeField(allow_null=True)
    done_at = s.DateTimeField(allow_null=True)


del MessageShape._declared_fields["sender"]
_from(MessageShape)


class MessagePage(s.Serializer[Any]):
    ok = s.BooleanField()
    messages = MessageShape(many=True)
    next_cursor = s.CharField(allow_null=True, help_text="null: this is the last page")


class OneMessage(MessageShape):
    ok = s.BooleanField()


class TraceEvent(s.Serializer[Any]):
    """Further fields by kind."""

    at = s.DateTimeField()
    kind = s.CharField(help_text="accepted, charged, submitted, receipt, ended, callback …")
    part = s.IntegerField(allow_null=True, help_text="Number of the part, null: the whole message")


class Trace(s.Serializer[Any]):
    ok = s.BooleanField()
    message_id = s.CharField()
    events = TraceEvent(many=True)


class Cancelled(s.Serializer[Any]):
    ok = s.BooleanField()
    message_id = s.CharField()
    status = s.CharField()


class Balance(s.Serializer[Any]):
    ok = s.BooleanField()
    balance = s.CharField()
    currency = s.CharField()
    unlimited = s.BooleanField()
    credit_limit = s.CharField()


NO_SMPP_CLIENT: dict[int, OpenApiResponse] = _refusals(Problem, s404="No such SMPP account of yours")


class SmppBind(s.Serializer[Any]):
    id = s.CharField()
    mode = s.ChoiceField(["transmitter", "receiver", "transceiver"])
    version = s.CharField(help_text="interface_version, for example 3.4")
    tls = s.BooleanField()
    link = s.CharField(help_text="Your address and port; names the session in the log")
    since = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True, help_text="null: it is up")
    reason = s.CharField(help_text="Why it ended")
    submitted = s.IntegerField(help_text="Messages taken")
    refused = s.IntegerField(help_text="Requests refused")
    delivered = s.IntegerField(help_text="Receipts and texts that you took")


class RefusedBind(s.Serializer[Any]):
    at = s.DateTimeField()
    link = s.CharField(help_text="Address and port of whoever tried")
    command = s.CharField()
    status = s.IntegerField()
    status_name = s.CharField()
    reason = s.CharField(help_text="In words")


class SmppBinds(s.Serializer[Any]):
    ok = s.BooleanField()
    binds = SmppBind(many=True)
    refused = RefusedBind(many=True)
    next_cursor = s.CharField(allow_null=True, help_text="null: this is the last page")


class SmppClientShape(s.Serializer[Any]):
    system_id = s.CharField()
    active = s.BooleanField()
    max_binds = s.IntegerField(help_text="0: no limit")
    bind_modes = s.ListField(child=s.CharField(), help_text="Empty: all")
    tls_only = s.BooleanField()
    ip_whitelist = s.ListField(child=s.CharField(), help_text="Empty: from everywhere")
    tps = s.IntegerField(help_text="Messages a second over all binds; 0: no limit")
    window = s.IntegerField(help_text="Requests that you may leave unanswered")
    deliver_window = s.IntegerField(help_text="Receipts and texts that we leave unanswered")
    enquire_link_seconds = s.IntegerField()
    inactivity_seconds = s.IntegerField()
    default_alphabet = s.CharField(help_text="What data_coding 0 means: gsm, gsm_packed, latin1 or ascii")
    id_style = s.CharField(help_text="uuid, dec or hex")
    receipt_options = s.ListField(child=s.CharField())
    default_sender = s.CharField()
    traffic_class = s.CharField()
    binds = SmppBind(many=True, help_text="Those that are up, at most some seconds ago")


class SmppClients(s.Serializer[Any]):
    ok = s.BooleanField()
    smpp_clients = SmppClientShape(many=True)


class SmppTlv(s.Serializer[Any]):
    tag = s.IntegerField()
    name = s.CharField()
    value = s.JSONField(allow_null=True, help_text="Number, text, or octets in hex")
    text = s.CharField(required=False, help_text="What it means, or its octets as text")
    octets = s.IntegerField(required=False)


class SmppText(s.Serializer[Any]):
    encoding = s.CharField(help_text="gsm7, ucs2, latin1, ascii, binary, octets (unknown), receipt")
    content = s.CharField(allow_null=True, help_text="Octets in hex where it is no text")
    octets = s.IntegerField()
    flash = s.BooleanField()
    udh = s.CharField(required=False)
    part = s.DictField(required=False, allow_null=True, help_text="reference, total, number")


class SmppLogEntry(s.Serializer[Any]):
    id = s.CharField(help_text="Stays the same; grows with time")
    at = s.DateTimeField()
    direction = s.ChoiceField(["in", "out", "event"], help_text="in: you sent it; event: no PDU, a session ended")
    link = s.CharField(help_text="Your address and port")
    reason = s.CharField(help_text="Why it was refused, or why the session ended")
    command = s.CharField(required=False)
    sequence = s.IntegerField(required=False)
    status = s.IntegerField(required=False)
    status_name = s.CharField(required=False)
    status_text = s.CharField(required=False)
    milliseconds = s.FloatField(required=False, help_text="Of answers: since the request")
    fields = s.DictField(required=False, help_text="Every field of the PDU by its name")  # type: ignore[assignment]
    tlvs = SmppTlv(many=True, required=False)
    text = SmppText(required=False)
    receipt = s.DictField(required=False, help_text="What a receipt says")
    fault = s.CharField(required=False, help_text="Why it could not be read")
    octets = s.IntegerField(required=False)
    cut = s.BooleanField(required=False, help_text="Only its first 4,096 octets are kept")
    hex = s.CharField(required=False)


class SmppLog(s.Serializer[Any]):
    ok = s.BooleanField()
    entries = SmppLogEntry(many=True)
    next_cursor = s.CharField(allow_null=True, help_text="null: this is the last page")
