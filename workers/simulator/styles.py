"""Every way of writing receipts that carriers are known to have, each under a name (spec 5.6, faults F11 and F12).

A style reshapes the list of drafts of one message; some also choose the form of the message id, or the moment.
`+` joins styles for the same message (`hexid+nospace_dates`), `,` takes turns from message to message.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import token_bytes

from smpp.constants import EsmClass, MessageState
from workers.simulator.drafts import Draft

Shape = Callable[[list[Draft]], None]

# Wait between the two receipts of one message: long enough to be two events, short enough for a test.
_BETWEEN = 0.05
LATE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Style:
    """`id_format`: form of the id in submit_sm_resp, where the style needs one; `moment`: after, before, never."""

    note: str
    shape: Shape | None = None
    id_format: str = ""
    moment: str = "after"
    wait: float = 0.0
    other_bind: bool = False


def _each(**changes: object) -> Shape:
    """A style that sets the same fields in every draft."""

    def shape(drafts: list[Draft]) -> None:
        for draft in drafts:
            for name, value in changes.items():
                setattr(draft, name, value)

    return shape


def _id(rewrite: Callable[[str], str], *, tlv: bool = True, text: bool = True) -> Shape:
    """A style that writes the id another way in the TLV, in the text, or in both."""

    def shape(drafts: list[Draft]) -> None:
        for draft in drafts:
            draft.id_tlv = rewrite(draft.id_tlv) if tlv else draft.id_tlv
            draft.id_text = rewrite(draft.id_text) if text else draft.id_text

    return shape


def _low_32(number: int) -> str:
    return str(number & 0xFFFFFFFF)


def _word(words: dict[int, str]) -> Shape:
    def shape(drafts: list[Draft]) -> None:
        for draft in drafts:
            draft.stat = words.get(draft.state, draft.stat)

    return shape


def _err(rewrite: Callable[[str], str]) -> Shape:
    def shape(drafts: list[Draft]) -> None:
        for draft in drafts:
            draft.err = rewrite(draft.err)

    return shape


def _first(state: MessageState, esm: int = EsmClass.SMSC_RECEIPT) -> Shape:
    """An intermediate receipt, then the final one."""

    def shape(drafts: list[Draft]) -> None:
        early = replace(drafts[0], state=state, stat="", err="000", esm=esm)
        for draft in drafts:
            draft.delay += _BETWEEN
        drafts.insert(0, early)

    return shape


def _then(**changes: object) -> Shape:
    """The same receipt once more, with these changes."""

    def shape(drafts: list[Draft]) -> None:
        last = drafts[-1]
        drafts.append(replace(last, delay=last.delay + _BETWEEN, **changes))  # type: ignore[arg-type]

    return shape


def _conflict(drafts: list[Draft]) -> None:
    failed = drafts[-1].state != MessageState.DELIVERED
    state = MessageState.DELIVERED if failed else MessageState.UNDELIVERABLE
    _then(state=state, stat="", err="000" if failed else "001")(drafts)


def _expired_then_delivered(drafts: list[Draft]) -> None:
    _then(state=MessageState.DELIVERED, stat="", err="000")(drafts)
    drafts[-2].state, drafts[-2].err = MessageState.EXPIRED, "002"


def _raw_before(kind: str) -> Shape:
    def shape(drafts: list[Draft]) -> None:
        drafts[0].wrong_bytes = kind
        drafts[0].noise = token_bytes(40)

    return shape


INTERMEDIATE: Shape = _first(MessageState.ENROUTE, EsmClass.INTERMEDIATE)
_LONG_WORDS: dict[int, str] = {
    MessageState.DELIVERED: "ACKED",
    MessageState.UNDELIVERABLE: "FAILED",
    MessageState.REJECTED: "REJECTED",
    MessageState.ENROUTE: "BUFFRED",
    MessageState.ACCEPTED: "BUFFERD",
    MessageState.EXPIRED: "EXPIRED",
}


def _openmarket(drafts: list[Draft]) -> None:
    _each(labels=("submitdate", "donedate", "text"), date_format="%y%m%d%H%M%S", with_counts=False)(drafts)
    _word({**_LONG_WORDS, MessageState.DELIVERED: "DELIVRD"})(drafts)


STYLES: dict[str, Style] = {
    "standard": Style("text and both TLVs, 10-digit dates, 7-letter stat, 3-digit err"),
    "hexid": Style("id decimal in the answer, hexadecimal in the receipt", _id(lambda i: f"{int(i):x}"), "dec"),
    "decid": Style("id hexadecimal in the answer, decimal in the receipt", _id(lambda i: str(int(i, 16))), "hex"),
    "upperid": Style("id in the receipt in capitals", _id(str.upper), "mixedcase"),
    "lowerid": Style("id in the receipt in small letters", _id(str.lower), "mixedcase"),
    "zerosdropped": Style("leading zeros missing in the receipt", _id(lambda i: i.lstrip("0")), "leadingzeros"),
    "zerosadded": Style("leading zeros only in the receipt", _id(lambda i: i.zfill(20)), "dec"),
    "uuid": Style("id is a UUID", None, "uuid"),
    "dotted": Style("id has dots", None, "dotted"),
    "dashed": Style("id has dashes", None, "dashed"),
    "sarid": Style("id of the form SAR-n-2-1", None, "sar"),
    "date12": Style("12-digit dates with seconds", _each(date_format="%y%m%d%H%M%S")),
    "date14": Style("14-digit dates with century", _each(date_format="%Y%m%d%H%M%S")),
    "zerodate": Style("done date all zeros", _each(zero_done=True, date_format="%y%m%d%H%M%S")),
    "nospace_dates": Style("submitdate: and donedate:", _each(labels=("submitdate", "donedate", "text"))),
    "longstat": Style("ACKED, FAILED, REJECTED, BUFFRED, BUFFERD", _word(_LONG_WORDS)),
    "bare": Style("no sub: and no dlvrd:", _each(with_counts=False)),
    "capital_text": Style("Text: with a capital", _each(labels=("submit date", "done date", "Text"))),
    "err4": Style("err with 4 digits", _err(lambda e: e.zfill(4))),
    "errletters": Style("err with letters", _err(lambda e: "OK" if e == "000" else f"E{e}")),
    "errhex": Style("err hexadecimal", _err(lambda e: f"0x{int(e):02X}")),
    "openmarket": Style("submitdate:, 12-digit dates, no counts, REJECTED", _openmarket),
    "ucs2": Style("text in UCS-2", _each(data_coding=8)),
    "payload": Style("text in message_payload", _each(carrier="payload")),
    "tlv_only": Style("no text, only the TLVs", _each(carrier="none")),
    "no_state_tlv": Style("receipted_message_id without message_state", _each(with_state_tlv=False)),
    "state_tlv_only": Style("message_state without receipted_message_id", _each(with_id_tlv=False)),
    "no_tlvs": Style("text only", _each(with_state_tlv=False, with_id_tlv=False)),
    "ids_differ": Style("the TLV names the id, the text another", _id(lambda i: f"x{i[::-1]}"[:32], tlv=False)),
    "data_sm": Style("receipt as data_sm", _each(as_data_sm=True)),
    "other_bind": Style("receipt on another session of the system_id", None, other_bind=True),
    "crlf": Style("fields end with CR LF", _each(separator="\r\n")),
    "nul_id": Style("a NUL after the id in the text", _id(lambda i: i + "\0", tlv=False)),
    "esm0": Style("esm_class 0", _each(esm=0)),
    "dup": Style("the same receipt twice", _then()),
    "dup_conflict": Style("DELIVRD, then UNDELIV (or the reverse)", _conflict),
    "delivered_after_expired": Style("EXPIRED, then DELIVRD", _expired_then_delivered),
    "enroute_first": Style("ENROUTE, then the final one", _first(MessageState.ENROUTE)),
    "intermediate": Style("ENROUTE as intermediate notification (0x20)", INTERMEDIATE),
    "accepted_first": Style("ACCEPTD, then the final one", _first(MessageState.ACCEPTED)),
    "enroute_after": Style("the final one, then ENROUTE", _then(state=MessageState.ENROUTE, stat="", err="000")),
    "before_resp": Style("receipt before submit_sm_resp", moment="before"),
    "late": Style("30 s late (times time_scale)", wait=LATE_SECONDS),
    "unknown_id": Style("the receipt names an id nobody was given", _id(lambda i: f"99{i[::-1]}"[:36])),
    "garbage": Style("a deliver_sm of noise before the receipt", _raw_before("garbage")),
    "cut": Style("a deliver_sm that ends inside a TLV before the receipt", _raw_before("cut")),
    "broken_frame": Style("an impossible command_length before the receipt", _raw_before("broken_frame")),
    "none": Style("no receipt", moment="never"),
    # Appended, never inserted: the numbers of the styles (100 + n) are known to those who test with them.
    "undashed": Style("dashes missing in the receipt", _id(lambda i: i.replace("-", "")), "dashed"),
    "bareid": Style("SAR- and -2-1 missing in the receipt", _id(lambda i: i.split("-")[1]), "sar"),
    "low32hex": Style("id hexadecimal, in the receipt its low 32 bits", _id(lambda i: _low_32(int(i, 16))), "hex"),
    "low32dec": Style("id decimal, in the receipt its low 32 bits", _id(lambda i: _low_32(int(i))), "dec"),
}


def parse_styles(text: str) -> list[tuple[Style, ...]]:
    """The turns of a style expression, each with the styles to join; `all` is every single one.

    Raises ValueError for an unknown name.
    """
    if text == "all":
        return [(style,) for name, style in STYLES.items() if name != "none"]
    turns = [[name.strip() for name in turn.split("+")] for turn in text.split(",")]
    if unknown := sorted({name for turn in turns for name in turn} - set(STYLES)):
        raise ValueError(f"unknown receipt style {', '.join(unknown)}; known: {', '.join(STYLES)}")
    return [tuple(STYLES[name] for name in turn) for turn in turns]


def style_table() -> str:
    """Names and meanings, one line each."""
    return "\n".join(f"  {name:<24} {style.note}" for name, style in STYLES.items())
