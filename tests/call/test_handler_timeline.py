"""The timeline of whole calls: what each caller did is in it, in order, and no digit is."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.agi.testing import DialOutcome, FakeAsterisk
from agi_bridge.history import CallFilter, History, database, open_history
from tests.support.call_env import AGREES, DID, NUMBER, CallEnv, shipped_milliseconds

if TYPE_CHECKING:
    from agi_bridge.agi import Channel
    from agi_bridge.history import Call

CALLER = "+14155550100"


class Recorded:
    """Places calls whose history is written, and reads it."""

    def __init__(self, env: CallEnv) -> None:
        self.env = env

    async def __call__(self, keys: Any, line: dict[str, Any] | None = None, **pbx: Any) -> Call:
        async with History(self.env.state_dir, 14) as history:
            self.env.history = history
            await self.env(keys, line, **pbx)
        return self.calls()[-1]

    def calls(self, **wanted: Any) -> list[Call]:
        with open_history(self.env.state_dir, running=True) as reader:
            return reader.find(CallFilter(**wanted))[::-1]


@pytest.fixture
def recorded(call_env: CallEnv) -> Recorded:
    return Recorded(call_env)


def kinds(call: Call) -> list[str]:
    """What happened, keys that follow each other once."""
    found: list[str] = []
    for _, kind, *_ in call.events:
        if kind != "key" or found[-1:] != ["key"]:
            found.append(kind)
    return found


def of(call: Call, kind: str) -> list[tuple[Any, ...]]:
    return [tuple(details) for _, each, *details in call.events if each == kind]


async def test_a_caller_who_agrees_leaves_every_step(recorded: Recorded) -> None:
    call = await recorded(AGREES)
    assert kinds(call) == [
        "answered", "language", "prompt", "prompt", "key", "number", "prompt", "digits", "prompt",
        "key", "confirm", "agreed", "stored", "asked", "hook", "prompt", "dial", "dialled",
    ]  # fmt: skip
    assert [name for name, *_ in of(call, "prompt")] == [
        "disclosure", "enter-number", "you-entered", "confirm-number", "accepted",
    ]  # fmt: skip
    assert of(call, "number") == [("valid",)]
    assert of(call, "digits") == [(10,)]
    assert of(call, "confirm") == [("yes",)]
    assert of(call, "dialled") == [("forward", "ANSWER")]
    ((outcome, status, reason, ms),) = of(call, "hook")
    assert (outcome, status, reason) == ("accepted", 200, "dial")
    assert isinstance(ms, int)
    assert (call.why, call.hung_up) == ("accepted.forward", "far_end")
    assert (call.line, call.did, call.language, call.result) == ("shop", DID, "en", "done")
    assert call.number == "+1***23"
    assert recorded.calls(number=NUMBER) == [call]
    times = [ms for ms, *_ in call.events]
    assert times == sorted(times)
    assert times[-1] <= (call.ms or 0)


async def test_no_digit_of_a_number_is_in_the_file(recorded: Recorded) -> None:
    await recorded(AGREES, {"digits": "own"}, caller_id=CALLER)
    held = b"".join(path.read_bytes() for path in recorded.env.state_dir.glob("calls.db*"))
    for number in (NUMBER, CALLER):
        assert number[-10:].encode() not in held
    (call,) = recorded.calls(number=CALLER)
    assert re.findall(r"digit-\d", str(call.events)) == []
    assert of(call, "digits") == [(10,)]


async def test_a_number_that_was_not_confirmed_is_not_kept(recorded: Recorded) -> None:
    call = await recorded("4155550123,*")
    assert (call.number, call.why) == (None, "star.default")
    assert of(call, "number") == [("valid",)]
    assert of(call, "confirm") == [("star",)]
    assert recorded.calls(number=NUMBER) == []


@pytest.mark.parametrize(
    ("keys", "why", "numbers"),
    [
        ("", "no_input.default", ["no_input"] * 3),
        ("*", "star.default", []),
        ({"enter-number": ["0000000000"] * 3}, "invalid_number.default", None),
        ({"enter-number": ["4155550123"]}, "not_confirmed.default", ["valid"]),
    ],
)
async def test_what_a_caller_keyed_is_known_by_its_meaning_only(
    recorded: Recorded, keys: Any, why: str, numbers: list[str] | None
) -> None:
    call = await recorded(keys)
    assert call.why == why
    found = [code for (code,) in of(call, "number")]
    if numbers is None:
        assert len(found) == 3
        assert set(found).isdisjoint({"valid", "no_input", "star"})
    else:
        assert found == numbers


async def test_a_caller_who_hangs_up_in_a_prompt_has_heard_part_of_it(recorded: Recorded) -> None:
    call = await recorded("", hangup_at=lambda words: words[:2] == ["STREAM", "FILE"])
    ((name, language, heard, length, how),) = of(call, "prompt")
    assert (name, language, how) == ("disclosure", "en", "hangup")
    assert heard <= length
    assert (call.why, call.hung_up) == ("unasked.hung_up", "caller")
    assert kinds(call)[-1] == "hung_up"


async def test_a_prompt_that_the_pbx_does_not_have_is_told_from_one_cut_short(
    recorded: Recorded,
) -> None:
    def sounds(path: str) -> int | None:
        return None if path.endswith("/declined") else shipped_milliseconds(path)

    call = await recorded("*", sounds=sounds)
    hows = {name: how for name, _, _, _, how in of(call, "prompt")}
    assert hows == {"disclosure": "key", "declined": "missing"}


async def test_each_leg_is_there_with_its_status(recorded: Recorded) -> None:
    def dial(destination: str) -> DialOutcome:
        return DialOutcome("BUSY" if "trunk" in destination else "NOANSWER")

    call = await recorded(AGREES, dial=dial)
    assert of(call, "dialled") == [("forward", "BUSY"), ("default", "NOANSWER")]
    assert of(call, "handed_over") == [("fallback",)]
    assert (call.why, call.result) == ("accepted.fallback", "fallback")


async def test_a_hook_that_fails_is_there_with_its_status(recorded: Recorded) -> None:
    recorded.env.fake_hook.scenario = "500"
    call = await recorded(AGREES)
    ((outcome, status, *_),) = of(call, "hook")
    assert (outcome, status) == ("unknown", 500)
    assert call.why == "unknown.default"


async def test_a_call_on_no_line_is_there_with_the_number_masked(recorded: Recorded) -> None:
    call = await recorded("", path="consent?to=%2B14155559999")
    assert (call.line, call.did, call.why) == (None, "+1***99", "no_line.refused")


async def test_a_ledger_that_stores_nothing_is_there(recorded: Recorded) -> None:
    for file in recorded.env.state_dir.glob("consents.db*"):
        file.unlink()
    call = await recorded(AGREES)
    assert "not_stored" in kinds(call)
    assert call.why == "not_stored.default"


async def test_hostile_caller_ids_and_unique_ids_are_text(recorded: Recorded) -> None:
    call = await recorded("*", caller_id="\x1b[2J'; DROP TABLE calls;--<script>")
    assert call.caller is None
    assert recorded.calls() == [call]


async def test_a_call_that_is_cancelled_is_there_and_no_longer_live(recorded: Recorded) -> None:
    env, seen = recorded.env, []
    env.fake_hook.scenario = "slow"
    async with History(env.state_dir, 14) as history:
        env.history = history
        handler = await env.handler()

        async def handle(channel: Channel) -> None:
            serving = asyncio.create_task(handler(channel))
            await env.fake_hook.received()
            seen.extend(history.live())
            serving.cancel()
            await asyncio.wait({serving})

        await FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds).run(handle, f"x?to={DID}")
        assert history.live() == []
    ((live,), (call,)) = seen, recorded.calls()
    assert (live["line"], live["step"], live["id"]) == ("shop", "hook", call.id)
    assert call.why == "unasked.cancelled"


async def test_calls_go_on_without_a_place_for_their_history(call_env: CallEnv) -> None:
    async with History(call_env.state_dir / "none", 14) as history:
        call_env.history = history
        call = await call_env(AGREES)
        assert call.variables["AGI_BRIDGE_RESULT"] == "done"
    assert not (call_env.state_dir / "none").exists()
    assert not (call_env.state_dir / database.FILE).exists()
