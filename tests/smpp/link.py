"""Two sessions wired back to back, with a clock that the test moves."""

from smpp import pdu as p
from smpp.events import Event
from smpp.session import Role, Session, SessionConfig
from smpp.states import State

BINDS = {State.BOUND_TX: p.BindTransmitter, State.BOUND_RX: p.BindReceiver, State.BOUND_TRX: p.BindTransceiver}


class Link:
    """An ESME and an SMSC; what one writes the other reads when `pump` is called."""

    def __init__(self, esme: SessionConfig | None = None, smsc: SessionConfig | None = None) -> None:
        self.now = 1000.0
        self.esme = Session(Role.ESME, esme, now=self.now)
        self.smsc = Session(Role.SMSC, smsc, now=self.now)
        self.at_esme: list[Event] = []
        self.at_smsc: list[Event] = []

    def pump(self) -> None:
        """Carry octets both ways until nobody writes any more."""
        while True:
            out, back = self.esme.take_output(), self.smsc.take_output()
            if not out and not back:
                return
            self.at_smsc += self.smsc.receive(out, self.now)
            self.at_esme += self.esme.receive(back, self.now)

    def bind(self, state: State = State.BOUND_TRX, **fields) -> "Link":
        """Bring both ends to `state`."""
        self.esme.send(BINDS[state](system_id="me", **fields), now=self.now)
        self.pump()
        request = self.at_smsc.pop().pdu
        self.smsc.respond(request.reply(system_id="smsc"), now=self.now)
        self.pump()
        assert self.esme.state is self.smsc.state is state
        self.at_esme.clear()
        return self

    def session(self, role: Role) -> Session:
        return self.esme if role is Role.ESME else self.smsc

    def wait(self, seconds: float) -> None:
        """Let time pass at both ends, then carry what they wrote."""
        self.now += seconds
        self.at_esme += self.esme.tick(self.now)
        self.at_smsc += self.smsc.tick(self.now)
        self.pump()


def requests(events: list[Event]) -> list[p.Pdu]:
    """The PDUs of the requests among `events`."""
    return [event.pdu for event in events if type(event).__name__ == "RequestReceived"]
