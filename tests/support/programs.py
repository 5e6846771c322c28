"""`make unit` starts no program: a test that starts one has the mark `programs`.

Programs are what make a test slow and its machine matter: an interpreter takes a third of a second
to load the bridge, a PostgreSQL several to be ready.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

MARKS: Final = ("programs", "asterisk", "crash", "docker", "packages")
"""The marks of tests that start programs."""

_STARTS: Final = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"})
"""Python's audit events of a start ("Audit events table" of its library reference)."""

_FIXTURES: Final = frozenset({"authority", "postgresql_server"})
"""Fixtures that start programs: openssl, PostgreSQL."""


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
