"""What a person who may only look gets to see: every page and every answer, without a number."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from structlog.testing import capture_logs

from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent import Revocation
from agi_bridge.console.pages import PAGES
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.settings import ConsoleSettings
from tests.support import consent_records, history_calls
from tests.support.console_serving import (
    ANYBODY,
    LIVE_ID,
    PEOPLE,
    FakeService,
    live_call,
    serving,
    sign_in,
)
from tests.support.history_calls import drafted

if TYPE_CHECKING:
    import httpx

    from agi_bridge.settings import Settings
    from tests.support.sample_ledger import SampleLedger

NOON: Final = 1_795_780_800_000
NUMBERS: Final = {
    consent_records.NUMBER,
    consent_records.OTHER,
    consent_records.THIRD,
    consent_records.CALLER,
    consent_records.FORWARD,
    history_calls.NUMBER,
    history_calls.CALLER,
}
"""Every number of a person that is stored."""
LINKS: Final = re.compile(r'(?:href|src|data-live)="(/[^"#]*)')
SHAPES: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{14}|/en/[a-z-]+")
"""What two addresses of the same kind differ in."""


def digits(text: str) -> str:
    """A text without what people write between the digits of a number."""
    return re.sub(r"[ ().\u2011-]", "", text)


def shown(answer: httpx.Response) -> str:
    """All that a browser gets: status line, headers and body."""
    return digits(f"{answer.headers!r} {answer.text}")


async def test_no_page_and_no_answer_shows_a_number_to_who_may_only_look(
    sample: SampleLedger,
) -> None:
    """Every link of every page is followed, two of a kind; look-ups and refusals are read too."""
    settings = sample.settings.model_copy(
        update={"console": ConsoleSettings.model_validate(dict(PEOPLE))}
    )
    agreed = {"number": history_calls.NUMBER, "declined": None, "hook": "accepted",
              "result": "done", "ended": "far_end", "dials": [("forward", "ANSWER")],
              "consent": sample.unknown}  # fmt: skip
    writer = HistoryWriter(settings.state_dir, 7000)
    for call in ({"begun": NOON}, {"begun": NOON + 1, **agreed}):
        writer.put(drafted(**call))
    assert writer.close(60)
    async with await open_ledger(settings) as ledger:
        await ledger.record_message(
            "customer-1", f"STOP texting {consent_records.OTHER}", reference="m1", business_id="1"
        )
        await ledger.revoke(
            Revocation(
                number=consent_records.THIRD,
                scope="all",
                channel="http",
                actor="crm",
                words="my number is (415) 555-0177, stop",
            )
        )
        service = FakeService(settings, calls=[live_call()], kept=ledger)
        service.timelines[LIVE_ID] = [{"milliseconds": 0, "event": "key", "text": "a key"}]
        with capture_logs() as logs:
            async with serving(replace(service)) as client:
                await sign_in(client, "bob")
                seen = await walk(client)
                for path in ("/calls", "/consents"):
                    for number in NUMBERS:
                        answer = await client.post(
                            path, data={"number": number}, follow_redirects=True
                        )
                        assert answer.status_code == 200
                        seen[f"POST {path} {number[-2:]}"] = shown(answer)
                answer = await client.post("/revoke", data={"number": consent_records.OTHER})
                assert answer.status_code == 403
                seen["refused"] = shown(answer)
    assert {f"/consents/{sample.revoked}", f"/calls/{LIVE_ID}", "/calls/day"} <= seen.keys()
    assert len(seen) > 30
    for where, text in {**seen, "the log": digits(str(logs))}.items():
        assert [each[-2:] for each in NUMBERS if each[2:] in text] == [], where


def anybodys(sample: SampleLedger) -> Settings:
    """Settings with which everybody on this machine may act."""
    return sample.settings.model_copy(
        update={"console": ConsoleSettings.model_validate(dict(ANYBODY))}
    )


async def walk(client: httpx.AsyncClient) -> dict[str, str]:
    """Follow every link, of addresses of one kind the first two; what came back, by address."""
    found: dict[str, str] = {}
    kinds: dict[str, int] = {}
    waiting = [address for address, _ in PAGES]
    while waiting:
        path = waiting.pop(0).replace("&amp;", "&")
        kind = SHAPES.sub("*", path)
        if path in found or kinds.get(kind, 0) >= 2 + 6 * (kind == "/consents/*"):
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        if path.endswith("/live"):
            async with client.stream("GET", path) as stream:
                lines = stream.aiter_lines()
                async for line in lines:
                    if line.startswith("data: "):
                        found[path] = digits(line)
                        break
            continue
        answer = await client.get(path)
        # A record names its call for years, the history for days.
        assert answer.status_code == 200 or path.startswith("/calls?call=pbx-"), path
        found[path] = shown(answer)
        if answer.headers["content-type"].startswith("text/html"):
            waiting += LINKS.findall(answer.text)
    return found


@pytest.mark.parametrize(("path", "what"), [("/calls", "calls"), ("/consents", "consents")])
async def test_a_look_up_by_number_is_an_event_with_the_persons_name(
    sample: SampleLedger, path: str, what: str
) -> None:
    settings = sample.settings.model_copy(
        update={"console": ConsoleSettings.model_validate(dict(PEOPLE))}
    )
    async with (
        await open_ledger(settings) as ledger,
        serving(FakeService(settings, kept=ledger)) as client,
    ):
        await sign_in(client, "bob")
        with capture_logs() as logs:
            await client.post(path, data={"number": "(415) 555-0123"})
            await client.post(path, data={"number": "12"})
            await client.get(path)
    assert [each for each in logs if each["event"] == "console.looked_up"] == [
        {
            "event": "console.looked_up",
            "log_level": "info",
            "name": "bob",
            "what": what,
            "number": "+1***23",
            "number_key": "key of 12",
        }
    ]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/revoke/confirm", "/settings/reload", "/static/console.js"])
async def test_odd_methods_do_nothing(sample: SampleLedger, method: str, path: str) -> None:
    async with serving(FakeService(anybodys(sample))) as client:
        answer = await client.request(method, path, headers={"X-HTTP-Method-Override": "POST"})
        assert answer.status_code in {403, 405}
        del client.headers["Origin"]
        assert (await client.request(method, path)).status_code == 403


async def test_no_address_acts_or_leads_elsewhere(sample: SampleLedger) -> None:
    service = FakeService(anybodys(sample))
    async with serving(service) as client:
        for path in ("/revoke", "/settings/reload", "/to-do/retry", "/sign-out"):
            for query in ("", "?_method=POST", "?scope=all"):
                assert (await client.get(f"{path}{query}")).status_code == 405
        for query in ("", "?_method=POST", "?scope=all"):  # read as the key of a first step
            assert (await client.get(f"/revoke/confirm{query}")).status_code == 410
        for path in ("/calls/", "/evil.example/calls", "/static/..%2f..%2fapp.py", "/calls/a%2fb"):
            assert (await client.get(path)).status_code == 404, path
    assert service.reloads == []
