"""A filled ledger, made once and copied for each test that wants one."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent import Revocation
from agi_bridge.consent.ledger import clock_check
from agi_bridge.settings import Settings
from tests.support.call_env import KEY

from . import consent_records
from .consents_commands import Shell, configured

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from agi_bridge.consent.ledger import Ledger

WORDS = "please stop texting me"


@pytest.fixture(autouse=True)
def synchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that calls its clock synchronised, whatever machine the tests are run on."""
    monkeypatch.setattr(clock_check, "ask_kernel", lambda: True)


@dataclass(frozen=True)
class SampleLedger:
    """A configuration with a ledger, and the ids of what is in it.

    Four calls: one agreed and was texted, and later revoked; of one nobody knows whether it was
    texted; one agreed with another brand; one declined. Two checkpoints, one behind each half.
    """

    folder: Path
    revoked: str
    unknown: str
    other: str
    declined: str
    revocation: str

    @property
    def shell(self) -> Shell:
        return Shell(self.folder / "agi-bridge.toml")

    @property
    def settings(self) -> Settings:
        return Settings.load(self.folder / "agi-bridge.toml", {"SHOP_KEY": KEY})

    def ledger(self, work: Callable[[Ledger], Awaitable[Any]]) -> Any:
        """Do something with the ledger, and close it again."""
        return asyncio.run(self._with_ledger(work))

    async def _with_ledger(self, work: Callable[[Ledger], Awaitable[Any]]) -> Any:
        async with await open_ledger(self.settings) as ledger:
            return await work(ledger)

    def types(self, record: str) -> list[str]:
        """The types of a record's events."""
        return [row.type for row in self.ledger(lambda ledger: ledger.rows_of(record))]


async def fill(settings: Settings) -> dict[str, str]:
    """Begin a ledger and store what `Shop` says; returns the ids."""
    async with await consent_records.open_new(settings) as ledger:
        played = consent_records.heard(settings.state_dir)
        ids = {"revoked": await consent_records.accepted(ledger, played)}
        await ledger.checkpoint()
        ids["declined"] = await consent_records.declined(ledger, played)
        await ledger.checkpoint()
        ids["unknown"] = await consent_records.unknown(ledger, played)
        ids["other"] = await consent_records.accepted(
            ledger, played, consent_records.THIRD, brand="<script>alert(1)</script> & Söhne"
        )
        ids["revocation"] = (
            await ledger.revoke(
                Revocation(
                    number=consent_records.NUMBER,
                    scope="brand",
                    brand="Example Store",
                    channel="http",
                    actor="crm",
                    words=WORDS,
                )
            )
        ).revocation_id
        await ledger.checkpoint()
    return ids


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> SampleLedger:
    """The original: not to be written to."""
    folder = tmp_path_factory.mktemp("filled")
    configured(folder)
    settings = Settings.load(folder / "agi-bridge.toml", {"SHOP_KEY": KEY})
    return SampleLedger(folder, **asyncio.run(fill(settings)))


@pytest.fixture
def sample(original: SampleLedger, tmp_path: Path) -> SampleLedger:
    """A copy of it."""
    shutil.copytree(original.folder / "state", tmp_path / "state")
    configured(tmp_path)
    ids = {
        name: getattr(original, name) for name in original.__dataclass_fields__ if name != "folder"
    }
    return SampleLedger(tmp_path, **ids)


@pytest.fixture(scope="session")
def original_export(original: SampleLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the revoked consent: not to be written to."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(original.folder / "state", folder / "state")
    result = configured(folder)("export", "--consent", original.revoked, "--out", folder / "export")
    assert result.status == 0, result
    return folder / "export"


@pytest.fixture
def export(original_export: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(original_export, tmp_path / "export"))
