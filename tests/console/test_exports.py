"""Exports from the console: for one person, verified, recorded, and deleted soon."""

from __future__ import annotations

import asyncio
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app import console_export
from agi_bridge.app.console_export import clear_exports, export_record
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
        await shown(client, path)
        monkeypatch.setattr(exports, "MOST", 0)
        assert (await client.post("/consents/one/export")).status_code == 429


async def test_exports_that_are_made_keep_nobody_from_another(tmp_path: Path) -> None:
    """Of one person the newest are kept, and few are made at once."""
    service = FakeService(configured(tmp_path, ANYBODY), exported=Made(None))
    async with serving(service) as client:
        paths = []
        for _ in range(exports.KEPT + 2):
            begun = await client.post("/consents/one/export")
            assert begun.status_code == 303
            paths.append(begun.headers["location"])
            await shown(client, paths[-1])
        found = [(await client.get(path)).status_code for path in paths]
        assert found == [404, 404, *[200] * exports.KEPT]


async def test_one_person_has_few_exports_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = FakeService(configured(tmp_path, ANYBODY), exported=Made(None))
    made = asyncio.Event()

    async def export(*_: str) -> Made:
        await made.wait()
        return Made(None)

    monkeypatch.setattr(service, "export", export)
    async with serving(service) as client:
        asked = [await client.post("/consents/one/export") for _ in range(exports.OF_ONE + 1)]
        assert [each.status_code for each in asked] == [*[303] * exports.OF_ONE, 429]
        made.set()
        await shown(client, asked[0].headers["location"])


async def test_an_export_that_nobody_waits_for_any_more_leaves_no_file(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sample.settings.state_dir / console_export.FOLDER
    begun = asyncio.Event()

    async def hangs(_: list[str]) -> tuple[str, str]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(console_export, "_output_of", hangs)
    making = asyncio.create_task(export_record(sample.settings, sample.revoked, "alice"))
    await begun.wait()
    assert len([*folder.iterdir()]) == 1
    making.cancel()
    await asyncio.wait({making})
    assert [*folder.iterdir()] == []


@pytest.mark.programs
async def test_a_process_ends_with_who_waits_for_it(tmp_path: Path) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    says = "import os, signal, sys; open(sys.argv[1], 'w').write(str(os.getpid())); signal.pause()"
    command = [sys.executable, "-c", says, str(fifo)]
    waiting = asyncio.create_task(console_export._output_of(command))
    pid = int(await asyncio.to_thread(fifo.read_text))
    waiting.cancel()
    await asyncio.wait({waiting})
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_a_killed_service_left_is_deleted(tmp_path: Path) -> None:
    left = tmp_path / console_export.FOLDER / "abc"
    left.mkdir(parents=True)
    (left / "export.zip").write_bytes(b"PK")
    clear_exports(tmp_path)
    clear_exports(tmp_path)
    assert not left.parent.exists()


@pytest.mark.programs
def test_the_ledger_names_the_person_beside_the_account(sample: SampleLedger) -> None:
    made = asyncio.run(export_record(sample.settings, sample.revoked, "alice"))
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
    made = asyncio.run(export_record(sample.settings, "0" * 36, "alice"))
    assert made.file is None
    assert "\n" not in made.problem
    assert made.problem
