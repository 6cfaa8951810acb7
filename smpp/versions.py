"""Whether the two sides may exchange optional parameters, by their interface versions."""

from dataclasses import replace

from smpp.constants import VERSION_34, Tag
from smpp.errors import TlvsNotAllowed
from smpp.pdu import Pdu
from smpp.session_config import SendTlvs, SessionConfig
from smpp.tlvs import Tlvs

# Without these a message would arrive empty or as loose parts.
_MEANINGFUL = (Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)


class TlvPolicy:
    """TLVs are legal when both sides are at 3.4 or above.

    A peer that names no version counts as older until it sends a TLV itself. `dropped` counts the
    parameters that were left out for an older peer.
    """

    __slots__ = ("_config", "dropped", "our_version", "peer_sent_tlvs", "peer_version")

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        # A bind that names an older version makes us older for this session.
        self.our_version = config.interface_version
        self.peer_version: int | None = None
        self.peer_sent_tlvs = False
        self.dropped = 0

    def reconfigure(self, config: SessionConfig) -> None:
        """Follow other settings; what the two sides said of themselves stays."""
        self._config = config

    @property
    def allowed(self) -> bool:
        """Whether we may write TLVs now."""
        if self._config.send_tlvs != SendTlvs.AUTO:
            return self._config.send_tlvs == SendTlvs.ALWAYS
        if self.our_version < VERSION_34:
            return False
        return self.peer_sent_tlvs or (self.peer_version or 0) >= VERSION_34

    def fit(self, pdu: Pdu) -> Pdu:
        """Return `pdu` as the peer may see it; raises TlvsNotAllowed if that would change the message."""
        if not pdu.tlvs or self.allowed:
            return pdu
        if any(pdu.tlvs.has(tag) for tag in _MEANINGFUL):
            raise TlvsNotAllowed(f"{pdu.name} needs TLVs, which the peer does not speak")
        self.dropped += len(pdu.tlvs)
        return replace(pdu, tlvs=Tlvs())

    def sign(self, bind_response: Pdu) -> None:
        """Name our version in a successful bind response to a 3.4 peer (§5.3.2.25)."""
        tlvs = bind_response.tlvs
        if not bind_response.status and self.allowed and not tlvs.has(Tag.SC_INTERFACE_VERSION):
            tlvs.add(Tag.SC_INTERFACE_VERSION, self.our_version)
