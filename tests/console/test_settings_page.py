"""Settings in the console: where a value is from, no secret in it, and a reload by whom may."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.app.doctor_report import FILE, last_report
from agi_bridge.settings import values_in_force
from agi_bridge.settings.provenance import _public
from tests.support import call_env
from tests.support.call_env import KEY
from tests.support.console_serving import ANYBODY, HASH, NOBODY, PEOPLE, FakeService, serving
from tests.support.console_serving import settings as configured

if TYPE_CHECKING:
    from pathlib import Path

REPORT = {
    "at": "2026-11-27T01:00:00+00:00", "ok": False, "faults": 1,
    "findings": [{"id": "pbx-login", "level": "fault", "about": "", "what": "<b>refused</b>",
                  "why": "", "fix": "correct ami.secret"}],
}  # fmt: skip


def test_each_value_has_its_source_and_a_secret_only_its_place(tmp_path: Path) -> None:
    given = configured(tmp_path, PEOPLE)
    values = {each.key: each for each in values_in_force(given, {"AGI_BRIDGE_LOG__LEVEL": "info"})}
    assert values["log.level"].source == "AGI_BRIDGE_LOG__LEVEL"
    assert values["hook.total_seconds"].source == "default"
    assert json.loads(values["lines.shop.hook_key"].value) == {"env": "SHOP_KEY"}
    everything = str(values)
    assert KEY not in everything
    assert HASH not in everything


async def test_what_may_hold_a_secret_is_not_shown(tmp_path: Path) -> None:
    """A command's arguments, a webhook's path, and a URL's password and query."""
    told = ["/bin/tell", "--token", "arg-secret"]
    shown = call_env.settings(
        tmp_path,
        policy_url="https://example.com/terms?key=query-secret",
        tables={
            "console": dict(NOBODY),
            "alerts": {"command": told},
            "ledger": {"checkpoints": {"command": told}},
            "speech": {
                "engines": [
                    {"kind": "command", "command": [*told, "{output}"]},
                    {"kind": "pbx", "command": ["Flite", "{text}", "arg-secret"]},
                ]
            },
            "push": [
                {
                    "name": "crm",
                    "url": "https://crm.example/hooks/path-secret",
                    "signing_secret": {"env": "SIGNING"},
                }
            ],
        },
    )
    async with serving(FakeService(shown)) as client:
        text = html.unescape((await client.get("/settings")).text)
    assert not re.findall(r"[a-z]+-secret", text)
    for place in (
        '["/bin/tell", "(2 more, not shown)"]',
        "https://crm.example/***",
        "https://example.com/terms?key=***",
    ):
        assert place in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://bridge@db/consents?sslmode=verify-full",
         "postgresql://bridge@db/consents?sslmode=***"),
        ("https://u:p@host:8443/path", "https://u:***@host:8443/path"),
        ("https://host/path?token", "https://host/path?token=***"),
        ("https://[", "https://["),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_what_lets_in(url: str, shown: str) -> None:
    assert _public(url) == shown


async def test_the_page_shows_values_and_the_doctors_last_run(tmp_path: Path) -> None:
    service = FakeService(configured(tmp_path, NOBODY), report=REPORT)
    service.pretended.state.stale = "web.port: needs a restart"
    async with serving(service) as client:
        text = (await client.get("/settings")).text
        for shown in ("[agi]", "correct ami.secret", "needs a restart", "&lt;b&gt;refused"):
            assert shown in text
        assert KEY not in text


@pytest.mark.parametrize(("role", "status"), [(NOBODY, 403), (ANYBODY, 303)])
async def test_only_who_may_act_reloads_and_the_log_says_who(
    tmp_path: Path, role: dict[str, Any], status: int
) -> None:
    service = FakeService(configured(tmp_path, role))
    async with serving(service) as client:
        with capture_logs() as logs:
            answer = await client.post("/settings/reload")
    assert answer.status_code == status
    acted = [line["act"] for line in logs if line["event"] == "console.acted"]
    assert (acted, len(service.reloads)) == ((["reload"], 1) if status == 303 else ([], 0))


async def test_a_refused_reload_says_why(tmp_path: Path) -> None:
    service = FakeService(configured(tmp_path, ANYBODY))
    service.answer = {"outcome": "refused", "faults": ["lines.shop.brand: is <empty>"]}
    async with serving(service) as client:
        reloaded = (await client.post("/settings/reload")).headers["location"]
        for _ in range(2):
            assert "lines.shop.brand: is &lt;empty&gt;" in (await client.get(reloaded)).text
        assert "is &lt;empty&gt;" not in (await client.get("/settings?reload=guessed")).text
    assert len(service.reloads) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": 1}', "\udcff"])
def test_a_damaged_report_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert last_report(tmp_path) is None
