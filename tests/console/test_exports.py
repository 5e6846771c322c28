"""Exports from the console: for one person, verified, recorded, and deleted soon."""

from __future__ import annotations

import asyncio
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.console_export import export_record
from agi_bridge.console import exports
from tests.support.console_serving import ANYBODY, FakeService, serving
from tests.support.console_serving import settings as configured

if TYPE_CHECKING:
    import httpx

    from tests.support.sample_ledger import SampleLedger


@dataclass
class Made:
    """An export as the console sees it."""

    file: Path | None
    verdicts: tuple[tuple[str, str, str], ...] = (("integrity", "holds", "as written"),)
    problem: str = ""
    deleted: bool = False

    def delete(self) -> None:
        self.deleted = True


async def shown(client: httpx.AsyncClient, path: str) -> str:
    """The page of an export that is made."""
    async with asyncio.timeout(20):
        while True:
            answer = await client.get(path)
            if "refresh" not in answer.headers:
                return answer.text


async def test_an_export_is_shown_with_its_verdicts_and_fetched(tmp_path: Path) -> None:
    file = tmp_path / "export.zip"
    file.write_bytes(b"PK content")
    service = FakeService(configured(tmp_path, ANYBODY), exported=Made(file))
    async with serving(service) as client:
        begun = await client.post("/consents/one/export")
        path = begun.headers["location"]
        assert begun.status_code == 303
        assert "integrity" in await shown(client, path)
        fetched = await client.get(f"{path}/file")
        assert (fetched.content, fetched.headers["content-type"]) == (
            b"PK content", "application/zip",
        )  # fmt: skip
    assert isinstance(service.exported, Made)
    assert service.exported.deleted


async def test_one_that_failed_says_why_and_cannot_be_fetched(tmp_path: Path) -> None:
    service = FakeService(configured(tmp_path, ANYBODY), exported=Made(None, problem="<no> ledger"))
    async with serving(service) as client:
        path = (await client.post("/consents/one/export")).headers["location"]
        assert "&lt;no&gt; ledger" in await shown(client, path)
        assert (await client.get(f"{path}/file")).status_code == 404


async def test_it_is_for_who_asked_and_for_those_who_may_act(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = FakeService(configured(tmp_path, ANYBODY), exported=Made(None))
    async with serving(service) as client:
        path = (await client.post("/consents/one/export")).headers["location"]
        assert (await client.get("/exports/guessed")).status_code == 404
        console = service.settings.console
        look = console.model_copy(update={"role": "look"})
        service.settings = service.settings.model_copy(update={"console": look})
        assert (await client.get(path)).status_code == 403
        assert (await client.post("/consents/one/export")).status_code == 403
        service.settings = service.settings.model_copy(update={"console": console})
        monkeypatch.setattr(exports, "MOST", 1)
        assert (await client.post("/consents/one/export")).status_code == 429


@pytest.mark.programs
def test_the_ledger_names_the_person_beside_the_account(sample: SampleLedger) -> None:
    made = export_record(sample.settings, sample.revoked, "alice")
    assert made.file is not None, made.problem
    with zipfile.ZipFile(made.file) as archive:
        assert "index.html" in {Path(name).name for name in archive.namelist()}
    assert {name: value for name, value, _ in made.verdicts}["integrity"] != "fails"
    (act,) = [
        row for row in sample.ledger(lambda ledger: ledger.rows_of(sample.revoked))
        if row.type == "exported"
    ]  # fmt: skip
    assert act.fields["actor"].endswith(" for alice")
    made.delete()
    assert not made.file.exists()


@pytest.mark.programs
def test_a_record_that_is_not_there_is_one_line(sample: SampleLedger) -> None:
    made = export_record(sample.settings, "0" * 36, "alice")
    assert made.file is None
    assert "\n" not in made.problem
    assert made.problem
