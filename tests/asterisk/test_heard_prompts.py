"""Every shipped prompt, as the caller hears it: all of it, no start or end cut off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agi_bridge.call.context import CallContext
from agi_bridge.call.execute import PlanExecutor
from agi_bridge.observe import CallLogEntry
from agi_bridge.speech import DIGIT_PROMPTS, PROMPTS, SHIPPED, Library
from tests.support.call_env import line
from tests.support.heard import exact, heard, milliseconds
from tests.support.scripted_bridge import ScriptedBridge

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.agi import Channel
    from agi_bridge.lab.sip.call import Call
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

CALLS = 12
"""So many callers at once share the prompts, so that six minutes of them take half of one."""
PACKET = 20.0
"""Milliseconds: the end of a recording fills its last packet with silence."""

EVERY = [(language, name) for language in ("en", "es", "fr") for name in PROMPTS] + [
    ("en", name) for name in DIGIT_PROMPTS
]


async def test_every_shipped_prompt_is_heard_from_its_first_to_its_last_sample(
    pbx: Pbx, tmp_path: Path
) -> None:
    library = Library(cache=tmp_path)
    shares = shared_out(library)

    async def listened(share: list[tuple[str, str]]) -> Call:
        async def script(channel: Channel) -> None:
            context = CallContext(channel, line(), library, CallLogEntry("test"))
            executor = PlanExecutor(context)
            for language, name in share:
                context.choice.code = language
                await executor.play_or_raise(name)

        call = await bridge.call(script)
        await call.ended(within=90)
        return call

    async with ScriptedBridge(pbx) as bridge:
        calls = await asyncio.gather(*map(listened, shares))
    short = {
        f"{language}/{name}": missing
        for call, share in zip(calls, shares, strict=True)
        for language, name in share
        if (missing := unheard(call, SHIPPED / language / f"{name}.wav")) > PACKET
    }
    assert short == {}


def shared_out(library: Library) -> list[list[tuple[str, str]]]:
    """Every prompt, in shares of about the same length."""
    shares: list[list[tuple[str, str]]] = [[] for _ in range(CALLS)]
    filled = [0.0] * CALLS
    lengths = {each: library.prompt(each[1], each[0]).seconds for each in EVERY}
    for each in sorted(EVERY, key=lambda each: -lengths[each]):
        least = filled.index(min(filled))
        shares[least].append(each)
        filled[least] += lengths[each]
    return shares


def unheard(call: Call, recording: Path) -> float:
    """Milliseconds of a recording that the caller did not hear, bit for bit or by correlation."""
    length = milliseconds(recording)
    missing = length - exact(call, recording).milliseconds
    return missing if missing <= PACKET else length - heard(call, recording).milliseconds
