"""The demonstration's parts, and its story where there is no Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from agi_bridge.agi import Channel, Server
from agi_bridge.consent import ConsentRecord, Ledger, LedgerUnavailable, State
from agi_bridge.settings import Settings
from agi_bridge.speech import SHIPPED
from agi_bridge.tools import demo, demo_call, demo_parts, demo_story, g711
from agi_bridge.tools.demo import FAILED, WORKED
from agi_bridge.tools.demo_call import FakeCall, RealCall, expected
from agi_bridge.tools.demo_ears import Ear, Known, hears_tone, is_tone, tone
from agi_bridge.tools.demo_parts import DID, FORWARD, MENU_DID, SHOP, Bridge
from agi_bridge.tools.demo_story import STATES, Calls, Teller
from agi_bridge.tools.errors import (
    AsteriskError,
    AsteriskUnavailableError,
    CallEndedError,
    CallFailedError,
    DemoError,
)
from agi_bridge.tools.rtp import FRAME, Packet, RtpStream
from agi_bridge.tools.sip_phone import SipPhone
from agi_bridge.tools.softphone_sounds import Sounds
from agi_bridge.tools.stand_in import BY_NUMBER, Received, Scenario, StandIn
from tests.consent.builders import FACTS, HEARD, NUMBER, confirmed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.tools.sip_call import Call

SILENT = bytes((g711.SILENCE,)) * FRAME


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


def teller(screen: io.StringIO) -> Teller:
    return Teller(on(screen), Sounds())


# -- the ear ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known() -> dict[str, Known]:
    names = ("busy", "goodbye", "you-entered")
    return {name: Known.of(SHIPPED / "en" / f"{name}.wav", name, name) for name in names}


class Notes:
    """An ear that writes down what it is sure of."""

    def __init__(self, known: dict[str, Known]) -> None:
        self.told: list[str] = []
        self.ear = Ear(
            known.values(),
            lambda each: self.told.append(f"begins {each.name}"),
            lambda each: self.told.append(f"ends {each.name}"),
        )

    def hear(self, *packets: bytes) -> None:
        for packet in packets:
            self.ear.hear(packet)


def test_recordings_are_recognised_and_known_to_be_heard_out(known: dict[str, Known]) -> None:
    notes = Notes(known)
    notes.hear(SILENT, *known["busy"].packets, b"\xfe" * 70, SILENT, *known["goodbye"].packets)
    assert notes.told == ["begins busy", "ends busy", "begins goodbye", "ends goodbye"]


def test_a_recording_that_is_cut_short_is_not_heard_out(known: dict[str, Known]) -> None:
    notes = Notes(known)
    notes.hear(*known["busy"].packets[:-10], *known["goodbye"].packets)
    assert notes.told == ["begins busy", "begins goodbye", "ends goodbye"]


def test_a_recording_with_a_packet_missing_or_changed_is_not_heard_out(
    known: dict[str, Known],
) -> None:
    packets = known["busy"].packets
    notes = Notes(known)
    notes.hear(*packets[:30], *packets[31:])
    notes.hear(*packets[:30], bytes(FRAME), *packets[31:])
    assert notes.told == ["begins busy", "begins busy"]


def test_silence_and_what_is_not_known_are_nothing(known: dict[str, Known]) -> None:
    silent = Known("silence", "", (SILENT,) * 20, 20)
    notes = Notes({**known, "silence": silent})
    notes.hear(*[SILENT] * 100, *[bytes(FRAME)] * 20)
    assert notes.told == []


def test_the_shipped_prompts_are_told_apart() -> None:
    all_of_them = {
        str(path): Known.of(path, str(path), "") for path in sorted(SHIPPED.glob("en/*.wav"))
    }
    notes = Notes(all_of_them)
    for each in all_of_them.values():
        notes.hear(*each.packets)
    assert notes.told == [f"{what} {name}" for name in all_of_them for what in ("begins", "ends")]


async def test_waiting_for_a_recording_ends_with_it_or_with_the_call(
    known: dict[str, Known],
) -> None:
    stream = await RtpStream.open("127.0.0.1", quiet=True)
    notes = Notes(known)
    listening = asyncio.create_task(notes.ear.listen(stream))
    waits = [
        asyncio.create_task(wait)
        for wait in (
            notes.ear.begins("busy", 5),
            notes.ear.ends("busy", 5),
            notes.ear.begins("goodbye", 5),
        )
    ]
    for packet in known["busy"].packets:
        stream.datagram_received(bytes(12) + packet, None)
    await asyncio.gather(*waits[:2])
    stream.close()
    with pytest.raises(CallEndedError, match="goodbye"):
        await waits[2]
    await listening


def test_a_tone_is_told_from_another_and_from_silence() -> None:
    assert is_tone(tone(440.0, 0.2), 440.0)
    assert not is_tone(tone(440.0, 0.2), 620.0)
    assert not is_tone([0] * 1600, 440.0)


async def test_waiting_for_a_tone_ends_when_it_is_heard() -> None:
    stream = await RtpStream.open("127.0.0.1", quiet=True)
    coded = g711.encode(tone(440.0, 0.2))
    waiting = asyncio.create_task(hears_tone(stream, 440.0, 5.0))
    await asyncio.sleep(0)
    stream.packets.append(Packet(0.0, 0, 0, bytes(FRAME)))
    for at in range(0, len(coded), FRAME):
        stream.datagram_received(bytes(12) + coded[at : at + FRAME], None)
    await waiting
    stream.close()


# -- the parts ----------------------------------------------------------------------------------


def test_the_configuration_is_one_that_a_user_could_write(tmp_path: Path) -> None:
    folder = tmp_path / 'a "b" c'
    path = tmp_path / "agi-bridge.toml"
    path.write_text(
        demo_parts.configuration(folder, "http://127.0.0.1:1/v1/ivr", ["/bin/sh", "{output}"])
    )
    settings = Settings.load(path, {"DEMO_HOOK_KEY": "k"})
    assert settings.state_dir == folder / "state"
    assert settings.speech.engine[0] == "/bin/sh"
    shop, menu = settings.line_for([DID]), settings.line_for([MENU_DID])
    assert shop is not None
    assert menu is not None
    assert (shop.languages, shop.dial) == (("en",), "exec")
    assert (menu.languages, menu.dial) == (("en", "es", "fr"), "dialplan")


def bridge(folder: Path, **more: Any) -> Bridge:
    return Bridge(folder, hook_url="http://127.0.0.1:9/", hook_key="k", engine=[], **more)


async def test_a_bridge_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(DemoError, match="the bridge did not start: agi-bridge: cannot start: "):
        await bridge(tmp_path).__aenter__()


async def test_a_bridge_that_never_listens_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(
        f"#!{sys.executable}\n"
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('1\\nhanging', file=sys.stderr, flush=True)\n"
        "signal.pause()\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(demo_parts, "_START_SECONDS", 0.5)
    monkeypatch.setattr(demo_parts, "_STOP_SECONDS", 0.1)
    with pytest.raises(DemoError, match="did not start"):
        await bridge(tmp_path).__aenter__()


async def test_giving_up_while_the_bridge_starts_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)  # no setpriv on this machine
    start, processes = asyncio.create_subprocess_exec, asyncio.Queue[asyncio.subprocess.Process]()

    async def noted(*command: str, **more: Any) -> asyncio.subprocess.Process:
        process = await start(*command, **more)
        processes.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    task = asyncio.create_task(bridge(tmp_path).__aenter__())
    process = await processes.get()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert process.returncode is not None


async def test_a_bridge_that_was_never_started_needs_no_end(tmp_path: Path) -> None:
    await bridge(tmp_path).__aexit__(None, None, None)


async def test_a_found_asterisk_is_taken_and_its_own_tree_kept_up_to_date(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree = tmp_path / "22"
    binary = tree / "bin" / "asterisk"
    found: list[Path | None] = [tmp_path / "asterisk", binary, binary, None]
    told: list[str] = []
    answers: list[Path | OSError] = [binary, PermissionError(13, "denied"), OSError(13, "denied")]

    async def provision(on_progress: Callable[[str], None]) -> Path:
        on_progress("working")
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(demo_parts, "default_tree", lambda: tree)
    monkeypatch.setattr(demo_parts, "find_asterisk", lambda: found.pop(0))
    monkeypatch.setattr(demo_parts, "provision", provision)

    assert await demo_parts.asterisk_binary(told.append) == tmp_path / "asterisk"
    assert told == []
    assert await demo_parts.asterisk_binary(told.append) == binary
    assert told == ["working"]
    assert await demo_parts.asterisk_binary(told.append) == binary  # not ours to bring up to date
    with pytest.raises(AsteriskUnavailableError, match="denied"):
        await demo_parts.asterisk_binary(told.append)


def test_the_speech_engine_is_that_beside_asterisk_or_the_machines_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "espeak-ng"
    own.touch()
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/espeak-ng")
    assert demo_parts.speech_engine(tmp_path / "asterisk")[0] == str(own)
    assert demo_parts.speech_engine(None)[0] == "/usr/bin/espeak-ng"
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert demo_parts.speech_engine(None) == []


class Pbx:
    """An Asterisk that cannot have the ports in `taken`."""

    taken: tuple[int, ...] = ()
    running: list[int]

    def __init__(self, _binary: Path, *, sip_port: int, **_: object) -> None:
        self.port = sip_port

    async def __aenter__(self) -> None:
        if self.port in self.taken:
            raise AsteriskError(f"port {self.port} is taken")
        self.running.append(self.port)

    async def __aexit__(self, *_: object) -> None:
        self.running.remove(self.port)


@pytest.mark.parametrize(
    ("free", "taken", "port"), [(True, (), 5060), (True, (5060,), 0), (False, (), 0)]
)
async def test_sips_own_port_is_used_if_it_can_be_had(
    free: bool,  # noqa: FBT001 - a parameter of the test
    taken: tuple[int, ...],
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(demo_parts, "_is_free", lambda _: free)
    monkeypatch.setattr(demo_parts, "Asterisk", Pbx)
    Pbx.taken, Pbx.running = taken, []
    place = demo_parts.pbx(tmp_path, bridge(tmp_path), well_known_port=True)
    async with place:
        assert Pbx.running == [port]
    assert Pbx.running == []


async def test_an_asterisk_that_cannot_start_at_all_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo_parts, "Asterisk", Pbx)
    Pbx.taken = (0,)
    with pytest.raises(AsteriskError, match="port 0"):
        await demo_parts.pbx(tmp_path, bridge(tmp_path), well_known_port=False).__aenter__()


def test_a_port_in_use_is_seen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as user:
        user.bind(("127.0.0.1", 0))
        port = user.getsockname()[1]
        assert not demo_parts._is_free(port)
    assert demo_parts._is_free(port)


# -- what is told -------------------------------------------------------------------------------


async def test_a_consent_is_told_as_the_ledger_has_it(tmp_path: Path) -> None:
    screen = io.StringIO()
    telling = teller(screen)
    agreed = confirmed()
    agreed.submitting()
    agreed.settled(State.ACCEPTED, reason="dial", status=200, attempts=1, answer=None)
    with pytest.raises(DemoError, match="no consent is stored"):
        await telling.stored(tmp_path / "ledger.db")
    async with await Ledger.open(tmp_path / "ledger.db") as ledger:
        await ledger.append(agreed.take())
        other = ConsentRecord(FACTS)
        other.disclosed(HEARD)
        await ledger.append(other.take())

    assert await telling.stored(tmp_path / "ledger.db") is State.DISCLOSED
    assert await telling.stored(tmp_path / "ledger.db", agreed.id) is State.ACCEPTED
    assert (
        await telling.stored(tmp_path / "ledger.db", agreed.id, before_hook=True)
        is State.SUBMITTING
    )
    telling.masks = True
    await telling.stored(tmp_path / "ledger.db", agreed.id)

    told = [line.split(maxsplit=1)[1] for line in screen.getvalue().splitlines()]
    assert told[0] == f"consent {other.id} of no number: disclosed"
    assert told[1].endswith(f"{NUMBER}: disclosed > entered > confirmed > submitting > accepted")
    assert told[2].endswith("> confirmed > submitting")
    assert NUMBER not in told[3]


async def test_a_ledger_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="the ledger cannot be read") as caught:
        await teller(io.StringIO()).stored(tmp_path / "file" / "ledger.db")
    assert isinstance(caught.value.__cause__, LedgerUnavailable)


async def test_what_the_hook_is_asked_comes_after_what_is_stored(tmp_path: Path) -> None:
    screen = Screen()
    telling = teller(screen)
    async with StandIn() as hook:
        asked = asyncio.create_task(telling.asked(hook, tmp_path / "ledger.db"))
        await hook._note(Received("POST", "+14155550123", DID, "k", None, Scenario.SAY))
        await screen.shows("define voice call forwarding")
        asked.cancel()
    assert "asked: POST from=+14155550123" in screen.getvalue()


@pytest.mark.parametrize("scenario", list(Scenario))
def test_every_answer_of_the_hook_is_one_line(scenario: Scenario) -> None:
    told = demo_story.answer(Received("POST", "1", "2", "3", None, scenario))
    assert told
    assert told.isprintable()
    assert scenario in STATES


async def test_the_bridges_log_is_sorted_into_calls_and_complaints() -> None:
    screen = Screen()
    calls = Calls(teller(screen))
    call = {"event": "call", "line": "demo", "dialled": ["+1***99"], "result": "done", "ms": 1500}
    calls.take({"event": "listening", "level": "info"})
    calls.take({"event": "hook refused", "level": "error", "at": "now", "line": "demo"})
    calls.take({**call, "level": "info", "steps": [["disclosure", 3]]})
    calls.take({"event": "call", "level": "info"})
    assert await calls.next(1) == {**call, "level": "info", "steps": [["disclosure", 3]]}
    telling = asyncio.create_task(calls.tell())
    await screen.shows("0.0 s")
    calls.take({**call, "steps": [["disclosure", 3]]})
    await screen.shows("seconds to each step: disclosure 0.0")
    telling.cancel()
    told = screen.getvalue()
    assert "error  hook refused line=demo" in told
    assert "log    line demo; dialled +1***99; result done; 1.5 s" in told


async def test_a_call_that_the_bridge_never_logs_is_an_error() -> None:
    with pytest.raises(DemoError, match="not logged"):
        await Calls(teller(io.StringIO())).next(0)


def test_people_are_told_how_to_register_and_what_to_key(tmp_path: Path) -> None:
    screen = io.StringIO()
    asterisk = SimpleNamespace(sip=("127.0.0.1", 5060), accounts={"softphone": "s[e]cret"})
    demo_story.invite(on(screen), cast("Any", asterisk), bridge(tmp_path), None)
    told = screen.getvalue()
    for expected_text in ("127.0.0.1:5060", "s[e]cret", DID, MENU_DID, "agi-bridge softphone"):
        assert expected_text in told
    for last, scenario in BY_NUMBER.items():
        assert f"+141555501{last}    {scenario}" in told
    screen = io.StringIO()
    demo_story.invite_to_fake(on(screen), bridge(tmp_path), Scenario.SAY)
    assert "the hook answers say" in screen.getvalue()
    assert "register" not in screen.getvalue()


# -- the call -----------------------------------------------------------------------------------


def real_call(phone: object, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> RealCall:
    monkeypatch.setattr(demo_call, "recordings", lambda _: [])
    phones = cast("Any", SimpleNamespace(caller=phone, shop=phone, far=phone))
    return RealCall(teller(screen), cast("Any", None), phones)


@pytest.mark.parametrize("error", [CallFailedError(503), TimeoutError()])
async def test_a_call_that_fails_says_at_which_step(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Phone:
        async def dial(self, *_: object, **__: object) -> None:
            raise error

    with pytest.raises(DemoError, match="it did not come to this: the call is placed"):
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


@pytest.mark.parametrize(("handler", "problem"), [(nobody, "dialled nobody"), (no_line, "refused")])
async def test_a_simulated_call_that_reaches_nobody_is_an_error(
    handler: Callable[[Channel], Any], problem: str
) -> None:
    async with Server(handler, port=0) as server:
        where = cast("Any", SimpleNamespace(port=server.port))
        with pytest.raises(DemoError, match=problem):
            await FakeCall(teller(io.StringIO())).make(where)
    with pytest.raises(DemoError, match="cannot be reached"):
        await FakeCall(teller(io.StringIO())).make(where)


# -- the whole ----------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Simulated calls at a fiftieth of their time; temporary files where they can be counted."""
    monkeypatch.setattr(demo_call, "_FAKE_PACE", 0.02)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


