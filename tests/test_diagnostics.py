"""Exceptions on one line, and events that peers can repeat, at most one line per period."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Never

import pytest
from structlog.testing import capture_logs

from agi_bridge.diagnostics import RateLimitedEvent, exception_origin, exception_summary
from agi_bridge.net import bind

HERE = Path(__file__).name


def fail() -> Never:
    raise KeyError("4155550123")


def caught(work: object) -> BaseException:
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - whatever it is, it is the subject
        work()  # type: ignore[operator]  # a callable of the test
    return raised.value


def line_of(function: object) -> int:
    return function.__code__.co_firstlineno + 1  # type: ignore[attr-defined, no-any-return]  # a function


def test_an_error_is_its_class_and_text_and_the_line_that_raised_it() -> None:
    error = caught(fail)
    assert exception_summary(error) == "KeyError: '4155550123'"
    assert exception_origin(error) == f"KeyError at {HERE}:{line_of(fail)}"


def test_an_error_that_a_library_raised_has_the_place_of_ours_that_called_it() -> None:
    def ask() -> None:
        json.loads("{")

    assert exception_origin(caught(ask)) == f"JSONDecodeError at {HERE}:{line_of(ask)}"


def test_code_of_the_package_is_named_with_its_folder() -> None:
    error = caught(lambda: bind("192.0.2.1", 4573, "agi"))
    assert exception_origin(error).startswith("OSError at agi_bridge/net.py:")


def test_an_error_of_libraries_alone_has_their_innermost_place() -> None:
    error = caught(fail)
    error.__traceback__ = None
    assert exception_origin(error) == "KeyError at ?"


def test_what_a_task_group_raises_is_what_its_tasks_raised() -> None:
    async def run_group() -> None:
        async def first() -> None:
            fail()

        async def second() -> None:
            raise ValueError("no such number")

        async with asyncio.TaskGroup() as outer:
            outer.create_task(second())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(first())
                await asyncio.Event().wait()

    error = caught(lambda: asyncio.run(run_group()))
    assert isinstance(error, ExceptionGroup)
    origin = exception_origin(error)
    assert f"KeyError at {HERE}:{line_of(fail)}" in origin
    assert "ValueError at" in origin
    assert "taskgroups" not in origin
    assert "4155550123" not in origin
    assert "KeyError: '4155550123'" in exception_summary(error)


def test_of_many_a_few_are_named_and_the_others_counted() -> None:
    group = ExceptionGroup("many", [ValueError(str(each)) for each in range(7)])
    assert exception_summary(group) == (
        "ValueError: 0; ValueError: 1; ValueError: 2; ValueError: 3; and 3 more"
    )


def test_groups_in_groups_have_no_depth_that_breaks_it() -> None:
    error: Exception = KeyError("x")
    for _ in range(5000):
        error = ExceptionGroup("deeper", [error])
    assert exception_summary(error) == "KeyError: 'x'"


def test_what_caused_it_is_named_by_its_class_alone() -> None:
    def ask() -> None:
        try:
            fail()
        except KeyError as error:
            raise RuntimeError("gone") from error

    origin = exception_origin(caught(ask))
    assert origin.startswith("RuntimeError at ")
    assert origin.endswith(", from KeyError")


def test_a_long_text_is_cut_and_one_that_cannot_be_had_does_no_harm() -> None:
    class Mute(Exception):  # noqa: N818 - it says nothing
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert len(exception_summary(ValueError("x" * 100_000))) < 600
    assert exception_summary(Mute()) == "Mute: (without a text)"


def end_period(event: RateLimitedEvent) -> None:
    """What the timer does."""
    assert event._timer is not None
    event._timer.cancel()
    event._period_ended()


async def test_the_first_is_said_at_once_and_the_others_at_the_end_of_the_period() -> None:
    with capture_logs() as logs:
        event = RateLimitedEvent("refused")
        for port in range(1000):
            event.log(port=port)
        assert [(line["count"], line["port"]) for line in logs] == [(1, 0)]
        end_period(event)
        event.close()
    assert [(line["event"], line["count"], line["port"]) for line in logs] == [
        ("refused", 1, 0),
        ("refused", 999, 999),
    ]
    assert {line["log_level"] for line in logs} == {"warning"}


async def test_after_a_quiet_period_the_next_is_said_at_once_again() -> None:
    with capture_logs() as logs:
        event = RateLimitedEvent("refused")
        event.log()
        end_period(event)
        event.log()
        event.close()
    assert [line["count"] for line in logs] == [1, 1]


async def test_closing_says_what_was_counted_and_leaves_no_timer() -> None:
    with capture_logs() as logs:
        event = RateLimitedEvent("refused")
        for _ in range(3):
            event.log()
        event.close()
        event.close()
    assert [line["count"] for line in logs] == [1, 2]
    assert event._timer is None
