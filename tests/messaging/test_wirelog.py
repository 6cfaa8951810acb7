"""The wire log in the table: what is kept, how long, and how it is read again."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from common.clock import utc_now
from messaging import wirelog
from messaging.models import WireLog
from messaging.wirelog import EVENT, STRANGERS, Entry, Filters, Log, Subject, Tail, wire_log
from messaging.wirelog.entries import packed, unpacked
from smpp import pdu as p
from smpp.codec import encode
from smpp.constants import CommandStatus as S
from smpp.tapping import RECEIVED, SENT
from smpp.tlvs import Tlvs
from workers.tasks import housekeeping

pytestmark = [pytest.mark.django_db, pytest.mark.both]
MINE, KNOCKED = Subject("client", 1), Subject("knock", 1)
LOG = Log((MINE, KNOCKED))
NOW = datetime(2027, 1, 31, 9, tzinfo=UTC).timestamp()


def entry(
    frame: bytes | p.Pdu, *, at: float = 0.0, way: int = RECEIVED, link: str = "1.2.3.4:5", note: str = ""
) -> Entry:
    return Entry(NOW + at, way, link, frame if isinstance(frame, bytes) else encode(frame), note)


def keep(*entries: Entry, subject: Subject = MINE, process: str = "host:1") -> None:
    wirelog.store(process, [(subject, entries)])


def submit(sequence: int, text: bytes = b"Hello", to: str = "971501234567", **fields) -> p.SubmitSm:
    return p.SubmitSm(sequence=sequence, source_addr="ME", destination_addr=to, short_message=text, **fields)


def answer(sequence: int, status: int = 0, message_id: str = "") -> p.SubmitSmResp:
    return p.SubmitSmResp(sequence=sequence, status=status, message_id=message_id)


def told(log: Log = LOG, *, texts: bool = True, limit: int = 100, **filters) -> list[dict]:
    """The oldest first."""
    return list(reversed(wire_log(log, filters=Filters(**filters), texts=texts, limit=limit).items))


def short(entries) -> list[tuple]:
    return [(one.get("command", ""), one.get("sequence")) for one in entries]


ENTRIES = st.builds(
    Entry,
    at=st.integers(0, 2**52).map(lambda micros: micros / 1e6),
    way=st.sampled_from([RECEIVED, SENT, EVENT]),
    link=st.text("0123456789.:abcdef", max_size=60),
    frame=st.binary(max_size=300),
    note=st.text(st.characters(blacklist_categories=["Cs"]), max_size=80),
)


@given(st.lists(ENTRIES, max_size=20))
def test_what_is_packed_is_unpacked(entries):
    found = list(unpacked(packed(entries)))
    assert [one[1:] for one in found] == [one[1:] for one in entries]
    assert all(abs(one.at - other.at) < 1e-5 for one, other in zip(found, entries, strict=True))


@pytest.mark.parametrize("value", [b"", b"nonsense", packed([entry(submit(1))])[:-9]])
def test_what_is_no_log_is_a_value_error(value):
    with pytest.raises(ValueError, match="wire log"):
        list(unpacked(value))


def test_the_rows_of_all_processes_are_one_log_in_the_order_of_time():
    keep(entry(submit(1)), entry(answer(1), way=SENT, at=0.5), process="a")
    keep(entry(submit(2), at=0.2), entry(answer(2), way=SENT, at=0.3), process="b")
    keep(entry(p.BindTransceiver(sequence=9), at=0.1, link="6.6.6.6:6"), subject=KNOCKED)
    assert short(told()) == [
        ("submit_sm", 1), ("bind_transceiver", 9), ("submit_sm", 2), ("submit_sm_resp", 2), ("submit_sm_resp", 1),
    ]  # fmt: skip
    assert told(Log((Subject("client", 2),))) == told(Log((Subject("connector", 1),))) == []


def test_an_answer_tells_how_long_it_took_and_only_of_its_own_link():
    keep(
        entry(submit(1), link="a"), entry(submit(1), link="b", at=0.1), entry(answer(1), link="a", way=SENT, at=0.25),
        entry(p.EnquireLink(sequence=1), link="a", way=SENT, at=0.3),
        entry(p.EnquireLinkResp(sequence=1), link="a", at=0.34), entry(answer(1), link="c", way=SENT, at=0.4),
    )  # fmt: skip
    assert [one.get("milliseconds") for one in told()] == [None, None, 250.0, None, 40.0, None]


def test_every_field_is_told_by_its_name():
    tlvs = Tlvs([(0x0204, b"\0\x07"), (0x1400, b"1101"), (0x0427, b"\2"), (0x0423, b"\3\0\1")])
    frame = encode(submit(7, data_coding=8, text="שלום".encode("utf-16-be"), registered_delivery=1, tlvs=tlvs))
    keep(entry(frame))
    [found] = told()
    assert found["fields"]["destination_addr"] == "971501234567" and found["fields"]["registered_delivery"] == 1
    assert [(tlv["name"], tlv["value"], tlv.get("text")) for tlv in found["tlvs"]] == [
        ("user_message_reference", 7, None), ("0x1400", "31313031", "1101"), ("message_state", 2, "DELIVERED"),
        ("network_error_code", "030001", None),
    ]  # fmt: skip
    assert found["text"] == {"encoding": "ucs2", "flash": False, "octets": 8, "content": "שלום"}
    assert (found["hex"], found["octets"], found["cut"]) == (frame.hex(), len(frame), False)
    assert (found["direction"], found["link"], found["at"]) == ("in", "1.2.3.4:5", datetime.fromtimestamp(NOW, UTC))
    json.dumps(found, default=str)


@pytest.mark.parametrize(
    ("alphabet", "octets", "fields", "content"),
    [
        ("gsm", b"\x00 \x02", {}, "@ $"),
        ("gsm_packed", bytes.fromhex("c8329bfd06"), {}, "Hello"),
        ("latin1", b"caf\xe9", {}, "café"),
        ("latin1", b"\x00\x02", {"data_coding": 0xF0}, "@$"),
        ("gsm", b"\xff\x00", {"data_coding": 4}, "ff00"),
        ("gsm", b"\x05\x00\x03\x09\x02\x01Hi", {"esm_class": 0x40}, "Hi"),
    ],
)
def test_the_text_is_read_as_its_link_means_it(alphabet, octets, fields, content):
    keep(entry(submit(1, octets, **fields)))
    [found] = told(Log((MINE,), alphabet))
    assert found["text"]["content"] == content
    if fields.get("esm_class"):
        assert found["text"]["part"] == {"reference": 9, "total": 2, "number": 1}


SECRET = b"your secret is 4711"
RECEIPT = (
    b"id:7f00a1 sub:001 dlvrd:001 submit date:2701310900 done date:2701310901 stat:DELIVRD err:000 text:your secret"
)


@pytest.mark.parametrize(
    "pdu",
    [
        submit(1, SECRET),
        submit(1, SECRET, tlvs=Tlvs([(0x1400, b"1101")])),
        submit(1, b"", tlvs=Tlvs([(0x1400, b"1101"), (0x0424, SECRET)])),
        submit(1, b"\x05\x00\x03\x09\x02\x01" + SECRET, esm_class=0x40),
        p.DataSm(sequence=1, destination_addr="1", tlvs=Tlvs([(0x0424, SECRET)])),
        p.ReplaceSm(sequence=1, message_id="x", short_message=SECRET),
        p.SubmitMulti(sequence=1, dest_addresses=[p.SmeAddress(1, 1, "971501234567")], short_message=SECRET),
        p.DeliverSm(sequence=1, esm_class=4, short_message=RECEIPT),
        encode(submit(1, SECRET))[:-4] + b"\0\0\0\0",  # well formed still
        (16 + len(SECRET)).to_bytes(4, "big") + b"\0\0\0\x04\0\0\0\0\0\0\0\1" + SECRET,  # not well formed
    ],
)
def test_without_texts_no_content_is_told_in_any_form(pdu):
    keep(entry(pdu))
    [open_], [masked] = told(texts=True), told(texts=False)
    said = json.dumps(masked, default=str)
    assert "secret" not in said and b"secret".hex() not in said and "4711" not in said
    assert b"secret".hex() in open_["hex"]
    assert len(masked["hex"]) == len(open_["hex"])
    if "receipt" in masked:
        assert (masked["receipt"]["message_id"], masked["receipt"]["stat"]) == ("7f00a1", "DELIVRD")
        assert open_["receipt"]["text"] == "your secret"


def test_a_cut_pdu_is_read_as_far_as_it_goes():
    frame = encode(submit(1, b"", tlvs=Tlvs([(0x1400, b"1101"), (0x0424, b"a" * 6_000), (0x1401, b"22")])))
    keep(entry(frame[:4_096]))
    [found], [masked] = told(), told(texts=False)
    assert found["cut"] and found["octets"] == len(frame) and found["text"]["octets"] == 6_000
    assert set(found["text"]["content"]) == {"a"} and 3_900 < len(found["text"]["content"]) < 4_096
    assert [tlv["name"] for tlv in found["tlvs"]][:2] == ["0x1400", "message_payload"]
    assert "61" * 10 not in masked["hex"] and len(masked["hex"]) == 2 * 4_096


@pytest.mark.parametrize(
    "frame", [b"\0\0\0\x10\0\0\x77\x77\0\0\0\0\0\0\0\1", b"\0\0\0\x10\0\0\0\x09\0\0\0\0\0\0\0\1", b"abc"]
)
def test_what_cannot_be_read_says_so(frame):
    keep(entry(frame))
    [found] = told()
    assert found["fault"] and found["fields"] == {}


def test_a_log_is_narrowed_and_requests_come_with_their_answers():
    receipt = p.DeliverSm(sequence=1, esm_class=4, short_message=RECEIPT, source_addr="4915112345678")
    keep(
        entry(submit(1)), entry(answer(1, message_id="7F00A1"), way=SENT, at=0.1),
        entry(submit(2, to="4915112345678"), at=1),
        entry(answer(2, S.ESME_RINVDSTADR), way=SENT, at=1.1, note="No route to this number"),
        entry(receipt, way=SENT, at=2), entry(p.DeliverSmResp(sequence=1), at=2.1),
        entry(p.EnquireLink(sequence=3), at=3), entry(p.EnquireLinkResp(sequence=3), way=SENT, at=3.1),
        entry(b"", way=EVENT, at=4, note="ended: the peer unbound"),
    )  # fmt: skip
    one = [("submit_sm", 1), ("submit_sm_resp", 1)]
    two = [("submit_sm", 2), ("submit_sm_resp", 2)]
    receipts = [("deliver_sm", 1), ("deliver_sm_resp", 1)]
    ended = [("", None)]
    assert short(told(errors=True)) == two + ended
    assert short(told(command="submit_sm")) == one + two
    assert short(told(command="submit_sm_resp")) == [one[1], two[1]]
    assert short(told(command="submit_sm", errors=True)) == two
    assert short(told(status=int(S.ESME_RINVDSTADR))) == two
    assert short(told(number="5112345")) == short(told(number=wirelog.number_of(" +4915112345678"))) == two + receipts
    assert short(told(message_id="7f00a1")) == one + receipts
    assert short(told(number="971501234567", message_id="7f00a1")) == one
    moment = datetime.fromtimestamp(NOW + 2, UTC)
    assert short(told(since=moment, until=moment + timedelta(seconds=1))) == receipts
    assert told(errors=True)[1]["reason"] == "No route to this number"
    assert told(number="000") == told(message_id="x") == told(command="query_sm") == []


def test_pages_hold_everything_once_from_the_newest():
    keep(*(entry(submit(number)) for number in range(1, 8)))  # all of one microsecond
    keep(entry(submit(8), at=1))
    seen, before = [], ""
    while before is not None:
        page = wire_log(LOG, limit=3, before=before)
        seen += [one["sequence"] for one in page.items]
        before = page.cursor
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1]


def test_refused_binds_are_told_with_their_reason():
    keep(
        entry(p.BindReceiver(system_id="me", sequence=1), link="6.6.6.6:6"),
        entry(
            p.BindReceiverResp(status=S.ESME_RINVPASWD, sequence=1), link="6.6.6.6:6", way=SENT, note="wrong password"
        ),
        subject=KNOCKED,
    )
    keep(entry(p.BindReceiver(sequence=1)), entry(p.BindReceiverResp(sequence=1), way=SENT))
    [found] = wirelog.refused_binds(LOG)
    assert (found["link"], found["status_name"], found["reason"]) == ("6.6.6.6:6", "ESME_RINVPASWD", "wrong password")


def test_a_tail_tells_what_is_new_once_and_pairs_over_looks():
    at = utc_now().timestamp() - NOW
    keep(entry(submit(1), at=at))
    tail = Tail(LOG, texts=True)
    assert tail.read() == []
    keep(entry(submit(2), at=at + 0.1))
    assert short(tail.read()) == [("submit_sm", 2)] and tail.read() == []
    keep(entry(answer(2), at=at + 0.2, way=SENT))
    [found] = tail.read()
    assert (found["command"], round(found["milliseconds"])) == ("submit_sm_resp", 100)
    assert Tail(LOG, filters=Filters(errors=True)).read() == []


def test_a_tail_reads_what_is_new_and_nothing_twice():
    at = utc_now().timestamp() - NOW
    for number in range(5):
        keep(entry(submit(number), at=at - number))
    tail = Tail(LOG)
    with CaptureQueriesContext(connection) as seen:
        assert tail.read() == []
        keep(entry(submit(7), at=at - 3))  # another process, a little behind
        keep(entry(submit(8), at=at + 3_600))  # and one whose clock is ahead
        assert short(tail.read()) == [("submit_sm", 7), ("submit_sm", 8)]
        keep(entry(submit(9), at=at + 0.5))
        assert short(tail.read()) == [("submit_sm", 9)] and tail.read() == []
    looks = [query["sql"] for query in seen if query["sql"].startswith("SELECT")]
    assert len(looks) == 4 + 2  # four looks, and what was new in two of them
    assert sum('"entries"' in sql for sql in looks) == 2


@pytest.mark.parametrize("late", [16, 90, 3_600])
def test_a_tail_tells_what_a_process_kept_through_a_fault_of_the_database(late):
    at = utc_now().timestamp() - NOW
    tail = Tail(LOG)
    keep(entry(submit(1), at=at), process="host:1")
    assert short(tail.read()) == [("submit_sm", 1)]
    keep(entry(submit(2), at=at - late), entry(answer(2), at=at - late + 1, way=SENT), process="host:2")
    assert short(tail.read()) == [("submit_sm", 2), ("submit_sm_resp", 2)] and tail.read() == []


def test_a_tail_remembers_no_more_rows_than_are_there():
    at = utc_now().timestamp() - NOW
    tail = Tail(LOG)
    for number in range(12):
        keep(*(entry(submit(1), at=at + number) for _ in range(100)))
        assert len(tail.read()) == 100
        wirelog.trim([MINE])
    assert tail.read() == [] and len(tail._seen) == WireLog.objects.count() == 10


def test_a_tail_fetches_no_entries_that_were_there_before():
    at = utc_now().timestamp() - NOW
    keep(entry(submit(1), at=at))
    with CaptureQueriesContext(connection) as seen:
        tail = Tail(LOG)
    assert not any('"entries"' in query["sql"] for query in seen)
    WireLog.objects.update(entries=b"no longer readable")
    assert tail.read() == []


def test_a_subject_keeps_the_rows_of_its_newest_pdus_and_others_lose_nothing():
    for number in range(12):
        keep(*(entry(submit(1), at=number) for _ in range(100)))
    for number in range(5):
        keep(*(entry(submit(1), at=number) for _ in range(100)), subject=KNOCKED)
    keep(entry(submit(1)), subject=STRANGERS)
    assert wirelog.trim([MINE, KNOCKED]) == 2 + 3
    assert WireLog.objects.count() == 10 + 2 + 1
    assert min(WireLog.objects.filter(kind="client").values_list("since", flat=True)) == datetime.fromtimestamp(
        NOW + 2, UTC
    )
    assert wirelog.trim([MINE, KNOCKED, STRANGERS]) == 0
    assert len(told(limit=1000)) == 1000


def test_nothing_is_kept_longer_than_a_week():
    week = (utc_now() - timedelta(days=7)).timestamp() - NOW
    keep(entry(submit(1), at=week - 60))
    keep(entry(submit(2), at=week + 60))
    housekeeping.purge()
    assert short(told()) == [("submit_sm", 2)]


@pytest.mark.parametrize(
    ("text", "number"), [("88", 88), ("0x58", 88), ("esme_rthrottled", 88), ("RTHROTTLED", 88), ("0x400", 1024)]
)
def test_a_status_is_named_in_every_way(text, number):
    assert wirelog.status_of(text) == number


@pytest.mark.parametrize(
    ("text", "name"), [("", ""), (" Submit_SM ", "submit_sm"), ("query_sm_resp", "query_sm_resp"), ("0x00010204",) * 2]
)
def test_a_command_is_named_as_the_log_has_it(text, name):
    assert wirelog.command_of(text) == name


@pytest.mark.parametrize("text", ["banana", "submit", "0x4", "_resp"])
def test_what_is_no_command_is_a_value_error_that_names_them(text):
    with pytest.raises(ValueError, match=r"submit_sm, deliver_sm, .*generic_nack$"):
        wirelog.command_of(text)


@pytest.mark.parametrize("text", ["abc", "٣", "+", "1" * 21, "++1", "1 2"])
def test_what_is_no_part_of_a_number_is_a_value_error(text):
    with pytest.raises(ValueError, match="1 to 20 digits"):
        wirelog.number_of(text)


@pytest.mark.parametrize("text", ["", "x", "-1", "0x1FFFFFFFF", "1.5"])
def test_what_is_no_status_is_a_value_error(text):
    with pytest.raises(ValueError):
        wirelog.status_of(text)