async def test_asterisk_that_cannot_be_had_is_said_and_the_story_told_without(
    monkeypatch: pytest.MonkeyPatch, quick: Path
) -> None:
    async def unavailable(_: object) -> Path:
        raise AsteriskUnavailableError("this works on Debian only")

    monkeypatch.setattr(demo_parts, "asterisk_binary", unavailable)
    screen = io.StringIO()
    code = await demo.run(once=True, fake=False, scenario="dial", console=on(screen))
    told = screen.getvalue()
    assert code == WORKED, told
    assert "setup  Asterisk cannot be had here: this works on Debian only" in told
    assert "worked +14155550199 was reached (dialled), the consent is accepted" in told
    assert [*quick.iterdir()] == []


async def test_an_asterisk_that_is_broken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> Path:
        raise AsteriskError("no modules")

    monkeypatch.setattr(demo_parts, "asterisk_binary", broken)
    screen = io.StringIO()
    assert await demo.run(once=True, fake=False, scenario="dial", console=on(screen)) == FAILED
    assert "error  no modules" in screen.getvalue()
    screen = io.StringIO()
    assert await demo.prepare(on(screen)) == FAILED
    assert screen.getvalue() == "agi-bridge: no modules\n"


async def test_preparing_shows_progress_and_where_asterisk_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def here(on_progress: Callable[[str], None]) -> Path:
        on_progress("downloading [1] of 2")
        return tmp_path / "asterisk"

    monkeypatch.setattr(demo_parts, "asterisk_binary", here)
    screen = io.StringIO()
    assert await demo.prepare(on(screen)) == WORKED
    assert screen.getvalue() == f"downloading [1] of 2\nAsterisk: {tmp_path}/asterisk\n"


