"""The flow as canned bytes on a bare `asyncio.Protocol` and uvloop: the most that Python can do.

It reads nothing of what the PBX says but line ends. Its figure tells how fast the machine was when
the others were measured.
"""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from bench.servers import flow

COMMANDS = (
    b"ANSWER\n",
    f'STREAM FILE "{flow.DISCLOSURE}" "*"\n'.encode(),
    f'GET DATA "{flow.ENTER_NUMBER}" 10000 10\n'.encode(),
    b'SAY DIGITS "4155550199" ""\n',
    f'GET DATA "{flow.CONFIRM_NUMBER}" 8000 1\n'.encode(),
    b'SET VARIABLE "CONSENT_NUMBER" "4155550199"\n',
    b'SET VARIABLE "CONSENT_RESULT" "confirmed"\n',
    f'EXEC Dial "{flow.dial_options(flow.FORWARD_NUMBER)}"\n'.encode(),
    b'GET VARIABLE "DIALSTATUS"\n',
)


class Canned(asyncio.Protocol):
    """One call."""

    __slots__ = ("_sent", "_transport")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the environment."""
        self._transport = cast("asyncio.Transport", transport)
        self._sent = 0

    def data_received(self, data: bytes) -> None:
        """Whatever ends in a line feed asks for the next command."""
        if not data.endswith(b"\n"):
            return
        if self._sent == len(COMMANDS):
            self._transport.close()
            return
        self._transport.write(COMMANDS[self._sent])
        self._sent += 1


async def main() -> None:
    """Serve until killed."""
    flow.read_arguments()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0, backlog=flow.BACKLOG)
    flow.announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
