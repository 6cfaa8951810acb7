"""What another SMPP client hears from a carrier: smpplib's, with its known defects gone round.

A second opinion when our own client and the carrier disagree on whose fault it is.
"""

import socket
import ssl
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import smpplib.client
from smpplib import exceptions

from common import gsm
from connectors import credential_checks
from connectors.hosts import Place
from connectors.limits import MOST_HOSTS
from connectors.models import Connector
from connectors.snapshot import ConnectorView, view_of
from connectors.tls import tls_context
from smpp import addresses
from smpp.constants import status_name
from workers.binds.admission import FAULTS, PERHAPS

STEP_SECONDS = 5.0  # for each answer
MOST_READ = 50  # PDUs between a question and its answer
CUT = 8  # smpplib cuts longer passwords in silence
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where and as whom; `tls` None: plain TCP."""

    host: str
    port: int
    system_id: str
    password: str
    system_type: str = ""
    tls: ssl.SSLContext | None = None
    server_name: str = ""


class _Client(smpplib.client.Client):
    """smpplib's client on a socket of ours: also IPv6, a server name for TLS, one deadline for the connecting."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=STEP_SECONDS, allow_unknown_opt_params=True)
        self._target = target

    def connect(self) -> None:
        """Open the socket; raises OSError."""
        link: Any = socket.create_connection((self._target.host, self._target.port), STEP_SECONDS)
        if self._target.tls is not None:
            name = self._target.server_name or self._target.host
            link = self._target.tls.wrap_socket(link, server_hostname=name)
        self._socket = link
        self.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN


def target_of(view: ConnectorView, place: Place) -> Target:
    """A host of a connector and its credentials; raises ImproperlyConfigured when no key opens the password."""
    host, port = place
    return Target(
        host=host, port=port, system_id=view.system_id, password=view.password,
        system_type=view.system_type, tls=tls_context(view) if view.use_tls else None, server_name=view.tls_server_name,
    )  # fmt: skip


def ask(row: Connector, *, bind: bool = True, send: tuple[str, str] | None = None, force: bool = False) -> Facts:
    """The second opinion on every host of a connector, one after the other; `ok` when all of them work.

    The binds count among the tries of all binds (credential_checks), as one however many hosts refuse: while the
    carrier refuses our credentials no further one is made before its time, unless `force`, and none at its other hosts
    once one of them has refused. The text is sent over the first host that takes the bind, once.
    """
    view, told = view_of(row.pk), list[Facts]()
    tries = _Tries(view) if bind else None
    for place in view.places[:MOST_HOSTS]:
        refused = next((one for one in told if one["bind"] and one["bind"]["status"] in FAULTS), None)
        sent = any(one["send"] for one in told)
        if refused:
            told.append(_result(place, error=f"not tried: {refused['host']} refused our credentials"))
        else:
            told.append(_ask(view, place, tries, send=None if sent else send, force=force))
    return together(told)


def together(hosts: list[Facts]) -> Facts:
    """The findings on some hosts as one: `ok` when all work, the first error, every warning once."""
    return {
        "by": f"smpplib {version('smpplib')}",
        "ok": all(one["ok"] for one in hosts),
        "error": next((f"{one['host']}: {one['error']}" for one in hosts if one["error"]), ""),
        "warnings": list(dict.fromkeys(warning for one in hosts for warning in one["warnings"])),
        "hosts": hosts,
    }


class _Tries:
    """The binds of one command, which count as one try: its hosts together must not use up the three of the binds."""

    def __init__(self, view: ConnectorView) -> None:
        self._id, self._mark = view.id, credential_checks.fingerprint(view)
        self._most = credential_checks.refusals(self._id, self._mark) + 1
        self._taken = False

    def why_not(self) -> str:
        """Why no bind may be tried now; empty when one may."""
        turn = credential_checks.ask(self._id, self._mark, patience=4 * STEP_SECONDS)
        if turn.go:
            return ""
        if not turn.refusals:
            return "not tried: another bind is trying; ask again"
        return f"not tried: the carrier refused our credentials; next try in {turn.wait:.0f} s"

    def remember(self, status: int | None, host: str) -> None:
        """What a host (host:port) answered; None: nothing."""
        if status == 0:
            self._taken = True
            credential_checks.accepted(self._id, self._mark)
        elif status in FAULTS or (status in PERHAPS and not self._taken):  # as workers.binds.admission judges
            counts = status in FAULTS
            credential_checks.refused(self._id, self._mark, status, counts=counts, host=host, most=self._most)
        else:
            credential_checks.unheard(self._id, self._mark)


