"""`consents erase` and the call history: also for a caller who gave no consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agi_bridge.history import CallFilter, database, open_history
from agi_bridge.history.writer import HistoryWriter
from tests.support import consent_records
from tests.support.history_calls import drafted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sample_ledger import SampleLedger

CURIOUS = "+14155550188"
"""Somebody who called and gave no consent."""


def recorded(folder: Path, *calls: dict[str, Any]) -> None:
    writer = HistoryWriter(folder, 14)
    for number, call in enumerate(calls):
        writer.put(drafted(begun=1_795_730_000_000 + number, **call))
    assert writer.close(60)


def callers(folder: Path) -> list[str | None]:
    with open_history(folder, running=False) as reader:
        return [call.caller for call in reader.find(CallFilter())[::-1]]


def test_the_calls_of_a_number_lose_it_also_if_the_ledger_does_not_know_it(
    sample: SampleLedger,
) -> None:
    state = sample.folder / "state"
    recorded(state, {"caller": CURIOUS}, {"caller": consent_records.OTHER})
    options = ("erase", "--number", CURIOUS, "--basis", "request")
    refused = sample.shell(*options, typed="n\n")
    assert (refused.status, callers(state)) == (1, ["+1***88", "+1***66"])
    answer = sample.shell(*options, "--yes", "--json")
    assert (answer.status, answer.json["found"], answer.json["calls"]) == (0, 0, 1)
    assert callers(state) == [None, "+1***66"]
    assert sample.shell(*options, "--yes").status == 1


def test_the_call_of_a_record_loses_its_number(sample: SampleLedger) -> None:
    state = sample.folder / "state"
    recorded(state, {"consent": sample.unknown}, {"consent": "another"})
    options = ("erase", "--consent", sample.unknown, "--basis", "request", "--yes", "--json")
    assert sample.shell(*options).json["calls"] == 1
    assert callers(state) == [None, "+1***00"]


def test_a_history_that_cannot_be_changed_stops_the_erasure_before_it_begins(
    sample: SampleLedger,
) -> None:
    (sample.folder / "state" / database.FILE).write_bytes(b"no database" * 1000)
    options = ("erase", "--consent", sample.unknown, "--basis", "request", "--yes")
    result = sample.shell(*options)
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert "erased" not in sample.types(sample.unknown)
