"""The hook's side over TLS, for the load generator's core: what `hookd` does, on uvloop.

It listens on 127.0.0.1 with the tests' certificate, which both sides know. It prints `READY port`,
answers each request with a <Dial>, and on SIGTERM prints what it counted as one JSON object. Its
own processor time is not measured.
"""

from __future__ import annotations

import asyncio
import json
import signal
from typing import cast

import uvloop

from tests.support.hook_servers import CERTIFICATE, server_tls

BODY = b"<Response><Dial>+14155550199</Dial></Response>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n" % len(BODY)
_LENGTH = b"content-length: "

CA_FILE = CERTIFICATE
"""What a client must trust."""


class Requests(asyncio.Protocol):
    """Answers what comes on one connection, and counts it for all."""

    count = 0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n") + 4) > 3:
            head = self._buffer[:end].lower()
            length = int(head.partition(_LENGTH)[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < end + length:
                return
            self._buffer = self._buffer[end + length :]
            Requests.count += 1
            closing = b"\r\nconnection: close\r\n" in head
            named = b"Connection: close\r\n\r\n" if closing else b"\r\n"
            self._transport.write(HEAD + named + BODY)
            if closing:
                self._transport.close()
                return


async def main() -> None:
    """Serve until SIGTERM, then say how many requests came."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(Requests, "127.0.0.1", 0, ssl=server_tls(), backlog=4096)
    print(f"READY {server.sockets[0].getsockname()[1]}", flush=True)
    await stopped.wait()
    print(json.dumps({"requests": Requests.count, "bad": 0}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
