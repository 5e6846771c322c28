"""The softphone: calls a bridge from the terminal, with a simulated Asterisk."""

from agi_bridge.lab.softphone.softphone import run_softphone
from agi_bridge.lab.softphone.sounds import Sounds
from agi_bridge.lab.softphone.transcript import Transcript, printable

__all__ = ["Sounds", "Transcript", "printable", "run_softphone"]
