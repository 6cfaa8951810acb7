"""Why a line is down, in plain words, and what to do: the first sentence that fits. Pure; facts in, words out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

OK, WARN, FAIL = "ok", "warn", "fail"
Facts = dict[str, Any]
MANY = 0.05  # of all answers: throttled or missing in such a part, it is a matter of the line
ENOUGH = 20  # answers from which on a part of them says something


@dataclass(frozen=True, slots=True)
class Verdict:
    """`level` ok, warn or fail; what is so, and what to do about it."""

    level: str
    words: str
    do: str = ""


def verdict(facts: Facts) -> Verdict:
    """The first rule that has something to say: what the operator wants, then who should serve, the way there, the
    carrier's word, and at last how it goes."""
    for rule in _RULES:
        found = rule(facts)
        if found is not None:
            return found
    line = facts["connector"]
    return Verdict(OK, f"{line['name']} is up: {line['bound']} of {len(line['binds'])} binds")


def _wish(facts: Facts) -> Verdict | None:
    line, name = facts["connector"], facts["connector"]["name"]
    waiting = _waiting(line)
    said = {
        "off": (f"{name} is switched off: it gets no messages", "switch it on in the admin (Connectors)"),
        "stopped": (f"{name} is stopped: messages wait for it{waiting}", f"manage.py connector start {name}"),
        "drained": (f"{name} was drained: it gets no messages", f"manage.py connector start {name}"),
    }.get(line["status"])
    return Verdict(WARN, *said) if said else None


def _unserved(facts: Facts) -> Verdict | None:
    line = facts["connector"]
    nobody = [bind for bind in line["binds"] if bind["state"] in ("unserved", "stopped")]
    if len(nobody) == len(line["binds"]):
        do = "start the process binds (manage.py run_binds), or wait some seconds if it was started just now"
        return Verdict(FAIL, f"no process serves {line['name']}{_waiting(line)}", do)
    if any(bind["state"] == "silent" for bind in line["binds"]):
        return Verdict(FAIL, f"the process that serves {line['name']} says nothing", "restart the process binds")
    return None


def _credentials(facts: Facts) -> Verdict | None:
    line = facts["connector"]
    told = line["credentials"]
    if not told["refusals"]:
        return None
    where = told["refused_by"] or f"{line['host']}:{line['port']}"
    words = f"{where} refuses the bind of {line['username']}: {told['last_refusal']}, "
    words += f"{told['refusals']} times in a row"
    if told["next_try_at"]:
        words += f"; next try at {told['next_try_at']:%H:%M:%S} UTC"
    do = f"correct system_id and password, or ask the carrier; then: manage.py connector restart {line['name']}"
    return Verdict(FAIL, words, do)


def _way(facts: Facts) -> Verdict | None:
    """No host can be reached: the first one's reason."""
    blocked = _blocked(facts)
    if not blocked or facts["connector"]["bound"] or len(blocked) < len(facts["network"]):
        return None
    words, do = blocked[0]
    others = f"; nor do its {len(blocked) - 1} further hosts" if len(blocked) > 1 else ""
    return Verdict(FAIL, words + others, do)


def _some_hosts(facts: Facts) -> Verdict | None:
    """It works over the others, until these are gone as well."""
    blocked = _blocked(facts)
    if not blocked:
        return None
    words, do = blocked[0]
    return Verdict(WARN, f"{len(blocked)} of {len(facts['network'])} hosts cannot be reached: {words}", do)


def _blocked(facts: Facts) -> list[tuple[str, str]]:
    """Why, and what to do, for each host that cannot be reached."""
    return [why for host in facts["network"] or () if (why := _why_not(host)) is not None]


