"""A PBX that misbehaves at any one action, over real sockets: the doctor answers in time, in lines.

Every action of a whole run is tried with every behaviour, the test call included.
"""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.app.doctor import Trial
from agi_bridge.app.doctor import run as run_doctor
from agi_bridge.doctor import ARRIVE_SECONDS, AmiLimits, Id, Level, Target, ami
from tests.support.doctor_findings import configured
from tests.support.fake_ami import GREETING, Peer, fake_ami
from tests.support.scripted_pbx import DID, ScriptedPbx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from agi_bridge.doctor.ami import Answer

    Hostile = Callable[["Peer", dict[str, str], "StallClock"], Awaitable[None]]

SECRET = "x7Gh2kQ9vLmN4pRt"
LONGEST = 30.0 - ARRIVE_SECONDS
"""Seconds that the PBX's manager interface may keep the doctor."""
ACTIONS = (
    "Login", "CoreSettings", "ModuleCheck", "PJSIPShowEndpoint", "ShowDialPlan", "Getvar",
    "GetConfig", "Ping", "Originate",
)  # fmt: skip


class StallClock:
    """Time that passes when the PBX stalls, and a little with each answer if it is slow."""

    def __init__(self, each: float) -> None:
        self.time = 0.0
        self.stalled = asyncio.Event()
        self._each = each

    def now(self) -> float:
        return self.time

    async def wait(self, done: asyncio.Future[Any], seconds: float) -> bool:
        stalled = asyncio.ensure_future(self.stalled.wait())
        await asyncio.wait({done, stalled}, return_when=asyncio.FIRST_COMPLETED)
        stalled.cancel()
        if not done.done() or self._each > seconds:
            self.time += max(0.0, seconds)
            return False
        self.time += self._each
        return True


async def mute(peer: Peer, _given: dict[str, str], clock: StallClock) -> None:
    clock.stalled.set()
    await peer.stays()


async def cut(peer: Peer, given: dict[str, str], _clock: StallClock) -> None:
    await peer.say(f"Response: Success\r\nActionID: {given['ActionID']}\r\nVal".encode())


async def floods(peer: Peer, _given: dict[str, str], clock: StallClock) -> None:
    for _ in range(40):
        await peer.say(b"Event: Noise\r\nChanVariable: x\r\n\r\n" * 100)
    clock.stalled.set()
    await peer.stays()


async def floods_a_line(peer: Peer, _given: dict[str, str], clock: StallClock) -> None:
    for _ in range(8):
        await peer.say(b"x" * 65_536)
    clock.stalled.set()
    await peer.stays()


async def lists_for_ever(peer: Peer, given: dict[str, str], _clock: StallClock) -> None:
    head = f"Response: Success\r\nActionID: {given['ActionID']}\r\nEventList: start\r\n\r\n"
    await peer.say(head.encode())
    while True:
        await peer.say(b"Event: Item\r\nContext: x\r\n\r\n" * 100)


async def kills_the_reader(peer: Peer, given: dict[str, str], clock: StallClock) -> None:
    head = f"Response: Success\r\nActionID: {given['ActionID']}\r\nChanVariable(x): y=z\r\n\r\n"
    await peer.say(head.encode())
    clock.stalled.set()
    await peer.stays()


async def answers_in_no_charset(peer: Peer, given: dict[str, str], clock: StallClock) -> None:
    await peer.say(f"Response: Success\r\nActionID: {given['ActionID']}\r\n".encode())
    await peer.say(b"Value: \xff\xfe\x00\r\n\r\n")
    clock.stalled.set()
    await peer.stays()


BEHAVIOURS = {
    each.__name__: each
    for each in (
        mute, cut, floods, floods_a_line, lists_for_ever, kills_the_reader, answers_in_no_charset,
    )
}  # fmt: skip


