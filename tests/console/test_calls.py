"""The pages of calls: found by day, line, result and number; one call, step by step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.console import calls
from agi_bridge.console.pages import FOLDER, quoted
from tests.support.console_serving import (
    LIVE_ID,
    FakeService,
    live_call,
    serving,
    settings,
    turned,
)
from tests.support.history_calls import CALLER, DAY_MS, NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = 1_795_780_800_000
"""27 November 2026, 12:00 UTC."""
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&lt;\u202egnp'
AGREED = {"number": NUMBER, "declined": None, "hook": "accepted", "result": "done",
          "ended": "far_end", "dials": [("forward", "ANSWER")],
          "consent": "01a2175f-f135"}  # fmt: skip


def rows(text: str) -> int:
    return len(re.findall(r'<tr>\s*<td data-label="began">', text))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3),
        ("?day=2026-11-27", 2),
        ("?day=2026-11-26", 1),
        ("?day=2026-11-25", 0),
        ("?line=shop", 3),
        ("?day=2026-11-27&hour=12", 2),
        ("?day=2026-11-27&hour=11", 0),
        ("?result=star", 2),
        ("?result=done&line=shop&day=2026-11-27", 1),
    ],
)
async def test_calls_are_found(
    tmp_path: Path, write: Callable[..., None], query: str, found: int
) -> None:
    write({"begun": NOON - DAY_MS}, {"begun": NOON}, {"begun": NOON + 1, **AGREED}, days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.get(f"/calls{query}")
        assert (answer.status_code, rows(answer.text)) == (200, found)


@pytest.mark.parametrize(
    "query",
    [
        "?hour=12",
        "?day=2026-11-27&hour=24",
        "?day=2026-11-27&hour=1",
        "?day=yesterday",
        "?day=2026-13-01",
        "?line=none",
        "?result=<b>",
    ],
)
async def test_what_is_not_offered_is_refused(tmp_path: Path, query: str) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        assert (await client.get(f"/calls{query}")).status_code == 400


async def test_a_page_leads_to_older_calls(
    tmp_path: Path, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PAGE", 2)
    write(*({"begun": NOON + n // 2 * 10 + n % 2, "line": "shop"} for n in range(5)), days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        there = await turned(client, "/calls?line=shop", "Older calls")
        assert [len(shown) for _, shown in there] == [2, 2, 1]
        assert len({each for _, shown in there for each in shown}) == 5
        back = await turned(client, there[-1][0], "Newer calls")
        assert [shown for _, shown in back] == [shown for _, shown in there[::-1]]
        assert all("line=shop" in path for path, _ in (*there, *back))


@pytest.mark.parametrize("place", ["x", "-1", "f" * 15, "%00"])
@pytest.mark.parametrize("turn", ["past", "newer"])
async def test_a_place_that_is_none_is_refused(tmp_path: Path, turn: str, place: str) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        assert (await client.get(f"/calls?{turn}={place}")).status_code == 400


@pytest.mark.parametrize(
    ("number", "found"),
    [(CALLER, 2), ("(415) 555-0100", 2), (NUMBER, 1), ("+1 415 555 0166", 0)],
)
async def test_a_number_finds_calls_and_stands_in_no_page(
    tmp_path: Path, write: Callable[..., None], number: str, found: int
) -> None:
    write({"begun": NOON}, {"begun": NOON + 1, **AGREED}, days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        asked = await client.post("/calls", data={"number": number})
        answer = await client.get(asked.headers["location"])
        assert (asked.status_code, answer.status_code, rows(answer.text)) == (303, 200, found)
        for each in (number, CALLER[1:], NUMBER[1:]):
            assert each not in f"{answer.text}{asked.headers}"


async def test_the_calls_of_a_number_are_shown_page_by_page(
    tmp_path: Path, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PAGE", 2)
    other = {"caller": "+14155550166"}
    write(*({"begun": NOON + n, **(other if n == 2 else {})} for n in range(5)), days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        asked = await client.post("/calls", data={"number": CALLER})
        there = await turned(client, asked.headers["location"], "Older calls")
        assert [len(shown) for _, shown in there] == [2, 2]
        back = await turned(client, there[-1][0], "Newer calls")
        assert [shown for _, shown in back] == [shown for _, shown in there[::-1]]
        refused = await client.get("/calls?search=guessed")
        assert (refused.status_code, "Look for it again" in refused.text) == (410, True)


@pytest.mark.parametrize("number", ["", "12", "not a number", HOSTILE])
async def test_what_is_no_number_is_not_repeated(tmp_path: Path, number: str) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.post("/calls", data={"number": number})
        assert answer.status_code == 400
        assert HOSTILE not in answer.text


async def test_a_number_in_an_address_finds_nothing(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write({"begun": NOON}, {"begun": NOON + 1, "caller": "+14155550166"}, days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        assert rows((await client.get("/calls?number=%2B14155550166")).text) == 2


async def test_one_call_says_why_it_ended_and_what_happened_when(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Any]]
) -> None:
    write({"begun": NOON}, days=7000)
    (call,) = read()
    async with serving(FakeService(settings(tmp_path))) as client:
        text = (await client.get(f"/calls/{call.id}")).text
        assert call.sentence in text.replace("&#39;", "'")
        assert re.findall(r'class="ms">([\d.]+) s', text)[:3] == ["0.000", "0.012", "19.012"]
        (audio,) = re.findall(r'<audio[^>]*src="([^"]+)"', text)
        recording = await client.get(audio)
        assert (recording.headers["content-type"], recording.content[:4]) == ("audio/wav", b"RIFF")
        assert (await client.get(f"/calls/{call.id[:-1]}")).status_code == 200


@pytest.mark.parametrize(
    "uniqueid",
    [
        "1795413525.18",
        f"{'system' * 20}-1795413525.18",
        "../../settings",
        "/ ?x=1&y#z%2F",
        "é\u202e",
    ],
)
async def test_a_call_is_opened_by_asterisks_id_whatever_is_in_it(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Any]], uniqueid: str
) -> None:
    write({"begun": NOON, "uniqueid": uniqueid}, {"begun": NOON - 1, "uniqueid": "1.1"}, days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.get(f"/calls?call={quoted(uniqueid)}")
        newest = max(call.id for call in read())
        assert (answer.status_code, answer.headers["location"]) == (303, f"/calls/{newest}")


async def test_a_call_in_progress_is_opened_by_its_id(tmp_path: Path) -> None:
    service = FakeService(settings(tmp_path), calls=[live_call()])
    async with serving(service) as client:
        answer = await client.get(f"/calls?call={LIVE_ID}")
        assert answer.headers["location"] == f"/calls/{LIVE_ID}"


def test_every_part_of_an_address_is_escaped_whole() -> None:
    """The templates' own `urlencode` leaves `/`, so `../` would lead elsewhere."""
    assert quoted("../x y&z") == "..%2Fx%20y%26z"
    texts = [file.read_text() for file in (FOLDER / "templates").iterdir()]
    assert not [text for text in texts if "urlencode" in text]


