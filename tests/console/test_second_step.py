"""Revoking in two steps: pressed twice, gone back, signed out between, or the ledger fails."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, Final

import pytest

from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent import Filter, LedgerUnavailable
from agi_bridge.consent.ledger import engines
from agi_bridge.settings import ConsoleSettings
from tests.support.console_serving import ANYBODY, PEOPLE, FakeService, serving, sign_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx

    from agi_bridge.consent.ledger import Ledger
    from tests.support.sample_ledger import SampleLedger

FRESH: Final = "+14155550188"
"""A number without a record."""


@asynccontextmanager
async def console(
    sample: SampleLedger, role: Mapping[str, Any] = ANYBODY
) -> AsyncIterator[tuple[httpx.AsyncClient, Ledger, FakeService]]:
    settings = sample.settings.model_copy(
        update={"console": ConsoleSettings.model_validate(dict(role))}
    )
    async with await open_ledger(settings) as ledger:
        service = FakeService(settings, kept=ledger)
        async with serving(service) as client:
            yield client, ledger, service


async def form_of(client: httpx.AsyncClient, **first: str) -> dict[str, str]:
    """The fields of the second step, as the page of the first has them."""
    asked = await client.post("/revoke", data=first)
    return await fields_at(client, asked.headers["location"])


async def fields_at(client: httpx.AsyncClient, page: str) -> dict[str, str]:
    """The same, of a page of the first step."""
    text = (await client.get(page)).text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
    assert set(fields) == {"number", "record", "reference"}
    return {**fields, "scope": "all", "words": "no more"}


async def revocations(ledger: Ledger, number: str) -> int:
    found = await ledger.summaries(Filter(number=number))
    return sum(each.kind == "revocation" for each in found)


async def test_pressed_twice_it_is_one_revocation(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger, _):
        form = await form_of(client, number=FRESH)
        both = await asyncio.gather(*(client.post("/revoke/confirm", data=form) for _ in range(2)))
        again = await client.post("/revoke/confirm", data={**form, "words": "said again"})
        places = {each.headers["location"].partition("?")[0] for each in (*both, again)}
        assert {each.status_code for each in (*both, again)} == {303}
        assert len(places) == 1
        assert await revocations(ledger, FRESH) == 1


async def test_the_form_of_another_tab_is_another_request(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger, _):
        first, second = [await form_of(client, number=FRESH) for _ in range(2)]
        assert first["reference"] != second["reference"]
        for form in (first, second):
            await client.post("/revoke/confirm", data=form)
        assert await revocations(ledger, FRESH) == 2


async def test_back_and_another_reach_is_another_request(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger, _):
        form = await form_of(client, number=FRESH)
        await client.post("/revoke/confirm", data={**form, "scope": "brand:Example Store"})
        await client.post("/revoke/confirm", data=form)
        assert await revocations(ledger, FRESH) == 2


async def test_back_and_the_platform_knows_already_is_recorded_once(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger, _):
        asked = (await client.post("/revoke", data={"number": FRESH})).headers["location"]
        first = await client.post("/revoke/confirm", data=await fields_at(client, asked))
        record = first.headers["location"]
        form = {**await fields_at(client, asked), "words": "other words", "passed_on": "yes"}
        seen = []
        for _ in range(2):
            again = await client.post("/revoke/confirm", data=form)
            assert again.headers["location"].startswith(f"{record}?repeated=")
            seen.append((await client.get(again.headers["location"])).text)
        rows = await ledger.rows_of(record.rpartition("/")[2])
        assert [row.type for row in rows] == ["revocation", "resolved"]
        assert (rows[-1].fields["as"], "console" in rows[-1].fields["actor"]) == ("passed-on", True)
        assert await revocations(ledger, FRESH) == 1
        for text in seen:
            assert "was stored before. Words that you changed since were not stored" in text
        assert ["is recorded now" in text for text in seen] == [True, False]
        assert "stored before" not in (await client.get(record)).text
        other = f"/consents/{sample.unknown}?{again.headers['location'].partition('?')[2]}"
        assert "stored before" not in (await client.get(other)).text


async def test_back_and_the_platform_is_not_told_leaves_it_waiting(sample: SampleLedger) -> None:
    async with console(sample) as (client, ledger, _):
        form = await form_of(client, number=FRESH)
        for _ in range(2):
            answer = await client.post("/revoke/confirm", data=form)
        record = answer.headers["location"].partition("?")[0].rpartition("/")[2]
        rows = await ledger.rows_of(record)
        assert [row.type for row in rows] == ["revocation"]


async def test_the_first_step_is_there_after_back_and_a_new_sign_in_for_who_asked_alone(
    sample: SampleLedger,
) -> None:
    async with console(sample, PEOPLE) as (client, _, service):
        await sign_in(client, "alice")
        asked = (await client.post("/revoke", data={"number": FRESH})).headers["location"]
        assert FRESH[2:] not in asked
        before = await fields_at(client, asked)
        await client.post("/sign-out")
        await sign_in(client, "alice")
        assert await fields_at(client, asked) == before
        alice, bob = service.settings.console.users
        changed = service.settings.console.model_copy(
            update={"users": (alice, bob.model_copy(update={"role": "act"}))}
        )
        service.settings = service.settings.model_copy(update={"console": changed})
        await sign_in(client, "bob")
        refused = await client.get(asked)
        assert (refused.status_code, "Ask again" in refused.text) == (410, True)
        assert "+1***88" not in refused.text


async def test_a_session_that_ends_between_the_steps_ends_the_request(
    sample: SampleLedger,
) -> None:
    async with console(sample, PEOPLE) as (client, ledger, _):
        await sign_in(client, "alice")
        form = await form_of(client, number=FRESH)
        await client.post("/sign-out")
        refused = await client.post("/revoke/confirm", data=form)
        assert (refused.status_code, 'href="/sign-in"' in refused.text) == (403, True)
        assert FRESH[2:] not in refused.text
        assert await revocations(ledger, FRESH) == 0
        await sign_in(client, "alice")
        assert (await client.post("/revoke/confirm", data=form)).status_code == 303
        assert await revocations(ledger, FRESH) == 1


async def test_a_role_that_is_taken_away_between_the_steps_counts(sample: SampleLedger) -> None:
    async with console(sample, PEOPLE) as (client, ledger, service):
        await sign_in(client, "alice")
        form = await form_of(client, number=FRESH)
        alice, bob = service.settings.console.users
        changed = service.settings.console.model_copy(
            update={"users": (alice.model_copy(update={"role": "look"}), bob)}
        )
        service.settings = service.settings.model_copy(update={"console": changed})
        assert (await client.post("/revoke/confirm", data=form)).status_code == 403
        assert await revocations(ledger, FRESH) == 0


async def test_numbers_that_are_shown_are_hidden_from_a_role_that_is_taken_away(
    sample: SampleLedger,
) -> None:
    async with console(sample, PEOPLE) as (client, ledger, service):
        await sign_in(client, "alice")
        shown = (await client.post(f"/consents/{sample.unknown}/reveal")).headers["location"]
        number = await ledger.number(sample.unknown)
        assert number is not None
        assert number in (await client.get(shown)).text
        alice, bob = service.settings.console.users
        changed = service.settings.console.model_copy(
            update={"users": (alice.model_copy(update={"role": "look"}), bob)}
        )
        service.settings = service.settings.model_copy(update={"console": changed})
        page = await client.get(shown)
        assert (page.status_code, number in page.text) == (200, False)


async def test_a_ledger_that_another_process_holds_is_a_page_that_says_so(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.1)
    async with console(sample) as (client, ledger, _):
        form = await form_of(client, number=FRESH)
        file = sample.settings.ledger_place
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = await client.post("/revoke/confirm", data=form)
            read = await client.get("/consents")
            other.execute("ROLLBACK")
        assert (refused.status_code, read.status_code) == (503, 200)
        assert "before you try again" in refused.text
        assert FRESH[2:] not in refused.text
        assert await revocations(ledger, FRESH) == 0
        assert (await client.post("/revoke/confirm", data=form)).status_code == 303
        assert await revocations(ledger, FRESH) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/consents"),
        ("GET", "/consents/one"),
        ("GET", "/to-do"),
        ("POST", "/consents"),
        ("POST", "/consents/one/reveal"),
        ("POST", "/consents/one/resolve"),
        ("POST", "/revoke/confirm"),
        ("POST", "/to-do/retry"),
    ],
)
async def test_without_a_database_pages_of_calls_go_on_and_the_others_say_why(
    sample: SampleLedger, method: str, path: str
) -> None:
    async def gone() -> Ledger:
        raise LedgerUnavailable("the database does not answer\nserver 192.0.2.1", code="no_ledger")

    async with console(sample) as (client, _, service):
        service.ledger = gone  # type: ignore[method-assign]  # replaced on the fake
        data = {"number": FRESH, "scope": "all", "as": "texted", "endpoint": "crm"}
        answer = await client.request(
            method, path, data=data if method == "POST" else None, follow_redirects=True
        )
        assert answer.status_code == 503
        assert "the database does not answer" in answer.text
        assert "192.0.2.1" not in answer.text
        for other in ("/", "/calls", "/settings"):
            assert (await client.get(other)).status_code == 200
