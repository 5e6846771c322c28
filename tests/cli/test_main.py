"""The commands as people and init systems meet them: help, exit codes, signals, the disk."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, get_args

import pytest
from typer.testing import CliRunner

from agi_bridge import __version__
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.cli.fake_hook import Scenario as Choice
from agi_bridge.cli.main import app
from agi_bridge.hook import HookClient
from agi_bridge.hook.testing import FakeHook, Scenario
from agi_bridge.lab.softphone.sounds import Sounds
from agi_bridge.speech import SHIPPED

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

COMMANDS = ("serve", "agi", "check", "softphone", "fake-hook", "demo")
DID = "+14155550111"
KEY = "a73d5034210f702515128ac61193cd21"
SECONDS = 60.0  # only what hangs takes so long


def config(folder: Path, hook: str = "http://127.0.0.1:9/v1/ivr", port: int = 0) -> Path:
    path = folder / "agi-bridge.toml"
    path.write_text(
        f"""
state_dir = {json.dumps(str(folder / "state"))}
[agi]
port = {port}
[hook]
url = "{hook}"
[lines.shop]
did = ["{DID}"]
business_number = "{DID}"
hook_key = {{env = "SHOP_KEY"}}
brand = "Example Store"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "dial", destination = "PJSIP/100"}}
"""
    )
    return path


def invoke(*arguments: object, **environ: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"SHOP_KEY": KEY, **environ}
    )
    return result.exit_code, result.stdout, result.stderr


class Running:
    """A command in a process of its own; its standard error is the log."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []

    async def logs(self, event: str) -> dict[str, Any]:
        """The next line of the log about this."""
        assert self.process.stderr is not None
        async with asyncio.timeout(SECONDS):
            async for raw in self.process.stderr:
                line: dict[str, Any] = json.loads(raw)
                self.log.append(line)
                if line["event"] == event:
                    return line
        raise AssertionError(f"ended without {event!r}: {self.log}")

    async def says(self) -> str:
        """The next line of standard output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            return (await self.process.stdout.readline()).decode().strip()

    async def ends(self) -> int:
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()


FULL = object()
"""A log's target: a pipe that is full and that nobody reads."""


@contextmanager
def full_pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while os.write(writing, b"x" * 4096):
            pass
    os.set_blocking(writing, True)
    try:
        yield writing
    finally:
        os.close(writing)
        os.close(reading)


@asynccontextmanager
async def running(
    *arguments: object,
    before: Sequence[str] = (),
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    log: object = asyncio.subprocess.PIPE,
) -> AsyncIterator[Running]:
    with full_pipe() as full:
        target = full if log is FULL else log
        async with _running((*before, sys.executable), arguments, cwd, environ, target) as command:
            yield command


@asynccontextmanager
async def _running(
    program: tuple[str, ...],
    arguments: tuple[object, ...],
    cwd: Path | None,
    environ: Mapping[str, str] | None,
    log: Any,
) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *program,
        "-m",
        "agi_bridge",
        *(str(argument) for argument in arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        cwd=cwd,
        env={**(os.environ if environ is None else environ), "SHOP_KEY": KEY},
    )
    assert process.stdin is not None
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        process.stdin.close()
        await process.communicate()


class Listening(FakeAsterisk):
    """A caller in the middle of the disclosure, who presses * when told to."""

    def __init__(self) -> None:
        super().__init__(keys=None, sounds=Sounds().milliseconds)
        self.there, self.press = asyncio.Event(), asyncio.Event()

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - as it is called
        del timeout
        self.there.set()
        await self.press.wait()
        return "*"


# -- help, version, misuse ----------------------------------------------------------------------


def test_version_is_said_and_nothing_else() -> None:
    assert invoke("--version") == (0, f"agi-bridge {__version__}\n", "")


