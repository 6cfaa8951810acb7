"""The words of `stat:` (SMPP 3.4 appendix B) and the other spellings seen in the field."""

from smpp.constants import MessageState as M

# What we write: always seven letters. SCHEDULED has no word in 3.4.
STAT_WORDS: dict[M, str] = {
    M.SCHEDULED: "ENROUTE",
    M.ENROUTE: "ENROUTE",
    M.DELIVERED: "DELIVRD",
    M.EXPIRED: "EXPIRED",
    M.DELETED: "DELETED",
    M.UNDELIVERABLE: "UNDELIV",
    M.ACCEPTED: "ACCEPTD",
    M.UNKNOWN: "UNKNOWN",
    M.REJECTED: "REJECTD",
    M.SKIPPED: "SKIPPED",
}

_SPELLINGS: dict[M, str] = {
    M.SCHEDULED: "SCHEDULED SCHEDLD SCHEDUL",
    M.ENROUTE: "ENROUTE ENROUT ENRT BUFFRED BUFFERD BUFFERED BUFFER QUEUED PENDING",
    M.DELIVERED: "DELIVRD DELIVERD DELIVERED DELIVER DELIVRED DELIV DELIVD",
    M.EXPIRED: "EXPIRED EXPIRD EXPIRE",
    M.DELETED: "DELETED DELETD DELETE CANCELD CANCELED",
    M.UNDELIVERABLE: "UNDELIV UNDELIVD UNDELIVRD UNDELIVERABLE UNDELIVERED UNDELVD UNDLV FAILED FAIL",
    M.ACCEPTED: "ACCEPTD ACCEPTED ACCEPT ACKED SENT",
    M.UNKNOWN: "UNKNOWN UNKNOWND UNKNWN UNKN",
    M.REJECTED: "REJECTD REJECTED REJECT REJCTED",
    M.SKIPPED: "SKIPPED",
}
_STATES = {word: state for state, words in _SPELLINGS.items() for word in words.split()}
_FINAL = frozenset({M.DELIVERED, M.EXPIRED, M.DELETED, M.UNDELIVERABLE, M.REJECTED, M.SKIPPED})


def state_of_word(word: str) -> M | None:
    """Return the state that a `stat:` word means in any known spelling, or None."""
    return _STATES.get(word.upper())


def is_final(state: M) -> bool:
    """Say whether nothing can follow; UNKNOWN becomes final only after the caller's grace time."""
    return state in _FINAL
