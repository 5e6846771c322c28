"""Whole calls, by what other systems know them by: the call detail record and the trace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.hook_servers import DIAL, answering, serving

if TYPE_CHECKING:
    from tests.support.call_env import CallEnv

AGREES = "4155550123,1"
FORWARD = "PJSIP/+14155550199@trunk"


def dialled(call: Any) -> list[str]:
    return [dial.destination for dial in call.dialled]


async def test_the_consent_is_in_the_call_detail_record_before_the_call_is_dialled(
    call_env: CallEnv,
) -> None:
    call = await call_env(AGREES, {"tables": {"agi": {"port": 0, "cdr_field": "userfield"}}})
    consent = call.variables["AGI_BRIDGE_CONSENT"]
    assert call.variables["CDR(userfield)"] == consent
    assert dialled(call) == [FORWARD]
    written = call.commands.index(["SET", "VARIABLE", "CDR(userfield)", consent])
    assert written < call.names.index("EXEC")


@pytest.mark.parametrize(
    ("keys", "field"), [(AGREES, ""), ("*", "userfield"), ("4155550123,*", "userfield")]
)
async def test_no_call_detail_record_is_written_without_a_field_or_a_consent(
    call_env: CallEnv, keys: str, field: str
) -> None:
    call = await call_env(keys, {"tables": {"agi": {"port": 0, "cdr_field": field}}})
    assert not [name for name in call.variables if name.startswith("CDR(")]


async def test_a_caller_who_hangs_up_after_agreeing_is_in_the_call_detail_record(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.scenario = "slow"
    task = asyncio.create_task(
        call_env(
            AGREES,
            {"tables": {"agi": {"port": 0, "cdr_field": "userfield"}}},
            hangup_at=lambda words: words[-2:-1] != [] and "please-wait" in " ".join(words),
        )
    )
    await call_env.fake_hook.received()
    call_env.fake_hook.hold.set()
    call = await task
    assert call.variables["CDR(userfield)"] == call.variables["AGI_BRIDGE_CONSENT"]


async def test_the_log_line_of_a_call_has_the_trace_of_its_submission(call_env: CallEnv) -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, DIAL)) as hook:
        tables = {"hook": {"traceparent": True, "url": hook.url}}
        with capture_logs() as logs:
            await call_env(AGREES, {"tables": tables})
    (entry,) = [log for log in logs if log["event"] == "call"]
    assert len(entry["trace"]) == 32
    (request,) = requests
    assert f"traceparent: 00-{entry['trace']}-".encode() in request.lower()
    with capture_logs() as logs:
        await call_env(AGREES)
    (entry,) = [log for log in logs if log["event"] == "call"]
    assert "trace" not in entry
