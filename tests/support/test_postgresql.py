"""The tests' own PostgreSQL: without it, nothing that is proven on it is proven."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One to be stopped at will."""
    with PostgreSQL.running() as running:
        yield running


def answer(url: str, query: str) -> TupleRow | None:
    with psycopg.connect(url, connect_timeout=2) as connection:
        return connection.execute(query.encode()).fetchone()


def test_each_test_has_an_empty_database_of_its_own(server: PostgreSQL) -> None:
    with server.database() as url, server.database() as other:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE mine (a int)")
        assert answer(url, "SELECT count(*) FROM mine") == (0,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            answer(other, "SELECT count(*) FROM mine")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        answer(url, "SELECT 1")


def test_a_database_goes_though_somebody_is_still_connected(server: PostgreSQL) -> None:
    with server.database() as url:
        left = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()


def test_it_listens_on_its_socket_alone(postgresql_url: str) -> None:
    assert answer(postgresql_url, "SHOW listen_addresses") == ("",)


def test_commits_are_durable_as_on_a_server_that_nobody_changed(postgresql_url: str) -> None:
    assert answer(postgresql_url, "SHOW synchronous_commit") == ("on",)


def test_what_was_committed_outlives_an_immediate_stop(server: PostgreSQL) -> None:
    with server.database() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (a int)")
        server.stop("immediate")
        with pytest.raises(psycopg.OperationalError):
            answer(url, "SELECT 1")
        server.start()
        assert answer(url, "SELECT count(*) FROM kept") == (0,)


def test_a_fast_stop_ends_its_connections(server: PostgreSQL) -> None:
    with server.database() as url, psycopg.connect(url) as connection:
        server.stop("fast")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        server.start()


def test_paused_it_says_nothing_and_resumed_it_goes_on(server: PostgreSQL) -> None:
    with server.database() as url, psycopg.connect(url, autocommit=True) as connection:
        server.pause()
        connection.pgconn.send_query(b"SELECT 1")
        assert select.select([connection], [], [], 0.1)[0] == []
        server.resume()
        result = connection.pgconn.get_result()
        assert result is not None
        assert result.get_value(0, 0) == b"1"
        assert connection.pgconn.get_result() is None


def test_a_paused_server_can_be_stopped(server: PostgreSQL) -> None:
    server.pause()
    server.stop("immediate")
    server.start()
    with server.database() as url:
        assert answer(url, "SELECT 1") == (1,)


def test_a_stopped_server_leaves_nothing_behind() -> None:
    with PostgreSQL.running() as server:
        folder = server.folder
        with server.database() as url:
            assert answer(url, "SELECT 1") == (1,)
    assert not folder.exists()


def test_a_server_that_cannot_start_says_why() -> None:
    with PostgreSQL.running() as server:
        server.stop()
        (server.folder / "data" / "PG_VERSION").unlink()
        with pytest.raises(AssertionError, match="PG_VERSION"):
            server.start()
