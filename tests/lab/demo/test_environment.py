"""What the demonstration starts: bridge, Asterisk, telephones."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.lab.demo import environment
from agi_bridge.lab.demo.environment import DID, MENU_DID
from agi_bridge.lab.errors import AsteriskError, AsteriskUnavailableError, DemoError
from agi_bridge.settings import Settings
from tests.support.screen import bridge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_configuration_is_one_that_a_user_could_write(tmp_path: Path) -> None:
    folder = tmp_path / 'a "b" c'
    path = tmp_path / "agi-bridge.toml"
    path.write_text(
        environment.configuration(folder, "http://127.0.0.1:1/v1/ivr", ["/bin/sh", "{output}"])
    )
    settings = Settings.load(path, {"DEMO_HOOK_KEY": "k"})
    assert settings.state_dir == folder / "state"
    (engine,) = settings.speech.engines
    assert engine.spec().command == ("/bin/sh", "{output}")
    shop, menu = settings.line_for([DID]), settings.line_for([MENU_DID])
    assert shop is not None
    assert menu is not None
    assert (shop.languages, shop.dial) == (("en",), "exec")
    assert (menu.languages, menu.dial) == (("en", "es", "fr"), "dialplan")


@pytest.mark.programs
async def test_a_bridge_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(DemoError) as caught:
        await bridge(tmp_path).__aenter__()
    assert caught.value.code == "bridge_not_started"
    assert "agi-bridge: cannot start" in str(caught.value)


@pytest.mark.programs
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
    monkeypatch.setattr(environment, "_START_SECONDS", 0.5)
    monkeypatch.setattr(environment, "_STOP_SECONDS", 0.1)
    with pytest.raises(DemoError) as caught:
        await bridge(tmp_path).__aenter__()
    assert caught.value.code == "bridge_not_started"


@pytest.mark.programs
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
    progress: list[str] = []
    answers: list[Path | OSError] = [binary, PermissionError(13, "denied"), OSError(13, "denied")]

    async def provision_asterisk(on_progress: Callable[[str], None]) -> Path:
        on_progress("working")
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(environment, "default_tree", lambda: tree)
    monkeypatch.setattr(environment, "find_asterisk", lambda: found.pop(0))
    monkeypatch.setattr(environment, "provision_asterisk", provision_asterisk)

    assert await environment.asterisk_binary(progress.append) == tmp_path / "asterisk"
    assert progress == []
    assert await environment.asterisk_binary(progress.append) == binary
    assert progress == ["working"]
    assert (
        await environment.asterisk_binary(progress.append) == binary
    )  # not ours to bring up to date
    with pytest.raises(AsteriskUnavailableError, match="denied"):
        await environment.asterisk_binary(progress.append)


def test_the_speech_engine_is_that_beside_asterisk_or_the_machines_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "espeak-ng"
    own.touch()
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/espeak-ng")
    assert environment.speech_engine(tmp_path / "asterisk")[0] == str(own)
    assert environment.speech_engine(None)[0] == "/usr/bin/espeak-ng"
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert environment.speech_engine(None) == []


class Pbx:
    """An Asterisk that cannot have the ports in `taken`."""

    taken: tuple[int, ...] = ()
    running: list[int]

    def __init__(self, _binary: Path, *, sip_port: int, **_: object) -> None:
        self.port = sip_port

    async def __aenter__(self) -> None:
        if self.port in self.taken:
            raise AsteriskError("port_in_use", f"port {self.port} is taken")
        self.running.append(self.port)

    async def __aexit__(self, *_: object) -> None:
        self.running.remove(self.port)


@pytest.mark.parametrize(
    ("free", "taken", "port"), [(True, (), 5060), (True, (5060,), 0), (False, (), 0)]
)
async def test_sips_own_port_is_used_if_it_is_free(
    free: bool,  # noqa: FBT001 - a parameter of the test
    taken: tuple[int, ...],
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(environment, "_is_free", lambda _: free)
    monkeypatch.setattr(environment, "Asterisk", Pbx)
    Pbx.taken, Pbx.running = taken, []
    place = environment.start_asterisk(tmp_path, bridge(tmp_path), well_known_port=True)
    async with place:
        assert Pbx.running == [port]
    assert Pbx.running == []


async def test_an_asterisk_that_cannot_start_at_all_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "Asterisk", Pbx)
    Pbx.taken = (0,)
    with pytest.raises(AsteriskError, match="port 0"):
        await environment.start_asterisk(
            tmp_path, bridge(tmp_path), well_known_port=False
        ).__aenter__()


def test_a_port_in_use_is_seen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as user:
        user.bind(("127.0.0.1", 0))
        port = user.getsockname()[1]
        assert not environment._is_free(port)
    assert environment._is_free(port)
