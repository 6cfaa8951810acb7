"""When a bind of a connector may try: its credentials are tried by one for all, and rarely once they were refused."""

import asyncio
from functools import cached_property

import structlog

from common import alerts
from connectors import credential_checks
from connectors.credential_checks import TRIES, Turn
from connectors.snapshot import ConnectorView
from smpp.constants import CommandStatus, status_name
from workers.binds.background import within
from workers.database import DatabaseThreads

log = structlog.get_logger(__name__)

# Of credentials or permissions: it does not become right by trying (spec/smpp.md 5.1).
FAULTS = frozenset({CommandStatus.ESME_RINVPASWD, CommandStatus.ESME_RINVSYSID, CommandStatus.ESME_RINVSYSTYP})
# One of these may be any trouble of the carrier's, the second in a row is about us.
PERHAPS = frozenset({CommandStatus.ESME_RBINDFAIL})
ASK_EVERY = 5.0  # seconds, at most, between looks at what binds on other hosts have heard
STORE_AWAY = 1.0


class Admission:
    """One for the binds of a connector in this process."""

    def __init__(self, view: ConnectorView, database: DatabaseThreads) -> None:
        self._view, self._database = view, database
        self._news = asyncio.Event()

    @cached_property
    def _mark(self) -> str:
        return credential_checks.fingerprint(self._view)

    async def ask(self) -> Turn:
        """Whether to try now; the store decides for all hosts, and while it is away nobody tries."""
        mark, patience = self._mark, self._view.connect_timeout + self._view.bind_timeout + 5.0
        try:
            return await self._database.run(credential_checks.ask, self._view.id, mark, patience=patience)
        except Exception as error:  # without the store there is no lease either: look again soon
            log.warning("credentials_not_asked", connector=self._view.name, error=str(error))
            return Turn(STORE_AWAY)

    async def rest(self, turn: Turn) -> None:
        """Wait until it makes sense to ask again: the turn's wait, or until another bind here has heard something."""
        await within(self._news, min(turn.wait, ASK_EVERY))

    async def accepted(self) -> None:
        """The carrier took our credentials."""
        await self._tell(credential_checks.accepted, self._view.id, self._mark)
        await self._tell(alerts.resolve_alert, alert_key(self._view.name))

    async def unused(self) -> None:
        """A turn that was given came to nothing: the next bind may try."""
        await self._tell(credential_checks.unheard, self._view.id, self._mark)

    async def failed(self, status: int | None, host: str) -> bool:
        """A try at `host` (host:port) ended, with this command_status or without an answer.

        Returns whether it was a refusal of our credentials.
        """
        if status not in FAULTS and status not in PERHAPS:
            await self.unused()
            return False
        counts = status in FAULTS
        refusals = await self._tell(
            credential_checks.refused, self._view.id, self._mark, status, counts=counts, host=host
        )
        if refusals is not None and refusals >= TRIES:
            await self._alert(status, refusals, host)
        return counts or bool(refusals)

    async def _alert(self, status: int, refusals: int, host: str) -> None:
        view = self._view
        words = (
            f"{host} refuses the bind of {view.system_id} ({status_name(status)}, {refusals} times "
            "in a row); one try every 15 minutes, so that the carrier does not lock the account"
        )
        advice = f"correct system_id and password, or ask the carrier; then: manage.py connector restart {view.name}"
        await self._tell(
            alerts.raise_alert, key=alert_key(view.name), level=alerts.FAIL, subject=f"connector {view.name}",
            words=words, advice=advice,
        )  # fmt: skip

    async def _tell(self, deed, *args, **named):
        """Write what was heard; a store that is away has it missed, and the claim of the try runs out by itself."""
        try:
            return await self._database.run(deed, *args, **named)
        except Exception as error:
            log.warning("credentials_not_told", connector=self._view.name, error=str(error))
            return None
        finally:
            self._news.set()
            self._news = asyncio.Event()


def alert_key(name: str) -> str:
    """Under which the alert on refused credentials of a connector is kept."""
    return f"connector:{name}:credentials"
