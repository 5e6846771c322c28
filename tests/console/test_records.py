"""Consents in the console: their story, what a person may do, and what the ledger says of it."""

from __future__ import annotations

import html
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from structlog.testing import capture_logs

from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent import Filter
from agi_bridge.console import records, to_do
from agi_bridge.console.pages import quoted
from agi_bridge.console.records import reach_of, scopes
from agi_bridge.console.refusal import Refusal
from agi_bridge.settings import ConsoleSettings
from tests.support import call_env, consent_builders
from tests.support.consent_records import NUMBER
from tests.support.console_serving import (
    ANYBODY,
    NOBODY,
    PEOPLE,
    FakeService,
    serving,
    sign_in,
    turned,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

    from agi_bridge.consent import Act
    from agi_bridge.consent.ledger import Ledger
    from tests.support.sample_ledger import SampleLedger

ACTOR: Final = "somebody on this machine (console)"
REVOKED: Final = "/consents/{revoked}"
ACTS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("/consents/{revoked}/reveal", {}),
    ("/consents/{unknown}/resolve", {"as": "texted"}),
    ("/revoke", {"record": "{unknown}"}),
    ("/revoke/confirm", {"record": "{unknown}", "scope": "all"}),
    ("/to-do/retry", {"endpoint": "crm"}),
)


@asynccontextmanager
async def console(
    sample: SampleLedger, role: Mapping[str, Any] = ANYBODY
) -> AsyncIterator[tuple[httpx.AsyncClient, Ledger]]:
    """A client of a console on the sample's ledger."""
    settings = sample.settings.model_copy(
        update={"console": ConsoleSettings.model_validate(dict(role))}
    )
    async with (
        await open_ledger(settings) as ledger,
        serving(FakeService(settings, kept=ledger)) as client,
    ):
        yield client, ledger


def filled(text: str, sample: SampleLedger) -> str:
    return text.format(revoked=sample.revoked, unknown=sample.unknown)


def rows(text: str) -> int:
    return len(re.findall(r'<tr>\s*<td data-label="began">', text))


async def types(ledger: Ledger, record: str) -> list[str]:
    return [row.type for row in await ledger.rows_of(record)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 5),
        ("?state=unknown", 1),
        ("?state=declined", 1),
        ("?line=shop", 4),
        ("?day=2020-01-01", 0),
    ],
)
async def test_records_are_found(sample: SampleLedger, query: str, found: int) -> None:
    async with console(sample, NOBODY) as (client, _):
        answer = await client.get(f"/consents{query}")
        assert (answer.status_code, rows(answer.text)) == (200, found)
        assert NUMBER[2:] not in answer.text


@pytest.mark.parametrize("query", ["?state=nonsense", "?line=none", "?day=tomorrow"])
async def test_what_is_not_offered_is_refused(sample: SampleLedger, query: str) -> None:
    async with console(sample) as (client, _):
        assert (await client.get(f"/consents{query}")).status_code == 400


