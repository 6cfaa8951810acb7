"""One example per operation, and the refusals that callers meet first."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_ID = "0193e2c4-5b1a-7c3e-9f00-3f2a1b4c5d6e"
_AT = "2027-01-31T09:00:00Z"


def answer(name: str, value: Any, status: str = "200") -> OpenApiExample:
    """What an operation answers."""
    return OpenApiExample(name, value, response_only=True, status_codes=[status])


COMPAT_ANSWERS = [
    answer("Accepted", {"ok": True, "message_id": _ID}),
    answer("Queued", {"ok": True, "queued": True, "message_id": f"queued_{_ID}"}),
    answer("Missing", {"ok": False, "error": "to and content required"}, "400"),
    answer("Credentials", {"ok": False, "error": "Invalid credentials"}, "401"),
    answer("Credits", {"ok": False, "error": "Insufficient credits"}, "402"),
    answer("Rate", {"ok": False, "error": "Rate limit exceeded"}, "429"),
]
COMPAT = [
    OpenApiExample(
        "English",
        {"to": "971501234567", "content": "Hello from us", "from": "MYCOMPANY", "coding": "0"},
        request_only=True,
    ),
    OpenApiExample(
        "Arabic",
        {"to": "971501234567", "content": "مرحبا", "from": "MYCOMPANY", "coding": "8"},
        request_only=True,
    ),
    *COMPAT_ANSWERS,
]
_SENT = {"ok": True, "message_id": _ID, "parts": 1, "price": "1.0000", "status": "QUEUED"}
PROBLEM = {
    "ok": False,
    "error": "Unknown field contnt",
    "code": "unknown_field",
    "request_id": "0193e2c4-5b1a-7c3e-9f00-000000000001",
    "fields": {"contnt": "unknown"},
}
SEND = [
    OpenApiExample(
        "One message",
        {"to": "971501234567", "content": "Your code is 1234", "from": "MYCOMPANY", "client_ref": "order-42"},
        request_only=True,
    ),
    OpenApiExample(
        "Many messages",
        {"messages": [{"to": "971501234567", "content": "Hello"}, {"to": "12", "content": "Hello"}]},
        request_only=True,
    ),
    answer("One message", _SENT),
    answer(
        "Many messages",
        {
            "ok": True,
            "accepted": 1,
            "refused": 1,
            "results": [
                {"index": 0, **_SENT},
                {
                    "index": 1,
                    "ok": False,
                    "error": "Invalid destination number",
                    "code": "invalid_number",
                    "fields": {"to": "too_short"},
                },
            ],
        },
    ),
    answer("Unknown field", PROBLEM, "400"),
]
MESSAGE = {
    "message_id": _ID,
    "to": "971501234567",
    "from": "MYCOMPANY",
    "content": "Your code is 1234",
    "encoding": "gsm7",
    "parts": 1,
    "status": "DELIVRD",
    "error_code": "",
    "error": "",
    "traffic_class": "transactional",
    "client_ref": "order-42",
    "tags": [],
    "price": "1.0000",
    "created_at": _AT,
    "send_at": None,
    "done_at": "2027-01-31T09:00:04Z",
}
LIST = [answer("A page", {"ok": True, "messages": [MESSAGE], "next_cursor": None})]
ONE = [answer("Delivered", {"ok": True, **MESSAGE})]
TRACE = [
    answer(
        "Accepted",
        {"ok": True, "message_id": _ID, "events": [{"at": _AT, "kind": "accepted", "part": None, "parts": 1}]},
    )
]
CANCEL = [answer("Cancelled", {"ok": True, "message_id": _ID, "status": "DELETED"})]
BALANCE = [
    answer(
        "Prepaid",
        {"ok": True, "balance": "99.0000", "currency": "CRD", "unlimited": False, "credit_limit": "0.0000"},
    )
]
_BIND = {
    "id": "0193e2c4-5b1a-7c3e-9f00-0000000000b1",
    "mode": "transceiver",
    "version": "3.4",
    "tls": False,
    "link": "203.0.113.7:50412",
    "since": _AT,
    "ended_at": None,
    "reason": "",
    "submitted": 1250,
    "refused": 3,
    "delivered": 1240,
}
SMPP_CLIENTS = [
    answer(
        "Bound once",
        {
            "ok": True,
            "smpp_clients": [
                {
                    "system_id": "mycompany",
                    "active": True,
                    "max_binds": 2,
                    "bind_modes": [],
                    "tls_only": False,
                    "ip_whitelist": ["203.0.113.0/24"],
                    "tps": 100,
                    "window": 100,
                    "deliver_window": 10,
                    "enquire_link_seconds": 30,
                    "inactivity_seconds": 120,
                    "default_alphabet": "gsm",
                    "id_style": "uuid",
                    "receipt_options": [],
                    "default_sender": "MYCOMPANY",
                    "traffic_class": "transactional",
                    "binds": [_BIND],
                }
            ],
        },
    )
]
_ENTRY_ID = "000653a2f0c1e4b0-0193e2c45b1a7c3e9f000000000000e1-0007"
SMPP_LOG = [
    answer(
        "A refusal",
        {
            "ok": True,
            "entries": [
                {
                    "id": _ENTRY_ID,
                    "at": _AT,
                    "direction": "out",
                    "link": "203.0.113.7:50412",
                    "reason": "No route to this number",
                    "command": "submit_sm_resp",
                    "sequence": 7,
                    "status": 11,
                    "status_name": "ESME_RINVDSTADR",
                    "status_text": "The destination address is wrong",
                    "milliseconds": 14.2,
                    "octets": 16,
                    "cut": False,
                    "fields": {"message_id": ""},
                    "tlvs": [],
                    "hex": "00000010800000040000000b00000007",
                }
            ],
            "next_cursor": None,
        },
    )
]
SMPP_BINDS = [
    answer(
        "One up, one ended, one refused",
        {
            "ok": True,
            "binds": [_BIND, {**_BIND, "ended_at": _AT, "reason": "the peer unbound"}],
            "refused": [
                {
                    "at": _AT,
                    "link": "198.51.100.9:40100",
                    "command": "bind_transceiver_resp",
                    "status": 14,
                    "status_name": "ESME_RINVPASWD",
                    "reason": "wrong password for mycompany, from 198.51.100.9",
                }
            ],
            "next_cursor": None,
        },
    )
]
