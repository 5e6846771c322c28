"""The `consents` commands on a shared PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agi_bridge.evidence.export.verify import verify_export
from agi_bridge.settings import Settings
from tests.support import consent_records
from tests.support.call_env import KEY
from tests.support.consents_commands import configured
from tests.support.sample_ledger import fill

if TYPE_CHECKING:
    from pathlib import Path


def test_every_command_works_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    shell = configured(tmp_path, {"ledger": {"url": postgresql_url}})
    result = shell("list")
    assert result.status == 1
    assert "no ledger is there" in result.err
    ids = asyncio.run(fill(Settings.load(shell.config, {"SHOP_KEY": KEY})))
    assert [each["consent_id"] for each in shell("list", "--open", "--json").json] == [
        ids["revocation"],
        ids["unknown"],
    ]
    assert shell("resolve", ids["revocation"], "--as", "passed-on").status == 0
    assert shell("revoke", "--number", consent_records.OTHER, "--line", "shop").status == 0
    shown = shell("show", ids["unknown"][:-1], "--reveal", "--json").json
    assert (shown["state"], shown["personal"]["number"]) == ("revoked", consent_records.OTHER)
    assert (
        shell("export", "--number", consent_records.OTHER, "--out", tmp_path / "proof").status == 0
    )
    assert verify_export(tmp_path / "proof")[0].value != "fails"
    erased = shell(
        "erase", "--number", consent_records.NUMBER, "--basis", "request", "--yes", "--json"
    )
    assert erased.json["done"] == 2
    assert shell("retain", "--dry-run").status == 0
    assert shell("rekey", "--new-key").status == 0
    assert shell("rekey").status == 0
    assert shell("checkpoint").status == 0
    assert shell("upgrade").out.startswith("nothing to do")
    assert shell("verify").status == 3  # unwitnessed
