"""A real PostgreSQL for the tests, on its own Unix socket; it ends with the tests' process.

    with PostgreSQL.running() as server, server.database() as url:
        ...
        server.stop("immediate")
        server.start()

The programs are Debian's, unpacked into the checkout by `provision-postgresql.sh`. PostgreSQL
refuses to run as root, so for root it runs as nobody, or, where no other user may be had, as a user
of its own namespace.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CHECKOUT: Final = Path(__file__).parents[2]
_NOBODY: Final = "65534"
_PATIENCE: Final = 60.0  # seconds for what takes less than one on a quiet machine
_STOP: Final = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_OPTIONS: Final = {
    "listen_addresses": "",
    "fsync": "off",  # these tests end programs, not machines
    "shared_buffers": "16MB",
    "max_connections": "50",
    "jit": "off",
    "timezone": "UTC",
}
_numbers = count(1)


class PostgreSQL:
    """One server with its own folder, which holds the socket too.

    Args:
        folder: an empty one that the server's user owns; its path is short (a socket's may have
            107 bytes).
        programs: the folder of `postgres` and `initdb`.
        user: what starts a program as the user that the server runs as.
        options: of the server, above those of the tests.
    """

    def __init__(
        self,
        folder: Path,
        programs: Path,
        user: Sequence[str],
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._programs = programs
        self._user = user
        self._options = {**_OPTIONS, **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: list[int] = []

    @classmethod
    @contextmanager
    def running(cls, **options: str) -> Iterator[PostgreSQL]:
        """Give a running server with an empty cluster; nothing of it stays."""
        with own_place("postgresql") as (folder, programs, user):
            server = cls(folder, programs, user, options)
            server._make()
            server.start()
            try:
                yield server
            finally:
                server.stop("immediate")

    def url(self, database: str) -> str:
        """The address of a database, as the configuration has it."""
        port = f"&port={self._options['port']}" if "port" in self._options else ""
        return f"postgresql://postgres@/{database}?host={self.folder}{port}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, give its URL, and drop it with all connections to it."""
        name = f"test_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        yield self.url(name)
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def start(self) -> None:
        """Start and wait until it takes connections; at once if it runs."""
        if self._process is not None:
            return
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications,
            (self.folder / "log").open("ab") as log,
        ):
            notifications.bind(str(ready))
            ready.chmod(0o666)
            options = {**self._options, "unix_socket_directories": str(self.folder)}
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                [
                    *self._user,
                    *("setpriv", "--pdeathsig", "QUIT"),  # not left behind by a killed test
                    *(self._programs / "postgres", "-D", self.folder / "data"),
                    *(f"--{name}={value}" for name, value in options.items()),
                ],
                env={**os.environ, "NOTIFY_SOCKET": str(ready)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
            ended = os.pidfd_open(self._process.pid)
            try:
                while b"READY=1" not in self._next_word(notifications, ended):
                    pass
            finally:
                os.close(ended)

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it: `fast` ends what runs and writes everything down, `immediate` is a crash."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(_STOP[how])
        self.resume()
        process.wait(_PATIENCE)

    def succeed(self, primary: PostgreSQL) -> None:
        """Take the place of a primary, with all that it has stored: what a failover does."""
        primary.stop()
        self.stop()
        shutil.rmtree(self.folder / "data")
        subprocess.run(  # noqa: S603 - our own arguments
            ["cp", "-a", primary.folder / "data", self.folder / "data"],  # noqa: S607 - any cp
            check=True,
        )
        self.start()

    def follow(self, primary: PostgreSQL) -> None:
        """Become the synchronous standby of a primary, which streams to it from now on."""
        primary.stop()
        self.stop()
        shutil.rmtree(self.folder / "data")
        subprocess.run(  # noqa: S603 - our own arguments
            ["cp", "-a", primary.folder / "data", self.folder / "data"],  # noqa: S607 - any cp
            check=True,
        )
        subprocess.run(  # noqa: S603 - the same
            [*self._user, "touch", self.folder / "data" / "standby.signal"], check=True, cwd="/"
        )
        port = primary._options.get("port", "5432")
        self._options["primary_conninfo"] = f"host={primary.folder} port={port} user=postgres"
        primary._options["synchronous_standby_names"] = "*"
        primary.start()
        self.start()

    def promote(self) -> None:
        """Become the primary, with what was streamed until now."""
        del self._options["primary_conninfo"]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)

    def pause(self) -> None:
        """Let nothing of it run; its sockets stay open, and the system takes connections for it."""
        assert self._process is not None
        _halt(self._process.pid)  # first, so that it makes no more children
        self._paused = [*_children(self._process.pid), self._process.pid]
        for pid in self._paused:
            _halt(pid)

    def resume(self) -> None:
        """Go on after `pause`."""
        paused, self._paused = self._paused, []
        for pid in paused:
            os.kill(pid, signal.SIGCONT)

    def _make(self) -> None:
        made = subprocess.run(  # noqa: S603 - our own arguments
            [
                *self._user,
                *(self._programs / "initdb", "--pgdata", self.folder / "data", "--no-sync"),
                *("--username=postgres", "--auth=trust", "--no-locale", "--encoding=UTF8"),
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert made.returncode == 0, made.stderr

    def _next_word(self, notifications: socket.socket, ended: int) -> bytes:
        """What the server tells next of its state, as `sd_notify` does."""
        if (
            notifications.fileno()
            in select.select([notifications.fileno(), ended], [], [], _PATIENCE)[0]
        ):
            return notifications.recv(4096)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def own_place(name: str) -> Iterator[tuple[Path, Path, list[str]]]:
    """A folder for a server that does not run as root, its programs, and what changes the user.

    `provision-NAME.sh` brings the programs. Nothing of the folder stays.
    """
    user = _other_user() if os.geteuid() == 0 else []
    # Not below TMPDIR: it may be too long for a socket, or closed to other users.
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    try:
        tree = _tree(name)
        if _NOBODY in user:
            if not _open_to_all(tree):
                tree = shutil.copytree(tree, folder / "tree", symlinks=True)
            os.chown(folder, int(_NOBODY), int(_NOBODY))
        yield folder, tree / "bin", user
    finally:
        shutil.rmtree(folder)


def _tree(name: str) -> Path:
    """The folder of the programs, filled if it is not."""
    tree = _CHECKOUT / f".{name}"
    with tree.with_name(f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        script = Path(__file__).with_name(f"provision-{name}.sh")
        subprocess.run([script, tree], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    return tree


def _other_user() -> list[str]:
    """What makes a program run as somebody who is not root."""
    nobody = ["setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups"]
    possible = subprocess.run([*nobody, "true"], check=False, capture_output=True)  # noqa: S603 - ours
    if possible.returncode == 0:
        return nobody
    return ["unshare", "--user", "--map-user=1", "--map-group=1"]


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def _halt(pid: int) -> None:
    """Stop a process and see it stopped: the signal alone takes its time to be noticed."""
    os.kill(pid, signal.SIGSTOP)
    while _stat(pid)[0] not in "TZ":  # or ended, and its halted parent does not see it off
        os.sched_yield()


def _children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended
            if _stat(child := int(folder.name))[1] == str(pid):
                found.append(child)
    return found


def _stat(pid: int) -> list[str]:
    """The state of a process, the id of its parent, and more (proc_pid_stat(5), from field 3)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
