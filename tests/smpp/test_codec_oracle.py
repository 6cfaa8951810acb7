"""smpplib as an independent opinion, on what it supports."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smpplib import consts, smpp

from smpp import pdu as p
from smpp.codec import decode, encode
from smpp.constants import CommandStatus, MessageState, Tag
from tests.smpp.samples import SAMPLES

# smpplib has no such PDUs, or reads these wrongly (its query_sm_resp takes message_state for a TLV).
UNKNOWN_TO_SMPPLIB = {
    "outbind",
    "submit_multi",
    "submit_multi_resp",
    "cancel_sm",
    "cancel_sm_resp",
    "replace_sm",
    "replace_sm_resp",
    "query_sm_resp",
}
OURS = [pdu for pdu, _, _ in SAMPLES if pdu.name not in UNKNOWN_TO_SMPPLIB and 0x1400 not in dict(pdu.tlvs)]


class Numbers:
    """The part of a smpplib client that its PDUs ask for."""

    def next_sequence(self):
        return 1


def as_text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


@pytest.mark.parametrize("pdu", OURS, ids=lambda pdu: pdu.name)
def test_smpplib_reads_what_we_write(pdu):
    theirs = smpp.parse_pdu(encode(pdu), client=Numbers(), allow_unknown_opt_params=True)
    assert (theirs.command, theirs.status, theirs.sequence) == (pdu.name, pdu.status, pdu.sequence)
    for name in theirs.params_order:
        if hasattr(pdu, name):
            ours = getattr(pdu, name)
            found = getattr(theirs, name)
            # smpplib leaves fields of an empty body and empty octets unset.
            assert (found or None) == (ours or None) or as_text(found) == as_text(ours), name


ASCII = st.characters(min_codepoint=33, max_codepoint=126)


@settings(max_examples=150, deadline=None)
@given(
    source=st.text(ASCII, max_size=20),
    destination=st.text(ASCII, max_size=20),
    message=st.binary(min_size=1, max_size=254),
    numbers=st.lists(st.integers(0, 255), min_size=7, max_size=7),
    reference=st.integers(0, 0xFFFF),
)
def test_we_read_what_smpplib_writes(source, destination, message, numbers, reference):
    ton, npi, esm, coding, priority, registered, protocol = numbers
    theirs = smpp.make_pdu(
        "submit_sm",
        sequence=9,
        client=Numbers(),
        source_addr_ton=ton,
        source_addr_npi=npi,
        source_addr=source,
        dest_addr_ton=ton,
        dest_addr_npi=npi,
        destination_addr=destination,
        esm_class=esm,
        data_coding=coding,
        priority_flag=priority,
        registered_delivery=registered,
        protocol_id=protocol,
        short_message=message,
        user_message_reference=reference,
    )
    theirs.sequence = 9
    found = decode(theirs.generate())
    assert found == p.SubmitSm(
        source_addr_ton=ton,
        source_addr_npi=npi,
        source_addr=source,
        dest_addr_ton=ton,
        dest_addr_npi=npi,
        destination_addr=destination,
        esm_class=esm,
        data_coding=coding,
        priority_flag=priority,
        registered_delivery=registered,
        protocol_id=protocol,
        short_message=message,
        sequence=9,
        tlvs=p.Tlvs([(Tag.USER_MESSAGE_REFERENCE, reference.to_bytes(2, "big"))]),
    )


def test_our_numbers_are_smpplibs_numbers():
    for name, value in vars(consts).items():
        if name.startswith("SMPP_ESME_"):
            assert CommandStatus[name.removeprefix("SMPP_")] == value
        if name.startswith("SMPP_MESSAGE_STATE_"):
            assert MessageState[name.removeprefix("SMPP_MESSAGE_STATE_")] == value
    for name, value in consts.OPTIONAL_PARAMS.items():
        assert Tag[name.upper()] == value
