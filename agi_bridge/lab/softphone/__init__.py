"""The softphone: calls a bridge from the terminal, with a simulated Asterisk."""

from agi_bridge.lab.softphone.softphone import run_softphone
from agi_bridge.lab.softphone.sounds import Sounds

__all__ = ["Sounds", "run_softphone"]
