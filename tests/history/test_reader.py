"""Finding calls: by line, outcome, time and number; and what a file that cannot be read says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.history import HistoryError, database, open_history
from agi_bridge.history.call import MAX_UNIQUEID
from tests.support.error_codes import coded
from tests.support.history_calls import CALLER, NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.history import Call, HistoryReader

FIRST = 1_795_413_525_000
OLD = {"begun": FIRST, "language": "fr", "uniqueid": "pbx-1.1"}
NEW = {"begun": FIRST + 1000, "language": "en", "line": "office", "number": NUMBER,
       "caller": None, "declined": None, "hook": "accepted", "result": "done",
       "ended": "far_end", "dials": [("forward", "ANSWER")]}  # fmt: skip


def opened(folder: Path) -> None:
    with open_history(folder, running=True):
        pass


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["fr", "en"]),
        ({"line": "office"}, ["en"]),
        ({"outcome": "done"}, ["en"]),
        ({"outcome": "star"}, ["fr"]),
        ({"outcome": "forward"}, ["en"]),
        ({"outcome": "cut_off"}, []),
        ({"since": FIRST + 1}, ["en"]),
        ({"until": FIRST + 1}, ["fr"]),
        ({"number": NUMBER}, ["en"]),
        ({"number": CALLER}, ["fr"]),
        ({"number": "+14155550166"}, []),
        ({"limit": 1}, ["en"]),
        ({"after": FIRST << 12}, ["en"]),
    ],
)
def test_calls_are_found(
    write: Callable[..., None],
    read: Callable[..., list[Call]],
    wanted: dict[str, Any],
    found: list[str],
) -> None:
    write(OLD, NEW, days=7000)
    assert [call.language for call in read(**wanted)] == found


def test_one_call_is_named_by_its_id_a_part_of_it_or_asterisks_id(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write(OLD, NEW, days=7000)
    with open_history(tmp_path, running=True) as reader:
        new = reader.get(f"{(FIRST + 1000) << 12:014x}")
        assert new.language == "en"
        assert reader.get(new.id[:-2]) == new
        assert reader.get("pbx-1.1").language == "fr"
        with pytest.raises(HistoryError, check=coded("several_calls")):
            reader.get(new.id[:6])
        for nobodys in ("abc", "pbx-1", "f" * 14, "' OR 1=1 --", "%"):
            with pytest.raises(HistoryError, check=coded("no_call")):
                reader.get(nobodys)


def test_a_write_of_the_service_is_seen_without_reading_the_calls(
    reader: HistoryReader, write: Callable[..., None]
) -> None:
    before = reader.data_version
    assert reader.data_version == before
    write({})
    assert reader.data_version != before


def test_a_history_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(HistoryError, check=coded("no_history")),
        open_history(tmp_path, running=True),
    ):
        pass
    (tmp_path / database.FILE).touch()
    with (
        pytest.raises(HistoryError, check=coded("no_history")),
        open_history(tmp_path, running=True),
    ):
        pass


def test_a_damaged_history_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / database.FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(HistoryError, check=coded("damaged")):
        opened(tmp_path)
    assert (tmp_path / database.FILE).read_bytes() == b"no database" * 1000


def test_without_the_key_no_number_is_found(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Call]]
) -> None:
    write({})
    (tmp_path / database.KEY_FILE).write_text("zz")
    with pytest.raises(HistoryError, check=coded("bad_key")):
        read(number=NUMBER)
    (tmp_path / database.KEY_FILE).unlink()
    with pytest.raises(HistoryError, check=coded("no_key")):
        read(number=NUMBER)


def test_hostile_words_of_a_pbx_are_kept_short_and_read_back_as_text(
    write: Callable[..., None], read: Callable[..., list[Call]]
) -> None:
    write({"uniqueid": "\x1b[31m" + "x" * 500, "line": "'; DROP TABLE calls"})
    (call,) = read()
    assert call.uniqueid is not None
    assert len(call.uniqueid) == MAX_UNIQUEID
    assert call.line == "'; DROP TABLE calls"
    assert call.document()["uniqueid"].startswith("\x1b")
