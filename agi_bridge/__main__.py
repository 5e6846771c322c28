"""`python -m agi_bridge` is `agi-bridge`."""

from agi_bridge.cli import main

main()
