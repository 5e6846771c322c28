"""What failed and where: one line, groups taken apart, our own code named."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Never

import pytest

from agi_bridge.guard import bind, describe, origin

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
    assert describe(error) == "KeyError: '4155550123'"
    assert origin(error) == f"KeyError at {HERE}:{line_of(fail)}"


def test_an_error_that_a_library_raised_has_the_place_of_ours_that_called_it() -> None:
    def ask() -> None:
        json.loads("{")

    assert origin(caught(ask)) == f"JSONDecodeError at {HERE}:{line_of(ask)}"


def test_code_of_the_package_is_named_with_its_folder() -> None:
    error = caught(lambda: bind("192.0.2.1", 4573, "agi"))
    assert origin(error).startswith("OSError at agi_bridge/guard/listening.py:")


def test_an_error_of_libraries_alone_has_their_innermost_place() -> None:
    error = caught(fail)
    error.__traceback__ = None
    assert origin(error) == "KeyError at ?"


def test_what_a_task_group_raises_is_what_its_tasks_raised() -> None:
    async def story() -> None:
        async def first() -> None:
            fail()

        async def second() -> None:
            raise ValueError("no such number")

        async with asyncio.TaskGroup() as outer:
            outer.create_task(second())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(first())
                await asyncio.Event().wait()

    error = caught(lambda: asyncio.run(story()))
    assert isinstance(error, ExceptionGroup)
    told = origin(error)
    assert f"KeyError at {HERE}:{line_of(fail)}" in told
    assert "ValueError at" in told
    assert "taskgroups" not in told
    assert "4155550123" not in told
    assert "KeyError: '4155550123'" in describe(error)


def test_of_many_a_few_are_named_and_the_others_counted() -> None:
    group = ExceptionGroup("many", [ValueError(str(each)) for each in range(7)])
    assert describe(group) == (
        "ValueError: 0; ValueError: 1; ValueError: 2; ValueError: 3; and 3 more"
    )


def test_groups_in_groups_have_no_depth_that_breaks_it() -> None:
    error: Exception = KeyError("x")
    for _ in range(5000):
        error = ExceptionGroup("deeper", [error])
    assert describe(error) == "KeyError: 'x'"


def test_what_caused_it_is_named_by_its_class_alone() -> None:
    def ask() -> None:
        try:
            fail()
        except KeyError as error:
            raise RuntimeError("gone") from error

    told = origin(caught(ask))
    assert told.startswith("RuntimeError at ")
    assert told.endswith(", from KeyError")


def test_a_long_text_is_cut_and_one_that_cannot_be_had_does_no_harm() -> None:
    class Mute(Exception):  # noqa: N818 - it says nothing
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert len(describe(ValueError("x" * 100_000))) < 600
    assert describe(Mute()) == "Mute: (without a text)"
