"""What `make unit` leaves out: tests that start a program, open a ledger, or run something whole.

Programs make a test slow and its machine matter: an interpreter takes a third of a second to load
the bridge, a PostgreSQL several to be ready. A test that starts one has the mark `programs`. A
ledger syncs files to the disk. Commands, the service and the pages are run or read whole, in
folders that `make unit` does not even collect. So it takes seconds, and is run all the time.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MARKS: Final = ("programs", "asterisk", "crash", "docker", "packages")
"""The marks of tests that start programs."""

_STARTS: Final = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"})
"""Python's audit events of a start ("Audit events table" of its library reference)."""

_FIXTURES: Final = frozenset({"authority", "postgresql_server"})
"""Fixtures that start programs: openssl, PostgreSQL."""

_LEDGERS: Final = frozenset({"call_env", "honest", "original", "where"})
"""Fixtures under every fixture that opens a ledger."""

WHOLE: Final = (
    "app",
    "asterisk",
    "backup",
    "cli",
    "consent/ledger",
    "docker",
    "docs",
    "evidence/attacks",
    "lab",
    "monitoring",
    "packaging",
    "push",
    "scripts",
    "test_patterns.py",
)
"""Tests that run commands or the service, open ledgers, or read the whole project."""


def is_whole(path: Path, tests: Path) -> bool:
    """Whether a folder or file of the tests is one of `WHOLE`."""
    return path.is_relative_to(tests) and path.relative_to(tests).as_posix() in WHOLE


def is_unit(item: pytest.Item) -> bool:
    """Whether a test starts no program and opens no ledger, by its fixtures and marks."""
    names: list[str] = getattr(item, "fixturenames", [])
    marked = any(map(item.get_closest_marker, MARKS))
    return not marked and not starts_programs(item) and _LEDGERS.isdisjoint(names)


def starts_programs(item: pytest.Item) -> bool:
    """Whether a fixture of a test starts a program; what a test itself starts needs the mark."""
    names: list[str] = getattr(item, "fixturenames", [])
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    words = {value for value in values if isinstance(value, str)}  # an array has no truth
    return not _FIXTURES.isdisjoint(names) or "postgresql" in words


class Guard:
    """A plugin that fails each test that starts a program, and starts none."""

    def __init__(self) -> None:
        self._watches = False
        self._refused = ""
        sys.addaudithook(self._audit)  # there is no way to take one away

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS and self._watches:
            self._refused = str(arguments[0]) if arguments else event
            raise AssertionError(f"a test without the mark `programs` starts {self._refused}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Watch one test."""
        self._watches, self._refused = True, ""
        try:
            return (yield)
        finally:
            self._watches = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail it also if it caught the error."""
        report = yield
        if self._refused and report.passed:
            report.longrepr = f"starts {self._refused}, but has no mark `programs`"
            report.outcome = "failed"
        return report
