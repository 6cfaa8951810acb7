"""What the carrier says to binds, messages and questions about messages."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from smpp.constants import CommandStatus, MessageState
from smpp.pdu import CancelSm, DataSm, Pdu, QuerySm, ReplaceSm, SubmitMulti, SubmitSm
from workers.simulator.carrier import Carrier
from workers.simulator.config import Every
from workers.simulator.ids import ID_FORMATS
from workers.simulator.journal import write_line
from workers.simulator.link import Link
from workers.simulator.magic import DELIVERED, FAILURES, Plan, magic_plan
from workers.simulator.messages import Message, body_of, concat_of
from workers.simulator.multi import answer_multi, from_data_sm
from workers.simulator.questions import cancel, query, replace_text
from workers.simulator.receipts import Receipts
from workers.simulator.styles import STYLES

_REMEMBERED_TRIES = 50_000
Reply = Callable[[int, str], Pdu]


@dataclass(slots=True)
class _Second:
    """How many submits of one system_id were let through in the second that began at `since`."""

    since: float
    number: int = 0


class Intake:
    """Judges requests in the order: window, rate, backlog, refusals by the settings, the number's own plan."""

    def __init__(self, carrier: Carrier, journal: IO[str] | None = None) -> None:
        self.links: dict[int, Link] = {}
        self.receipts = Receipts(carrier)
        self._carrier = carrier
        self._journal = journal
        self._tries: OrderedDict[tuple[str, str, bytes], int] = OrderedDict()
        self._seconds: dict[str, _Second] = {}
        self._free_at = 0.0
        self._bind_refusals = 0
        self._commands: dict[type[Pdu], Callable[[Link, Pdu], None]] = {
            SubmitSm: self._on_submit,  # type: ignore[dict-item]
            DataSm: self._on_data,  # type: ignore[dict-item]
            SubmitMulti: self._on_multi,  # type: ignore[dict-item]
            QuerySm: lambda link, pdu: link.respond(query(carrier, pdu)),  # type: ignore[arg-type]
            CancelSm: lambda link, pdu: link.respond(cancel(carrier, pdu)),  # type: ignore[arg-type]
            ReplaceSm: lambda link, pdu: link.respond(replace_text(carrier, pdu)),  # type: ignore[arg-type]
        }

    def take(self, link: Link, pdu: Pdu) -> None:
        """Deal with one request of a bound session."""
        command = self._commands.get(type(pdu))
        if command is None:
            link.respond(pdu.reply(CommandStatus.ESME_RINVCMDID))
        else:
            command(link, pdu)

    def forget(self, link: Link) -> None:
        """A session has ended."""
        self.links.pop(link.number, None)
        self._carrier.counters.sessions = len(self.links)

    # -- binds ------------------------------------------------------------------------------------

    def judge_bind(self, pdu: Pdu) -> int | None:
        """The status for a bind; None: never answer, -1: close. Counts it."""
        status = self._bind_status(pdu)
        if status == 0:
            self._carrier.counters.binds += 1
        else:
            self._carrier.counters.refused_binds += 1
        return status

    def _bind_status(self, pdu: Pdu) -> int | None:
        config = self._carrier.config
        system_id, password = pdu.system_id, pdu.password  # type: ignore[attr-defined]
        rule = config.bind_refusal
        if rule is not None and (not rule.times or self._bind_refusals < rule.times):
            self._bind_refusals += 1
            return {"hang": None, "close": -1}.get(rule.deed, rule.status)
        if config.credentials and system_id not in config.credentials:
            return CommandStatus.ESME_RINVSYSID
        if config.credentials and config.credentials[system_id] != password:
            return CommandStatus.ESME_RINVPASWD
        bound = sum(link.system_id == system_id for link in self.links.values())
        return CommandStatus.ESME_RALYBND if config.max_binds and bound >= config.max_binds else 0

    def settings_changed(self) -> None:
        """Count refused binds from zero again, and follow the settings on every session."""
        self._bind_refusals = 0
        for link in self.links.values():
            link.connection.ignore_enquire_link = self._carrier.config.ignore_enquire_link

    # -- messages ---------------------------------------------------------------------------------

    def _on_submit(self, link: Link, pdu: SubmitSm) -> None:
        self._submit(link, pdu, lambda status, message_id: pdu.reply(status, message_id=message_id))

    def _on_data(self, link: Link, pdu: DataSm) -> None:
        self._submit(link, from_data_sm(pdu), lambda status, message_id: pdu.reply(status, message_id=message_id))

    def _on_multi(self, link: Link, pdu: SubmitMulti) -> None:
        now = self._carrier.now()
        status, number = self._refusal(link, pdu.source_addr, now), self._carrier.ids.take()
        self._carrier.counters.submits += 1

        def take(single: SubmitSm) -> int:
            plan = self._plan(single)
            refused = self._plan_refusal(single, plan)
            if not refused and plan.taken:
                self.receipts.promise(self._accept(link, single, plan, now, number), now)
            return refused

        message_id = ID_FORMATS[self._carrier.config.id_format](number)
        link.answer(answer_multi(pdu, status, message_id, take), self._answer_at(0.0, now), now)

    def _submit(self, link: Link, pdu: SubmitSm, reply: Reply) -> None:
        carrier, now = self._carrier, self._carrier.now()
        carrier.counters.submits += 1
        plan = self._plan(pdu)
        status = self._refusal(link, pdu.destination_addr, now) or self._plan_refusal(pdu, plan)
        answer_at = self._answer_at(plan.wait * carrier.config.time_scale, now)
        if status:
            link.answer(reply(status, ""), answer_at, now)
            return
        first = plan.answer != "cut" or self._tried(pdu) == 1
        message = self._accept(link, pdu, plan, now) if plan.taken or not first else None
        if message is not None:
            answer_at = self.receipts.promise(message, answer_at)
        if self._withheld(link, plan, first=first, taken=message is not None):
            carrier.counters.answers_withheld += 1
        else:
            link.answer(reply(0, message.message_id if message else ""), answer_at, now)

    def _withheld(self, link: Link, plan: Plan, *, first: bool, taken: bool) -> bool:
        """Whether this submit gets no answer, because of its number or because the session is cut now."""
        if plan.answer == "cut" and first:
            link.cut("rst")
            return True
        rule = self._carrier.config.cut_rule
        if rule is not None and taken and rule.due(self._carrier.counters.accepted):
            link.cut(rule.what)
            return True
        return plan.answer == "never"

    def _plan(self, pdu: SubmitSm) -> Plan:
        plan = magic_plan(pdu.destination_addr)
        if plan is not None:
            return plan
        rate, dice = self._carrier.config.success_rate, self._carrier.dice
        return dice.choice(FAILURES) if rate < 1 and dice.random() >= rate else DELIVERED

    def _refusal(self, link: Link, destination: str, now: float) -> int:
        """The status that the settings demand for this submit, 0 to take it."""
        config = self._carrier.config
        if not destination:
            return CommandStatus.ESME_RINVDSTADR
        if config.window_limit and link.delayed_answers >= config.window_limit:
            return config.window_status
        if config.throttle_rate and not self._within_rate(link.system_id, config.throttle_rate, now):
            return CommandStatus.ESME_RTHROTTLED
        if len(self._carrier.schedule) >= config.backlog_limit:
            return CommandStatus.ESME_RMSGQFUL
        return self._refused_in_turn(config.refusal_rule)

    def _refused_in_turn(self, rule: Every | None) -> int:
        return int(rule.what, 0) if rule is not None and rule.due(self._carrier.counters.submits) else 0

    def _within_rate(self, system_id: str, rate: float, now: float) -> bool:
        second = self._seconds.get(system_id)
        if second is None or now - second.since >= 1:
            if len(self._seconds) > len(self.links) + 1_000:
                self._seconds.clear()
            second = self._seconds[system_id] = _Second(now)
        second.number += 1
        return second.number <= rate

    def _plan_refusal(self, pdu: SubmitSm, plan: Plan) -> int:
        if not plan.status or (plan.refusals and self._tried(pdu) > plan.refusals):
            return 0
        return plan.status

    def _tried(self, pdu: SubmitSm) -> int:
        """How often this message has come by now, this time included."""
        key = (pdu.source_addr, pdu.destination_addr, body_of(pdu))
        tries = self._tries.pop(key, 0) + 1
        self._tries[key] = tries
        if len(self._tries) > _REMEMBERED_TRIES:
            self._tries.popitem(last=False)
        return tries

    def _answer_at(self, wait: float, now: float) -> float:
        config = self._carrier.config
        due = now + wait + config.answer_delay.sample(self._carrier.dice)
        if config.tps:
            due = max(due, self._free_at)
            self._free_at = max(now, self._free_at) + 1 / config.tps
        return due

    def _accept(self, link: Link, pdu: SubmitSm, plan: Plan, now: float, number: int = 0) -> Message:
        carrier = self._carrier
        styles = (STYLES[plan.style],) if plan.style else carrier.next_styles()
        id_format = carrier.config.id_format
        for style in styles:
            id_format = style.id_format or id_format
        number = number or carrier.ids.take()
        message = Message(
            message_id=ID_FORMATS[id_format](number),
            number=number,
            system_id=link.system_id,
            session=link.number,
            pdu=pdu,
            plan=plan,
            styles=styles,
            received_at=datetime.now(UTC),
            at=now,
            outcome=MessageState(plan.state),
            err=plan.err,
            repeat=carrier.seen.add((pdu.source_addr, pdu.destination_addr, body_of(pdu), concat_of(pdu))),
        )
        carrier.counters.accepted += 1
        carrier.counters.duplicates += message.repeat
        carrier.record.add(message)
        if self._journal is not None:
            write_line(self._journal, message)
        return message