def _ask(
    view: ConnectorView, place: Place, tries: _Tries | None, *, send: tuple[str, str] | None, force: bool
) -> Facts:
    if tries is not None and not force and (why_not := tries.why_not()):
        return _result(place, error=why_not)
    told = probe(target_of(view, place), bind=tries is not None, send=send)
    if tries is not None:
        tries.remember(told["bind"] and told["bind"]["status"], told["host"])
    return told


def probe(target: Target, *, bind: bool, send: tuple[str, str] | None = None) -> Facts:
    """Connect; with `bind` also bind as a transmitter, ask enquire_link and send one text; then say good-bye.

    As a transmitter, because a receiver would be handed receipts and texts that nobody keeps.
    """
    client, steps = _Client(target), _result((target.host, target.port), warnings=_warnings(target))
    try:
        steps["connect"] = _timed(client.connect)
        if bind and steps["connect"]["ok"]:
            steps["bind"] = _timed(lambda: _bind(client, target))
        if steps["bind"] and steps["bind"]["ok"]:
            steps["enquire_link"] = _timed(lambda: _exchange(client, "enquire_link"))
            if send is not None:
                steps["send"] = _timed(lambda: _submit(client, *send))
            _timed(client.unbind)
    finally:
        _timed(client.disconnect)
    done = [step for step in (steps[name] for name in ("connect", "bind", "enquire_link", "send")) if step]
    steps["ok"] = all(step["ok"] for step in done)
    steps["error"] = next((step["error"] for step in done if not step["ok"]), "")
    return steps


def _result(place: Place, *, error: str = "", warnings: list[str] | None = None) -> Facts:
    return {
        "host": f"{place[0]}:{place[1]}", "ok": False, "error": error, "warnings": warnings or [],
        "connect": None, "bind": None, "enquire_link": None, "send": None,
    }  # fmt: skip


def _warnings(target: Target) -> list[str]:
    if len(target.password) <= CUT:
        return []
    return [f"smpplib sends {CUT} characters of the password, which has more: its word on the bind counts for nothing"]


def _timed(step: Any) -> Facts:
    began = time.monotonic()
    facts: Facts = {"ok": True, "status": None, "name": None, "error": "", "message_id": None}
    try:
        answer = step()
    except exceptions.PDUError as error:
        status = error.args[1] if len(error.args) > 1 else None
        facts |= {"ok": False, "status": status, "error": str(error.args[0])}
    except Exception as error:  # of a library that raises what it likes: it is the finding
        words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        facts |= {"ok": False, "error": words or type(error).__name__}
    else:
        status = getattr(answer, "status", None)
        facts |= {"ok": not status, "status": status, "message_id": _text(getattr(answer, "message_id", None))}
    facts["name"] = None if facts["status"] is None else status_name(facts["status"])
    facts["error"] = facts["error"] or (facts["name"] if facts["status"] else "")
    return {**facts, "ms": round((time.monotonic() - began) * 1000, 1)}


def _text(value: Any) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bind(client: _Client, target: Target) -> Any:
    return client.bind_transmitter(system_id=target.system_id, password=target.password, system_type=target.system_type)


def _exchange(client: _Client, command: str, **fields: Any) -> Any:
    """Send a request and read until its answer; the peer's enquire_link is answered, nothing else is."""
    request = smpplib.smpp.make_pdu(command, client=client, **fields)
    client.send_pdu(request)
    for _ in range(MOST_READ):
        found = client.read_pdu()
        if found.command == f"{command}_resp" and found.sequence == request.sequence:
            return found
        if found.command == "enquire_link":
            client._enquire_link_received(found)
    raise TimeoutError


def _submit(client: _Client, to: str, text: str) -> Any:
    """One short text, in our own alphabets: smpplib's turn some characters into others, and cut pairs."""
    encoding = gsm.detect(text)
    if gsm.count_parts(text, encoding) != 1:
        raise ValueError("the text needs more than one part")
    sender = addresses.detect_source("GATEWAY")
    return _exchange(
        client, "submit_sm", source_addr_ton=sender.ton, source_addr_npi=sender.npi, source_addr=sender.value,
        dest_addr_ton=1, dest_addr_npi=1, destination_addr=to, short_message=gsm.encode(text, encoding),
        data_coding=gsm.data_coding(encoding, flash=False), registered_delivery=0,
    )  # fmt: skip
