"""Of which parts a bind asks for a receipt, and what comes of it over a real link (Connector.dlr_parts)."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import pytest

from messaging.claims import ClaimedPart
from messaging.models import Delivery, Receipt
from routing.models import RouteConnector
from smpp.codec import decode, encode
from tests.support.cast import forget_snapshots, make_connector
from tests.support.waiting import wait_until
from tests.workers.bind_cast import carrier, delete_queues, message, part, scene, state
from workers.binds.submission import submit_sm
from workers.simulator import magic_number

LONG = "".join(f"{n:03d} word, " for n in range(40))  # 400 characters: three parts
ALL = (1, 2, 3)
# What the binds ask for, by mode.
ASKED = {"each": [1, 1, 1], "first": [1, 0, 0], "last": [0, 0, 1], "any": [1, 1, 1]}
over_a_link = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def claimed(seq, total=3, **fields):
    values = {
        "part_id": UUID(int=seq), "message_id": UUID(int=9), "seq": seq, "total": total, "sender": "GATEWAY",
        "recipient": "971501234567", "content": LONG if total > 1 else "Hello", "encoding": "gsm7", "flash": False,
        "udh": "", "reference": 7, "lane": "transactional", "tlvs": None, "expires_at": None, "attempts": 0,
        "possible_duplicate": False,
    }  # fmt: skip
    return ClaimedPart(**{**values, **fields})


def asked(part, mode, *, whole=False, long_messages="udh"):
    """registered_delivery as it stands in the octets."""
    line = SimpleNamespace(
        dlr_parts=mode, long_messages=long_messages, service_type="", source_ton=-1, source_npi=-1, dest_ton=1,
        dest_npi=1, default_validity=0, default_alphabet="gsm", tlv_dictionary={},
    )  # fmt: skip
    return decode(encode(submit_sm(part, line, datetime.now(UTC), whole=whole))).registered_delivery


@pytest.mark.parametrize("mode", ASKED)
class TestWhatIsAsked:
    def test_by_the_part(self, mode):
        assert [asked(claimed(seq), mode) for seq in ALL] == ASKED[mode]

    def test_sar_is_no_other(self, mode):
        assert [asked(claimed(seq), mode, long_messages="sar") for seq in ALL] == ASKED[mode]

    def test_a_message_of_one_part_always_asks(self, mode):
        assert asked(claimed(1, total=1), mode) == 1

    def test_a_message_that_goes_whole_always_asks_and_so_does_what_is_left_of_one(self, mode):
        assert asked(claimed(1), mode, whole=True, long_messages="payload") == 1
        assert [asked(claimed(seq), mode, long_messages="payload") for seq in ALL] == [1, 1, 1]

    def test_a_part_on_the_next_connector_always_asks(self, mode):
        assert [asked(claimed(seq, hop=1), mode) for seq in ALL] == [1, 1, 1]

    def test_a_part_that_is_sent_once_more_always_asks(self, mode):
        assert [asked(claimed(seq, possible_duplicate=True), mode) for seq in ALL] == [1, 1, 1]

    def test_a_part_that_the_carrier_had_no_room_for_asks_as_before(self, mode):
        assert [asked(claimed(seq, attempts=1), mode) for seq in ALL] == ASKED[mode]


class TestOverALink:
    pytestmark = over_a_link

    def delivered(self, found, sent):
        found.until(lambda: all(state(sent, seq) == "DELIVERED" for seq in ALL))
        assert message(sent).status == "DELIVERED"
        assert Delivery.objects.filter(subject=sent).count() == 1

    @pytest.mark.parametrize("mode", ASKED)
    def test_every_part_ends_once_by_the_receipts_that_were_asked_for(self, mode):
        with scene(dlr_parts=mode) as found:
            sent = found.send(content=LONG)
            self.delivered(found, sent)
            assert [m.pdu.registered_delivery for m in found.smsc.messages] == ASKED[mode]
            # The first receipt may have ended them all; those that are still to come change nothing.
            found.until(lambda: Receipt.objects.count() == sum(ASKED[mode]))
            self.delivered(found, sent)

    @pytest.mark.parametrize(
        ("mode", "style", "speaker"),
        [
            ("first", "standard,none,none", 1),
            ("last", "none,none,standard", 3),
            ("any", "standard,none,none", 1),
            ("any", "none,standard,none", 2),
            ("any", "none,none,standard", 3),
            ("first", "before_resp,none,none", 1),
            ("last", "none,none,before_resp", 3),
            ("any", "none,before_resp,none", 2),
        ],
    )
    def test_one_receipt_ends_the_message_also_when_it_overtakes_the_answers(self, mode, style, speaker):
        with scene(simulator={"receipt_style": style}, dlr_parts=mode) as found:
            sent = found.send(content=LONG)
            self.delivered(found, sent)
            assert Receipt.objects.count() == 1
            by = {seq: part(sent, seq).matched_by for seq in ALL}
            assert by == {seq: "id" if seq == speaker else "sibling" for seq in ALL}

    def test_a_failure_of_the_part_that_speaks_is_that_of_the_message(self):
        with scene(dlr_parts="last") as found:
            sent = found.send(to=magic_number(1), content=LONG)
            found.until(lambda: all(state(sent, seq) == "UNDELIVERED" for seq in ALL))
            assert (message(sent).status, message(sent).error_code) == ("UNDELIVERED", "001")
            assert Delivery.objects.filter(subject=sent).count() == 1

    def test_a_part_that_goes_over_the_next_connector_asks_there_and_ends_by_its_own_receipt(self):
        with carrier() as smsc, scene(simulator={"refuse_every": "2:0x0A"}, dlr_parts="first") as found:
            other = make_connector(port=smsc.port, window=10, dlr_parts="first")
            RouteConnector.objects.create(route=found.cast.profile.routes.get(), connector=other, position=1)
            forget_snapshots()
            wait_until(lambda: found.binds.bound() == 2)
            sent = found.send(content=LONG)
            self.delivered(found, sent)
            assert [m.pdu.registered_delivery for m in found.smsc.messages] == [1, 0]
            assert [m.pdu.registered_delivery for m in smsc.messages] == [1]
            assert [part(sent, seq).matched_by for seq in ALL] == ["id", "id", "sibling"]
            delete_queues(other.name)
