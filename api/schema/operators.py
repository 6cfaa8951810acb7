"""Bodies and examples of the operators' endpoints."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers as s

from api.schema.examples import answer
from api.schema.shapes import Problem

REFUSALS: dict[int, OpenApiResponse] = {
    401: OpenApiResponse(Problem, "No staff key, or a wrong one"),
    403: OpenApiResponse(Problem, "Address not allowed, scope missing"),
    429: OpenApiResponse(Problem, "Too many wrong attempts"),
    503: OpenApiResponse(Problem, "Come again"),
}


class StaffKeyShape(s.Serializer[Any]):
    ok = s.BooleanField()
    user = s.CharField()
    prefix = s.CharField()
    scopes = s.ListField(child=s.CharField(), help_text="Of: read, operate")
    expires_at = s.DateTimeField(allow_null=True)


STAFF_KEY = [
    answer(
        "A key",
        {
            "ok": True,
            "user": "ann",
            "prefix": "staff_Xy12Ab",
            "scopes": ["operate", "read"],
            "expires_at": "2027-06-30T00:00:00Z",
        },
    )
]

NO_CONNECTOR: dict[int, OpenApiResponse] = {404: OpenApiResponse(Problem, "No connector of this name")}
CONFLICT: dict[int, OpenApiResponse] = {409: OpenApiResponse(Problem, "It is stopped or off: start it first")}
BAD_DECISION: dict[int, OpenApiResponse] = {400: OpenApiResponse(Problem, "decision is accept or reject")}
NOTHING_PROPOSED: dict[int, OpenApiResponse] = {409: OpenApiResponse(Problem, "Nothing is proposed, or it is decided")}
BAD_STATE: dict[int, OpenApiResponse] = {400: OpenApiResponse(Problem, "state is open or all")}


class BindShape(s.Serializer[Any]):
    bind = s.IntegerField(help_text="Number of the bind, from 1")  # type: ignore[assignment]
    state = s.CharField(
        help_text="standby, connecting, bound, waiting, refused, stopped; unserved: no process holds it; silent: one "
        "holds it and says nothing"
    )
    since = s.DateTimeField(allow_null=True)
    host = s.CharField(help_text="host:port of the carrier, of the present or the last try")
    owner = s.CharField(help_text="Host and process of ours")
    current = s.BooleanField(help_text="Whether it was opened since the last restart that was asked for")
    last_error = s.CharField()
    bind_status = s.CharField(allow_null=True, help_text="The carrier's last answer to a bind")
    next_try_at = s.DateTimeField(allow_null=True)
    window_used = s.IntegerField()
    rate = s.FloatField(help_text="submit_sm a second, last 10 s")
    learned_ceiling = s.FloatField(allow_null=True)
    enquire_link_ms = s.FloatField(allow_null=True, help_text="Round trip of the last one; null: none yet")
    reported_at = s.DateTimeField(allow_null=True)


class Throughput(s.Serializer[Any]):
    now = s.FloatField(help_text="submit_sm a second, last 10 s")
    limit = s.IntegerField(help_text="0: no limit")
    learned_ceiling = s.FloatField(allow_null=True, help_text="What throttling taught us; null: nothing")


class WindowShape(s.Serializer[Any]):
    used = s.IntegerField()
    limit = s.IntegerField()


class Queued(s.Serializer[Any]):
    parts = s.IntegerField(help_text="Counted up to 10,000")
    or_more = s.BooleanField()


class Credentials(s.Serializer[Any]):
    refusals = s.IntegerField(help_text="In a row, of all binds on all hosts together")
    last_refusal = s.CharField(allow_null=True)
    refused_by = s.CharField(help_text="host:port that refused last; empty: none did")
    last_refused_at = s.DateTimeField(allow_null=True)
    next_try_at = s.DateTimeField(allow_null=True)
    verified_at = s.DateTimeField(allow_null=True)


class Billing(s.Serializer[Any]):
    cost = s.CharField(allow_null=True)
    currency = s.CharField(allow_null=True)
    balance = s.CharField(allow_null=True)
    monthly_limit = s.IntegerField()


class ConnectorShape(s.Serializer[Any]):
    name = s.CharField()
    provider = s.CharField()
    host = s.CharField()
    port = s.IntegerField()
    more_hosts = s.ListField(child=s.CharField(), help_text="Further hosts of the same carrier, with or without a port")
    tls = s.BooleanField()
    username = s.CharField(help_text="system_id")
    bind_mode = s.CharField()
    status = s.CharField(help_text="started, stopped, draining, drained, off")
    bound = s.IntegerField(help_text="Binds that are up")
    binds = BindShape(many=True)
    throughput = Throughput()
    window = WindowShape()
    queued = Queued()
    last_submit_at = s.DateTimeField(allow_null=True)
    last_receipt_at = s.DateTimeField(allow_null=True)
    credentials = Credentials()
    billing = Billing()


class OneConnector(ConnectorShape):
    ok = s.BooleanField()


class ConnectorList(s.Serializer[Any]):
    ok = s.BooleanField()
    connectors = ConnectorShape(many=True)


class VerdictShape(s.Serializer[Any]):
    level = s.ChoiceField(["ok", "warn", "fail"])
    words = s.CharField()
    do = s.CharField(help_text="What to do about it")


class Answers(s.Serializer[Any]):
    minutes = s.IntegerField()
    by_status = s.DictField(child=s.IntegerField(), help_text="By command_status; no_answer: none came")


class ReceiptFacts(s.Serializer[Any]):
    unmatched = s.IntegerField(help_text="Receipts that match no message, of the newest 2,000")
    unmatched_or_more = s.BooleanField()
    id_rule = s.CharField()
    answer_format = s.CharField(help_text="Of the ids in answers; empty: none known")
    receipt_format = s.CharField(help_text="Of the ids in receipts")
    verdict = s.CharField()
    proposed_rule = s.CharField(allow_null=True)
    clock_zone_seconds = s.IntegerField(allow_null=True, help_text="The carrier's clock is so far from UTC")
    clock_drift_seconds = s.FloatField(allow_null=True, help_text="and wrong by so much")
    clock = s.CharField(help_text="The same in words")


class HostShape(s.Serializer[Any]):
    host = s.CharField()
    port = s.IntegerField()
    dns = s.DictField(help_text="ok, ms, error, addresses")
    tcp = s.DictField(allow_null=True, help_text="ok, ms, error, address; null where the name is not known")
    tls = s.DictField(allow_null=True, help_text="ok, ms, error, session; null without TLS or a connection")


class Diagnosis(s.Serializer[Any]):
    ok = s.BooleanField()
    verdict = VerdictShape()
    connector = ConnectorShape()
    network = HostShape(many=True)
    answers = Answers()
    receipts = ReceiptFacts()


class ClockShape(s.Serializer[Any]):
    dated = s.IntegerField(help_text="Receipts whose done date was looked at")
    digits = s.DictField(child=s.IntegerField(), help_text="How many dates had so many digits")
    zone = s.IntegerField(allow_null=True, help_text="Seconds from UTC; null: they do not agree on one")
    drift = s.FloatField(allow_null=True, help_text="Seconds, less what receipts take to come")


class ProposalShape(s.Serializer[Any]):
    id = s.IntegerField()
    rule = s.CharField()
    agreeing = s.IntegerField(help_text="Messages that receipts would meet under this rule alone")


class DoctorShape(s.Serializer[Any]):
    ok = s.BooleanField()
    carrier_account = s.CharField()
    rules = s.DictField(child=s.CharField(), help_text="The present rule by connector")
    unmatched = s.IntegerField(help_text="Receipts that match no message, of the newest 2,000")
    at_least = s.BooleanField()
    answer_format = s.CharField(help_text="Of the ids in answers; empty: none known")
    receipt_format = s.CharField(help_text="Of the ids in receipts")
    verdict = s.CharField()
    fits = s.DictField(child=s.IntegerField(), help_text="How many messages each rule would find")
    samples = s.ListField(child=s.DictField(child=s.CharField()), help_text="Pairs of ids; numbers by their end")
    clock = ClockShape()
    proposal = ProposalShape(allow_null=True)


class DecidedShape(s.Serializer[Any]):
    ok = s.BooleanField()
    carrier_account = s.CharField()
    rule = s.CharField()
    state = s.ChoiceField(["accepted", "rejected"])


class DecisionShape(s.Serializer[Any]):
    decision = s.ChoiceField(["accept", "reject"])
    proposal = s.IntegerField(
        required=False, help_text="Its id, as GET showed it: the decision is for this one, and refused for another"
    )


class AlertShape(s.Serializer[Any]):
    key = s.CharField()
    level = s.ChoiceField(["warn", "fail"])
    subject = s.CharField()
    words = s.CharField()
    advice = s.CharField()
    count = s.IntegerField(help_text="How often it was seen")
    first_seen_at = s.DateTimeField()
    last_seen_at = s.DateTimeField()
    resolved_at = s.DateTimeField(allow_null=True)


class AlertList(s.Serializer[Any]):
    ok = s.BooleanField()
    alerts = AlertShape(many=True)


_AT = "2027-01-31T09:00:00Z"
_LINE = {
    "name": "smpp1",
    "provider": "Carrier",
    "host": "smpp.carrier.example",
    "port": 2775,
    "more_hosts": [],
    "tls": False,
    "username": "gateway",
    "bind_mode": "transceiver",
    "status": "started",
    "bound": 1,
    "binds": [
        {
            "bind": 1,
            "state": "bound",
            "since": _AT,
            "host": "smsc.carrier.example:2775",
            "owner": "host1:4711:a1b2c3",
            "current": True,
            "last_error": "",
            "bind_status": "ESME_ROK",
            "next_try_at": None,
            "window_used": 3,
            "rate": 41.5,
            "learned_ceiling": None,
            "enquire_link_ms": 18.2,
            "reported_at": _AT,
        }
    ],
    "throughput": {"now": 41.5, "limit": 50, "learned_ceiling": None},
    "window": {"used": 3, "limit": 10},
    "queued": {"parts": 12, "or_more": False},
    "last_submit_at": _AT,
    "last_receipt_at": _AT,
    "credentials": {
        "refusals": 0,
        "last_refusal": None,
        "refused_by": "",
        "last_refused_at": None,
        "next_try_at": None,
        "verified_at": _AT,
    },
    "billing": {"cost": "0.004000", "currency": "USD", "balance": None, "monthly_limit": 0},
}
CONNECTOR = [answer("Bound", {"ok": True, **_LINE})]
CONNECTORS = [answer("One line", {"ok": True, "connectors": [_LINE]})]
DIAGNOSIS = [
    answer(
        "Up",
        {
            "ok": True,
            "verdict": {"level": "ok", "words": "smpp1 is up: 1 of 1 binds", "do": ""},
            "connector": _LINE,
            "network": [
                {
                    "host": "smsc.carrier.example",
                    "port": 2775,
                    "dns": {"ok": True, "ms": 1.2, "error": "", "addresses": ["192.0.2.7"]},
                    "tcp": {"ok": True, "ms": 17.9, "error": "", "address": "192.0.2.7"},
                    "tls": None,
                }
            ],
            "answers": {"minutes": 60, "by_status": {"ESME_ROK": 148210, "ESME_RTHROTTLED": 12}},
            "receipts": {
                "unmatched": 0,
                "unmatched_or_more": False,
                "id_rule": "as_is",
                "answer_format": "8 hex digits",
                "receipt_format": "8 hex digits",
                "verdict": "every receipt has its message",
                "proposed_rule": None,
                "clock_zone_seconds": 0,
                "clock_drift_seconds": 0.4,
                "clock": "UTC",
            },
        },
    )
]
CONNECTOR_LOG = [
    answer(
        "An answer",
        {
            "ok": True,
            "entries": [
                {
                    "id": "000653a2f0c1e4b0-0193e2c45b1a7c3e9f000000000000e1-0007",
                    "at": _AT,
                    "direction": "in",
                    "link": "1.3",
                    "reason": "",
                    "command": "submit_sm_resp",
                    "sequence": 7,
                    "status": 88,
                    "status_name": "ESME_RTHROTTLED",
                    "status_text": "Throttled",
                    "milliseconds": 31.4,
                    "octets": 16,
                    "hex": "00000010800000040000005800000007",
                }
            ],
            "next_cursor": None,
        },
    )
]
_PROPOSED = {
    "ok": True,
    "carrier_account": "carrier",
    "rules": {"smpp1": "as_is"},
    "unmatched": 24,
    "at_least": False,
    "answer_format": "hex",
    "receipt_format": "decimal",
    "verdict": "24 messages agree on hex_to_dec",
    "fits": {"hex_to_dec": 24},
    "samples": [{"answer": "1a2b3c", "receipt": "1715004", "number": "…4567"}],
    "clock": {"dated": 24, "digits": {"10": 24}, "zone": 0, "drift": -31.0},
    "proposal": {"id": 1, "rule": "hex_to_dec", "agreeing": 24},
}
DOCTOR = [answer("A rule is proposed", _PROPOSED)]
DECISION = [
    OpenApiExample("Accept", {"decision": "accept", "proposal": 12}, request_only=True),
    answer("Accepted", {"ok": True, "carrier_account": "carrier", "rule": "hex_to_dec", "state": "accepted"}),
]
ALERTS = [
    answer(
        "Refused credentials",
        {
            "ok": True,
            "alerts": [
                {
                    "key": "connector:smpp1:credentials",
                    "level": "fail",
                    "subject": "connector smpp1",
                    "words": "smpp.carrier.example:2775 refuses the bind of gateway (ESME_RINVPASWD, 3 times in a row)",
                    "advice": "correct system_id and password, or ask the carrier",
                    "count": 1,
                    "first_seen_at": _AT,
                    "last_seen_at": _AT,
                    "resolved_at": None,
                }
            ],
        },
    )
]
