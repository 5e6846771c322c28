"""A PostgreSQL for the tests that ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A running server: one for each process of tests. Who stops it starts it again."""
    with PostgreSQL.running() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQL) -> Iterator[str]:
    """The URL of a database of the test's own."""
    with postgresql_server.database() as url:
        yield url
