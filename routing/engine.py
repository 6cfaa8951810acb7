"""May it go, and which way: a pure decision on a table in memory. No ORM, no clock, no I/O.

Everything that does not depend on the request is worked out when the table is built: which route of a prefix
is usable, why the others are not, and the sentences that say so. A decision then costs one dictionary look-up
per distinct prefix length of the profile.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from common.errors import Code, Rejected

REGISTERED = "registered"  # accounts.SenderPolicy; every other policy allows any sender


@dataclass(frozen=True, slots=True)
class Hop:
    """A connector in a route; `cost` in credits per part."""

    connector_id: int
    name: str
    active: bool
    cost: Decimal
    off: str = "switched off"  # why it is not active


@dataclass(frozen=True, slots=True)
class Route:
    """One prefix of a profile ("" is all numbers); `hops` in the order in which they are tried."""

    id: int
    prefix: str
    order: int
    sender: str
    rate: Decimal
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A table of prefixes; `routes` holds the active ones only."""

    id: int
    name: str
    sender: str
    active: bool
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who asks to send to whom; `recipient` in E.164 digits, `sender` already in its stored spelling."""

    account_id: int
    api_client_id: int | None = None
    smpp_client_id: int | None = None
    recipient: str
    sender: str | None = None
    sender_policy: str = "any"
    account_default_sender: str = ""
    client_default_sender: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The way out: connector ids in order, the sender, `rate` and `cost` in credits per part, and why."""

    profile_id: int
    route_id: int
    prefix: str
    hops: tuple[int, ...]
    sender: str
    rate: Decimal
    cost: Decimal
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Usable:
    """A route that has an active connector, with its inactive ones left out."""

    route: Route
    hops: tuple[int, ...]
    cost: Decimal


