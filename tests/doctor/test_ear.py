"""The ear: both ends of a test call without a PBX, and that it takes no other call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import pytest

from agi_bridge.call import variables
from agi_bridge.doctor.ami import AmiLimits
from agi_bridge.doctor.call import Target, follow, judge, judge_load, longest, steps
from agi_bridge.doctor.ear import DONE, RESULT, Ear, TestCall
from agi_bridge.doctor.findings import Id, Level
from agi_bridge.doctor.line_sounds import Lines, LineSounds, TestSound
from agi_bridge.doctor.trial import CALL_SECONDS
from tests.support.scripted_pbx import DID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOUND = TestSound("/prompts/en/you-entered", 0.9, 7200)
LINE = LineSounds("shop", (DID,), ("en",), frozenset(), (), SOUND)
LINES = Lines([LINE], {DID: "shop"}.get)
TARGET = Target(DID, "from-trunk")
HEALTH = "agi://127.0.0.1:4573/health?token=9f86d081"


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    async with Ear() as made:
        yield made


class End:
    """One end of a call as Asterisk speaks: environment, then a reply to each command."""

    def __init__(self, url: str, query: str) -> None:
        self._url, self._query = url, query
        self.commands: list[str] = []

    async def __aenter__(self) -> Self:
        host, _, rest = self._url.removeprefix("agi://").partition("/")
        address, _, port = host.rpartition(":")
        self._reader, self._writer = await asyncio.open_connection(address, int(port))
        script = f"{rest}?{self._query}"
        self._writer.write(
            f"agi_network: yes\nagi_network_script: {script}\n"
            f"agi_request: agi://{host}/{script}\nagi_uniqueid: 1\n\n".encode()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def command(self) -> str:
        line = (await self._reader.readline()).decode().rstrip("\n")
        self.commands.append(line)
        return line

    def reply(self, text: str) -> None:
        self._writer.write(f"{text}\n".encode())

    async def rest(self) -> bytes:
        return await self._reader.read()


async def test_a_whole_call_is_timed_and_no_key_comes_before_the_ear_listens(ear: Ear) -> None:
    call = ear.expect(SOUND, ["en/digits/0", "en/digits/1"])
    query = f"token={ear.token}"
    following = asyncio.create_task(follow(call, 5.0))
    async with (
        End(ear.url("called", call), f"to={DID.replace('+', '%2B')}&{query}") as called,
        End(ear.url("calling", call), query) as calling,
    ):
        assert await called.command() == "ANSWER"
        called.reply("200 result=0")
        assert (await called.command()).startswith('STREAM FILE "/prompts/en/you-entered"')
        called.reply("200 result=0 endpos=7200")
        assert "en/digits/0" in await called.command()
        called.reply("200 result=0 endpos=0")
        assert "en/digits/1" in await called.command()
        assert not calling.commands
        called.reply("200 result=-1 endpos=0")
        assert (await called.command()).startswith("CHANNEL STATUS")
        called.reply("200 result=6")
        assert (await called.command()).startswith("WAIT FOR DIGIT")
        assert (await calling.command()).startswith('EXEC "SendDTMF"')
        calling.reply("200 result=0")
        called.reply("200 result=53")
        assert f'"{RESULT}" "{DONE}"' in await called.command()
        called.reply("200 result=1")
        assert await called.rest() == b""  # the call goes back to the dialplan
        calling.reply("HANGUP")
        await calling.rest()
        await following
    made = tuple(steps(call, LINES.find(call.number)))
    assert [step.ok for step in made] == [True] * 5
    assert call.missing == ["en/digits/1"]
    assert [each.level for each in judge(call, made, TARGET, refused=0)] == [Level.OK]


@pytest.mark.parametrize(
    ("status", "said", "well"),
    [
        ("SUCCESS", "(ready)", True),
        ("SUCCESS", "(not_ready)", False),
        ("SUCCESS", "", False),
        ("FAILURE", "", False),
    ],
)
async def test_the_pbx_asks_the_bridge_before_the_key(
    ear: Ear, status: str, said: str, *, well: bool
) -> None:
    call = ear.expect(SOUND, bridge=HEALTH)
    call.arrived_at = call.began
    async with End(ear.url("calling", call), f"token={ear.token}") as calling:
        assert await calling.command() == f'EXEC "AGI" "{HEALTH}"'
        call.listening.set()
        calling.reply("200 result=0")
        assert await calling.command() == 'GET VARIABLE "AGISTATUS"'
        calling.reply(f"200 result=1 ({status})")
        assert await calling.command() == 'GET VARIABLE "AGI_BRIDGE_HEALTH"'
        calling.reply(f"200 result=1 {said}" if said else "200 result=0")
        assert (await calling.command()).startswith('EXEC "SendDTMF"')
        calling.reply("HANGUP")
        await calling.rest()
    step = next(each for each in steps(call, LINE) if each.name == "bridge")
    assert step.ok is well
    assert "token" not in step.what


@pytest.mark.parametrize("query", ["", "token=wrong"])
async def test_a_stranger_without_the_token_is_refused(ear: Ear, query: str) -> None:
    call = ear.expect(SOUND)
    async with End(ear.url("called", call), query) as stranger:
        assert (await stranger.command()).startswith("failure")
    assert ear.refused == 1
    assert call.arrived_at is None


async def test_a_call_of_another_run_is_refused(ear: Ear) -> None:
    async with Ear() as other:
        call = other.expect(SOUND)
    async with End(ear.url("called", call), f"token={ear.token}") as stranger:
        assert (await stranger.command()).startswith("failure")
    assert call.arrived_at is None


async def test_a_call_that_something_else_answered_gets_no_key_and_is_hung_up(ear: Ear) -> None:
    call = ear.expect(SOUND)
    following = asyncio.create_task(follow(call, 0.1))
    async with End(ear.url("calling", call), f"token={ear.token}") as calling:
        assert (await calling.command()).startswith("HANGUP")
        calling.reply("200 result=1")
        calling.reply("HANGUP")
        await calling.rest()
        await following
    assert all("SendDTMF" not in command for command in calling.commands)
    (found,) = judge(call, tuple(steps(call, None)), TARGET, refused=0)
    assert (found.id, found.level) == (Id.DIALPLAN_URL, Level.FAULT)


def test_the_doctor_answers_within_half_a_minute() -> None:
    """Every limit together: the PBX's answers, then a test call that goes as wrong as it can."""
    longest_sound = 3.0  # app.doctor plays no longer one
    assert AmiLimits().session + CALL_SECONDS + longest(longest_sound) <= 30.0


