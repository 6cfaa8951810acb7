"""The timers of a session that watch the peer (SMPP 3.4 §7.2); time is passed in."""

from smpp.events import CloseReason
from smpp.session_config import SessionConfig

# One lost answer may be an accident of the network; the second in a row is not.
_MISSES_UNTIL_DEAD = 2


class Liveness:
    """Knows when the peer was last heard, and what its silence means by now."""

    __slots__ = ("_asked_at", "_heard_at", "_misses", "_partial_since", "_started_at", "config", "probe", "round_trip")

    def __init__(self, config: SessionConfig, now: float) -> None:
        self.config = config
        self._started_at = now
        self._heard_at = now
        self._partial_since: float | None = None
        self._asked_at = now
        self._misses = 0
        self.probe: int | None = None
        self.round_trip: float | None = None  # seconds of the last enquire_link that was answered

    def heard(self, now: float) -> None:
        """Note a whole PDU of the peer: whoever talks is alive."""
        self._heard_at = now
        self._misses = 0

    def partial(self, pending: int, *, progressed: bool, now: float) -> None:
        """Note whether a PDU has begun; the time counts from its first octet, so dripping does not help."""
        if not pending:
            self._partial_since = None
        elif self._partial_since is None or progressed:
            self._partial_since = now

    def asked(self, sequence: int, now: float) -> None:
        """Note that an enquire_link went out."""
        self.probe = sequence
        self._asked_at = now

    def answered(self, sequence: int, now: float) -> bool:
        """Take the answer of our enquire_link; False if this was not it."""
        if sequence != self.probe:
            return False
        self.probe = None
        self.round_trip = now - self._asked_at
        return True

    def probe_due(self, now: float) -> bool:
        """Say whether an enquire_link should go out now; counts the one that stayed without an answer."""
        if not self.config.enquire_link_seconds:
            return False
        if self.probe is not None:
            if now - self._asked_at < self.config.enquire_link_response_seconds:
                return False
            self.probe = None
            if self._heard_at < self._asked_at:
                self._misses += 1
        # After a miss the second question follows at once.
        silent = now - self._heard_at >= self.config.enquire_link_seconds
        return self._misses < _MISSES_UNTIL_DEAD and (silent or self._misses > 0)

    def verdict(self, *, bound: bool, now: float) -> CloseReason | None:
        """Return why the session must end now, or None."""
        config = self.config
        if not bound and now - self._started_at >= config.session_init_seconds:
            return CloseReason.INIT_TIMEOUT
        if self._partial_since is not None and now - self._partial_since >= config.partial_pdu_seconds:
            return CloseReason.PARTIAL_PDU
        if self._misses >= _MISSES_UNTIL_DEAD:
            return CloseReason.PEER_DEAD
        if bound and config.inactivity_seconds and now - self._heard_at >= config.inactivity_seconds:
            return CloseReason.INACTIVITY
        return None
