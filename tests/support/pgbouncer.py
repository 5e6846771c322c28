"""A real PgBouncer in front of the tests' PostgreSQL, on its own Unix socket.

    with PgBouncer.running(server, mode="transaction") as pooler:
        psycopg.connect(pooler.url("postgres"))

The program is Debian's, unpacked into the checkout by `provision-pgbouncer.sh`.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tests.support.postgresql import own_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.postgresql import PostgreSQL

_PORT: Final = 6432
_CONFIG: Final = """\
[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
ignore_startup_parameters = {ignored}
"""


@dataclass(frozen=True)
class PgBouncer:
    """A pooler that runs, with its socket in `folder`."""

    folder: Path

    @classmethod
    @contextmanager
    def running(
        cls, server: PostgreSQL, *, mode: Literal["session", "transaction"], ignored: str = ""
    ) -> Iterator[PgBouncer]:
        """Run one in front of a server; `ignored` are settings that it takes and drops."""
        with own_place("pgbouncer") as (folder, programs, user):
            (folder / "users").write_text('"postgres" ""\n', encoding="utf-8")
            config = folder / "config"
            config.write_text(
                _CONFIG.format(
                    server=server.folder, folder=folder, port=_PORT, mode=mode, ignored=ignored
                ),
                encoding="utf-8",
            )
            with subprocess.Popen(  # noqa: S603 - our own arguments
                [
                    *user,
                    *("setpriv", "--pdeathsig", "QUIT"),  # not left behind by a killed test
                    *(programs / "pgbouncer", config),
                ],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd="/",
            ) as process:
                assert process.stderr is not None
                told = []
                for line in process.stderr:
                    told.append(line)
                    if "process up" in line:
                        break
                else:
                    raise AssertionError("".join(told))
                try:
                    yield cls(folder)
                finally:
                    process.kill()

    def url(self, database: str) -> str:
        """The address of a database behind it, as the configuration has it."""
        return f"postgresql://postgres@/{database}?host={self.folder}&port={_PORT}"
