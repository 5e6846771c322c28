"""The caller in the terminal, against real FastAGI servers."""

import asyncio
import contextlib
import io
import sys

import pytest
from rich.console import Console

from agi_bridge.agi import AGIHangup, Channel, Server
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.lab.errors import SoftphoneUsageError
from agi_bridge.lab.softphone import run_softphone, softphone
from agi_bridge.lab.softphone.softphone import COMPLETED, FAILED, Target
from agi_bridge.lab.softphone.sounds import Sounds
from agi_bridge.lab.softphone.transcript import Transcript
from agi_bridge.speech import SHIPPED
from tests.support.screen import DID, PROMPT, call, done, on

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

    assert code == COMPLETED
    words = [line.split(maxsplit=1)[1] for line in shown.splitlines()]
    assert words == [
        "calls  +14155550111 from +14155550100",
        "hears  enter-number (en, 3.2 s): Enter your ten-digit mobile number, area code first.",
        "keys   123",
        "hears  4 1 5 (2.4 s)",
        "dials  PJSIP/+14155550199@trunk",
        "dials  DIALSTATUS ANSWER",
        "sets   AGI_BRIDGE_RESULT=done",
        "after 13.2 s: AGISTATUS SUCCESS, AGI_BRIDGE_RESULT done",
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

    assert code == COMPLETED
    assert "hangup the channel was hung up" in shown
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
        await run_softphone(
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
    Transcript(Console(file=screen), Sounds()).line(1.0, "hears", "x")
    assert "\x1b" not in screen.getvalue()


async def test_a_file_started_beyond_its_end_is_not_shown() -> None:
    async def handler(channel: Channel) -> None:
        await channel.stream_file("en/digits/0", offset=8000 * 3600)
        await channel.stream_file(PROMPT, offset=8000)
        await done(channel)

    _, shown = await call(handler)

    assert "hears  0" not in shown
    assert "hears  enter-number" in shown


# -- how it ends --------------------------------------------------------------------------------


async def test_a_bridge_that_refuses_is_one_clear_line_and_exit_code_1() -> None:
    async def handler(channel: Channel) -> None:
        await channel.refuse("no line here")

    code, shown = await call(handler)

    assert code == FAILED
    assert shown.splitlines()[-1].endswith("error  the bridge refused the call: no line here")


async def test_what_the_simulated_pbx_lacks_is_one_clear_line_and_exit_code_1() -> None:
    async def handler(channel: Channel) -> None:
        await channel.exec("BackGround", "beep")

    code, shown = await call(handler)

    assert code == FAILED
    assert shown.splitlines()[-1].endswith("this simulated PBX lacks the application BackGround")


async def test_a_bridge_that_breaks_off_is_exit_code_1() -> None:
    async def handler(channel: Channel) -> None:
        await channel.answer()

    code, shown = await call(handler)

    assert code == FAILED
    assert "the bridge ended the call after 0.0 s: AGISTATUS SUCCESS" in shown


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
        code = await run_softphone(
            f"agi://127.0.0.1:{port}/",
            to="",
            keys="",
            caller_id="",
            dial="ANSWER",
            pace=0,
            console=on(screen),
        )

    assert code == FAILED
    assert "protocol error by the bridge: a command was written before" in screen.getvalue()


async def test_no_bridge_there_is_one_clear_line_and_exit_code_1() -> None:
    async with Server(done, port=0) as server:
        port = server.port
    screen = io.StringIO()

    code = await run_softphone(
        f"agi://127.0.0.1:{port}/",
        to=DID,
        keys="",
        caller_id="",
        dial="ANSWER",
        pace=0,
        console=on(screen),
    )

    assert code == FAILED
    assert (
        f"cannot reach a bridge at 127.0.0.1 port {port}: Connection refused" in screen.getvalue()
    )


async def test_a_machine_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(softphone, "_CONNECT_SECONDS", 0.01)
    monkeypatch.setattr(FakeAsterisk, "call", never)

    code, shown = await call(done)

    assert code == FAILED
    assert "no answer" in shown


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "agi://", "agi://127.0.0.1:http/"])
async def test_an_invalid_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(SoftphoneUsageError) as wrong:
        await run_softphone(url, to="", keys="", caller_id="", dial="ANSWER", pace=0)
    assert wrong.value.option == "bridge"


@pytest.mark.parametrize(
    ("keys", "dial", "option"), [("", "MAYBE", "dial"), ("12x", "BUSY", "keys")]
)
async def test_an_unknown_dial_status_or_key_is_a_usage_error(
    keys: str, dial: str, option: str
) -> None:
    with pytest.raises(SoftphoneUsageError) as wrong:
        await call(done, keys, dial=dial)
    assert wrong.value.option == option


async def test_without_a_terminal_keys_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SoftphoneUsageError) as wrong:
        await call(done, None, pace=1)
    assert wrong.value.option == "keys"


def test_the_number_called_goes_into_the_url_as_the_dialplan_puts_it() -> None:
    assert Target.of("agi://h/consent", "+1415") == Target("h", 4573, "consent?to=%2B1415")
    assert Target.of("agi://h:1/c?token=x", "+1").path == "c?token=x&to=%2B1"
    assert Target.of("agi://h/c?to=5", "+1").path == "c?to=5"
    assert Target.of("agi://h", "").path == ""
    with pytest.raises(SoftphoneUsageError):
        Target.of("agi://h:99999/", "")
