"""The alerts of monitoring/: in order, proved by promtool, and in the words of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from agi_bridge.status import KINDS
from tests.support.prometheus import promtool

MONITORING: Final = Path(__file__).parents[2] / "monitoring"
RULES: Final = MONITORING / "agi-bridge.rules.yml"
PREFIX: Final = "AgiBridge"


def rules() -> dict[str, dict[str, Any]]:
    """The alerts by name, without the prefix."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"].removeprefix(PREFIX): rule for group in groups for rule in group["rules"]}


@pytest.mark.programs
async def test_promtool_reads_the_rules() -> None:
    status, output = await promtool("check", "rules", str(RULES))
    assert (status, f"{len(rules())} rules found" in output) == (0, True), output


@pytest.mark.programs
async def test_promtool_proves_when_each_alert_fires_and_when_not() -> None:
    tests = MONITORING / "agi-bridge.rules.test.yml"
    status, output = await promtool("test", "rules", str(tests))
    assert status == 0, output
    fired = re.findall(r"alertname: AgiBridge(\w+)\n +exp_alerts:", tests.read_text("utf-8"))
    assert set(fired) == set(rules())


def test_the_alerts_are_the_problems_of_the_code_in_the_same_words() -> None:
    found = rules()
    assert set(found) == {"Down", *KINDS}
    for kind in KINDS.values():
        rule = found[kind.name]
        assert rule["labels"] == {"severity": kind.severity}
        assert rule["annotations"] == {"summary": kind.notice, "cure": kind.cure}


def test_no_annotation_can_hold_a_number_of_a_caller() -> None:
    for rule in rules().values():
        assert not any("{{" in text for text in rule["annotations"].values())