@pytest.mark.parametrize(
    "path",
    [
        "/calls/ffffffffffffff", "/calls/x", "/recordings/none/en/disclosure.wav",
        "/calls?call=x", "/calls?call=..%2F..%2Fsettings",
        "/recordings/shop/en/none.wav", "/recordings/shop/..%2F..%2Fetc/passwd.wav", "/nothing",
    ],
)  # fmt: skip
async def test_what_is_not_there_is_404(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "WRITTEN_SECONDS", 0.0)
    async with serving(FakeService(settings(tmp_path))) as client:
        assert (await client.get(path)).status_code == 404


async def test_the_beginning_of_several_ids_names_them(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Any]]
) -> None:
    write({"begun": 1_795_413_525_000}, {"begun": 1_795_413_525_001})
    first, second = sorted(call.id for call in read())
    shared = next(
        first[:length] for length in range(len(first), 0, -1) if second[:length] == first[:length]
    )
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.get(f"/calls/{shared}")
        assert answer.status_code == 404
        assert first in answer.text
        assert second in answer.text


async def test_what_came_from_outside_is_never_markup(
    tmp_path: Path, write: Callable[..., None], read: Callable[..., list[Any]]
) -> None:
    events = [(0, "answered"), (5, "prompt", HOSTILE, HOSTILE, 1, 2, HOSTILE), (9, HOSTILE)]
    write({"line": HOSTILE, "language": HOSTILE, "uniqueid": HOSTILE, "consent": HOSTILE,
           "result": HOSTILE, "declined": HOSTILE, "events": events})  # fmt: skip
    (call,) = read()
    service = FakeService(settings(tmp_path, brand="<script>alert(1)</script>"))
    service.calls = [live_call(line=HOSTILE, step=HOSTILE, caller=HOSTILE, uniqueid=HOSTILE)]
    service.timelines[LIVE_ID] = [{"milliseconds": 1, "event": HOSTILE, "text": HOSTILE}]
    service.pretended.state.ledger_error = HOSTILE
    async with serving(service) as client:
        for path in ("/", "/calls", f"/calls/{call.id}", f"/calls/{LIVE_ID}"):
            text = (await client.get(path)).text
            assert "alert(1)" in text, path
            assert "<script>alert" not in text, path
            assert "<img" not in text, path
            assert "\u202e" not in text, path


async def test_a_damaged_history_is_one_page_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_bytes(b"not a database" * 100)
    async with serving(FakeService(settings(tmp_path))) as client:
        assert (await client.get("/calls")).status_code == 503


async def test_without_a_history_the_page_is_empty(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.get("/calls")
        assert (answer.status_code, rows(answer.text)) == (200, 0)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"number=1", "application/json", 415),
        (b"number=" + b"1" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"a=1&" * 40, "application/x-www-form-urlencoded", 400),
        (b"number=\xff", "application/x-www-form-urlencoded", 400),
    ],
)
async def test_what_is_not_a_form_is_refused(
    tmp_path: Path, content: bytes, kind: str, status: int
) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        answer = await client.post("/calls", content=content, headers={"Content-Type": kind})
        assert answer.status_code == status
