"""An SMSC to test against: real sockets, every known way of answering, receipts of every style."""

from workers.simulator.config import SimulatorConfig
from workers.simulator.magic import MAGIC, magic_number
from workers.simulator.server import Simulator
from workers.simulator.styles import STYLES
from workers.simulator.thread import SimulatorThread

__all__ = ["MAGIC", "STYLES", "Simulator", "SimulatorConfig", "SimulatorThread", "magic_number"]
