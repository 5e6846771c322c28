"""The caller in the terminal, against real FastAGI servers; its keypad on a pseudo-terminal."""

import asyncio
import contextlib
import io
import os
import pty
import signal
import sys
import termios
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from agi_bridge.agi import AGIHangup, Channel, Server
from agi_bridge.agi.testing import CallEvent, FakeAsterisk
from agi_bridge.speech import SHIPPED
from agi_bridge.tools import softphone
from agi_bridge.tools.errors import UsageError
from agi_bridge.tools.softphone import MISUSED, NOT_SEEN_THROUGH, SEEN_THROUGH, Target
from agi_bridge.tools.softphone_keys import Keyboard
from agi_bridge.tools.softphone_sounds import UNKNOWN_MS, Sounds
from agi_bridge.tools.softphone_story import Story

PROMPT = str(SHIPPED / "en" / "enter-number")
DID = "+14155550111"


class Screen(io.StringIO):
    """A terminal's screen, which can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def write(self, text: str) -> int:
        self._news.set()
        return super().write(text)

    async def shows(self, text: str) -> None:
        while text not in self.getvalue():
            self._news.clear()
            await self._news.wait()


def on(screen: io.StringIO) -> Console:
    return Console(file=screen, highlight=False)


async def call(
    handler: Callable[[Channel], Awaitable[None]],
    keys: str | None = "",
    *,
    dial: str = "ANSWER",
    pace: float = 0.0,
    screen: io.StringIO | None = None,
    path: str = "consent",
) -> tuple[int, str]:
    screen = screen or io.StringIO()
    async with Server(handler, port=0) as server:
        code = await softphone.run(
            f"agi://127.0.0.1:{server.port}/{path}",
            to=DID,
            keys=keys,
            caller_id="+14155550100",
            dial=dial,
            pace=pace,
            console=on(screen),
        )
    return code, screen.getvalue()


async def done(channel: Channel) -> None:
    await channel.set_variable("AGI_BRIDGE_RESULT", "done")


# -- what is shown ------------------------------------------------------------------------------


async def test_a_scripted_call_shows_prompts_keys_dialling_and_the_result() -> None:
    async def handler(channel: Channel) -> None:
        assert channel.environment.query["to"] == DID
        assert channel.environment.caller_id == "+14155550100"
        await channel.answer()
        await channel.get_data(PROMPT, timeout=2, max_digits=3)
        await channel.say_digits("415")
        await channel.exec("Dial", "PJSIP/+14155550199@trunk", "30", "g")
        await done(channel)

    code, shown = await call(handler, "123")

    assert code == SEEN_THROUGH
    words = [line.split(maxsplit=1)[1] for line in shown.splitlines()]
    assert words == [
        "calls  +14155550111 from +14155550100",
        "hears  enter-number (en, 3.2 s): Enter your ten-digit mobile number, area code first.",
        "keys   123",
        "hears  4 1 5 (2.4 s)",
        "dials  PJSIP/+14155550199@trunk",
        "dials  DIALSTATUS ANSWER",
        "sets   AGI_BRIDGE_RESULT=done",
        "after 10.0 s: AGISTATUS SUCCESS, AGI_BRIDGE_RESULT done",
    ]


async def test_a_dialled_call_ends_as_asked_for() -> None:
    async def handler(channel: Channel) -> None:
        await channel.exec("Dial", "PJSIP/100", "30", "g")
        await done(channel)

    _, shown = await call(handler, dial="BUSY")

    assert "dials  DIALSTATUS BUSY" in shown


async def test_a_scripted_caller_who_hangs_up_is_told_of_what_the_bridge_still_sets() -> None:
    async def handler(channel: Channel) -> None:
        async with channel.shielded():
            with contextlib.suppress(AGIHangup):
                await channel.wait_for_digit(5)
            await channel.set_variable("AGI_BRIDGE_RESULT", "hangup")

    code, shown = await call(handler, "!")

    assert code == SEEN_THROUGH
    assert "hangup the channel is gone" in shown
    assert "AGISTATUS HANGUP, AGI_BRIDGE_RESULT hangup" in shown


async def test_a_list_of_recordings_shows_each_and_says_which_is_missing() -> None:
    async def handler(channel: Channel) -> None:
        await channel.exec("Playback", f"{PROMPT}&{SHIPPED}/en/nothing")
        await channel.exec("Read", "X", f"{PROMPT}&{SHIPPED}/en/nothing", "1")
        await done(channel)

    _, shown = await call(handler)

    assert shown.count("hears  enter-number") == 2
    assert f"note   {SHIPPED}/en/nothing is missing" in shown


async def test_nothing_from_the_bridge_acts_on_the_terminal() -> None:
    async def handler(channel: Channel) -> None:
        await channel.set_variable("AGI_BRIDGE_RESULT", "\x1b[2Jdone")

    _, shown = await call(handler)

    assert "\x1b" not in shown
    assert "AGI_BRIDGE_RESULT=?[2Jdone" in shown


async def test_without_a_number_or_caller_id_the_call_says_so() -> None:
    seen: list[str | None] = []

    async def handler(channel: Channel) -> None:
        environment = channel.environment
        seen.extend((environment.caller_id, environment.dnid, environment.extension))
        await done(channel)

    screen = io.StringIO()
    async with Server(handler, port=0) as server:
        await softphone.run(
            f"agi://127.0.0.1:{server.port}",
            to="",
            keys="",
            caller_id="",
            dial="ANSWER",
            pace=0,
            console=on(screen),
        )

    assert seen == [None, None, "s"]
    assert "calls  the bridge from a hidden number" in screen.getvalue()


async def test_colours_are_for_terminals_only() -> None:
    screen = io.StringIO()
    Story(Console(file=screen), Sounds()).line(1.0, "hears", "x")
    assert "\x1b" not in screen.getvalue()


# -- how it ends --------------------------------------------------------------------------------


async def test_a_bridge_that_refuses_is_one_clear_line_and_exit_code_1() -> None:
    async def handler(channel: Channel) -> None:
        await channel.refuse("no line here")

    code, shown = await call(handler)

    assert code == NOT_SEEN_THROUGH
    assert shown.splitlines()[-1].endswith("error  the bridge refused the call: no line here")


async def test_a_bridge_that_breaks_off_is_exit_code_1() -> None:
    async def handler(channel: Channel) -> None:
        await channel.answer()

    code, shown = await call(handler)

    assert code == NOT_SEEN_THROUGH
    assert "the bridge broke off after 0.0 s: AGISTATUS SUCCESS" in shown


async def test_a_bridge_that_writes_into_a_running_command_is_told_of() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        writer.write(b'NOOP "1"\nNOOP "2"\n')
        await reader.readline()
        await reader.readline()
        writer.close()

    screen = io.StringIO()
    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        code = await softphone.run(
            f"agi://127.0.0.1:{port}/",
            to="",
            keys="",
            caller_id="",
            dial="ANSWER",
            pace=0,
            console=on(screen),
        )

    assert code == NOT_SEEN_THROUGH
    assert "the bridge broke the protocol: a command was written before" in screen.getvalue()


async def test_no_bridge_there_is_one_clear_line_and_exit_code_1() -> None:
    async with Server(done, port=0) as server:
        port = server.port
    screen = io.StringIO()

    code = await softphone.run(
        f"agi://127.0.0.1:{port}/",
        to=DID,
        keys="",
        caller_id="",
        dial="ANSWER",
        pace=0,
        console=on(screen),
    )

    assert code == NOT_SEEN_THROUGH
    assert f"no bridge at 127.0.0.1 port {port}: Connection refused" in screen.getvalue()


async def test_a_machine_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(softphone, "_CONNECT_SECONDS", 0.01)
    monkeypatch.setattr(FakeAsterisk, "call", never)

    code, shown = await call(done)

    assert code == NOT_SEEN_THROUGH
    assert "no answer" in shown


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1/", "not an AGI URL"),
        ("agi://", "not an AGI URL"),
        ("agi://127.0.0.1:http/", "not a port"),
    ],
)
async def test_a_url_that_is_none_is_exit_code_2(
    url: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await softphone.run(url, to="", keys="", caller_id="", dial="ANSWER", pace=0)
    assert code == MISUSED
    assert problem in capsys.readouterr().err


async def test_an_unknown_dial_status_or_key_is_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (await call(done, dial="MAYBE"))[0] == MISUSED
    assert "--dial is one of ANSWER, BUSY" in capsys.readouterr().err
    assert (await call(done, "12x"))[0] == MISUSED
    assert "--keys: keys are 0-9 * #" in capsys.readouterr().err


async def test_without_terminal_and_keys_it_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert (await call(done, None, pace=1))[0] == MISUSED
    assert "say them with --keys" in capsys.readouterr().err


def test_the_number_called_goes_into_the_url_as_the_dialplan_puts_it() -> None:
    assert Target.of("agi://h/consent", "+1415") == Target("h", 4573, "consent?to=%2B1415")
    assert Target.of("agi://h:1/c?token=x", "+1").path == "c?token=x&to=%2B1"
    assert Target.of("agi://h/c?to=5", "+1").path == "c?to=5"
    assert Target.of("agi://h", "").path == ""
    with pytest.raises(UsageError):
        Target.of("agi://h:99999/", "")


# -- recordings ---------------------------------------------------------------------------------


def test_a_recording_here_gives_its_own_length_and_text(tmp_path: Path) -> None:
    folder = tmp_path / "en"
    folder.mkdir()
    source = (SHIPPED / "en" / "busy.wav").read_bytes()
    for name in ("mine", "mute"):
        (folder / f"{name}.wav").write_bytes(source)
    (folder / "mine.txt").write_text("My own words.\n")
    (folder / "broken.wav").write_bytes(b"no sound")
    sounds = Sounds()

    mine, mute = sounds.find(str(folder / "mine")), sounds.find(str(folder / "mute"))
    assert mine is not None
    assert mute is not None
    assert (mine.text, mine.milliseconds, mine.known) == ("My own words.", 1590, True)
    assert mute.text == ""
    assert sounds.find(str(folder / "nothing")) is None
    assert sounds.milliseconds(str(folder / "broken")) is None


def test_a_whole_recording_is_never_taken_for_shorter_than_it_is() -> None:
    found = Sounds().find(str(SHIPPED / "en" / "disclosure"))
    assert found is not None
    assert found.milliseconds * 8 >= 167307


def test_a_recording_elsewhere_is_looked_up_among_the_shipped_ones_or_guessed() -> None:
    sounds = Sounds()
    elsewhere = sounds.find("/nowhere/prompts/fr/busy")
    guessed = sounds.find("vm-goodbye")
    assert elsewhere is not None
    assert guessed is not None
    assert elsewhere.text.startswith("Désolé")
    assert (guessed.milliseconds, guessed.known) == (UNKNOWN_MS, False)


def test_a_recording_that_may_not_be_read_is_not_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def closed(file: Path) -> None:
        raise PermissionError(file)

    monkeypatch.setattr("agi_bridge.tools.softphone_sounds.examine", closed)
    found = Sounds().find(str(tmp_path / "say"))
    assert found is not None
    assert not found.known


def test_a_guessed_length_is_shown_as_one() -> None:
    screen = io.StringIO()
    Story(on(screen), Sounds()).tell(CallEvent(0.0, "playing", "vm-goodbye", 1000))
    assert "hears  vm-goodbye (length unknown, taken for 1 s)" in screen.getvalue()


# -- the terminal -------------------------------------------------------------------------------


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
        os.write(terminal, b"5x*")  # 5 is not wanted while the prompt plays, * is; x is no key
        await screen.shows("keys   *")
        os.write(terminal, b"12")

    (code, shown), _ = await asyncio.gather(
        call(asks_twice, None, pace=1.0, screen=screen), caller()
    )

    assert code == SEEN_THROUGH
    assert "note   5 does nothing now" in shown
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
    assert code == NOT_SEEN_THROUGH
    assert "given up" in shown


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

    assert code == SEEN_THROUGH
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

    assert code == SEEN_THROUGH
    assert "hangup the channel is gone" in shown
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

    assert code == NOT_SEEN_THROUGH
    assert shown.splitlines()[-1].split() == ["error", "given", "up"]
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
    terminal: int, capsys: pytest.CaptureFixture[str]
) -> None:
    del terminal
    assert (await call(done, None, pace=0.0))[0] == MISUSED
    assert "--fast needs --keys" in capsys.readouterr().err


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
