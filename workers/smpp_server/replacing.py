"""replace_sm as a command of messaging.replace: what a submit_sm may not ask for, it may not either."""

from datetime import datetime
from typing import Any

from accounts.snapshot import SmppClientView
from common import gsm
from common.clock import utc_now
from common.gsm import Encoding
from messaging.esme import unpacked
from messaging.models import Message
from messaging.preparation import FURTHEST
from messaging.replace import Replacement, replace
from smpp.constants import CommandStatus as S
from smpp.constants import EsmClass
from smpp.pdu import Pdu, ReplaceSm
from smpp.tlvs import Tlvs
from workers.smpp_server.named import named
from workers.smpp_server.reading import read_user_data
from workers.smpp_server.status import Refused
from workers.smpp_server.translating import moment, registered_of


def replace_sm(client: SmppClientView, pdu: ReplaceSm) -> Pdu:
    """Replace the messages that are named, all or none; raises Refused or Rejected."""
    messages, now = named(client, pdu, S.ESME_RREPLACEFAIL), utc_now()
    if pdu.sm_default_msg_id:
        raise Refused(S.ESME_RINVDFTMSGID, "there are no predefined messages")
    send_at = moment(pdu.schedule_delivery_time, now, S.ESME_RINVSCHED)
    if send_at and send_at > now + FURTHEST:
        raise Refused(S.ESME_RINVSCHED, "at most 30 days ahead")
    content, encoding = _text(pdu, messages[0], client.default_alphabet)
    by = Replacement(
        content=content,
        encoding=encoding,
        send_at=send_at,
        registered=registered_of(pdu),
        **_validity(pdu, now),
    )
    ids = [message.id for message in messages]
    replace(account_id=client.account.id, smpp_client_id=client.id, message_ids=ids, by=by)
    return pdu.reply()


def _validity(pdu: ReplaceSm, now: datetime) -> dict[str, Any]:
    ends = moment(pdu.validity_period, now, S.ESME_RINVEXPIRY)
    if ends is None:
        return {}
    return {"validity": ends - now} if pdu.validity_period.endswith("R") else {"expires_at": ends}


def _text(pdu: ReplaceSm, message: Message, alphabet: str) -> tuple[str | None, Encoding | None]:
    """The new content in the coding of the old one, because replace_sm has none; empty: the old one stays."""
    if not pdu.short_message:
        return None, None
    udhi = EsmClass.UDHI if message.udh else 0
    octets = bytes.fromhex(message.udh) + pdu.short_message
    data = read_user_data(octets, udhi, _coding(message), Tlvs(), alphabet=alphabet)
    if data.binary is not None:
        return data.binary.hex(), Encoding.BINARY
    return data.content, data.coding or gsm.detect(data.content)


def _coding(message: Message) -> int:
    """The data_coding in which it came."""
    notes = unpacked(message.esme)
    if notes.own_alphabet:
        return 0
    if notes.data_coding is not None:
        return notes.data_coding
    return gsm.data_coding(Encoding(message.encoding), flash=message.flash)
