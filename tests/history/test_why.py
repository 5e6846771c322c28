"""Why a call ended: the code and the sentence for what its log line says."""

from __future__ import annotations

from typing import Any

import pytest

from agi_bridge.history import explain, sentence, short, words
from agi_bridge.history.why import CAUSES, ENDINGS

CASES: list[tuple[dict[str, Any], list[tuple[str, str]], str, str]] = [
    ({"hook": "accepted", "ended": "far_end", "result": "done"},
     [("forward", "ANSWER")], "accepted.forward", "far_end"),
    ({"hook": "accepted", "ended": "caller", "result": "hangup"},
     [("forward", "ANSWER")], "accepted.forward", "caller"),
    ({"hook": "accepted", "ended": "far_end", "result": "done"},
     [("forward", "BUSY"), ("default", "ANSWER")], "accepted.default", "far_end"),
    ({"hook": "unknown", "ended": "default_not_reached", "result": "fallback"},
     [("default", "NOANSWER")], "unknown.fallback", ""),
    ({"hook": "not_called", "ended": "dialplan", "result": "default"},
     [], "not_stored.dialplan_default", ""),
    ({"hook": "accepted", "ended": "dialplan", "result": "dial"}, [], "accepted.dialplan_dial", ""),
    ({"declined": "star", "ended": "default", "result": "done"}, [], "star.announced", "bridge"),
    ({"hook": "accepted", "ended": "hangup", "result": "done"},
     [], "accepted.hook_ended", "bridge"),
    ({"ended": "caller", "result": "hangup"}, [], "unasked.hung_up", "caller"),
    ({"declined": "star", "ended": "caller", "result": "hangup"},
     [("default", "CANCEL")], "star.hung_up_ringing", "caller"),
    ({"default": "fault", "ended": "dialplan", "result": "default"},
     [], "fault.dialplan_default", ""),
    ({"hook": "accepted", "ended": "fault", "result": "default"}, [], "accepted.fault", ""),
    ({"ended": "no_line"}, [], "no_line.refused", ""),
    ({"hook": "accepted", "ended": "left_to_pbx", "result": "left_to_pbx"},
     [], "accepted.left_to_pbx", ""),
    ({"ended": "drain_forced", "result": "default"}, [], "unasked.drain_forced", ""),
    ({}, [], "unasked.cancelled", ""),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "dials", "why", "side"), CASES)
def test_a_call_that_has_ended_has_one_code_and_one_side(
    fields: dict[str, Any], dials: list[tuple[str, str]], why: str, side: str
) -> None:
    assert explain(fields, dials) == (why, side)
    cause, _, ending = why.partition(".")
    assert {cause, ending} <= words()
    assert sentence(why, side).startswith(CAUSES[cause])
    assert ENDINGS[ending] in sentence(why, side)


def test_who_hung_up_a_connected_call_is_said() -> None:
    assert sentence("accepted.forward", "far_end").endswith("until the far end hung up.")
    assert sentence("accepted.forward", "caller").endswith("until the caller hung up.")


def test_a_call_in_progress_and_a_code_of_a_newer_version_are_said_too() -> None:
    assert (short(None), short("accepted.hung_up_ringing")) == (
        "in progress",
        "accepted, hung up ringing",
    )
    assert "in progress" in sentence(None, "")
    assert sentence("teleported.elsewhere", "") == "teleported; elsewhere."