def _why_not(host: Facts) -> tuple[str, str] | None:
    where = f"{host['host']}:{host['port']}"
    if not host["dns"]["ok"]:
        return f"the name {host['host']} is not found: {host['dns']['error']}", "correct host, or the DNS"
    if not host["tcp"]["ok"]:
        do = "ask the carrier whether it listens there, and whether our address is let through"
        return f"{where} takes no connection: {host['tcp']['error']}", do
    if host["tls"] is not None and not host["tls"]["ok"]:
        do = "correct the TLS settings (server name, authority), or ask the carrier for its certificate"
        return f"no TLS with {where}: {host['tls']['error']}", do
    return None


def _binds(facts: Facts) -> Verdict | None:
    line = facts["connector"]
    down = [bind for bind in line["binds"] if bind["state"] != "bound"]
    if not down:
        return None
    if line["bound"] and any(bind["bind_status"] in ("ESME_RALYBND", "ESME_RBINDFAIL") for bind in down):
        words = f"the carrier takes {line['bound']} binds of {line['username']} and no more"
        return Verdict(WARN, words, "lower `binds`, or ask the carrier for more")
    if any(bind["bind_status"] == "ESME_RALYBND" for bind in down):
        do = "end the other system that uses this system_id, lower `binds`, or wait: carriers forget old sessions"
        return Verdict(_level(line), f"the carrier says that {line['username']} is bound already", do)
    said = "; ".join(dict.fromkeys(_words(bind) for bind in down))
    return Verdict(_level(line), f"{len(down)} of {len(line['binds'])} binds are down: {said}", "wait for the next try")


def _throttled(facts: Facts) -> Verdict | None:
    line, answers = facts["connector"], facts["answers"]["by_status"]
    ceiling = line["throughput"]["learned_ceiling"]
    if not ceiling and not _much(answers, ("ESME_RTHROTTLED", "ESME_RMSGQFUL")):
        return None
    slowed = f": we send at most {ceiling:g} a second now" if ceiling else ""
    return Verdict(WARN, f"the carrier asks {line['name']} to slow down{slowed}", "set tps to what was agreed")


def _unanswered(facts: Facts) -> Verdict | None:
    if not _much(facts["answers"]["by_status"], ("no_answer",)):
        return None
    return Verdict(WARN, "many messages were not answered", "ask the carrier; look at the network between us")


def _unmatched(facts: Facts) -> Verdict | None:
    told = facts["receipts"]
    if told["unmatched"] < ENOUGH:
        return None
    more = " or more" if told["unmatched_or_more"] else ""
    do = "manage.py dlr_doctor says why"
    if told.get("proposed_rule"):
        do = f"the rule {told['proposed_rule']} would match them: manage.py dlr_doctor, or the proposals in the admin"
    return Verdict(WARN, f"{told['unmatched']}{more} receipts match no message", do)


def _draining(facts: Facts) -> Verdict | None:
    line = facts["connector"]
    if line["status"] != "draining":
        return None
    return Verdict(WARN, f"{line['name']} is being drained{_waiting(line)}", "nothing: it ends by itself")


_RULES: Sequence[Callable[[Facts], Verdict | None]] = (
    _wish, _credentials, _unserved, _way, _binds, _some_hosts, _draining, _throttled, _unanswered, _unmatched,
)  # fmt: skip


def _words(bind: Facts) -> str:
    tried = f", next try at {bind['next_try_at']:%H:%M:%S} UTC" if bind["next_try_at"] else ""
    why = f" ({bind['last_error']})" if bind["last_error"] else ""
    return f"{bind['state']}{why}{tried}"


def _level(line: Facts) -> str:
    return WARN if line["bound"] else FAIL


def _waiting(line: Facts) -> str:
    parts = line["queued"]["parts"]
    return f"; {parts}{' or more' if line['queued']['or_more'] else ''} parts wait" if parts else ""


def _much(answers: dict[str, int], names: Iterable[str]) -> bool:
    total, meant = sum(answers.values()), sum(answers.get(name, 0) for name in names)
    return total >= ENOUGH and meant >= total * MANY