@pytest.mark.usefixtures("quick")
async def test_another_answer_of_the_hook_leads_to_the_shop_and_its_own_state() -> None:
    screen = io.StringIO()
    assert await demo.run(once=True, fake=True, scenario="403", console=on(screen)) == WORKED
    assert "worked 100 was reached (dialled), the consent is refused" in screen.getvalue()
    assert "error  hook refused the consent" in screen.getvalue()


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
    assert await demo.run(once=True, fake=True, scenario="dial", console=on(screen)) == FAILED
    said = {"who": "+14155550199 was reached, not 100", "state": "is accepted, not refused"}
    assert said[wrong] in screen.getvalue()


async def test_it_stays_up_until_ctrl_c_and_masks_the_numbers_of_further_callers(
    quick: Path,
) -> None:
    screen = Screen()
    running = asyncio.create_task(
        demo.run(once=False, fake=True, scenario="dial", console=on(screen))
    )
    await screen.shows("Ctrl-C ends it")
    port = int(screen.getvalue().partition("setup  the bridge listens at agi://127.0.0.1:")[2][:5])
    before = len(screen.getvalue())
    second = FakeCall(teller(io.StringIO()))
    second._to_key = list("4155550101")
    with contextlib.suppress(DemoError):
        await second.make(cast("Any", SimpleNamespace(port=port)))
    await screen.shows("-> say")
    await screen.shows("hook_reason no_forwarding")
    os.kill(os.getpid(), signal.SIGINT)
    assert await running == WORKED
    assert "4155550101" not in screen.getvalue()[before:]
    assert [*quick.iterdir()] == []


async def test_a_signal_in_the_middle_ends_everything_and_is_exit_code_1(quick: Path) -> None:
    screen = Screen()
    running = asyncio.create_task(
        demo.run(once=False, fake=True, scenario="dial", console=on(screen))
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
        demo._beside(demo._entertain(far)),
        SipPhone(user="me", server=far.address) as me,
    ):
        given_up = await me.dial("far")
        await given_up.hang_up()
        call = await me.dial("far")
        await call.answered()
        await hears_tone(call.media, 523.0, 10.0)
    assert far.waited
