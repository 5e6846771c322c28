"""The demonstration: one call end to end, through a real Asterisk or a simulated one."""

from agi_bridge.lab.demo.demo import prepare_demo, run_demo

__all__ = ["prepare_demo", "run_demo"]