def test_help_names_every_command_and_the_exit_codes() -> None:
    code, out, _ = invoke("--help", COLUMNS="120")
    assert code == 0
    assert all(re.search(rf"\b{command}\b", out) for command in COMMANDS)
    assert "Exit codes: 0 success" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    code, out, _ = invoke(command, "--help", COLUMNS="120")
    assert code == 0
    assert len(out.splitlines()) > 5


def test_stand_in_is_a_hidden_name_of_fake_hook() -> None:
    assert "stand-in" not in invoke("--help", COLUMNS="120")[1]
    assert invoke("stand-in", "--help")[0] == 0


def test_no_command_shows_the_help() -> None:
    _, out, err = invoke(COLUMNS="120")
    assert "Usage" in out + err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["serve", "--nonsense"], "No such option: --nonsense; see agi-bridge serve --help"),
        (["fake-hook", "--port", "x"], "Invalid value for '--port'"),
        (["fake-hook", "--port", "65536"], "Invalid value for '--port'"),
        (["consents", "show"], "Missing argument 'ID'; see agi-bridge consents show --help"),
        (["serve", "--config"], "Option '--config' requires an argument"),
        (["demo", "extra"], "Got unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], problem: str
) -> None:
    result = CliRunner().invoke(app, arguments, prog_name="agi-bridge")
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"agi-bridge: {problem}")


def test_demo_says_which_folders_it_uses() -> None:
    _, out, _ = invoke("demo", "--help", COLUMNS="200")
    assert "~/.cache/agi-bridge/asterisk-22" in out
    assert "agi-bridge-demo-" in out


@pytest.mark.parametrize("command", ["serve", "agi"])
def test_a_wrong_configuration_is_exit_code_2_with_a_line_for_each_fault(
    command: str, tmp_path: Path
) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text().replace("port = 0", "port = 99999\nprot = 1"))
    code, out, err = invoke(command, "--config", path, SHOP_KEY="")
    first, *faults = err.splitlines()
    assert code == 2
    assert out == ""
    assert first == "agi-bridge: the configuration is wrong:"
    assert [fault.split(":")[0] for fault in faults] == [
        "agi.port",
        "agi.prot",
        "lines.shop.hook_key",
    ]


def test_a_configuration_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    code, _, err = invoke("serve", "--config", tmp_path / "none.toml")
    assert code == 2
    assert "none.toml" in err


def test_check_says_whether_the_configuration_is_sound(tmp_path: Path) -> None:
    path = config(tmp_path)
    code, out, _ = invoke("check", "--config", path, COLUMNS="200")
    assert code == 0
    assert "no fault" in out
    path.write_text("")
    assert invoke("check", "--config", path)[0] == 1


@pytest.mark.parametrize("command", ["demo", "fake-hook"])
def test_an_unknown_scenario_is_exit_code_2(command: str) -> None:
    code, _, err = invoke(command, "--scenario", "nonsense")
    assert code == 2
    assert "'nonsense' is not one of" in err


def test_a_softphone_without_terminal_is_exit_code_2() -> None:
    code, _, err = invoke("softphone", DID)
    assert code == 2
    assert "--keys" in err


# -- what keeps it from starting ----------------------------------------------------------------


async def test_a_port_that_is_taken_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    async with FakeHook() as taken:
        port = int(taken.url.rpartition(":")[2].partition("/")[0])
        async with running("serve", "--config", config(tmp_path, port=port)) as bridge:
            assert await bridge.ends() == 1
            assert bridge.process.stderr is not None
            said = (await bridge.process.stderr.read()).decode()
    (line,) = said.splitlines()
    assert line.startswith("agi-bridge: cannot start: ")
    assert f"agi: 127.0.0.1 port {port}: Address already in use" in line
    assert names(tmp_path) == ["agi-bridge.toml"]  # nothing was made before


async def test_a_state_dir_that_cannot_be_written_is_one_line_and_exit_code_1(
    tmp_path: Path,
) -> None:
    path = config(tmp_path)
    (tmp_path / "state").write_text("a file, not a folder")
    async with running("serve", "--config", path) as bridge:
        assert await bridge.ends() == 1
        assert bridge.process.stderr is not None
        said = (await bridge.process.stderr.read()).decode()
    assert said.startswith("agi-bridge: cannot start: ")
    assert str(tmp_path / "state") in said
    assert len(said.splitlines()) == 1


