"""Writes the pictures of the documentation, from the pages that the tests open.

    python -m tests.docs.screenshots            # all of them; needs AGI_BRIDGE_ASTERISK
    python -m tests.docs.screenshots --console  # those of the console alone

No number of a person is in them: the pages mask all.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent import State
from agi_bridge.history import CallFilter, open_history
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.settings import ConsoleSettings, Settings
from tests.support import consent_records
from tests.support.browser import chromium
from tests.support.call_env import KEY
from tests.support.consents_commands import configured
from tests.support.console_serving import (
    LIVE_ID,
    PASSWORD,
    PEOPLE,
    FakeService,
    live_call,
    serving,
)
from tests.support.history_calls import NUMBER, drafted
from tests.support.screenshots import FOLDER, ROOT, SHOTS, WANTED, take
from tests.support.statuses import Pretended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agi_bridge.history.call import Draft

TELEPHONE: Final = "tests/asterisk/test_browser_telephone.py"
_HOUR_MS: Final = 3_600_000
_KEYS: Final = tuple((27_400 + 220 * place, "key") for place in range(10))
AGREED: Final = (
    (0, "answered"),
    (3, "language", "en"),
    (12, "prompt", "disclosure", "en", 23_190, 23_190, "whole"),
    (23_230, "prompt", "enter-number", "en", 3_180, 3_180, "whole"),
    *_KEYS,
    (29_400, "number", "valid"),
    (29_420, "prompt", "you-entered", "en", 900, 900, "whole"),
    (38_900, "prompt", "confirm-number", "en", 3_600, 7_100, "key"),
    (42_500, "key"),
    (42_502, "agreed"),
    (42_506, "stored"),
    (42_507, "asked"),
    (42_694, "hook", "accepted", 200, "dial", 187),
    (42_700, "prompt", "accepted", "en", 3_500, 3_500, "whole"),
    (46_220, "dial", "forward"),
    (101_300, "dialled", "forward", "ANSWER"),
)
TEXTED: Final[dict[str, Any]] = {
    "number": NUMBER, "declined": None, "hook": "accepted", "result": "done", "ended": "far_end",
    "dials": [("forward", "ANSWER")], "events": AGREED,
}  # fmt: skip
ENDINGS: Final[tuple[dict[str, Any], ...]] = (
    TEXTED,
    {},
    {**TEXTED, "hook": "unknown"},
    TEXTED,
    {"declined": "no_entry", "ended": "dialplan"},
    TEXTED,
)


def ended(begun: int, **call: Any) -> Draft:
    """A call of the history that lasted as long as its events say, and a moment."""
    draft = drafted(begun=begun, **call)
    return replace(draft, ms=draft.events[-1][0] + 400)


def history(folder: Path, consent: str) -> str:
    """A day of calls; the id of the newest, of a caller who agreed."""
    now = time.time_ns() // 1_000_000
    day = now - now % (24 * _HOUR_MS)
    writer = HistoryWriter(folder, 14)
    for hour in range(int((now - day) // _HOUR_MS) + 1):
        for place in range(1 + (hour * 7) % 9):
            begun = day + hour * _HOUR_MS + place * 400_000 % _HOUR_MS
            if begun < now - 200_000:
                writer.put(ended(begun, **ENDINGS[(hour + place) % len(ENDINGS)]))
    writer.put(ended(now - 150_000, **TEXTED, consent=consent))
    assert writer.close(60)
    with open_history(folder, running=True) as reader:
        return reader.find(CallFilter(limit=1))[0].id


async def records(settings: Settings) -> str:
    """Records of several kinds; the id of one that was accepted."""
    async with await consent_records.open_new(settings) as ledger:
        played = consent_records.heard(settings.state_dir)
        accepted = await consent_records.accepted(ledger, played)
        await consent_records.unknown(ledger, played)
        await consent_records.declined(ledger, played)
        refused = consent_records.agreed(played, consent_records.THIRD)
        await ledger.append(refused.take())
        refused.submission_ended(
            State.REFUSED, reason="forbidden", status=403, attempts=1, answer=None
        )
        await ledger.append(refused.take())
        await ledger.record_message("c-1042", "stop please", reference="m-1", business_id="b-7")
    return accepted


def service(settings: Settings) -> FakeService:
    """A service in the middle of its day, with something to do for a person."""
    pretended = Pretended(calls=3, now=time.time())
    state = pretended.state
    state.started_at = state.loaded_at = pretended.now - 5 * 86_400
    state.unsent, state.waiting, state.free_bytes = 0, {"consent": 1, "message": 1}, 41 << 30
    pretended.metrics.checkpoint_published([])
    for result, count in (("done", 31), ("default", 9)):
        for _ in range(count):
            pretended.metrics.recent.ended(result)
    for _ in range(31):
        pretended.metrics.hook_answered("shop", "accepted", 200, "dial", 0.19)
    return FakeService(settings, pretended=pretended, calls=list(live_calls()))


def live_calls() -> Iterator[dict[str, Any]]:
    """The calls in progress, the newest first."""
    for place, (step, seconds, lasts, caller) in enumerate(
        (("disclosure", 7, 7, "+1***61"), ("number", 4, 31, "+1***07"), ("dial", 52, 101, None))
    ):
        yield live_call(
            id=f"{int(LIVE_ID, 16) + place:014x}",
            begun=_ago(lasts), step=step, step_began=_ago(seconds), caller=caller,
        )  # fmt: skip


def _ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(timespec="milliseconds")


async def console(folder: Path) -> None:
    """Take the pictures of the console."""
    configured(folder)
    settings = Settings.load(folder / "agi-bridge.toml", {"SHOP_KEY": KEY})
    consent = await records(settings)
    call = history(settings.state_dir, consent)
    settings = settings.model_copy(update={"console": ConsoleSettings.model_validate(dict(PEOPLE))})
    paths = {
        "now": "/",
        "calls": "/calls",
        "call": f"/calls/{call}",
        "day": "/calls/day",
        "consent": f"/consents/{consent}",
        "to-do": "/to-do",
    }
    assert {*paths} == {name for name, page in SHOTS.items() if page == "console.md"}
    async with (
        await open_ledger(settings) as ledger,
        serving(replace(service(settings), kept=ledger)) as client,
        chromium() as browser,
    ):
        base = str(client.base_url).rstrip("/")
        page = await browser.new_page()
        await page.goto(f"{base}/sign-in")
        await page.fill("#name", "alice")
        await page.fill("#password", PASSWORD)
        await page.click("main button")
        await page.wait_for_url(f"{base}/")
        for name, path in paths.items():
            await page.goto(f"{base}{path}", wait_until="domcontentloaded")
            await take(page, name)


def main(arguments: Sequence[str]) -> int:
    """Write the pictures; 0 if all were taken."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(console(Path(folder)))
    if "--console" not in arguments:
        command = (sys.executable, "-m", "pytest", "-q", TELEPHONE)
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, WANTED: "1"}, check=False)  # noqa: S603 - our own
        if done.returncode:
            return done.returncode
    for each in sorted(FOLDER.iterdir()):
        sys.stdout.write(f"{each.relative_to(ROOT)}: {each.stat().st_size / 1000:.0f} KB\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