async def test_records_are_shown_page_by_page(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PAGE", 2)
    async with console(sample) as (client, _):
        there = await turned(client, "/consents?line=shop", "Older records")
        back = await turned(client, there[-1][0], "Newer records")
    assert [len(shown) for _, shown in there] == [2, 2]
    assert len({each for _, shown in there for each in shown}) == 4
    assert [shown for _, shown in back] == [shown for _, shown in there[::-1]]
    assert all("line=shop" in path for path, _ in (*there, *back))


async def test_a_record_is_opened_by_its_id(sample: SampleLedger) -> None:
    async with console(sample, NOBODY) as (client, _):
        found = await client.get("/consents", params={"record": f" {sample.unknown} "})
        assert (found.status_code, found.headers["location"]) == (
            303, f"/consents/{sample.unknown}",
        )  # fmt: skip
        other = await client.get("/consents", params={"record": "../settings"})
        assert (await client.get(other.headers["location"])).status_code == 404


async def test_a_number_finds_its_records_and_stands_in_no_page(sample: SampleLedger) -> None:
    async with console(sample, NOBODY) as (client, _):
        asked = await client.post("/consents", data={"number": NUMBER})
        assert asked.status_code == 303
        answer = await client.get(asked.headers["location"])
        assert rows(answer.text) >= 2
        assert NUMBER[2:] not in f"{answer.text}{asked.headers}"


async def test_the_records_of_a_number_are_shown_page_by_page_to_who_looked_for_it(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PAGE", 1)
    async with console(sample, PEOPLE) as (client, ledger):
        await sign_in(client, "bob")
        with capture_logs() as logs:
            asked = await client.post("/consents", data={"number": NUMBER})
            there = await turned(client, asked.headers["location"], "Older records")
            back = await turned(client, there[-1][0], "Newer records")
        found = {each.consent_id for each in await ledger.summaries(Filter(number=NUMBER))}
        assert (len(there), {each for _, shown in there for each in shown}) == (len(found), found)
        assert [shown for _, shown in back] == [shown for _, shown in there[::-1]]
        assert [each["event"] for each in logs].count("console.looked_up") == 1
        await sign_in(client, "alice")
        for path in (there[0][0], "/consents?search=guessed", "/consents?search=%00"):
            refused = await client.get(path)
            assert (refused.status_code, "Look for it again" in refused.text) == (410, True)


async def test_a_record_has_its_story_words_and_recording(sample: SampleLedger) -> None:
    async with console(sample, NOBODY) as (client, _):
        text = (await client.get(filled(REVOKED, sample))).text
        assert NUMBER[2:] not in text
        assert "<blockquote" in text
        (audio,) = re.findall(r'<audio[^>]*src="([^"]+)"', text)
        assert (await client.get(audio)).content[:4] == b"RIFF"
        other = audio.replace(audio.rpartition("/")[2], f"{'0' * 64}.wav")
        assert (await client.get(other)).status_code == 404


async def test_a_record_leads_to_its_call_whatever_its_id_is(sample: SampleLedger) -> None:
    async with console(sample, NOBODY) as (client, ledger):
        call = (await ledger.rows_of(sample.unknown))[0].fields["call_uid"]
        text = (await client.get(f"/consents/{sample.unknown}")).text
        assert f'<a href="/calls?call={quoted(call)}">' in text


async def test_a_brand_from_the_ledger_is_no_markup(sample: SampleLedger) -> None:
    async with console(sample) as (client, _):
        for path in ("/consents", f"/consents/{sample.other}"):
            text = (await client.get(path)).text
            assert "alert(1)" in text
            assert "<script>alert" not in text


@pytest.mark.parametrize("record", ["nothing", "00000000-0000-0000-0000-000000000000"])
async def test_what_is_not_on_record_is_404_and_leaves_no_act(
    sample: SampleLedger, record: str
) -> None:
    async with console(sample) as (client, ledger):
        assert (await client.get(f"/consents/{record}")).status_code == 404
        assert (await client.post(f"/consents/{record}/reveal")).status_code == 404
        assert await ledger.rows_of(record) == []


@pytest.mark.parametrize(("path", "form"), ACTS)
async def test_who_may_only_look_changes_nothing(
    sample: SampleLedger, path: str, form: dict[str, str]
) -> None:
    async with console(sample, NOBODY) as (client, ledger):
        before = [await types(ledger, each) for each in (sample.revoked, sample.unknown)]
        data = {name: filled(value, sample) for name, value in form.items()}
        answer = await client.post(filled(path, sample), data=data)
        assert answer.status_code == 403
        assert [await types(ledger, each) for each in (sample.revoked, sample.unknown)] == before


@pytest.mark.parametrize(("path", "form"), ACTS)
async def test_another_sites_page_changes_nothing(
    sample: SampleLedger, path: str, form: dict[str, str]
) -> None:
    async with console(sample) as (client, ledger):
        before = await types(ledger, sample.unknown)
        data = {name: filled(value, sample) for name, value in form.items()}
        answer = await client.post(
            filled(path, sample), data=data, headers={"Origin": "https://evil.example"}
        )
        assert answer.status_code == 403
        assert await types(ledger, sample.unknown) == before


async def test_who_sees_a_number_is_recorded_before_it_is_shown(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger):
        asked = await client.post(f"/consents/{sample.unknown}/reveal")
        number = await ledger.number(sample.unknown)
        assert number is not None
        shown = asked.headers["location"]
        for _ in range(3):  # a reload is no further act
            assert number in (await client.get(shown)).text
        assert (await types(ledger, sample.unknown)).count("revealed") == 1
        assert number not in (await client.get(f"/consents/{sample.unknown}")).text
        elsewhere = shown.replace(sample.unknown, sample.revoked)
        assert number not in (await client.get(elsewhere)).text
        last = (await ledger.rows_of(sample.unknown))[-1]
        assert (last.type, last.fields["actor"]) == ("revealed", ACTOR)


async def test_numbers_are_not_shown_after_their_time(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SHOWN_SECONDS", 0.0)
    async with console(sample) as (client, ledger):
        asked = await client.post(f"/consents/{sample.unknown}/reveal")
        page = await client.get(asked.headers["location"])
        number = await ledger.number(sample.unknown)
        assert number is not None
        assert (page.status_code, number in page.text) == (200, False)


async def test_a_revocation_takes_two_steps(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger):
        asked = await client.post("/revoke", data={"record": sample.unknown})
        first = await client.get(asked.headers["location"])
        assert first.status_code == 200
        assert NUMBER[2:] not in first.text
        assert "revoked" not in await types(ledger, sample.unknown)
        form = {"record": sample.unknown, "number": "", "scope": "all", "words": "no more"}
        second = await client.post("/revoke/confirm", data=form)
        assert second.status_code == 303
        revocation = second.headers["location"].rpartition("/")[2]
        (stored,) = await ledger.rows_of(revocation)
        assert (stored.fields["channel"], stored.fields["actor"], stored.fields["scope"]) == (
            "console", ACTOR, "all",
        )  # fmt: skip
        assert "no more" not in str(stored.fields)
        assert (await client.get(second.headers["location"])).status_code == 200


async def test_a_number_without_a_record_is_revoked_as_well(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger):
        typed = {"number": "(415) 555-0177"}
        first = await client.post("/revoke", data=typed, follow_redirects=True)
        assert "+1***77" in first.text
        second = await client.post(
            "/revoke/confirm", data={**typed, "scope": "brand:Example Store", "passed_on": "yes"}
        )
        (stored,) = await ledger.rows_of(second.headers["location"].rpartition("/")[2])
        assert (stored.fields["brand"], stored.fields["passed_on"]) == ("Example Store", True)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"number": "12", "scope": "all"}, 400),
        ({"number": NUMBER, "scope": "brand:Misspelt"}, 400),
        ({"number": NUMBER}, 400),
        ({"scope": "all"}, 400),
    ],
)
async def test_a_revocation_of_nothing_is_refused(
    sample: SampleLedger, form: dict[str, str], status: int
) -> None:
    async with console(sample) as (client, _):
        assert (await client.post("/revoke/confirm", data=form)).status_code == status


