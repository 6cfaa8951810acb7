"""One PDU of every kind with its body written by hand from the specification."""

from smpp import pdu as p
from smpp.constants import Tag
from smpp.tlvs import Tlvs


def text(value: str) -> str:
    """Hex of a C-octet string."""
    return value.encode("ascii").hex() + "00"


BIND = {
    "system_id": "SMPP3TEST",
    "password": "secret08",
    "system_type": "SUBMIT1",
    "interface_version": 0,
    "addr_ton": 1,
    "addr_npi": 1,
}
BIND_BODY = "534d5050335445535400 736563726574303800 5355424d49543100 00 01 01 00"
SUBMIT = {
    "service_type": "CMT",
    "source_addr_ton": 5,
    "source_addr": "Acme",
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": "31612345678",
    "esm_class": 3,
    "priority_flag": 1,
    "validity_period": "000001000000000R",
    "registered_delivery": 1,
    "data_coding": 8,
    "short_message": b"\x04\x36",
}
SUBMIT_BODY = (
    "434d5400 05 00 41636d6500 01 01 333136313233343536373800 03 00 01 00"
    "3030303030313030303030303030305200 01 00 08 00 02 0436"
)
RECEIPT_TLVS = Tlvs([(Tag.RECEIPTED_MESSAGE_ID, b"7f\0"), (Tag.MESSAGE_STATE, b"\x02"), (0x1400, b"x"), (0x1400, b"")])
RECEIPT_TLVS_HEX = "001e 0003 376600 0427 0001 02 1400 0001 78 1400 0000"

# (PDU without sequence, command_id, body in hex)
SAMPLES: list[tuple[p.Pdu, int, str]] = [
    (p.BindReceiver(**BIND), 0x01, BIND_BODY),
    (p.BindTransmitter(**BIND), 0x02, BIND_BODY),
    (p.BindTransceiver(**BIND), 0x09, BIND_BODY),
    (p.BindReceiverResp("smsc"), 0x80000001, text("smsc")),
    (p.BindTransmitterResp("smsc"), 0x80000002, text("smsc")),
    (p.BindTransceiverResp("smsc", tlvs=Tlvs([(0x0210, b"\x34")])), 0x80000009, "736d736300 0210 0001 34"),
    (p.Outbind("smsc", "pw"), 0x0B, "736d736300 707700"),
    (p.Unbind(), 0x06, ""),
    (p.UnbindResp(), 0x80000006, ""),
    (p.GenericNack(status=3), 0x80000000, ""),
    (p.EnquireLink(), 0x15, ""),
    (p.EnquireLinkResp(), 0x80000015, ""),
    (p.SubmitSm(**SUBMIT), 0x04, SUBMIT_BODY),
    (p.SubmitSmResp("42"), 0x80000004, "343200"),
    (p.SubmitSmResp(status=0x58), 0x80000004, ""),
    (p.DeliverSm(**SUBMIT, tlvs=RECEIPT_TLVS), 0x05, SUBMIT_BODY + RECEIPT_TLVS_HEX),
    (p.DeliverSmResp(), 0x80000005, "00"),
    (
        p.SubmitMulti(
            source_addr="100",
            dest_addresses=[p.SmeAddress(1, 1, "316"), p.DistributionList("friends")],
            short_message=b"hi",
        ),
        0x21,
        "00 00 00 31303000 02 01 01 01 33313600 02 667269656e647300 00 00 00 00 00 00 00 00 00 02 6869",
    ),
    (
        p.SubmitMultiResp("9", [p.UnsuccessSme(1, 1, "316", 0x0B)]),
        0x80000021,
        "3900 01 01 01 33313600 0000000b",
    ),
    (
        p.DataSm(source_addr="100", destination_addr="316", esm_class=4, tlvs=Tlvs([(0x0424, b"hey")])),
        0x103,
        "00 00 00 31303000 00 00 33313600 04 00 00 0424 0003 686579",
    ),
    (p.DataSmResp("11"), 0x80000103, "313100"),
    (p.QuerySm("abc", 1, 1, "316"), 0x03, "61626300 01 01 33313600"),
    (
        p.QuerySmResp("abc", "261121120000000+", 2, 0),
        0x80000003,
        "61626300 3236313132313132303030303030302b00 02 00",
    ),
    (
        p.CancelSm("", "abc", 5, 0, "Acme", 1, 1, "316"),
        0x08,
        "00 61626300 05 00 41636d6500 01 01 33313600",
    ),
    (p.CancelSmResp(), 0x80000008, ""),
    (
        p.ReplaceSm("abc", 5, 0, "Acme", "", "", 1, 0, b"new"),
        0x07,
        "61626300 05 00 41636d6500 00 00 01 00 03 6e6577",
    ),
    (p.ReplaceSmResp(), 0x80000007, ""),
    (
        p.AlertNotification(1, 1, "316", 0, 0, "100", tlvs=Tlvs([(0x0422, b"\0")])),
        0x102,
        "01 01 33313600 00 00 31303000 0422 0001 00",
    ),
]


def golden(pdu: p.Pdu, command_id: int, body: str, sequence: int) -> bytes:
    """The whole frame, put together without the codec."""
    octets = bytes.fromhex(body)
    head = f"{len(octets) + 16:08x}{command_id:08x}{pdu.status:08x}{sequence:08x}"
    return bytes.fromhex(head) + octets
