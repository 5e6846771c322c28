from __future__ import annotations

import os
import socket
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent.signing import (
    Checkpoint,
    CheckpointPublisher,
    CommandSink,
    FileSink,
    SyslogSink,
    generate_keys,
    read_checkpoints,
    sign,
)
from agi_bridge.consent.signing import sinks as anchors_module

if TYPE_CHECKING:
    from agi_bridge.consent.signing import Sink

KEYS = generate_keys()


def made(seq: int) -> Checkpoint:
    return sign(KEYS.signing, seq, "ab" * 32, "2026-11-23T05:07:08.009Z")


ONE, TWO = made(1), made(2)


def test_a_checkpoint_goes_to_every_place(tmp_path: Path) -> None:
    sinks = [FileSink(tmp_path / name) for name in ("one", "two")]
    assert CheckpointPublisher(sinks).publish(ONE) == []
    assert [read_checkpoints(sink.path) for sink in sinks] == [[ONE], [ONE]]


@pytest.mark.programs
def test_a_place_that_fails_is_named_and_does_not_hold_back_the_others(tmp_path: Path) -> None:
    good = FileSink(tmp_path / "good")
    (tmp_path / "file").write_text("in the way")
    bad: list[Sink] = [
        FileSink(tmp_path / "file" / "below"),
        SyslogSink(tmp_path / "nobody"),
        CommandSink(("/nowhere/upload", "--token=secret")),
        CommandSink(("bad\0name",)),
    ]
    failures = CheckpointPublisher([*bad, good]).publish(ONE)
    assert failures == [
        f"file {tmp_path}/file/below: File exists",
        f"syslog {tmp_path}/nobody: No such file or directory",
        "command /nowhere/upload: No such file or directory",
        "command bad\0name: ValueError",
    ]
    assert read_checkpoints(good.path) == [ONE]


def test_a_file_only_grows_and_holds_one_line_each(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "state" / "checkpoints.jsonl")
    sink.send(ONE.line)
    sink.send(TWO.line)
    assert sink.path.read_text() == f"{ONE.line}\n{TWO.line}\n"
    assert stat.S_IMODE(sink.path.stat().st_mode) & 0o007 == 0


def test_a_line_is_on_disk_when_send_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def watched(handle: int) -> None:
        status = os.fstat(handle)
        synced.append("folder" if stat.S_ISDIR(status.st_mode) else status.st_size)

    monkeypatch.setattr(os, "fsync", watched)
    sink = FileSink(tmp_path / "checkpoints.jsonl")
    sink.send(ONE.line)
    sink.send(TWO.line)
    length = len(ONE.line) + 1
    assert synced == ["folder", length, 2 * length]


def test_a_line_that_a_crash_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "checkpoints.jsonl")
    sink.path.write_text(f"{ONE.line}\n{TWO.line[:50]}")
    sink.send(TWO.line)
    assert read_checkpoints(sink.path) == [ONE, TWO]
    sink.send(ONE.line)
    assert read_checkpoints(sink.path) == [ONE, TWO, ONE]


def test_bridges_that_share_a_file_write_whole_lines(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "checkpoints.jsonl")
    checkpoints = [made(seq) for seq in range(1, 41)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(sink.send, [checkpoint.line for checkpoint in checkpoints]))
    assert sorted(c.seq for c in read_checkpoints(sink.path)) == list(range(1, 41))


def test_a_full_disk_is_a_failure() -> None:
    assert CheckpointPublisher([FileSink(Path("/dev/full"))]).publish(ONE) == [
        "file /dev/full: No space left on device"
    ]


def test_syslog_gets_one_datagram_that_can_be_read_back(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        daemon.settimeout(10)
        assert CheckpointPublisher([SyslogSink(tmp_path / "log")]).publish(ONE) == []
        datagram = daemon.recv(4096).decode()
    assert datagram.startswith(f"<29>agi-bridge[{os.getpid()}]: checkpoint {{")
    assert Checkpoint.parse(datagram) == ONE


def test_a_syslog_daemon_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchors_module, "SECONDS", 0.05)
    sink = CheckpointPublisher([SyslogSink(tmp_path / "log")])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        failures: list[str] = []
        while not failures:  # until its queue is full
            failures = sink.publish(ONE)
    assert failures == [f"syslog {tmp_path}/log: took nothing in time"]


def python(code: str, seconds: float = 10) -> CommandSink:
    return CommandSink((sys.executable, "-I", "-S", "-c", code), seconds)


@pytest.mark.programs
def test_a_command_gets_the_line_on_its_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sink = python(f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())")
    assert CheckpointPublisher([sink]).publish(ONE) == []
    assert out.read_text() == ONE.line + "\n"


@pytest.mark.programs
def test_a_command_can_give_each_checkpoint_an_object_of_its_own(tmp_path: Path) -> None:
    sink = CommandSink(("tee", str(tmp_path / "{ledger_id}-{seq}.jsonl")))
    second = sign(KEYS.signing, 9, "1" * 64, ONE.at, ())
    for each in (ONE, second):
        sink.send(each.line)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        f"{each.ledger_id}-{each.seq}.jsonl": f"{each.line}\n" for each in (ONE, second)
    }


@pytest.mark.programs
def test_a_place_for_what_a_line_does_not_say_stays(tmp_path: Path) -> None:
    CommandSink(("tee", str(tmp_path / "{seq}"))).send('{"alert": "HookDown"}')
    assert [path.name for path in tmp_path.iterdir()] == ["{seq}"]


@pytest.mark.programs
def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    sink = CommandSink(("touch", str(tmp_path / "$(id);x")))
    assert CheckpointPublisher([sink]).publish(ONE) == []
    assert [path.name for path in tmp_path.iterdir()] == ["$(id);x"]


@pytest.mark.programs
def test_a_command_does_not_see_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_KEY", "secret")
    out = tmp_path / "out"
    code = f"import os; open({str(out)!r}, 'w').write(' '.join(os.environ))"
    assert CheckpointPublisher([python(code)]).publish(ONE) == []
    assert "PATH" in out.read_text().split()
    assert "VAULT_KEY" not in out.read_text()


@pytest.mark.programs
@pytest.mark.parametrize("status", [1, 7])
def test_a_command_that_fails_is_a_failure(status: int) -> None:
    failures = CheckpointPublisher([python(f"raise SystemExit({status})")]).publish(ONE)
    assert failures == [f"command {sys.executable}: exit status {status}"]


@pytest.mark.programs
def test_a_command_that_hangs_is_killed_with_its_children_and_seen_off(tmp_path: Path) -> None:
    # A pipe that only the command and its child hold open: it ends when both are gone.
    reading, writing = os.pipe()
    hold = f"exec 3>/proc/{os.getpid()}/fd/{writing}"
    hang = f"{hold}; echo $$ >{tmp_path}/pid; sleep 60 & sleep 60"
    failures = CheckpointPublisher([CommandSink(("sh", "-c", hang), seconds=1)]).publish(ONE)
    os.close(writing)
    assert failures == ["command sh: not done in time"]
    assert os.read(reading, 1) == b""
    os.close(reading)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
