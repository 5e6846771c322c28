from __future__ import annotations

import io
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.observe import configure_logging, mask_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUMBER = "+14155550123"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Everything written since the last look, parsed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure_logging("info", out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_time_and_level(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    structlog.get_logger().info("listening", port=4573)
    (line,) = lines()
    assert line["event"] == "listening"
    assert line["level"] == "info"
    assert line["port"] == 4573
    assert line["at"].endswith("Z")


def test_nothing_below_the_level_is_written(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger().debug("probe")
    logging.getLogger("some.library").debug("detail")
    assert lines() == []


@pytest.mark.parametrize(
    "written",
    [
        NUMBER,
        "4155550123",
        "(415) 555-0123",
        "415.555.0123",
        f"PJSIP/{NUMBER}@trunk",
        "+33612345678",
    ],
)
def test_a_number_never_leaves_whole(
    lines: Callable[[], list[dict[str, Any]]], written: str
) -> None:
    log = structlog.get_logger()
    event = f"cannot dial {written}"
    log.warning(event, value=written, deep={"list": [written, (written,)]})
    logging.getLogger("some.library").warning("request to %s failed", written)
    text = json.dumps(lines())
    assert written not in text
    assert "0123" not in text
    assert "12345678" not in text


def test_identifiers_keep_their_digits(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger().info("call", call="pbx-1795406412.39", ms=1795406412)
    (line,) = lines()
    assert line["call"] == "pbx-1795406412.39"
    assert line["ms"] == 1795406412


def test_an_exception_is_its_class_and_text_on_the_same_line(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    try:
        secret = NUMBER
        raise ValueError(f"no such number {secret}")  # noqa: TRY301 - the test is of its report
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=True)
        structlog.get_logger().error("failed", exc_info=error)
        logging.getLogger("some.library").exception("failed too")
    for line in lines():
        assert line["error"] == "ValueError: no such number +1***23"
        assert line["where"].startswith("ValueError at test_logging.py:")
        assert "Traceback" not in json.dumps(line)


def test_a_group_is_what_it_holds_with_the_numbers_masked(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    group = ExceptionGroup("unhandled", [ValueError(NUMBER), ExceptionGroup("in", [KeyError("k")])])
    structlog.get_logger().error("failed", exc_info=group)
    (line,) = lines()
    assert line["error"] == "ValueError: +1***23; KeyError: 'k'"
    assert line["where"] == "ValueError at ?; KeyError at ?"


def test_libraries_that_log_urls_are_silent_at_info(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    for name in ("httpx", "httpcore.http11", "sqlalchemy.engine"):
        logging.getLogger(name).info("GET https://hooks.example/?key=secret")
    assert lines() == []


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging()
    structlog.get_logger().info("hello")
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    captured = capsys.readouterr()
    assert json.loads(captured.err)["event"] == "hello"
    assert captured.out == ""
    assert sys.stderr is not None


@given(st.from_regex(r"\+?[1-9][0-9]{6,14}", fullmatch=True))
def test_masking_keeps_two_digits_and_perhaps_the_first(number: str) -> None:
    masked = mask_numbers(f"to {number}, please")
    assert number not in masked
    assert sum(c.isdigit() for c in masked) <= 3


@pytest.mark.parametrize("text", ["room 101", "12:30", "1.2.3", "port 4573", "2 - 3 - 4"])
def test_short_figures_stay(text: str) -> None:
    assert mask_numbers(text) == text
