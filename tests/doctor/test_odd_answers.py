"""Whatever a PBX answers, the doctor says findings: no traceback, no secret, no whole number."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agi_bridge.doctor import Ear, Level, Lines, Report, Target, place_test_call
from agi_bridge.doctor.ami import AmiError, Answer
from tests.support.doctor_findings import LINE, looked
from tests.support.scripted_pbx import DID, ScriptedPbx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.doctor.ami import AmiSession

LINES = Lines((LINE,), lambda _: LINE.name)
_ODD = (
    "", " ", "0", "-1", "\u00b2", "\u0663", "9" * 5000, "1e999", "nan", "s", "n", "h", "_", "_.",
    "_[", "_[a-", "_[ -\U0010ffff]X", "_" + "[0-9]" * 40, DID, DID[1:], "agi-bridge",
    "agi-bridge-ask", "agi-bridge-go-on", "from-trunk", "**", "**x", "[", "../../etc/passwd",
    "a\0b", "a\rb", "a\nb", "\ud800", "\x1b[2J", "agi://[", "agi://h:99999/x", "hagi://h",
    "a,b,c", "a,b", ",,,", "${", "${EXTEN:99999}", "${EXTEN:-3}", "$[", "?", "c?a:b", "(((((",
    "c?Set(AGI_BRIDGE_URL=x",
    "AGI_BRIDGE_URL=", "__AGI_BRIDGE_FALLBACK_GOTO=x", "PJSIP/", "PJSIP/100&&&", "Local/@",
    "Local/1@agi-bridge", "SIP/1", "Goto", "Gosub", "Set", "MSet", "ExecIf", "GotoIf", "GosubIf",
    "Dial", "NoOp", "Return", "=", "=>", "a=b",
)  # fmt: skip
_TEXTS = (
    st.sampled_from(_ODD)
    | st.text(max_size=12)
    | st.lists(st.sampled_from(_ODD), min_size=2, max_size=3).map(",".join)
    | st.from_regex(r"[a-z0-9,.:/?()${}=_-]{0,20}")
)
_KNOWN = (
    "Response", "Message", "Value", "Timestamp", "AsteriskVersion", "CoreCDRenabled", "Context",
    "Extension", "ExtensionLabel", "Priority", "Application", "AppData", "IncludeContext", "Switch",
    "Event", "DtmfMode", "Allow", "DirectMedia", "Status", "Category-000000", "Line-000000-000000",
    "Line-", "Category-",
)  # fmt: skip
_HEADERS = st.dictionaries(st.sampled_from(_KNOWN) | st.text(max_size=6), _TEXTS, max_size=5)
_STEPS = st.fixed_dictionaries(
    {
        "Context": st.sampled_from(("from-trunk", "agi-bridge-site", "agi-bridge", "default")),
        "Extension": _TEXTS,
        "Priority": _TEXTS,
        "Application": _TEXTS,
        "AppData": _TEXTS,
    },
    optional={"ExtensionLabel": _TEXTS, "IncludeContext": _TEXTS, "Switch": _TEXTS},
)
_ANSWERS = st.builds(
    lambda headers, items, *, well: Answer(
        {**headers, "Response": "Success"} if well else headers, tuple(items)
    ),
    _HEADERS,
    st.lists(_HEADERS | _STEPS, max_size=4),
    well=st.booleans(),
)


@dataclass
class OddPbx(ScriptedPbx):
    """Answers as a sound PBX does, but for some answers."""

    odd: Sequence[Answer | None] = field(default_factory=list)

    async def ask(self, action: str, **headers: str | Sequence[str]) -> Answer:
        if len(self.asked) > 3000:
            raise AmiError("slow", "too many questions")
        sound = await super().ask(action, **headers)
        odd = self.odd[len(self.asked) % len(self.odd)] if self.odd else None
        return sound if odd is None else odd


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(st.lists(st.none() | _ANSWERS, min_size=1, max_size=5))
def test_odd_answers_become_findings(odd: list[Answer | None]) -> None:
    async def run() -> None:
        pbx = OddPbx(odd=odd)
        findings = await looked(pbx)
        async with Ear() as ear:
            session, target = cast("AmiSession", pbx), Target(DID, "from-trunk")
            more, steps = await place_test_call(session, ear, target, LINES, 0.0, ask_bridge=True)
        report = Report((*findings, *more), steps)
        for each in report.findings:
            assert each.what
            assert each.fix or each.level is Level.OK, each
            assert len(each.what) < 1500
        text = json.dumps(report.document().model_dump(mode="json"))
        assert DID[1:] not in text
        assert "an endpoint's password" not in text

    asyncio.run(run())