# -- serve --------------------------------------------------------------------------------------


async def test_serve_takes_a_call_and_softphone_sees_it_through(tmp_path: Path) -> None:
    async with (
        FakeHook(key=KEY) as hook,
        running("serve", "--config", config(tmp_path, hook.url)) as bridge,
    ):
        port = (await bridge.logs("service.listening"))["port"]
        url = f"agi://127.0.0.1:{port}/consent"
        call = ["softphone", DID, "--bridge", url, "--keys", "4155550123,1", "--fast"]
        async with running(*call) as softphone:
            out, _ = await softphone.process.communicate()
            assert softphone.process.returncode == 0
        line = await bridge.logs("call")
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0

    assert "AGI_BRIDGE_RESULT done" in out.decode()
    assert "dials  PJSIP/+14155550199@trunk" in out.decode()
    assert (line["hook"], line["dial"], line["result"]) == ("accepted", "ANSWER", "done")
    assert [request.from_ for request in hook.requests] == ["+14155550123"]


async def test_a_signal_to_stop_lets_a_call_in_progress_end(tmp_path: Path) -> None:
    async with running("serve", "--config", config(tmp_path)) as bridge:
        port = (await bridge.logs("service.listening"))["port"]
        caller = Listening()
        call = asyncio.create_task(caller.call("127.0.0.1", port, f"consent?to=%2B{DID[1:]}"))
        await caller.there.wait()
        bridge.process.send_signal(signal.SIGTERM)
        await bridge.logs("service.stopping")
        await refused(port)
        caller.press.set()
        record = await call
        assert await bridge.ends() == 0
    assert record.variables["AGI_BRIDGE_RESULT"] == "done"


async def test_a_second_signal_to_stop_ends_calls_in_progress(tmp_path: Path) -> None:
    async with running("serve", "--config", config(tmp_path)) as bridge:
        port = (await bridge.logs("service.listening"))["port"]
        caller = Listening()
        call = asyncio.create_task(caller.call("127.0.0.1", port, f"consent?to=%2B{DID[1:]}"))
        await caller.there.wait()
        bridge.process.send_signal(signal.SIGTERM)
        await bridge.logs("service.stopping")
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0
        record = await call
    assert record.variables.get("AGI_BRIDGE_RESULT") != "done"


async def listens(port: int) -> None:
    """Returns once somebody listens there."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return


async def test_a_log_that_nobody_reads_holds_up_neither_calls_nor_the_end(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    path = config(tmp_path, port=unused_tcp_port)
    path.write_text(path.read_text().replace("[agi]", '[log]\nlevel = "debug"\n[agi]'))
    async with running("serve", "--config", path, log=FULL) as bridge:
        await listens(unused_tcp_port)
        for _ in range(10):
            fake = FakeAsterisk(keys="*", sounds=Sounds().milliseconds)
            record = await fake.call("127.0.0.1", unused_tcp_port, f"consent?to=%2B{DID[1:]}")
            assert record.variables["AGI_BRIDGE_RESULT"] == "done"
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
async def test_signals_for_other_purposes_do_not_end_a_call(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running("serve", "--config", config(tmp_path)) as bridge:
        port = (await bridge.logs("service.listening"))["port"]
        caller = Listening()
        call = asyncio.create_task(caller.call("127.0.0.1", port, f"consent?to=%2B{DID[1:]}"))
        await caller.there.wait()
        bridge.process.send_signal(number)
        assert (await bridge.logs("signal.ignored"))["signal"] == number.name
        caller.press.set()
        assert (await call).variables["AGI_BRIDGE_RESULT"] == "done"
        bridge.process.send_signal(signal.SIGTERM)
        assert await bridge.ends() == 0


async def refused(port: int) -> None:
    """Returns once nobody listens there any more."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it was in the queue of the listener that just closed
                continue
            writer.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_serve_leaves_the_disk_alone_outside_the_state_dir(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("HOME", "TMPDIR", "cwd")}
    for place in places.values():
        place.mkdir()
    environ = {
        "PATH": os.defpath,
        **{name: str(place) for name, place in places.items() if name != "cwd"},
    }
    async with (
        FakeHook() as hook,
        running(
            "serve",
            "--config",
            config(tmp_path, hook.url),
            cwd=places["cwd"],
            environ=environ,
        ) as bridge,
    ):
        port = (await bridge.logs("service.listening"))["port"]
        fake = FakeAsterisk(keys="4155550123,1", sounds=Sounds().milliseconds)
        await fake.call("127.0.0.1", port, f"consent?to=%2B{DID[1:]}")
        bridge.process.send_signal(signal.SIGINT)
        assert await bridge.ends() == 0
    assert [names(place) for place in places.values()] == [[], [], []]
    assert names(tmp_path) == ["HOME", "TMPDIR", "agi-bridge.toml", "cwd", "state"]
    assert "consents.db" in names(tmp_path / "state")


