"""The doctor's last report: kept for the service's account, read back as it was."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from agi_bridge.app.doctor_report import FILE, keep_report, last_report
from agi_bridge.doctor import Finding, Id, Level, Report

if TYPE_CHECKING:
    from pathlib import Path


def test_a_report_is_kept_for_its_owner_alone_and_the_last_one_counts(tmp_path: Path) -> None:
    fault = Finding(Id.DISK, Level.FAULT, "full", "make room")
    keep_report(tmp_path, Report(()))
    keep_report(tmp_path, Report((fault,)))
    found = last_report(tmp_path)
    assert found is not None
    assert (found["ok"], found["faults"], found["findings"][0]["id"]) == (False, 1, "disk")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_without_a_run_there_is_none(tmp_path: Path) -> None:
    assert last_report(tmp_path) is None