def heard(**changes: Any) -> TestCall:
    """A call that went well, but for the changes."""
    call = TestCall("id", SOUND)
    good = {
        "arrived_at": 0.01,
        "answered_at": 0.02,
        "number": DID,
        "heard_at": 1.0,
        "samples": 7200,
        "key": "5",
        "key_at": 1.6,
        "result_at": 1.7,
        "ended_at": 1.8,
    }
    for name, value in {**good, **changes}.items():
        setattr(call, name, value)
    return call


@pytest.mark.parametrize(
    ("changes", "which", "failed"),
    [
        ({"arrived_at": None, "answered_at": None}, Id.DIALPLAN_URL, "arrival"),
        ({"arrived_at": None}, Id.DIALPLAN_URL, "arrival"),
        ({"number": ""}, Id.DIALPLAN_DID, "did"),
        ({"number": "+14155550999"}, Id.DIALPLAN_DID, "did"),
        ({"bridge": HEALTH, "key": ""}, Id.DIALPLAN_URL, "bridge"),
        ({"bridge": HEALTH, "health": "", "reached": True}, Id.DIALPLAN_URL, "bridge"),
        ({"bridge": HEALTH, "health": "", "reached": False}, Id.DIALPLAN_URL, "bridge"),
        ({"bridge": HEALTH, "health": "not_ready"}, Id.DIALPLAN_URL, "bridge"),
        ({"bridge": HEALTH, "health": "degraded", "samples": 0}, Id.SOUNDS, "sound"),
        ({"samples": 0}, Id.SOUNDS, "sound"),
        ({"samples": 7199}, Id.CALL, "sound"),
        ({"key": ""}, Id.CALL, "key"),
        ({"key": "6"}, Id.CALL, "key"),
        ({"ended_at": None}, Id.CALL, "result"),
        ({"result_at": None, "problem": "the call was hung up"}, Id.CALL, "result"),
    ],
)
def test_the_first_step_that_fails_is_the_finding(
    changes: dict[str, Any], which: Id, failed: str
) -> None:
    call = heard(**changes)
    made = tuple(steps(call, LINES.find(call.number)))
    (found,) = judge(call, made, TARGET, refused=0)
    assert (found.id, found.level) == (which, Level.FAULT)
    assert next(step.name for step in made if not step.ok) == failed
    assert DID[1:] not in repr(found)
    assert "9f86d081" not in repr((found, made, call))


def test_a_load_says_how_many_were_carried_and_where_the_others_failed() -> None:
    calls = [heard(), heard(arrived_at=0.4), heard(key=""), heard(arrived_at=None)]
    made = [tuple(steps(call, LINE)) for call in calls]
    found = judge_load(calls, made, 5)
    assert found.level is Level.FAULT
    assert "2 of 5" in found.what
    assert "1 at placing" in found.what
    assert "1 at key" in found.what
    assert "1 at arrival" in found.what
    assert judge_load(calls[:2], made[:2], 2).level is Level.OK


def test_the_result_is_the_bridges_own() -> None:
    assert (variables.RESULT, variables.Result.DONE.value) == (RESULT, DONE)


def test_the_ear_on_another_address_needs_a_list_of_peers() -> None:
    with pytest.raises(ValueError, match="allow"):
        Ear("192.0.2.1")