# -- an answer that nobody reads to its end ------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "state", "status"),
    [
        (("check",), "state", 0),
        (("check",), "agi-bridge.toml/x", 1),
        (("consents", "optin-page", "--line", "shop"), "state", 0),
        (("prompts", "list"), "state", 0),
    ],
)
async def test_a_reader_who_goes_does_not_turn_yes_into_no(
    tmp_path: Path, arguments: tuple[str, ...], state: str, status: int
) -> None:
    file = config(tmp_path)
    file.write_text(file.read_text().replace(f"{tmp_path}/state", f"{tmp_path}/{state}"))
    read, write = os.pipe()
    os.close(read)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agi_bridge", *arguments, "--config", str(file),
            stdout=write, stderr=asyncio.subprocess.PIPE, env={**os.environ, "SHOP_KEY": KEY},
        )  # fmt: skip
    finally:
        os.close(write)
    _, err = await process.communicate()
    assert (process.returncode, err) == (status, b"")


# -- agi ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stdin", ["/dev/null", "an empty pipe"])
async def test_agi_without_asterisk_is_one_line_that_says_what_starts_it(
    tmp_path: Path, stdin: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agi_bridge", "agi", "--config", str(config(tmp_path)),
        env={**os.environ, "SHOP_KEY": KEY},
        stdin=asyncio.subprocess.DEVNULL if stdin == "/dev/null" else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complaint = await process.communicate()
    assert process.returncode == 2
    assert said == b""
    (last,) = complaint.decode().splitlines()[-1:]
    assert "AGI(/path/to/agi-bridge,agi)" in last
    assert "Traceback" not in complaint.decode()


async def test_agi_serves_one_call_on_standard_input_and_output(tmp_path: Path) -> None:
    """The PBX's part is written out: its launcher has pipes, not the socket of FakeAsterisk."""
    async with running("agi", "--config", config(tmp_path)) as bridge:
        stdin = bridge.process.stdin
        assert stdin is not None
        stdin.write(
            b"agi_request: agi-bridge\nagi_channel: PJSIP/x-1\nagi_uniqueid: 1.1\n"
            b"agi_extension: s\nagi_dnid: +14155550111\n\n"
        )
        commands = []
        while command := await bridge.says():
            commands.append(command)
            if command.startswith("STREAM FILE"):
                stdin.write(b"200 result=42 endpos=800\n")  # the caller presses *
            elif "DIALSTATUS" in command:
                stdin.write(b"200 result=1 (ANSWER)\n")
            else:
                stdin.write(b"200 result=0\n")
        assert await bridge.ends() == 0
        line = await bridge.logs("call")
    assert f"{SHIPPED}/en/disclosure" in " ".join(commands)
    assert "AGI_BRIDGE_RESULT" in commands[-1]
    assert "done" in commands[-1]
    assert (line["declined"], line["result"]) == ("star", "done")


# -- fake-hook -----------------------------------------------------------------------------------


async def test_fake_hook_says_where_it_is_and_shows_what_it_gets_without_the_key() -> None:
    async with running("fake-hook", "--port", "0", "--key", KEY) as fake_hook:
        url = (await fake_hook.says()).removeprefix("hook.url = ")
        async with HookClient(url) as client:
            await client.submit(from_="+14155550101", to=DID, key=KEY)
        shown = await fake_hook.says()
        fake_hook.process.send_signal(signal.SIGINT)
        await fake_hook.ends()
    assert "from=+1***01" in shown
    assert shown.endswith("-> say")
    assert KEY not in shown


# -- SIGINT -------------------------------------------------------------------------------------


DEAF = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
os.execv(sys.argv[1], sys.argv[1:])
"""


@asynccontextmanager
async def in_the_background(*arguments: object) -> AsyncIterator[Running]:
    """A command started as badly as can be.

    A script's shell starts what stands before `&` with SIGINT ignored; some parents block signals.
    """
    async with running(*arguments, before=(sys.executable, "-c", DEAF)) as job:
        yield job


async def test_serve_hears_a_sigint_that_was_ignored_when_it_began(tmp_path: Path) -> None:
    async with in_the_background("serve", "--config", config(tmp_path)) as job:
        await job.logs("service.listening")
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 0


async def test_fake_hook_hears_a_sigint_that_was_ignored_when_it_began() -> None:
    async with in_the_background("fake-hook", "--port", "0") as job:
        await job.says()
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 0


async def test_agi_hears_a_sigint_that_was_ignored_when_it_began(tmp_path: Path) -> None:
    async with in_the_background("agi", "--config", config(tmp_path)) as job:
        assert job.process.stdin is not None
        job.process.stdin.write(b"agi_request: x\nagi_uniqueid: 1.1\nagi_dnid: +14155550111\n\n")
        await job.says()  # its first command, which nobody answers
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 1


async def test_softphone_hears_a_sigint_that_was_ignored_when_it_began() -> None:
    begun = asyncio.Event()

    async def bridge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        begun.set()
        assert await reader.readline() == b"HANGUP\n"
        writer.close()

    async with await asyncio.start_server(bridge, "127.0.0.1") as server:
        url = f"agi://127.0.0.1:{server.sockets[0].getsockname()[1]}/consent"
        async with in_the_background("softphone", DID, "--bridge", url, "--keys", "1") as job:
            await begun.wait()
            job.process.send_signal(signal.SIGINT)
            assert await job.ends() == 1


async def test_demo_hears_a_sigint_that_was_ignored_when_it_began() -> None:
    async with in_the_background("demo", "--fake") as job:
        await job.says()
        job.process.send_signal(signal.SIGINT)
        assert await job.ends() == 1


# -- demo ---------------------------------------------------------------------------------------


async def test_demo_without_asterisk_tells_the_same_story(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "80"}
    async with running("demo", "--fake", "--once", environ=environ) as demo:
        out, err = await demo.process.communicate()
    told = out.decode()
    assert demo.process.returncode == 0, told
    assert err == b""
    words = ["setup", "calls", "hears", "keys", "stored", "hook", "dials", "over", "log", "worked"]
    at = [re.search(rf"^[ .\d]* {word}\b", told, re.MULTILINE) for word in words]
    assert all(at), told
    starts = [found.start() for found in at if found is not None]
    assert starts == sorted(starts)
    assert "keys   4155550123" in told
    assert names(tmp_path) == []


def test_the_scenarios_on_offer_are_those_of_the_fake_hook() -> None:
    assert set(get_args(Choice)) == set(Scenario)


def test_the_former_name_of_fake_hook_works_and_is_not_listed() -> None:
    assert "stand-in" not in CliRunner().invoke(app, ["--help"]).output
    assert CliRunner().invoke(app, ["stand-in", "--help"]).exit_code == 0
