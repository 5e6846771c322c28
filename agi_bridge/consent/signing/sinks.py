"""The destinations of checkpoints: a file, syslog, and a command of the administrator's choice.

A chain of hashes does not stop an administrator of the machine; a checkpoint sent elsewhere does.
The file is for the machine's own use and for whatever carries it away; syslog and the command reach
further. Everything here blocks and is meant for a thread.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from agi_bridge.durable import sync_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.signing.checkpoint import Checkpoint

SECONDS: Final = 10.0
"""How long syslog or a command may take: an upload needs seconds, a hung one must not hold back the
next checkpoint."""

_PRIORITY: Final = SysLogHandler.LOG_DAEMON << 3 | SysLogHandler.LOG_NOTICE
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


class Sink(Protocol):
    """One destination of checkpoints."""

    @property
    def name(self) -> str:
        """Its name for administrators."""

    def send(self, line: str) -> None:
        """Send one line. Raises OSError, ValueError or subprocess.SubprocessError."""


class CheckpointPublisher:
    """The destinations of a bridge's checkpoints, each independent of the others."""

    __slots__ = ("_sinks",)

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    @property
    def names(self) -> tuple[str, ...]:
        """The destinations by name, each once."""
        return tuple(dict.fromkeys(sink.name for sink in self._sinks))

    def publish(self, checkpoint: Checkpoint) -> list[str]:
        """Send a checkpoint everywhere; returns one short text for each failure. Never raises."""
        return [failure for name in self.names if (failure := self.send(name, checkpoint))]

    def send(self, name: str, checkpoint: Checkpoint) -> str | None:
        """Send a checkpoint to one destination; returns the reason of a failure. Never raises.

        A place that is no longer configured gets nothing, which is not a failure.
        """
        for sink in self._sinks:
            if sink.name == name:
                try:
                    sink.send(checkpoint.line)
                except (OSError, ValueError, subprocess.SubprocessError) as error:
                    return f"{name}: {_reason(error)}"
        return None


@dataclass(frozen=True, slots=True)
class FileSink:
    """A file that lines are only ever added to, so that it may be marked as such (`chattr +a`).

    A line is on disk when `send` returns. Several bridges may share the file.
    """

    path: Path

    @property
    def name(self) -> str:
        """The file."""
        return f"file {self.path}"

    def send(self, line: str) -> None:
        """Append the line; OSError if it does not reach the disk."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self.path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        with os.fdopen(os.open(self.path, flags, 0o640), "ab") as file:
            handle = file.fileno()
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            if size == 0:
                if os.geteuid() == 0:  # a command of root's: the service must be able to write
                    folder = self.path.parent.stat()
                    os.fchown(handle, folder.st_uid, folder.st_gid)
                sync_folder(self.path.parent)
            elif os.pread(handle, 1, size - 1) != b"\n":
                file.write(b"\n")  # a crash cut the last line: the next one stands by itself
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(handle)


@dataclass(frozen=True, slots=True)
class SyslogSink:
    """The machine's syslog, which may send on what it takes; facility daemon, level notice.

    Not `SysLogHandler`: it drops what cannot be sent, and waits forever for a daemon that hangs.
    """

    path: Path = Path("/dev/log")

    @property
    def name(self) -> str:
        """The socket."""
        return f"syslog {self.path}"

    def send(self, line: str) -> None:
        """Send one datagram; OSError if it is not accepted."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            syslog.settimeout(SECONDS)
            syslog.connect(str(self.path))
            syslog.send(f"<{_PRIORITY}>agi-bridge[{os.getpid()}]: checkpoint {line}".encode())


@dataclass(frozen=True, slots=True)
class CommandSink:
    """A program that takes the line on its standard input and succeeds with exit status 0.

    `{ledger_id}` and `{seq}` in its arguments stand for the checkpoint's, so that each can be a
    separate object. No shell is involved, and of the bridge's environment, which may hold keys,
    it gets no more than `PATH`, `HOME` and the locale. What it says on its standard error goes to
    the bridge's.
    """

    arguments: tuple[str, ...]
    seconds: float = SECONDS

    @property
    def name(self) -> str:
        """The program, without its arguments: they may hold a secret."""
        return f"command {self.arguments[0]}"

    def _arguments(self, line: str) -> list[str]:
        """The arguments for one line; a place for what the line does not say stays as it is."""
        places = {"{ledger_id}": "ledger_id", "{seq}": "seq"}
        if not any(place in each for place in places for each in self.arguments):
            return list(self.arguments)
        facts = json.loads(line)
        arguments = list(self.arguments)
        for place, name in places.items():
            if name in facts:
                arguments = [each.replace(place, str(facts[name])) for each in arguments]
        return arguments

    def send(self, line: str) -> None:
        """Run the program once; after a timeout it is killed with its children.

        Raises OSError if it does not start, SubprocessError if it fails or takes too long.
        """
        with subprocess.Popen(  # noqa: S603 - the administrator's own command
            self._arguments(line),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,  # so that its children can be ended with it
        ) as process:
            try:
                process.communicate(line.encode() + b"\n", timeout=self.seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self.arguments[0])


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return "not done in time"
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    if isinstance(error, TimeoutError):
        return "took nothing in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
