"""`python -m agi_bridge` is `agi-bridge`."""

from agi_bridge.cli.main import main

main()
