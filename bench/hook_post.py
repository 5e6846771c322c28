"""`python -m bench.hook_post`: the processor time of one request to the hook, without TLS.

Three things send the same request to `hookd`, over fresh connections and over kept ones: canned
bytes on uvloop (the most that Python can do here), the hook's transport with httpx's request and
response, and `HookClient.submit`, which also makes the request, keeps the deadline and reads the
answer. Twenty are in flight. The figure is the least of many rounds, since other processes can only
add to it; the load of the machine is printed beside it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import httpx
import uvloop

from agi_bridge.hook import HookClient, Outcome, SubmissionRequest
from agi_bridge.hook.transport import HookTransport
from bench.machine import cores
from bench.process import BenchError, hook
from bench.programs import build

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

IN_FLIGHT: Final = 20
ROUNDS: Final = 400
EACH: Final = 2
"""Requests of each one in flight, a round: short rounds find the moments when nobody disturbs."""
BODY: Final = b'{"key": "%b", "from": "+14155550123", "to": "+14155550111"}' % (b"k" * 32)
CONSENTED: Final = SubmissionRequest(from_="+14155550123", to="+14155550111", key="k" * 32)
HEADERS: Final = {
    "host": "127.0.0.1",
    "user-agent": "agi-bridge",
    "content-type": "application/json",
    "content-length": str(len(BODY)),
}


class Canned(asyncio.Protocol):
    """Sends the same bytes and takes any bytes for the answer."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take the answer."""
        self.answered.set_result(data)


def canned(url: httpx.URL, *, kept: bool) -> Callable[[], Awaitable[None]]:
    """What canned bytes cost."""
    lines = [f"POST {url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in HEADERS.items())]
    data = "\r\n".join([*lines, "", ""]).encode() + BODY
    free: list[Canned] = []

    async def post() -> None:
        loop = asyncio.get_running_loop()
        if free:
            one = free.pop()
            one.answered = loop.create_future()
        else:
            _, one = await loop.create_connection(Canned, url.host, url.port or 80)
        one.transport.write(data)
        await one.answered
        if kept:
            free.append(one)
        else:
            one.transport.abort()

    return post


def transported(transport: HookTransport, url: httpx.URL) -> Callable[[], Awaitable[None]]:
    """What the transport costs, with httpx's values."""
    headers = httpx.Headers(HEADERS)

    async def post() -> None:
        request = httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(BODY))
        response = await transport.handle_async_request(request)
        await response.aread()
        await response.aclose()

    return post


def submitted(client: HookClient) -> Callable[[], Awaitable[None]]:
    """What a submission costs."""

    async def post() -> None:
        result = await client.submit(CONSENTED)
        if result.outcome is not Outcome.ACCEPTED:
            raise BenchError(f"not accepted: {result.reason}")

    return post


async def least(post: Callable[[], Awaitable[None]]) -> float:
    """Microseconds of processor time of one request."""

    async def several() -> None:
        for _ in range(EACH):
            await post()

    shortest = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        await asyncio.gather(*(several() for _ in range(IN_FLIGHT)))
        shortest = min(shortest, time.thread_time() - began)
    return shortest / IN_FLIGHT / EACH * 1e6


async def measure(url: httpx.URL, *, kept: bool) -> dict[str, float]:
    """All three."""
    context = httpx.create_ssl_context(trust_env=False)
    transport = HookTransport(context, max_bytes=65_536, keepalive=kept)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(transport.aclose)
        client = await stack.enter_async_context(HookClient(str(url), keepalive=kept))
        posts = {
            "canned bytes": canned(url, kept=kept),
            "the transport": transported(transport, url),
            "a submission": submitted(client),
        }
        return {name: await least(post) for name, post in posts.items()}


def main() -> None:
    """Measure and print."""
    build()
    server_core, load_core = cores()
    os.sched_setaffinity(0, {server_core})
    with tempfile.TemporaryDirectory() as folder, hook(load_core, Path(folder)) as hookd:
        url = httpx.URL(f"http://127.0.0.1:{hookd.ready()}/v1/ivr")
        figures = {}
        for kept in (False, True):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                figures[kept] = runner.run(measure(url, kept=kept))
    print(f"{'µs of one request':18} {'fresh':>6} {'kept':>6}   load {os.getloadavg()[0]:.1f}")
    for name in figures[False]:
        print(f"{name:18} {figures[False][name]:6.0f} {figures[True][name]:6.0f}")


if __name__ == "__main__":
    main()
