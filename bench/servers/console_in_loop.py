"""`agi-bridge` whose console runs in the calls' event loop: what a thread of its own is worth.

python -m bench.servers.console_in_loop serve --config FILE
"""

from __future__ import annotations

import sys

from agi_bridge.app import console
from agi_bridge.cli.main import main


class InLoop:
    """The console without a thread, in place of `ConsoleThread`."""

    def __init__(self, service: console.ConsoleService) -> None:
        self._service = service

    async def run(self) -> None:
        """Run until cancelled."""
        from agi_bridge.console import ConsoleServer  # noqa: PLC0415 - as in the console's thread

        await ConsoleServer(self._service).run()

    def stop(self) -> None:
        """Nothing is left to end."""


if __name__ == "__main__":
    console.ConsoleThread = InLoop  # type: ignore[assignment,misc]  # it stands in for the thread
    sys.argv[0] = "agi-bridge"
    main()
