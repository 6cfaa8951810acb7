"""When optional parameters may be written: by the interface versions of both sides."""

import pytest

from smpp import pdu as p
from smpp.codec import encode
from smpp.constants import Tag
from smpp.errors import FieldError, TlvsNotAllowed
from smpp.session import Session, SessionConfig
from smpp.states import Role, State
from tests.smpp.link import Link, requests

VENDOR = p.Tlvs([(0x1400, b"1101")])


def silent_smsc_link(**config) -> Link:
    """A link whose SMSC names no version in its bind_resp."""
    link = Link(esme=SessionConfig(**config), smsc=SessionConfig(send_tlvs="never"))
    link.esme.send(p.BindTransceiver(system_id="me"), now=link.now)
    link.pump()
    link.smsc.respond(requests(link.at_smsc)[0].reply(system_id="smsc"), now=link.now)
    link.pump()
    assert link.esme.state is State.BOUND_TRX
    assert link.esme.peer_version is None
    link.at_smsc.clear()
    return link


def arrived(link: Link) -> p.Tlvs:
    link.pump()
    return requests(link.at_smsc)[-1].tlvs


def test_two_sides_of_34_exchange_tlvs_and_the_bind_answer_names_the_version():
    link = Link().bind()
    link.esme.send(p.SubmitSm(tlvs=VENDOR), now=link.now)
    assert arrived(link) == VENDOR


def test_a_peer_that_names_no_version_gets_none_until_it_sends_one():
    link = silent_smsc_link()
    link.esme.send(p.SubmitSm(tlvs=VENDOR), now=link.now)
    assert arrived(link) == []
    assert link.esme.tlv_policy.dropped == 1
    link.esme.receive(encode(p.DeliverSm(sequence=1, tlvs=p.Tlvs([(Tag.MESSAGE_STATE, b"\2")]))), link.now)
    link.esme.send(p.SubmitSm(tlvs=VENDOR), now=link.now)
    assert arrived(link) == VENDOR


def test_the_setting_always_overrules_the_missing_version():
    link = silent_smsc_link(send_tlvs="always")
    link.esme.send(p.SubmitSm(tlvs=VENDOR), now=link.now)
    assert arrived(link) == VENDOR


@pytest.mark.parametrize("tag", [Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM])
def test_a_message_that_would_lose_its_meaning_is_refused_and_holds_no_slot(tag):
    link = silent_smsc_link()
    with pytest.raises(TlvsNotAllowed):
        link.esme.send(p.SubmitSm(tlvs=p.Tlvs([(tag, b"\0\1")])), now=link.now)
    assert link.esme.outstanding == 0
    assert link.esme.take_output() == b""


def test_a_33_client_gets_a_bind_answer_and_receipts_without_tlvs():
    link = Link()
    link.esme.send(p.BindTransceiver(system_id="me", interface_version=0x33), now=link.now)
    link.pump()
    link.smsc.respond(requests(link.at_smsc)[0].reply(system_id="smsc"), now=link.now)
    link.pump()
    assert link.at_esme[0].pdu.tlvs == []
    link.smsc.send(p.DeliverSm(tlvs=p.Tlvs([(Tag.RECEIPTED_MESSAGE_ID, b"1\0")])), now=link.now)
    link.pump()
    assert requests(link.at_esme)[-1].tlvs == []


def test_a_bind_as_33_makes_us_write_none_either():
    link = Link(smsc=SessionConfig(send_tlvs="always")).bind(interface_version=0x33)
    assert link.esme.peer_version == 0x34
    link.esme.send(p.SubmitSm(tlvs=VENDOR), now=link.now)
    assert arrived(link) == []


@pytest.mark.parametrize("setting", ["auto", "never"])
def test_an_smsc_that_is_told_to_be_33_names_no_version(setting):
    link = Link(smsc=SessionConfig(interface_version=0x33, send_tlvs=setting)).bind()
    assert link.esme.peer_version is None


def test_a_long_password_is_written_only_when_the_settings_allow_it():
    bind = p.BindTransceiver(system_id="me", password="longer-than-eight")
    with pytest.raises(FieldError):
        Session(Role.ESME, now=0).send(bind, now=0)
    link = Link(esme=SessionConfig(allow_long_password=True)).bind(password="longer-than-eight")
    assert link.smsc.bound
