"""What becomes of a message, and the destination numbers that ask for it.

A destination whose digits end with `99900NNN` is magic; every other number follows the settings.

000 delivered · 001 UNDELIV err 001 · 002 EXPIRED · 003 REJECTD · 004 DELETED · 005 UNKNOWN · 006 ENROUTE, then
DELIVRD · 007 no receipt · 008 receipt before submit_sm_resp · 009 duplicate receipt · 010 conflicting receipts ·
011 hexadecimal receipt id · 012 receipt in TLVs only · 013 answer after 5 s · 014 no answer, but delivered · 015
disconnect instead of the first answer (taken) · 016 throttled once, then taken · 017 queue full · 018 system error
twice, then taken · 019 invalid destination · 020 invalid source · 021 temporary application error · 022 receipt 30 s
late · 023 receipt with an unknown id · 024 receipt in message_payload · 025 receipt in UCS-2 · 026 dates without
space · 027 no answer, not taken · 028 disconnect instead of the first answer (not taken) · 029 queue full three
times, then taken · 030 permanent application error · 031 reserved sender (vendor 0x410)
100 + n: the n-th receipt style (`--magic` lists them) · 201 to 455: answered with command_status N - 200
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from smpp.constants import CommandStatus, MessageState, status_name
from workers.simulator.styles import STYLES

MAGIC_PREFIX = "99900"
_MAGIC = re.compile(MAGIC_PREFIX + r"(\d{3})$")
SLOW_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one message.

    `status` answers the first `refusals` submits of it (0 = all). `answer`: ok, never or cut (the session
    ends instead, the first time); `taken` False leaves no trace in the carrier. `wait`: seconds before the answer,
    times time_scale. `style`: a name of styles.STYLES, empty for the configured one.
    """

    meaning: str
    state: MessageState = MessageState.DELIVERED
    err: str = "000"
    style: str = ""
    status: int = 0
    refusals: int = 0
    answer: str = "ok"
    wait: float = 0.0
    taken: bool = True


DELIVERED = Plan("delivered")
FAILURES = (
    Plan("UNDELIV err 001", MessageState.UNDELIVERABLE, "001"),
    Plan("EXPIRED err 002", MessageState.EXPIRED, "002"),
    Plan("REJECTD err 003", MessageState.REJECTED, "003"),
)


def _refused(status: CommandStatus | int, times: int = 0) -> Plan:
    often = {0: "always", 1: "once, then taken"}.get(times, f"{times} times, then taken")
    return Plan(f"{status_name(int(status))} {often}", status=int(status), refusals=times)


MAGIC: dict[int, Plan] = {
    0: DELIVERED,
    1: FAILURES[0],
    2: FAILURES[1],
    3: FAILURES[2],
    4: Plan("DELETED err 004", MessageState.DELETED, "004"),
    5: Plan("UNKNOWN err 005", MessageState.UNKNOWN, "005"),
    6: Plan("ENROUTE, then DELIVRD", style="enroute_first"),
    7: Plan("no receipt", style="none"),
    8: Plan("receipt before submit_sm_resp", style="before_resp"),
    9: Plan("duplicate receipt", style="dup"),
    10: Plan("conflicting receipts: DELIVRD, UNDELIV", style="dup_conflict"),
    11: Plan("id decimal in the answer, hexadecimal in the receipt", style="hexid"),
    12: Plan("receipt in TLVs only", style="tlv_only"),
    13: Plan("answer after 5 s", wait=SLOW_ANSWER_SECONDS),
    14: Plan("no answer, but delivered", answer="never"),
    15: Plan("disconnect instead of the first answer; delivered", answer="cut"),
    16: _refused(CommandStatus.ESME_RTHROTTLED, 1),
    17: _refused(CommandStatus.ESME_RMSGQFUL),
    18: _refused(CommandStatus.ESME_RSYSERR, 2),
    19: _refused(CommandStatus.ESME_RINVDSTADR),
    20: _refused(CommandStatus.ESME_RINVSRCADR),
    21: _refused(CommandStatus.ESME_RX_T_APPN),
    22: Plan("receipt 30 s late", style="late"),
    23: Plan("receipt with an unknown id", style="unknown_id"),
    24: Plan("receipt in message_payload", style="payload"),
    25: Plan("receipt in UCS-2", style="ucs2"),
    26: Plan("receipt dates without space", style="nospace_dates"),
    27: Plan("no answer, not taken", answer="never", taken=False),
    28: Plan("disconnect instead of the first answer; not taken", answer="cut", taken=False),
    29: _refused(CommandStatus.ESME_RMSGQFUL, 3),
    30: _refused(CommandStatus.ESME_RX_P_APPN),
    31: _refused(0x410),
}
MAGIC.update({100 + order: Plan(f"receipt style {name}", style=name) for order, name in enumerate(STYLES)})
_STATUSES = range(201, 456)


@lru_cache(maxsize=1024)
def _plan_of_code(code: int) -> Plan:
    if code in _STATUSES:
        return _refused(code - 200)
    return MAGIC.get(code, DELIVERED)


def magic_plan(destination: str) -> Plan | None:
    """The plan that this number asks for; None for an ordinary number."""
    if MAGIC_PREFIX not in destination:
        return None
    found = _MAGIC.search(destination)
    return _plan_of_code(int(found[1])) if found else None


def with_state(plan: Plan, state: MessageState, err: str) -> Plan:
    """The same plan with another end."""
    return replace(plan, state=state, err=err)


def magic_number(code: int, *, country: str = "31") -> str:
    """A destination that asks for this code: country, `6`, `99900`, three digits."""
    return f"{country}6{MAGIC_PREFIX}{code:03d}"


def magic_table() -> str:
    """The table of magic destinations, one line each."""
    lines = [f"  ...{MAGIC_PREFIX}{code:03d}  {plan.meaning}" for code, plan in MAGIC.items()]
    return "\n".join([*lines, f"  ...{MAGIC_PREFIX}201 to 455  command_status (N - 200), always"])
