"""`sudo python -m bench.far_hook`: what a caller waits for a hook that is 40 ms away.

From the key that agrees to the hook's answer: with and without a connection made ahead, over http
and https, new and resumed sessions. The distance is real for every packet: in a network namespace
of its own, a TUN device hands packets to this program, which gives them back 20 ms later with the
addresses swapped, so that the machine talks to itself from afar. A name look-up costs one more
round trip, as from a resolver that has to ask.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from agi_bridge.hook import HookClient, Outcome, SubmissionRequest, resolver
from tests.support.hook_servers import CERTIFICATE, Connection, http, server_tls, serving

if TYPE_CHECKING:
    from agi_bridge.hook.resolver import Address

ONE_WAY_SECONDS: Final = 0.02
HERE, THERE = "10.9.0.1", "10.9.0.2"
ROUNDS: Final = 15
READ_BACK_SECONDS: Final = 0.5
"""Longer than any connection takes; callers hear their number for ten."""

_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_TUN_WITHOUT_HEADER: Final = 0x1001
ANSWER: Final = http("200 OK", b"<Response><Dial>+14155550199</Dial></Response>")


def far_network() -> None:
    """Enter a new namespace whose one device is far away.

    Raises:
        OSError: not root, or no TUN device.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace (root is needed)")
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", b"far", _TUN_WITHOUT_HEADER))
    for command in ("link set lo up", f"addr add {HERE}/24 dev far", "link set far up"):
        subprocess.run(["ip", *command.split()], check=True)
    waiting: deque[tuple[float, bytes]] = deque()
    arrived = threading.Semaphore(0)

    def take() -> None:
        while True:
            packet = os.read(device, 65_536)
            if packet[0] >> 4 == 4:
                # The checksums are sums: they do not change when the addresses trade places.
                swapped = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
                waiting.append((time.monotonic() + ONE_WAY_SECONDS, swapped))
                arrived.release()

    def give() -> None:
        while True:
            arrived.acquire()
            due, packet = waiting.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            os.write(device, packet)

    for work in (take, give):
        threading.Thread(target=work, daemon=True).start()


async def far_look_up(host: str, port: int) -> list[Address]:
    """A look-up of any host that costs a round trip."""
    del host
    await asyncio.sleep(2 * ONE_WAY_SECONDS)
    loop = asyncio.get_running_loop()
    return list(await loop.getaddrinfo(THERE, port, type=1))


async def answers(connection: Connection) -> None:
    """The hook: a `<Dial>` for each request."""
    while True:
        await connection.request()
        await connection.send(ANSWER)


async def waits(*, tls: bool, ahead: bool, resumed: bool) -> list[float]:
    """Milliseconds from the agreement to the answer, of some calls."""
    found = []
    async with serving(answers, server_tls() if tls else None) as server:
        relay = await asyncio.start_server(lambda r, w: _pass(r, w, server.port), HERE, 0)
        port = relay.sockets[0].getsockname()[1]
        url = f"{server.scheme}://localhost:{port}/v1/ivr"

        def client() -> HookClient:
            return HookClient(url, ca_file=str(CERTIFICATE), prepare_seconds=30 * ahead)

        one = client()
        async with one:
            for _ in range(ROUNDS):
                if resumed:
                    found.append(await _wait(one))
                    continue
                async with client() as fresh:
                    found.append(await _wait(fresh))
        relay.close()
    return found[1:] if resumed else found


async def _wait(client: HookClient) -> float:
    resolver_forgets(client)
    preparation = client.prepare()
    preparation.start()
    await asyncio.sleep(READ_BACK_SECONDS)
    began = time.perf_counter()
    result = await client.submit(
        SubmissionRequest(
            from_="+14155550123", to="+14155550111", key="bench", prepared=preparation
        )
    )
    if result.outcome is not Outcome.ACCEPTED:
        raise RuntimeError(f"the hook's outcome is {result.reason}")
    return (time.perf_counter() - began) * 1000


def resolver_forgets(client: HookClient) -> None:
    """Have the next connection look its host up."""
    transport = client._transport  # noqa: SLF001 - a bench looks inside
    if transport is not None:
        transport._resolver._known.clear()  # noqa: SLF001 - the bench needs a cold cache


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """From the far address to the server on the loopback."""
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                sink.write(data)
        except (ConnectionError, asyncio.CancelledError):
            pass  # one side has closed, or the bench is over
        finally:
            sink.close()

    await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


async def main() -> None:
    """Print the table."""
    resolver.look_up = far_look_up
    print("| hook at 40 ms | connection made ahead | median ms | round trips |")
    print("| -- | -- | -- | -- |")
    for tls, resumed in ((False, False), (True, False), (True, True)):
        for ahead in (False, True):
            median = statistics.median(await waits(tls=tls, ahead=ahead, resumed=resumed))
            name = ("https, resumed" if resumed else "https") if tls else "http"
            trips = median / (2000 * ONE_WAY_SECONDS)
            print(f"| {name} | {'yes' if ahead else 'no'} | {median:.0f} | {trips:.1f} |")


if __name__ == "__main__":
    if not Path("/dev/net/tun").exists():
        sys.exit("bench.far_hook: this machine has no /dev/net/tun")
    try:
        far_network()
    except OSError as error:
        sys.exit(f"bench.far_hook: {error}")
    uvloop.run(main())
