"""A PostgreSQL primary and its synchronous standby, which takes its place."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS: Final = ("query", "authority")
"""Where an address names several servers: in its query, or in the usual place."""
_ASKED: Final = "target_session_attrs=read-write&sslmode=disable"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers on loopback; what the first stores is streamed to the second.

    Attributes:
        first: the primary until `lose_primary`.
        second: its synchronous standby.
        ports: where they listen.
    """

    first: PostgreSQL
    second: PostgreSQL
    ports: tuple[int, int]

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Pair]:
        """Give both, running; nothing of them stays."""
        ports = _unused_port(), _unused_port()
        with (
            PostgreSQL.running(listen_addresses="127.0.0.1", port=str(ports[0])) as first,
            PostgreSQL.running(listen_addresses="127.0.0.1", port=str(ports[1])) as second,
        ):
            second.follow(first)
            yield cls(first, second, ports)

    def url(self, form: str) -> str:
        """The address of both, as the configuration has it in one of `FORMS`."""
        one, two = (f"127.0.0.1:{port}" for port in self.ports)
        return {
            "query": f"postgresql://postgres@/postgres?host={one}&host={two}&{_ASKED}",
            "authority": f"postgresql://postgres@{one},{two}/postgres?{_ASKED}",
        }[form]

    @property
    def socket_url(self) -> str:
        """The address of both by their sockets, which another network namespace reaches too."""
        hosts = (f"{each.folder}:{port}" for each, port in zip(self._both, self.ports, strict=True))
        return f"postgresql://postgres@/postgres?host={'&host='.join(hosts)}&{_ASKED}"

    @property
    def _both(self) -> tuple[PostgreSQL, PostgreSQL]:
        return self.first, self.second

    def lose_primary(self) -> None:
        """Let the primary crash, and the standby take its place. Blocks."""
        self.first.stop("immediate")
        self.second.promote()


def _unused_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as any_:
        return int(any_.getsockname()[1])