def encoded(answer: Answer, action_id: str) -> bytes:
    """An answer as Asterisk sends it, with its list."""
    head = {**answer.headers, "ActionID": action_id}
    blocks = [{"Response": head.pop("Response"), **head}]
    if answer.items:
        blocks[0]["EventList"] = "start"
        blocks += [{"Event": "Item", "ActionID": action_id, **item} for item in answer.items]
        blocks.append({"Event": "Done", "ActionID": action_id, "EventList": "Complete"})
    lines = ("".join(f"{name}: {value}\r\n" for name, value in each.items()) for each in blocks)
    return "".join(f"{block}\r\n" for block in lines).encode()


def pbx_that(
    hostile: Hostile | None,
    at: str,
    clock: StallClock,
    seen: list[str],
) -> Callable[[Peer], Awaitable[None]]:
    """A sound PBX that turns hostile at an action; None: it never does."""
    pbx = ScriptedPbx()

    async def serve(peer: Peer) -> None:
        await peer.say(GREETING)
        while True:
            given = dict(await peer.action())
            seen.append(given["Action"])
            if given["Action"] == at and hostile is not None:
                await hostile(peer, given, clock)
                return
            action, action_id = given.pop("Action"), given.pop("ActionID")
            if action in {"Login", "Logoff"}:
                word = b"Success" if action == "Login" else b"Goodbye"
                await peer.say(b"Response: %b\r\nActionID: %b\r\n\r\n" % (word, action_id.encode()))
            else:
                await peer.say(encoded(await pbx.ask(action, **given), action_id))

    return serve


async def examined(folder: Path, port: int, clock: StallClock) -> dict[Id, Level]:
    """The findings that are not well; none shows a secret, a number or a traceback."""
    (folder / "secret").write_text(SECRET)
    settings = configured({"ami": {"port": port, "secret": {"file": str(folder / "secret")}}})
    trial = Trial(Target(DID, "from-trunk"), arrive_seconds=0.0)
    report = await run_doctor(
        settings,
        {},
        local=list,
        trial=trial,
        limits=AmiLimits(),
        clock=clock,
        synchronised=lambda: True,
    )
    text = json.dumps(report.document().model_dump(mode="json"))
    assert SECRET not in text
    assert DID[1:] not in text
    assert all(each.fix for each in report.findings if each.level is not Level.OK)
    return {each.id: each.level for each in report.findings if each.level is not Level.OK}


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What threads raised."""
    found: list[object] = []
    monkeypatch.setattr(threading, "excepthook", found.append)
    return found


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", BEHAVIOURS)
async def test_no_action_keeps_the_doctor_or_ends_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    printed: list[object],
    name: str,
    action: str,
) -> None:
    monkeypatch.setattr(ami, "_MAX_ITEMS", 500)
    clock, seen = StallClock(0.0), list[str]()
    async with fake_ami(pbx_that(BEHAVIOURS[name], action, clock, seen)) as port:
        found = await examined(tmp_path, port, clock)
    assert seen[-1] == action  # and nothing is asked after it
    assert found[Id.PBX_REACH] is Level.FAULT
    assert found[Id.CALL] is Level.NOT_LOOKED_AT
    assert clock.time <= LONGEST
    assert not printed


async def test_a_pbx_that_is_slow_in_all_is_given_up_in_time(tmp_path: Path) -> None:
    clock, seen = StallClock(3.9), list[str]()
    async with fake_ami(pbx_that(None, "", clock, seen)) as port:
        found = await examined(tmp_path, port, clock)
    assert found[Id.PBX_REACH] is Level.FAULT
    assert clock.time <= LONGEST


async def test_a_sound_pbx_is_asked_all_of_these_actions(tmp_path: Path) -> None:
    clock, seen = StallClock(0.0), list[str]()
    async with fake_ami(pbx_that(None, "", clock, seen)) as port:
        found = await examined(tmp_path, port, clock)
    assert set(seen) == {*ACTIONS, "Logoff"}
    assert Id.PBX_REACH not in found
    assert found[Id.DIALPLAN_URL] is Level.FAULT  # nobody calls the ear