@dataclass(frozen=True, slots=True)
class _AtPrefix:
    """What a profile has to say at one prefix: the first usable route, and a sentence on each thing it did."""

    usable: _Usable | None
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A profile ready to be asked: `lengths` of its prefixes, longest first."""

    profile: Profile
    lengths: tuple[int, ...]
    at: Mapping[str, _AtPrefix]


@dataclass(frozen=True, slots=True)
class _Assigned:
    """A profile as assigned to somebody, with the sentence that says so."""

    compiled: _Compiled
    why: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """Exactly one of the three is set."""

    profile_id: int
    account_id: int | None = None
    api_client_id: int | None = None
    smpp_client_id: int | None = None


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """Every profile, assignment and registered sender at one version of the configuration."""

    version: tuple[int, ...]
    _default: _Assigned | None
    _of_client: Mapping[int, _Assigned]
    _of_smpp: Mapping[int, _Assigned]
    _of_account: Mapping[int, _Assigned]
    _senders: Mapping[int | None, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        profiles: Iterable[Profile],
        assignments: Iterable[Assignment] = (),
        *,
        default_id: int | None = None,
        senders: Mapping[int | None, frozenset[str]] | None = None,
        version: tuple[int, ...] = (),
    ) -> "RoutingTable":
        """Compile; `senders` are the active ones by account id, under None those that everybody may use."""
        compiled = {profile.id: _compile(profile) for profile in profiles}
        listed = list(assignments)
        default = compiled.get(default_id) if default_id is not None else None
        return cls(
            version,
            _Assigned(default, f"profile {default.profile.name}: the default") if default else None,
            _assigned(compiled, ((a.api_client_id, a.profile_id) for a in listed), "the API client"),
            _assigned(compiled, ((a.smpp_client_id, a.profile_id) for a in listed), "the SMPP client"),
            _assigned(compiled, ((a.account_id, a.profile_id) for a in listed), "the account"),
            dict(senders or {}),
        )

    def assigned(self, question: Question) -> list[_Assigned]:
        """The profiles that may serve the question: the credential's, the account's, the default."""
        found = (
            self._of_client.get(question.api_client_id) if question.api_client_id is not None else None,
            self._of_smpp.get(question.smpp_client_id) if question.smpp_client_id is not None else None,
            self._of_account.get(question.account_id),
            self._default,
        )
        return [item for item in found if item is not None]

    def registered(self, account_id: int, sender: str) -> bool:
        """Whether the sender is an active one of the account, or one that everybody may use."""
        return sender in self._senders.get(account_id, ()) or sender in self._senders.get(None, ())


def _assigned(
    compiled: Mapping[int, _Compiled], pairs: Iterable[tuple[int | None, int]], whose: str
) -> dict[int, _Assigned]:
    return {
        owner: _Assigned(compiled[profile_id], f"profile {compiled[profile_id].profile.name}: assigned to {whose}")
        for owner, profile_id in pairs
        if owner is not None and profile_id in compiled
    }


def _compile(profile: Profile) -> _Compiled:
    by_prefix: dict[str, list[Route]] = {}
    for route in sorted(profile.routes, key=lambda route: (route.order, route.id)):
        by_prefix.setdefault(route.prefix, []).append(route)
    lengths = sorted({len(prefix) for prefix in by_prefix}, reverse=True)
    return _Compiled(profile, tuple(lengths), {prefix: _at(routes) for prefix, routes in by_prefix.items()})


def _at(routes: Sequence[Route]) -> _AtPrefix:
    """The first route in order that has an active connector, and what was passed over before it."""
    why: list[str] = []
    for route in routes:
        why += [f"connector {hop.name} skipped: {hop.off}" for hop in route.hops if not hop.active]
        active = [hop for hop in route.hops if hop.active]
        if active:
            names = ", ".join(hop.name for hop in active)
            why.append(f"{_named(route)}: over {names}")
            return _AtPrefix(_Usable(route, tuple(hop.connector_id for hop in active), active[0].cost), tuple(why))
        why.append(f"{_named(route)} skipped: no active connector")
    return _AtPrefix(None, tuple(why))


def _named(route: Route) -> str:
    return f"prefix {route.prefix or 'all'}, order {route.order}"


def decide(table: RoutingTable, question: Question) -> Decision:
    """The way a message takes, or Rejected: NO_ROUTE, SENDER_NOT_ALLOWED or INVALID_SENDER (no sender at all).

    Longest prefix first, among equal prefixes the lowest order; a route without an active connector is passed
    over (requirements S0-57…S0-65, 1C).
    """
    why: list[str] = []
    compiled = _profile(table, question, why)
    usable = _route(compiled, question.recipient, why) if compiled else None
    if compiled is None or usable is None:
        raise Rejected(Code.NO_ROUTE, "No route to this number")
    sender = _sender(table, question, usable.route, compiled.profile, why)
    route = usable.route
    return Decision(
        compiled.profile.id, route.id, route.prefix, usable.hops, sender, route.rate, usable.cost, tuple(why)
    )


def explain(table: RoutingTable, question: Question) -> tuple[str, ...]:
    """The sentences of a decision, also when it ends in a refusal (for staff; customers get the code)."""
    why: list[str] = []
    compiled = _profile(table, question, why)
    usable = _route(compiled, question.recipient, why) if compiled else None
    if compiled is None or usable is None:
        return (*why, "no route")
    try:
        _sender(table, question, usable.route, compiled.profile, why)
    except Rejected as refusal:
        why.append(refusal.message)
    return tuple(why)


def _profile(table: RoutingTable, question: Question, why: list[str]) -> _Compiled | None:
    for item in table.assigned(question):
        if item.compiled.profile.active:
            why.append(item.why)
            return item.compiled
        why.append(f"{item.why}; skipped: switched off")
    why.append("no profile left")
    return None


def _route(compiled: _Compiled, recipient: str, why: list[str]) -> _Usable | None:
    at = compiled.at
    for length in compiled.lengths:
        found = at.get(recipient[:length])
        if found is None:
            continue
        why.extend(found.why)
        if found.usable is not None:
            return found.usable
    return None


def _sender(table: RoutingTable, question: Question, route: Route, profile: Profile, why: list[str]) -> str:
    asked = question.sender
    if asked:
        if not _allowed(table, question, asked, route, profile):
            raise Rejected(
                Code.SENDER_NOT_ALLOWED,
                f"Sender {asked} is not registered for this account",
                fields={"from": "not registered for this account"},
            )
        why.append(f"sender {asked}: from the request")
        return asked
    for sender, whose in (
        (question.client_default_sender, "default of the client"),
        (question.account_default_sender, "default of the account"),
        (route.sender, "of the route"),
        (profile.sender, "of the profile"),
    ):
        if sender:
            why.append(f"sender {sender}: {whose}")
            return sender
    raise Rejected(Code.INVALID_SENDER, "no sender", fields={"from": "no sender given and no default set"})


def _allowed(table: RoutingTable, question: Question, sender: str, route: Route, profile: Profile) -> bool:
    if question.sender_policy != REGISTERED:
        return True
    defaults = (question.client_default_sender, question.account_default_sender, route.sender, profile.sender)
    return sender in defaults or table.registered(question.account_id, sender)
