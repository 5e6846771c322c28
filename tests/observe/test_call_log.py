from __future__ import annotations

from itertools import count

from structlog.testing import capture_logs

from agi_bridge.observe import CallLogEntry


def test_a_call_leaves_one_line_with_its_steps_in_milliseconds() -> None:
    ticks = count()
    line = CallLogEntry("pbx-1.1", clock=lambda: next(ticks) / 4)
    line.step("disclosure")
    line.step("number")
    line.note(hook="accepted", dial=None)
    line.note(hook="refused")
    line.dialled("forward", "CHANUNAVAIL")
    line.dialled("default", "ANSWER")
    with capture_logs() as logs:
        line.write()
        line.write()
    assert logs == [
        {
            "event": "call",
            "log_level": "info",
            "call": "pbx-1.1",
            "hook": "refused",
            "dials": [("forward", "CHANUNAVAIL"), ("default", "ANSWER")],
            "steps": [("disclosure", 250), ("number", 500)],
            "ms": 750,
        }
    ]


def test_the_default_clock_is_the_system_clock() -> None:
    assert CallLogEntry(None).elapsed_ms >= 0
