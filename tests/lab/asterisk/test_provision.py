"""Finding an Asterisk, and having one made."""

import asyncio
from pathlib import Path

import pytest

from agi_bridge import shipped_files
from agi_bridge.lab.asterisk import provision as provisioning
from agi_bridge.lab.asterisk.provision import (
    Installation,
    default_tree,
    find_asterisk,
    provision_asterisk,
    share_path,
)
from agi_bridge.lab.errors import AsteriskError, AsteriskUnavailableError

pytestmark = pytest.mark.programs


def tree(at: Path) -> Path:
    """A folder with the look of a provisioned Asterisk; returns its program."""
    for folder in ("bin", "modules", "usr/share/asterisk/sounds"):
        (at / folder).mkdir(parents=True)
    (at / "modules" / "res_agi.so").touch()
    (at / ".provisioned").touch()
    program = at / "bin" / "asterisk"
    program.touch(mode=0o755)
    return program


def test_shipped_folders_are_found_in_a_checkout() -> None:
    assert (share_path("dialplan") / "agi-bridge.conf").is_file()
    assert (share_path("asterisk-conf") / "pjsip.conf").is_file()


def test_shipped_folders_are_found_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "agi_bridge"
    (package / "share" / "dialplan").mkdir(parents=True)
    monkeypatch.setattr(shipped_files, "_PACKAGE", package)
    assert share_path("dialplan") == package / "share" / "dialplan"
    with pytest.raises(FileNotFoundError, match="asterisk-conf"):
        share_path("asterisk-conf")


def test_a_checkout_keeps_its_asterisk_an_installed_package_uses_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_tree({}) == share_path("pyproject.toml").parent / ".asterisk" / "22"
    monkeypatch.setattr(provisioning, "_PACKAGE", tmp_path / "agi_bridge")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_tree({}) == tmp_path / ".cache/agi-bridge/asterisk-22"
    assert default_tree({"XDG_CACHE_HOME": "/c"}) == Path("/c/agi-bridge/asterisk-22")


def test_the_asterisk_that_is_named_comes_first(tmp_path: Path) -> None:
    program = tree(tmp_path / "own")
    assert find_asterisk({"AGI_BRIDGE_ASTERISK": str(program)}) == program
    assert find_asterisk({"AGI_BRIDGE_ASTERISK": str(tmp_path / "own")}) == program


def test_then_the_one_that_was_made_then_the_machines_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning, "_PACKAGE", tmp_path / "x" / "agi_bridge")
    own = tree(tmp_path / "own")
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(own.parent)}
    assert find_asterisk(environ) == own
    made = tree(tmp_path / "agi-bridge" / "asterisk-22")
    assert find_asterisk(environ) == made


def test_there_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "_PACKAGE", tmp_path / "agi_bridge")
    monkeypatch.setattr(provisioning, "_SYSTEM_PATH", ())
    assert find_asterisk({"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}) is None


def test_the_folders_of_an_asterisk_are_found(tmp_path: Path) -> None:
    found = Installation.of(tree(tmp_path))
    assert found.modules == tmp_path / "modules"
    assert found.data == tmp_path / "usr/share/asterisk"


def test_a_program_without_modules_is_not_an_asterisk(tmp_path: Path) -> None:
    with pytest.raises(AsteriskError) as caught:
        Installation.of(tmp_path / "bin" / "asterisk")
    assert caught.value.code == "no_modules"


def script(at: Path, text: str) -> Path:
    at.write_text(f"set -eu\n{text}\n")
    return at


async def test_progress_is_told_line_by_line(tmp_path: Path) -> None:
    progress: list[str] = []
    work = script(tmp_path / "s.sh", 'echo one; echo two; mkdir -p "$1/bin"; :>"$1/bin/asterisk"')
    program = await provision_asterisk(tmp_path / "a" / "22", progress.append, script=work)
    assert program == tmp_path / "a" / "22" / "bin" / "asterisk"
    assert program.exists()
    assert progress == ["one", "two"]


async def test_no_network_is_told_apart_from_other_failures(tmp_path: Path) -> None:
    offline = script(tmp_path / "a.sh", "echo noise >&2; echo no mirror answers >&2; exit 3")
    with pytest.raises(AsteriskUnavailableError) as caught:
        await provision_asterisk(tmp_path / "22", script=offline)
    assert (caught.value.code, str(caught.value)) == ("unavailable", "no mirror answers")
    broken = script(tmp_path / "b.sh", "exit 1")
    with pytest.raises(AsteriskError) as failed:
        await provision_asterisk(tmp_path / "22", script=broken)
    assert failed.value.code == "provision_failed"
    assert not isinstance(failed.value, AsteriskUnavailableError)


async def test_several_who_ask_at_once_wait_for_each_other(tmp_path: Path) -> None:
    work = script(tmp_path / "s.sh", 'mkdir "$1.busy" || exit 1; sleep 0.05; rmdir "$1.busy"')
    await asyncio.gather(*(provision_asterisk(tmp_path / "22", script=work) for _ in range(3)))


@pytest.mark.programs
async def test_the_work_ends_when_it_is_given_up(tmp_path: Path) -> None:
    started = asyncio.Event()
    work = script(tmp_path / "s.sh", "echo started; exec sleep 60")
    task = asyncio.create_task(
        provision_asterisk(tmp_path / "22", lambda _line: started.set(), script=work)
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
