"""The demonstration's call, and its whole story where there is no Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from agi_bridge.agi import Channel, Server
from agi_bridge.consent import State
from agi_bridge.hook.testing import Scenario
from agi_bridge.lab.demo import call as demo_call
from agi_bridge.lab.demo import demo, environment
from agi_bridge.lab.demo.call import FakeCall, RealCall, expected
from agi_bridge.lab.demo.demo import FAILED, SUCCEEDED
from agi_bridge.lab.demo.environment import FORWARD, SHOP
from agi_bridge.lab.demo.recognizer import hears_tone
from agi_bridge.lab.errors import (
    AsteriskError,
    AsteriskUnavailableError,
    CallFailedError,
    DemoError,
    PackageUnavailableError,
)
from agi_bridge.lab.sip.phone import SipPhone
from tests.support.screen import Screen, on, reporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.lab.sip.call import Call


# -- the call -----------------------------------------------------------------------------------


def real_call(phone: object, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> RealCall:
    monkeypatch.setattr(demo_call, "recordings", lambda _: [])
    phones = cast("Any", SimpleNamespace(caller=phone, shop=phone, far=phone))
    return RealCall(reporter(screen), cast("Any", None), phones)


@pytest.mark.parametrize("error", [CallFailedError(503), TimeoutError()])
async def test_a_call_that_fails_says_at_which_step(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Phone:
        async def dial(self, *_: object, **__: object) -> None:
            raise error

    with pytest.raises(DemoError, match="this step did not happen: the call is placed"):
        await real_call(Phone(), io.StringIO(), monkeypatch).make(Scenario.DIAL)


async def test_a_call_that_ends_too_early_says_at_which_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with SipPhone(user="pbx", ring_seconds=0.0) as pbx:
        caller = SipPhone(user="caller", server=pbx.address)
        async with caller:
            made = asyncio.create_task(
                real_call(caller, io.StringIO(), monkeypatch).make(Scenario.SAY)
            )
            arrived = await pbx.next_call()
            await arrived.answered()
            await arrived.hang_up()
            with pytest.raises(DemoError, match="the caller hears the disclosure"):
                await made


def test_who_has_to_be_reached_follows_from_the_hooks_answer() -> None:
    assert expected(Scenario.DIAL) == FORWARD
    assert expected(Scenario.SAY) == SHOP


async def nobody(channel: Channel) -> None:
    await channel.answer()


async def no_line(channel: Channel) -> None:
    await channel.refuse("no line")


@pytest.mark.parametrize(("handler", "problem"), [(nobody, "did not dial"), (no_line, "refused")])
async def test_a_simulated_call_that_reaches_nobody_is_an_error(
    handler: Callable[[Channel], Any], problem: str
) -> None:
    async with Server(handler, port=0) as server:
        where = cast("Any", SimpleNamespace(port=server.port))
        with pytest.raises(DemoError, match=problem):
            await FakeCall(reporter(io.StringIO())).make(where)
    with pytest.raises(DemoError) as caught:
        await FakeCall(reporter(io.StringIO())).make(where)
    assert caught.value.code == "bridge_unreachable"


# -- the whole ----------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Simulated calls at a fiftieth of their time; temporary files where they can be counted."""
    monkeypatch.setattr(demo_call, "_FAKE_PACE", 0.02)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.programs
async def test_asterisk_that_cannot_be_had_is_said_and_the_story_told_without(
    monkeypatch: pytest.MonkeyPatch, quick: Path
) -> None:
    async def unavailable(_: object) -> Path:
        raise AsteriskUnavailableError("unavailable", "this works on Debian only")

    monkeypatch.setattr(environment, "asterisk_binary", unavailable)
    screen = io.StringIO()
    code = await demo.run_demo(once=True, fake=False, scenario="dial", console=on(screen))
    printed = screen.getvalue()
    assert code == SUCCEEDED, printed
    assert "setup  Asterisk is not available: this works on Debian only" in printed
    assert "worked +14155550199 answered (dialled); the consent is accepted" in printed
    assert [*quick.iterdir()] == []


async def test_an_asterisk_that_is_broken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> Path:
        raise AsteriskError("no_modules", "no modules")

    monkeypatch.setattr(environment, "asterisk_binary", broken)
    screen = io.StringIO()
    assert await demo.run_demo(once=True, fake=False, scenario="dial", console=on(screen)) == FAILED
    assert "error  no modules" in screen.getvalue()
    screen = io.StringIO()
    assert await demo.prepare_demo(on(screen)) == FAILED
    assert screen.getvalue() == "agi-bridge: no modules\n"


