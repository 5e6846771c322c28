"""The examples of docs/agi.md run, and together they use every command of Asterisk 22."""

import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agi_bridge.agi import Channel, ChannelState, SpeechResult, Utterance
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.agi.testing.commands import command_names
from agi_bridge.agi.testing.scenario import HangupMode

GUIDE = Path(__file__).parents[2] / "docs" / "agi.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OTHER = "PJSIP/100-00000001"


def examples() -> dict[str, Callable[..., Awaitable[None]]]:
    names: dict[str, Any] = {"__name__": "guide"}
    for block in BLOCK.findall(GUIDE.read_text("utf-8")):
        exec(compile(block, str(GUIDE), "exec"), names)  # noqa: S102 - our own page
    return {
        name: each
        for name, each in names.items()
        if inspect.iscoroutinefunction(each) and each.__module__ == "guide"
    }


EXAMPLES = examples()
HANDLERS = sorted(
    name
    for name, each in EXAMPLES.items()
    if Channel in [given.annotation for given in inspect.signature(each).parameters.values()]
)


def pbx() -> FakeAsterisk:
    return FakeAsterisk(
        keys={"menu": "1", "enter-number": "4155550123", "enter-code": "12#"},
        labels=["start"],
        subroutines={"billing,start,1": lambda given: given[-1]},
        channels={OTHER: ChannelState.UP},
        texts=["Ann", "Bo"],
        recognized=[SpeechResult("speech", 0, utterances=(Utterance(90, "yes", "yesno"),))],
    )


@pytest.mark.parametrize("name", HANDLERS)
async def test_an_example_runs(name: str) -> None:
    handler = EXAMPLES[name]

    async def called(channel: Channel) -> None:
        more = {"number": "42"} if "number" in inspect.signature(handler).parameters else {}
        await handler(channel, **more)

    call = await pbx().run(called)
    assert call.commands
    assert call.protocol_violations == []
    assert call.status in {"SUCCESS", "HANGUP"}


@pytest.mark.parametrize("name", sorted(name for name in EXAMPLES if name.startswith("test_")))
async def test_a_test_of_the_guide_passes(name: str) -> None:
    await EXAMPLES[name]()


async def test_the_guide_shows_every_command_of_asterisk_22() -> None:
    used: set[str] = set()
    for name in HANDLERS:
        if name == "one_order":
            continue
        used |= set((await pbx().run(EXAMPLES[name])).names)
    assert len(command_names()) == 47
    assert set(command_names()) <= used


async def test_the_examples_that_serve_can_be_built() -> None:
    names: dict[str, Any] = {"__name__": "guide"}
    for block in BLOCK.findall(GUIDE.read_text("utf-8")):
        exec(compile(block, str(GUIDE), "exec"), names)  # noqa: S102 - our own page
    assert names["reachable"]().calls == 0
    call = await FakeAsterisk().run(names["router"], "orders/42?x=1")
    assert [heard.name for heard in call.heard] == ["42"]


@pytest.mark.parametrize("mode", ["line", "silent"])
async def test_the_example_that_goes_on_after_a_hangup_does(mode: HangupMode) -> None:
    fake = FakeAsterisk(hangup_at=lambda words: words[0].startswith("GET"), hangup_mode=mode)
    call = await fake.run(EXAMPLES["order"])
    assert call.names[-1] == "VERBOSE"


@pytest.mark.parametrize("mode", ["line", "silent"])
async def test_the_example_that_cleans_up_after_a_hangup_does(mode: HangupMode) -> None:
    fake = FakeAsterisk(hangup_at=lambda words: words[0].startswith("RECORD"), hangup_mode=mode)
    call = await fake.run(EXAMPLES["message"])
    assert call.variables["MESSAGE"] == "recorded"
