"""The doctor as a whole, with managers that misbehave, by a clock on which they take no time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.app.doctor import Trial, line_name, line_sounds, run
from agi_bridge.doctor import Id, Level, Report, Target
from tests.support.call_env import DID, settings
from tests.support.fake_ami import GREETING, FakeClock, Peer, fake_ami

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

SECRET = "f2a9c4e1d7b3"
LONGEST = 30.0
"""Seconds for which the PBX may hold the doctor."""


async def mute(peer: Peer) -> None:
    await peer.stays()


async def mute_after_login(peer: Peer) -> None:
    await peer.say(GREETING)
    await peer.answer("Response: Success")
    await peer.stays()


async def slow(peer: Peer) -> None:
    await peer.say(GREETING)
    while True:
        await peer.answer("Response: Success")


async def cut(peer: Peer) -> None:
    await peer.say(GREETING)
    await peer.answer("Response: Success")
    await peer.action()


async def flooding(peer: Peer) -> None:
    await peer.say(GREETING)
    while True:
        await peer.say(b"Event: Noise\r\nSecret: " + SECRET.encode() + b"\r\n\r\n")


async def endless_answer(peer: Peer) -> None:
    await peer.say(GREETING)
    await peer.answer("Response: Success")
    await peer.answer("Response: Success", "EventList: start")
    while True:
        await peer.say(b"Event: Item\r\n\r\n")


@pytest.mark.parametrize(
    ("behaviour", "delays"),
    [
        (mute, (None,)),
        (mute_after_login, (0, 0, None)),
        (slow, (3.99,)),
        (cut, (0,)),
        (flooding, (0, None)),
        (endless_answer, (0, 0, None)),
    ],
)
async def test_no_manager_holds_the_doctor(
    behaviour: Callable[[Peer], Awaitable[None]], delays: tuple[float | None, ...], tmp_path: Path
) -> None:
    clock = FakeClock(*delays)
    trial = Trial(Target(DID, "from-trunk"))
    async with fake_ami(behaviour) as port:
        report = await looked(tmp_path, {"port": port}, clock=clock, trial=trial)
    assert clock.time <= LONGEST
    found = {each.id: each.level for each in report.findings}
    assert found[Id.PBX_REACH] is Level.FAULT
    assert found[Id.CALL] is Level.NOT_LOOKED_AT
    assert found[Id.SOUNDS] is Level.NOT_LOOKED_AT
    assert SECRET not in json.dumps(report.document().model_dump(mode="json"))


async def looked(tmp_path: Path, ami: dict[str, Any], **options: Any) -> Report:
    (tmp_path / "secret").write_text(SECRET)
    given = settings(
        tmp_path, tables={"ami": {"secret": {"file": str(tmp_path / "secret")}, **ami}}
    )
    return await run(given, {}, local=list, **options)


async def test_without_a_secret_the_pbx_is_not_asked_and_nothing_listens(tmp_path: Path) -> None:
    report = await run(
        settings(tmp_path), {}, local=list, trial=Trial(Target(DID, "from-trunk"), load=3)
    )
    found = {each.id: each for each in report.findings}
    assert found[Id.PBX_REACH].level is Level.NOT_LOOKED_AT
    assert "ami.secret" in found[Id.PBX_REACH].fix
    assert found[Id.LOAD].level is Level.NOT_LOOKED_AT
    assert not report.ok
    assert report.count(Level.FAULT) == 1  # no bridge runs
    assert found[Id.SERVICE].level is Level.FAULT


async def test_a_secret_from_the_environment_is_read(tmp_path: Path) -> None:
    given = settings(tmp_path, tables={"ami": {"secret": {"env": "AMI_SECRET"}, "port": 1}})
    missing = await run(given, {}, local=list)
    assert {each.id for each in missing.findings if each.level is Level.FAULT} >= {Id.PBX_LOGIN}
    there = await run(given, {"AMI_SECRET": SECRET}, local=list)
    assert {each.id for each in there.findings if each.level is Level.FAULT} >= {Id.PBX_REACH}


async def test_without_a_line_no_call_is_placed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    ami = {"secret": {"file": str(tmp_path / "secret")}}

    async def behaviour(peer: Peer) -> None:
        await peer.say(GREETING)
        while True:
            await peer.answer("Response: Success")

    async with fake_ami(behaviour) as port:
        given = settings(tmp_path, tables={"ami": {**ami, "port": port}})
        none = given.model_copy(update={"lines": {}})
        report = await run(none, {}, local=list, trial=Trial(Target(DID, "from-trunk")))
    assert {each.level for each in report.findings if each.id is Id.CALL} == {Level.NOT_LOOKED_AT}


async def test_a_load_beyond_the_limit_of_descriptors_is_not_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def barely(wanted: int) -> int:
        asked.append(wanted)
        return 256

    monkeypatch.setattr("agi_bridge.app.doctor.raise_soft_limit", barely)

    async def behaviour(peer: Peer) -> None:
        await peer.say(GREETING)
        while True:
            await peer.answer("Response: Success")

    async with fake_ami(behaviour) as port:
        trial = Trial(Target(DID, "from-trunk"), load=200)
        report = await looked(tmp_path, {"port": port}, trial=trial)
    (found,) = (each for each in report.findings if each.id is Id.LOAD)
    assert found.level is Level.NOT_LOOKED_AT
    assert str(asked[0]) in found.fix
    assert asked[0] > 400


@pytest.mark.parametrize(
    ("number", "name"),
    [(DID, "shop"), ("4155550111", "shop"), ("0014155550111", "shop"), ("s", None), ("", None)],
)
def test_a_called_number_finds_the_line_that_the_bridge_would_take(
    number: str, name: str | None, tmp_path: Path
) -> None:
    assert line_name(settings(tmp_path), number) == name


def test_a_test_call_plays_a_short_prompt_of_the_line(tmp_path: Path) -> None:
    (line,) = line_sounds(settings(tmp_path))
    assert 0.5 <= line.sample.seconds <= 3.0
    assert line.sample.samples == round(8000 * line.sample.seconds)
    assert line.did == (DID,)
    assert line.digits_from_pbx == frozenset()  # the shipped prompts have digits
    assert all(file.is_file() for file in line.files)


def test_over_http_a_test_call_plays_a_recording_of_the_pbx(tmp_path: Path) -> None:
    speech = {"delivery": "http", "url": "http://127.0.0.1:4580"}
    (line,) = line_sounds(settings(tmp_path, tables={"speech": speech}))
    assert not line.sample.path.startswith("/")
    assert line.files == ()
