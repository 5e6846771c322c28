"""The flow on panoramisk's FastAGI application, on uvloop; the hook through our own transport.

httpx's own pool would cost more than all the rest and hide the library.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import httpx
import uvloop
from panoramisk import fast_agi

from agi_bridge.hook.transport import HookTransport
from bench.servers import flow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Submit = Callable[[str], Awaitable[str]]


async def main() -> None:
    """Accept calls until killed."""
    start = flow.read_arguments()
    tls = ssl.create_default_context()
    async with HookTransport(tls, max_bytes=65_536, keepalive=False) as transport:
        await serve(submitter(transport, start.hook))


async def serve(submit: Submit) -> None:
    """Accept calls until killed."""
    application = fast_agi.Application(loop=asyncio.get_running_loop())

    async def call(request: fast_agi.Request) -> None:
        await play(request, submit)

    application.add_route(flow.ROUTE, call)
    server = await asyncio.start_server(application.handler, "127.0.0.1", 0, backlog=flow.BACKLOG)
    flow.announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def submitter(transport: HookTransport, hook: str | None) -> Submit:
    """How a call asks for the number to dial: one POST on its own connection."""

    async def submit(digits: str) -> str:
        if hook is None:
            return flow.FORWARD_NUMBER
        request = httpx.Request(
            "POST", hook, json=flow.submission(digits), headers={"connection": "close"}
        )
        answer = await transport.handle_async_request(request)
        try:
            return flow.forward_number(await answer.aread())
        finally:
            await answer.aclose()

    return submit


async def play(request: fast_agi.Request, submit: Submit) -> None:
    """The flow. The library neither quotes nor parses for its users beyond the result."""
    await request.send_command("ANSWER")
    await request.send_command(f'STREAM FILE "{flow.DISCLOSURE}" "*"')
    entry_milliseconds = flow.ENTRY_SECONDS * 1000
    keyed = await request.send_command(
        f'GET DATA "{flow.ENTER_NUMBER}" {entry_milliseconds} {flow.ENTRY_DIGITS}'
    )
    digits = keyed["result"][0]
    await request.send_command(f'SAY DIGITS "{digits}" ""')
    confirm_milliseconds = flow.CONFIRM_SECONDS * 1000
    await request.send_command(f'GET DATA "{flow.CONFIRM_NUMBER}" {confirm_milliseconds} 1')
    await request.send_command(f'SET VARIABLE "CONSENT_NUMBER" "{digits}"')
    await request.send_command('SET VARIABLE "CONSENT_RESULT" "confirmed"')
    number = await submit(digits)
    await request.send_command(f'EXEC Dial "{flow.dial_options(number)}"')
    await request.send_command('GET VARIABLE "DIALSTATUS"')


if __name__ == "__main__":
    uvloop.run(main())
