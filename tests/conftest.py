"""What all tests share: how long they may go on, that none is skipped, and a PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from tests.support.postgresql import PostgreSQL
from tests.support.programs import Guard, is_unit, is_whole

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`: what proves more the more often it is done is done often (`make test-long`).

    `--unit` leaves out what starts programs, opens ledgers or runs something whole, and lets no
    test start a program (`make unit`).
    """
    parser.addoption("--docker", action="store_true", help="also what needs a Docker daemon")
    parser.addoption("--long", action="store_true", help="as often as it takes to be sure")
    parser.addoption("--packages", action="store_true", help="also what builds all packages")
    parser.addoption("--unit", action="store_true", help="only tests of single modules")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even collect, for `--unit`, the folders whose tests run something whole."""
    unit = config.getoption("unit")
    return True if unit and is_whole(collection_path, Path(__file__).parent) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `long`, `docker` or `packages`, unless it is asked for."""
    names = [name for name in ("long", "docker", "packages") if not config.getoption(name)]
    later = [
        item
        for item in items
        if any(map(item.get_closest_marker, names))
        or (config.getoption("unit") and not is_unit(item))
    ]
    if later:
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in later]


def pytest_configure(config: pytest.Config) -> None:
    """Have every bridge that a test starts show its status on its own port."""
    os.environ["AGI_BRIDGE_STATUS__PORT"] = "0"
    if config.getoption("unit"):
        config.pluginmanager.register(Guard(), "programs-guard")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips itself."""
    report = yield
    _not_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips itself."""
    report = yield
    _not_skipped(report)
    return report


def _not_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """What a test needs, `make` brings; one that goes without would be green and prove nothing."""
    if report.skipped:
        report.longrepr = f"skipped: {report.longrepr}"
        report.outcome = "failed"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A running server: one for each process of tests. A test that stops it starts it again."""
    with PostgreSQL.running() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgreSQL) -> Iterator[str]:
    """The URL of an empty database for this test."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Undo what a test configures: a command run in the test logs to a stream that is closed."""
    configured, before = structlog.is_configured(), structlog.get_config()
    yield
    if configured:
        structlog.configure(**before)
    else:
        structlog.reset_defaults()