async def test_preparing_shows_progress_and_where_asterisk_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def here(on_progress: Callable[[str], None]) -> Path:
        on_progress("downloading [1] of 2")
        return tmp_path / "asterisk"

    async def no_npm() -> dict[str, bytes]:
        raise PackageUnavailableError("no_npm", "sip.js needs npm")

    monkeypatch.setattr(environment, "asterisk_binary", here)
    monkeypatch.setattr(demo, "fetch_library", no_npm)
    screen = io.StringIO()
    assert await demo.prepare_demo(on(screen)) == SUCCEEDED
    first, second, third = screen.getvalue().splitlines()
    assert (first, second) == ("downloading [1] of 2", f"Asterisk: {tmp_path}/asterisk")
    assert third.endswith("not be available: sip.js needs npm")


@pytest.mark.programs
@pytest.mark.usefixtures("quick")
async def test_another_answer_of_the_hook_leads_to_the_shop_and_its_own_state() -> None:
    screen = io.StringIO()
    assert (
        await demo.run_demo(once=True, fake=True, scenario="403", console=on(screen)) == SUCCEEDED
    )
    assert "worked 100 answered (dialled); the consent is refused" in screen.getvalue()
    assert "error  call.submission_refused" in screen.getvalue()


@pytest.mark.programs
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("scenario", "who", "state"),
    [
        ("dial", "+14155550199", "accepted"),
        ("empty", "100", "accepted"),
        ("403", "100", "refused"),
        ("reset", "100", "unknown"),
        ("refuse", "100", "not_sent"),
    ],
)
async def test_a_receiver_of_webhooks_takes_the_hooks_place(
    scenario: str, who: str, state: str
) -> None:
    screen = io.StringIO()
    code = await demo.run_demo(
        once=True, fake=True, scenario=scenario, webhook=True, console=on(screen)
    )
    printed = screen.getvalue()
    assert code == SUCCEEDED, printed
    assert "setup  the receiver of webhooks listens at" in printed
    assert f"worked {who} answered (dialled); the consent is {state}" in printed
    assert "whsec_" not in printed


@pytest.mark.programs
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wrong", ["who", "state"])
async def test_a_story_that_ends_otherwise_is_exit_code_1(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wrong == "who":
        monkeypatch.setattr(demo, "expected", lambda _: SHOP)
    else:
        monkeypatch.setattr(demo, "STATES", {Scenario.DIAL: State.REFUSED})
    screen = io.StringIO()
    assert await demo.run_demo(once=True, fake=True, scenario="dial", console=on(screen)) == FAILED
    reasons = {
        "who": "+14155550199 answered, expected 100",
        "state": "is accepted, expected refused",
    }
    assert reasons[wrong] in screen.getvalue()


@pytest.mark.programs
async def test_it_stays_up_until_ctrl_c_and_masks_the_numbers_of_further_callers(
    quick: Path,
) -> None:
    screen = Screen()
    running = asyncio.create_task(
        demo.run_demo(once=False, fake=True, scenario="dial", console=on(screen))
    )
    await screen.shows("Ctrl-C stops everything")
    port = int(screen.getvalue().partition("setup  the bridge listens at agi://127.0.0.1:")[2][:5])
    before = len(screen.getvalue())
    second = FakeCall(reporter(io.StringIO()))
    second._to_key = list("4155550101")
    with contextlib.suppress(DemoError):
        await second.make(cast("Any", SimpleNamespace(port=port)))
    await screen.shows("-> say")
    await screen.shows("hook_reason no_forwarding")
    os.kill(os.getpid(), signal.SIGINT)
    assert await running == SUCCEEDED
    assert "4155550101" not in screen.getvalue()[before:]
    assert [*quick.iterdir()] == []


@pytest.mark.programs
async def test_a_signal_in_the_middle_ends_everything_and_is_exit_code_1(quick: Path) -> None:
    screen = Screen()
    running = asyncio.create_task(
        demo.run_demo(once=False, fake=True, scenario="dial", console=on(screen))
    )
    await screen.shows("the bridge listens")
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == FAILED
    assert [*quick.iterdir()] == []


class Impatient(SipPhone):
    """A telephone that waits for its first call for no time."""

    waited = False

    async def next_call(self, within: float = 10.0) -> Call:
        first, self.waited = not self.waited, True
        return await super().next_call(0.0 if first else within)


async def test_who_calls_a_telephone_of_the_demonstration_hears_something() -> None:
    async with (
        Impatient(user="far", ring_seconds=0.0) as far,
        demo._in_background(demo._play_melody(far)),
        SipPhone(user="me", server=far.address) as me,
    ):
        given_up = await me.dial("far")
        await given_up.hang_up()
        call = await me.dial("far")
        await call.answered()
        await hears_tone(call.media, 523.0, 10.0)
    assert far.waited
