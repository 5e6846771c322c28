"""The manager session: what it sends, and that no peer keeps its caller."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import agi_bridge
from agi_bridge.doctor import ami
from agi_bridge.doctor.ami import AmiError, AmiLimits, AmiSession
from tests.support.fake_ami import GREETING, FakeClock, Peer, fake_ami

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SUCCESS = "Response: Success"
LONGEST = 30.0
"""Seconds that a PBX may keep the doctor, whatever it does."""


async def opened(port: int, clock: FakeClock | None = None) -> AmiSession:
    return await AmiSession.open(
        "127.0.0.1", port, "agi-bridge", "a secret", clock=clock or FakeClock()
    )


async def logged_in(peer: Peer) -> dict[str, str]:
    await peer.say(GREETING)
    return await peer.answer(SUCCESS, "Message: Authentication accepted")


async def test_the_session_asks_for_no_events_and_reads_a_list() -> None:
    seen: list[dict[str, str]] = []

    async def behaviour(peer: Peer) -> None:
        seen.append(await logged_in(peer))
        listed = b"Event: Item\r\nName: one\r\n\r\nEvent: Item\r\nName: two\r\n\r\n"
        done = b"Event: ListComplete\r\nEventList: Complete\r\n\r\n"
        seen.append(await peer.answer(SUCCESS, "EventList: start", follows=listed + done))
        seen.append(await peer.answer("Response: Error", "Message: Permission denied"))
        seen.append(await peer.answer("Response: Goodbye"))

    async with fake_ami(behaviour) as port:
        session = await opened(port)
        answer = await session.ask("ShowThings", Context="here")
        denied = await session.ask("Other", Variable=["A=1", "B="])
        await session.close()
    assert [item["Name"] for item in answer.items] == ["one", "two"]
    assert denied.denied
    assert not answer.denied
    assert seen[0]["Events"] == "off"
    assert seen[1]["Context"] == "here"
    assert seen[2]["Variable"] == "B="  # a dict keeps the last of two headers: both were sent
    assert "Context" not in seen[2]  # nothing is left over from the action before
    assert [each["Action"] for each in seen] == ["Login", "ShowThings", "Other", "Logoff"]


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\0b"])
async def test_a_line_break_in_a_value_is_refused(value: str) -> None:
    async def behaviour(peer: Peer) -> None:
        await logged_in(peer)
        await peer.stays()

    async with fake_ami(behaviour) as port:
        session = await opened(port)
        with pytest.raises(ValueError, match="line break"):
            await session.ask("Getvar", Variable=value)
        with pytest.raises(ValueError, match="not an action"):
            await session.ask("Command", Command="core stop now")
        with pytest.raises(ValueError, match="line break"):
            await AmiSession.open("127.0.0.1", port, "agi-bridge", value, clock=FakeClock())


async def mute(peer: Peer) -> None:
    await peer.stays()


async def mute_after_greeting(peer: Peer) -> None:
    await peer.say(GREETING)
    await peer.stays()


async def closes(peer: Peer) -> None:
    del peer


async def closes_after_greeting(peer: Peer) -> None:
    await peer.say(GREETING)
    await peer.action()


async def web_server(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await peer.stays()


async def endless_greeting(peer: Peer) -> None:
    await peer.say(b"Asterisk Call Manager/" + b"1" * 4096)
    await peer.stays()


async def half_a_greeting(peer: Peer) -> None:
    await peer.say(b"Asterisk Call Man")


async def floods(peer: Peer) -> None:
    await peer.say(GREETING)
    while True:
        await peer.say(b"Event: Noise\r\nChanVariable: x\r\n\r\n" * 100)


async def floods_a_line(peer: Peer) -> None:
    await peer.say(GREETING)
    while True:
        await peer.say(b"x" * 65_536)


async def refuses(peer: Peer) -> None:
    await peer.say(GREETING)
    await peer.answer("Response: Error", "Message: Authentication failed")


@pytest.mark.parametrize(
    ("behaviour", "delays", "code"),
    [
        (mute, (None,), "mute"),
        (half_a_greeting, (), "cut"),
        (closes, (), "cut"),
        (web_server, (), "not_ami"),
        (endless_greeting, (), "flood"),
        (mute_after_greeting, (0, None), "slow"),
        (closes_after_greeting, (), "cut"),
        (floods, (0, None), "slow"),
        (floods_a_line, (0, None), "slow"),
        (refuses, (), "login"),
    ],
)
async def test_no_peer_keeps_its_caller(
    behaviour: Callable[[Peer], Awaitable[None]], delays: tuple[float | None, ...], code: str
) -> None:
    clock = FakeClock(*delays)
    async with fake_ami(behaviour) as port:
        with pytest.raises(AmiError) as raised:
            await opened(port, clock)
    assert raised.value.code == code
    assert "a secret" not in str(raised.value)
    assert clock.time <= LONGEST


async def test_a_port_without_a_listener_is_refused(unused_tcp_port: int) -> None:
    with pytest.raises(AmiError) as raised:
        await opened(unused_tcp_port)
    assert raised.value.code == "refused"


async def ask_for_ever(session: AmiSession) -> None:
    while True:
        await session.ask("Ping")


async def test_a_slow_peer_is_given_up_when_the_session_is_over() -> None:
    """Each answer is in time, all of them are not."""

    async def behaviour(peer: Peer) -> None:
        await logged_in(peer)
        while True:
            await peer.answer(SUCCESS)

    clock = FakeClock(3.9)
    async with fake_ami(behaviour) as port:
        session = await opened(port, clock)
        with pytest.raises(AmiError) as raised:
            await ask_for_ever(session)
        assert session.lost is raised.value
        with pytest.raises(AmiError):  # at once: nothing is sent any more
            await session.ask("Ping")
        await session.close()
    assert raised.value.code == "slow"
    assert clock.time <= AmiLimits().session + AmiLimits().action


async def test_a_list_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "_MAX_ITEMS", 1000)

    async def behaviour(peer: Peer) -> None:
        await logged_in(peer)
        await peer.answer(SUCCESS, "EventList: start")
        while True:
            await peer.say(b"Event: Item\r\n\r\n" * 1000)

    async with fake_ami(behaviour) as port:
        session = await opened(port)
        with pytest.raises(AmiError) as raised:
            await session.ask("ShowDialPlan")
    assert raised.value.code == "flood"


async def test_an_answer_that_kills_pyst2s_reader_causes_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pyst2 calls `dict.has_key` at a header ChanVariable, in a thread."""
    printed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)

    async def behaviour(peer: Peer) -> None:
        await logged_in(peer)
        await peer.answer(SUCCESS, "ChanVariable(x): y=z")
        await peer.stays()

    async with fake_ami(behaviour) as port:
        session = await opened(port, FakeClock(0, 0, None))
        with pytest.raises(AmiError) as raised:
            await session.ask("Getvar", Variable="X")
    assert raised.value.code == "slow"
    assert not printed


async def test_an_abandoned_session_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())

    async def behaviour(peer: Peer) -> None:
        await logged_in(peer)
        await peer.stays()

    async with fake_ami(behaviour) as port:
        session = await opened(port, FakeClock(0, 0, None))
        with pytest.raises(AmiError):
            await session.ask("Ping")
        for thread in set(threading.enumerate()) - before:
            thread.join(10)
            assert not thread.is_alive(), thread.name


def test_no_other_module_knows_pyst2s_manager() -> None:
    package = Path(agi_bridge.__file__).parent
    knows = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"asterisk\.manager|from asterisk import manager", path.read_text())
    ]
    assert knows == ["doctor/ami.py"]
