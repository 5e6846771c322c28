"""The keypad of the caller in the terminal, on a pseudo-terminal."""

import asyncio
import contextlib
import os
import pty
import signal
import sys
import termios
from collections.abc import Iterator

import pytest

from agi_bridge.agi import AGIHangup, Channel
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.lab.errors import SoftphoneUsageError
from agi_bridge.lab.softphone.keys import Keyboard
from agi_bridge.lab.softphone.softphone import COMPLETED, FAILED
from tests.support.screen import PROMPT, Screen, call, done


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Our end of a pseudo-terminal whose other end is standard input."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, closefd=True) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


def modes() -> object:
    return termios.tcgetattr(sys.stdin.fileno())


async def asks_twice(channel: Channel) -> None:
    await channel.answer()
    await channel.stream_file(PROMPT, "*")
    await channel.wait_for_digit(5)
    await channel.wait_for_digit(5)
    await done(channel)


async def test_keys_come_from_the_terminal_which_is_left_as_it_was(terminal: int) -> None:
    before = modes()
    screen = Screen()

    async def caller() -> None:
        await screen.shows("hears")
        assert modes() != before
        os.write(terminal, b"5x*")  # 5 is not wanted while the prompt plays, * is; x is not a key
        await screen.shows("keys   *")
        os.write(terminal, b"12")

    (code, shown), _ = await asyncio.gather(
        call(asks_twice, None, pace=1.0, screen=screen), caller()
    )

    assert code == COMPLETED
    assert "note   5 was ignored" in shown
    assert "keys   *12\n" in shown
    assert modes() == before


async def test_what_is_left_typed_does_not_reach_the_shell(terminal: int) -> None:
    with Keyboard(sys.stdin.fileno(), lambda: None):
        os.write(terminal, b"4155550123")
    os.set_blocking(sys.stdin.fileno(), False)
    with pytest.raises(BlockingIOError):
        os.read(sys.stdin.fileno(), 100)


async def test_a_caller_who_leaves_before_the_connection_is_there_gives_up(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        os.write(terminal, b"q")
        await asyncio.Event().wait()

    monkeypatch.setattr(FakeAsterisk, "call", never)
    code, shown = await call(done, None, pace=1.0)
    assert code == FAILED
    assert "cancelled" in shown


@pytest.mark.parametrize("typed", [b"q", b"\x04"])
async def test_q_and_the_end_of_input_hang_up(terminal: int, typed: bytes) -> None:
    screen = Screen()

    async def handler(channel: Channel) -> None:
        async with channel.shielded():
            await channel.set_variable("X", "ready")
            with contextlib.suppress(AGIHangup):
                await channel.wait_for_digit(100)
            await channel.set_variable("AGI_BRIDGE_RESULT", "hangup")

    async def caller() -> None:
        await screen.shows("X=ready")
        os.write(terminal, typed)

    (code, shown), _ = await asyncio.gather(call(handler, None, pace=1.0, screen=screen), caller())

    assert code == COMPLETED
    assert "AGISTATUS HANGUP" in shown


@pytest.mark.parametrize("says", [b"", OSError("EIO")])
async def test_a_terminal_that_goes_away_hangs_up(
    monkeypatch: pytest.MonkeyPatch, says: bytes | OSError
) -> None:
    def read(*_: int) -> bytes:
        if isinstance(says, OSError):
            raise says
        return says

    ours, theirs = pty.openpty()
    gone = asyncio.Event()
    with Keyboard(theirs, gone.set):
        monkeypatch.setattr(os, "read", read)  # systems differ in what they say
        os.close(ours)
        await gone.wait()
    os.close(theirs)


async def test_ctrl_c_hangs_up_and_gives_the_terminal_back(terminal: int) -> None:
    del terminal
    before = modes()
    screen = Screen()

    async def handler(channel: Channel) -> None:
        async with channel.shielded():
            with contextlib.suppress(AGIHangup):
                await channel.exec("Dial", "PJSIP/100", "30", "g")
            await channel.set_variable("AGI_BRIDGE_RESULT", "hangup")

    async def caller() -> None:
        await screen.shows("dials")
        os.kill(os.getpid(), signal.SIGINT)

    (code, shown), _ = await asyncio.gather(call(handler, None, pace=1.0, screen=screen), caller())

    assert code == COMPLETED
    assert "hangup the channel was hung up" in shown
    assert modes() == before


async def test_a_second_signal_gives_up_a_call_that_the_bridge_does_not_end(terminal: int) -> None:
    del terminal
    before = modes()
    screen = Screen()

    async def handler(channel: Channel) -> None:
        async with channel.shielded():
            await channel.set_variable("X", "ready")
            await asyncio.Event().wait()

    async def caller() -> None:
        await screen.shows("X=ready")
        os.kill(os.getpid(), signal.SIGTERM)
        await screen.shows("hangup")
        os.kill(os.getpid(), signal.SIGTERM)

    (code, shown), _ = await asyncio.gather(call(handler, None, pace=1.0, screen=screen), caller())

    assert code == FAILED
    assert shown.splitlines()[-1].split() == ["error", "cancelled"]
    assert modes() == before


async def test_a_fault_on_the_way_gives_the_terminal_back(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    del terminal
    before = modes()

    async def breaks(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(FakeAsterisk, "call", breaks)
    with pytest.raises(RuntimeError, match="broken"):
        await call(done, None, pace=1.0)
    assert modes() == before


async def test_no_time_passes_only_for_a_script(
    terminal: int,
) -> None:
    del terminal
    with pytest.raises(SoftphoneUsageError) as wrong:
        await call(done, None, pace=0.0)
    assert wrong.value.option == "fast"


async def test_a_key_released_while_nobody_listens_is_lost_and_a_paste_comes_key_by_key() -> None:
    loop = asyncio.get_running_loop()
    keyboard = Keyboard(0, lambda: None)
    keyboard.press("1")
    assert await keyboard.next(0.01) is None  # still down
    released = asyncio.Event()
    loop.call_at(keyboard._pressed[0][1] + 0.001, released.set)
    await released.wait()
    keyboard.press("2")
    keyboard.press("3")
    assert [await keyboard.next(5), await keyboard.next(5)] == ["2", "3"]


async def test_a_key_that_nobody_presses_is_not_waited_for_longer_than_asked() -> None:
    assert await Keyboard(0, lambda: None).next(0.0) is None