async def test_an_unknown_outcome_is_settled_once(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger):
        path = f"/consents/{sample.unknown}/resolve"
        assert (await client.post(path, data={"as": "passed-on"})).status_code == 409
        assert (await client.post(path, data={"as": "texted"})).status_code == 303
        last = (await ledger.rows_of(sample.unknown))[-1]
        assert (last.type, last.fields["as"], last.fields["actor"]) == ("resolved", "texted", ACTOR)
        assert (await client.post(path, data={"as": "texted"})).status_code == 409


async def test_of_two_people_who_settle_it_at_once_the_slower_is_told(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(sample) as (client, ledger):
        settle = ledger.record_act

        async def after_another(type_: Act, record: str, **body: Any) -> None:
            await settle(type_, record, **body)
            await settle(type_, record, **body)

        monkeypatch.setattr(ledger, "record_act", after_another)
        answer = await client.post(f"/consents/{sample.unknown}/resolve", data={"as": "texted"})
        assert (answer.status_code, "Somebody settled it" in answer.text) == (409, True)
        assert (await types(ledger, sample.unknown)).count("resolved") == 1


async def test_to_do_begins_with_the_oldest_and_leads_to_the_next(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_do, "PAGE", 1)
    async with console(sample) as (client, ledger):
        request = (await ledger.revoke(consent_builders.revocation())).revocation_id
        first = (await client.get("/to-do")).text
        assert f'"/consents/{sample.unknown}"' in first
        assert f'"/consents/{request}"' not in first
        more = [html.unescape(each) for each in re.findall(r'href="(/to-do\?[^"]+)"', first)]
        found = []
        while more:
            text = (await client.get(more[0])).text
            found += re.findall(r'"since"><a href="/consents/([^"]+)"', text)
            more = [html.unescape(each) for each in re.findall(r'href="(/to-do\?[^"]+)"', text)]
    assert found[-1] == request
    assert sample.unknown not in found


async def test_to_do_names_what_waits_and_what_it_needs(sample: SampleLedger) -> None:
    async with console(sample) as (client, _):
        text = (await client.get("/to-do")).text
        for record in (sample.unknown, sample.revocation):
            assert f"/consents/{record}/resolve" in text
        assert (await client.post("/to-do/retry", data={"endpoint": "crm"})).status_code == 409


def test_a_revocation_reaches_what_the_brands_line_says_unless_another_is_chosen() -> None:
    settings = call_env.settings(legal_name="Example Store Inc.")
    offered = scopes(settings, "Example Store")
    assert offered[0][0] == "seller:Example Store Inc."
    assert scopes(settings, None)[0][0] == "all"
    assert {value for value, _ in offered} == {
        "all", "seller:Example Store Inc.", "brand:Example Store",
    }  # fmt: skip
    assert reach_of(settings, offered[0][0]) == settings.lines["shop"].revocation_reach()
    with pytest.raises(Refusal):
        reach_of(settings, "seller:Somebody Else")
