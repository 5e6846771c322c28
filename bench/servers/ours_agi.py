"""The flow on `agi_bridge.agi` with a bare handler: no hook, no ledger, no log line."""

from __future__ import annotations

import uvloop

from agi_bridge.agi import Channel, Limits, Server
from agi_bridge.app.lifecycle import shorten_turns, spare_the_collector
from agi_bridge.observe import configure_logging
from bench.servers import flow


async def main() -> None:
    """Serve until killed."""
    flow.read_arguments()
    configure_logging()  # as the service does: without it structlog would print debug lines
    limits = Limits(max_calls=flow.MOST_CALLS, backlog=flow.BACKLOG)
    async with Server(play, port=0, limits=limits) as server:
        spare_the_collector()
        shorten_turns()
        flow.announce(server.port)
        await server.serve_forever()


async def play(channel: Channel) -> None:
    """The flow."""
    await channel.answer()
    await channel.stream_file(flow.DISCLOSURE, "*")
    keyed = await channel.get_data(
        flow.ENTER_NUMBER, timeout=flow.ENTRY_SECONDS, max_digits=flow.ENTRY_DIGITS
    )
    await channel.say_digits(keyed.keys)
    await channel.get_data(flow.CONFIRM_NUMBER, timeout=flow.CONFIRM_SECONDS, max_digits=1)
    await channel.set_variable("CONSENT_NUMBER", keyed.keys)
    await channel.set_variable("CONSENT_RESULT", "confirmed")
    await channel.exec("Dial", *flow.dial_options(flow.FORWARD_NUMBER).split(","))
    await channel.get_variable("DIALSTATUS")


if __name__ == "__main__":
    uvloop.run(main())
