"""Steps of a call in one line, for the tests of `FakeAsterisk`."""

from collections.abc import Awaitable, Callable

from agi_bridge.agi import (
    Channel,
)
from agi_bridge.agi.testing import FakeAsterisk

ALL = "0123456789*#"
Step = Callable[[Channel], Awaitable[object]]


async def run_steps(fake: FakeAsterisk, *steps: Step, answer: bool = True) -> list[object]:
    """Run the steps in one call and give their results."""
    results: list[object] = []

    async def handler(channel: Channel) -> None:
        if answer:
            await channel.answer()
        results.extend([await step(channel) for step in steps])

    await fake.run(handler)
    return results


async def dial(channel: Channel, *arguments: str) -> None:
    await channel.exec("Dial", *arguments)
