"""The private PBX when Asterisk misbehaves; how it behaves well is proven in tests/asterisk."""

import asyncio
import socket
from pathlib import Path

import pytest

from agi_bridge.lab.asterisk import server as pbx_module
from agi_bridge.lab.asterisk.server import Asterisk, free_port
from agi_bridge.lab.errors import AsteriskError
from tests.lab.asterisk.test_provision import tree

pytestmark = pytest.mark.programs

URL = "agi://127.0.0.1:9/consent"

# The program is a shell script: with -rx it is the command line, else the PBX.
PBX = """#!/bin/bash
case " $* " in *" -rx "*) {cli} ;; *) {pbx} ;; esac
"""
OPEN = 'touch "$(dirname "$3")/../run/asterisk.ctl"; '
BOOTED = "echo Asterisk has fully booted."


def fake(at: Path, *, pbx: str, cli: str = BOOTED) -> Path:
    program = tree(at)
    program.write_text(PBX.format(cli=cli, pbx=pbx))
    return program


async def test_an_asterisk_that_dies_at_once_is_quoted(tmp_path: Path) -> None:
    program = fake(tmp_path, pbx="echo first line; echo the reason; exit 1")
    with pytest.raises(AsteriskError) as caught:
        async with Asterisk(program, agi_url=URL):
            pass
    assert caught.value.code == "not_started"
    assert str(caught.value).endswith(": the reason")


async def test_an_asterisk_that_dies_without_a_word(tmp_path: Path) -> None:
    program = fake(tmp_path, pbx=f"{OPEN} exit 1", cli="echo not yet")
    with pytest.raises(AsteriskError) as caught:
        async with Asterisk(program, agi_url=URL):
            pass
    assert caught.value.code == "not_started"
    assert str(caught.value).endswith(": no output")


async def test_an_asterisk_that_is_slow_to_boot_is_waited_for(tmp_path: Path) -> None:
    cli = f'if [ -e "$0.asked" ]; then {BOOTED}; else touch "$0.asked"; echo not yet; fi'
    program = fake(tmp_path, pbx=f"{OPEN} exec sleep 60", cli=cli)
    async with Asterisk(program, agi_url=URL) as pbx:
        assert "fully booted" in await pbx.cli("core waitfullybooted")


async def test_an_asterisk_that_never_boots_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pbx_module, "_BOOT_SECONDS", 0.3)
    program = fake(tmp_path, pbx="exec sleep 60")
    pbx = Asterisk(program, agi_url=URL)
    with pytest.raises(AsteriskError) as caught:
        async with pbx:
            pass
    assert caught.value.code == "not_started"
    assert not pbx.directory.exists()


async def test_an_asterisk_that_does_not_want_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pbx_module, "_STOP_SECONDS", 0.1)
    program = fake(tmp_path, pbx=f"trap '' TERM; {OPEN} while :; do sleep 0.1; done")
    async with Asterisk(program, agi_url=URL) as pbx:
        process = pbx._process
    assert process is not None
    assert process.returncode == -9


async def test_a_command_line_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = f'case "$4" in *hang*) exec sleep 60 ;; *) {BOOTED} ;; esac'
    program = fake(tmp_path, pbx=f"{OPEN} exec sleep 60", cli=cli)
    async with Asterisk(program, agi_url=URL) as pbx:
        monkeypatch.setattr(pbx_module, "_CLI_SECONDS", 0.1)
        with pytest.raises(AsteriskError) as caught:
            await pbx.cli("hang")
        assert caught.value.code == "no_answer"


async def test_a_command_line_without_a_pbx_is_told_apart(tmp_path: Path) -> None:
    cli = f'case "$4" in *gone*) echo Unable to connect to remote asterisk ;; *) {BOOTED} ;; esac'
    program = fake(tmp_path, pbx=f"{OPEN} exec sleep 60", cli=cli)
    async with Asterisk(program, agi_url=URL) as pbx:
        assert pbx.pid > 0
        assert await pbx.channels() == 0  # an answer without a figure
        with pytest.raises(AsteriskError) as caught:
            await pbx.cli("gone")
        assert caught.value.code == "gone"


async def test_a_pbx_that_does_not_run_has_no_command_line_and_no_process(tmp_path: Path) -> None:
    pbx = Asterisk(tree(tmp_path), agi_url=URL)
    with pytest.raises(AsteriskError):
        await pbx.cli("core show version")
    with pytest.raises(AsteriskError):
        _ = pbx.pid


async def test_without_setpriv_it_starts_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    async with Asterisk(fake(tmp_path, pbx=f"{OPEN} exec sleep 60"), agi_url=URL) as pbx:
        assert pbx.pid > 0


async def test_a_folder_that_was_named_is_kept(tmp_path: Path) -> None:
    program = fake(tmp_path / "tree", pbx=f"{OPEN} exec sleep 60")
    folder = tmp_path / "kept"
    async with Asterisk(program, agi_url=URL, directory=folder, rtp_ports=(12000, 12099)):
        pass
    assert "rtpend = 12099" in (folder / "etc" / "rtp_local.conf").read_text()
    assert (folder / "etc" / "pjsip_local.conf").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "a b", "x]", "100\n", "é", "a" * 41])
def test_an_account_has_a_simple_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(AsteriskError) as caught:
        Asterisk(tree(tmp_path), agi_url=URL, accounts={name: "secret"})
    assert caught.value.code == "account_name"


@pytest.mark.parametrize(("name", "value"), [("A B", "x"), ("A", 'x"y'), ("A", "x\ny")])
async def test_a_variable_that_the_command_line_cannot_carry_is_refused(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ValueError, match="cannot set"):
        await Asterisk(tree(tmp_path), agi_url=URL).set_global(name, value)


def test_a_free_port_can_be_used() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
    assert 20_000 <= port < 32_000


def test_where_no_port_is_free_it_says_so() -> None:
    with pytest.raises(AsteriskError) as caught:
        free_port("192.0.2.1")  # an address of nobody
    assert caught.value.code == "no_port"


async def test_a_start_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    pbx = Asterisk(fake(tmp_path, pbx="exec sleep 60"), agi_url=URL)
    task = asyncio.create_task(pbx.__aenter__())
    while pbx._process is None:  # noqa: ASYNC110  # the moment between start and boot
        await asyncio.sleep(0)
    process = pbx._process
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process.returncode is not None
    assert not pbx.directory.exists()
