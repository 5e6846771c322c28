"""The event for channel event logging in agi-bridge.conf, as an admin would uncomment it."""

from __future__ import annotations

import asyncio
import csv
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from agi_bridge.lab.asterisk.provision import share_path
from agi_bridge.lab.asterisk.server import Asterisk
from tests.asterisk.conftest import Pbx
from tests.support.canned_bridge import CannedBridge, result

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asterisk

CONSENT = "01a218af-eff9-7fdf-9949-7b2a70fded47"


async def test_the_event_has_the_consent_and_a_call_without_one_has_no_event(
    asterisk_binary: Path,
) -> None:
    shipped = (share_path("dialplan") / "agi-bridge.conf").read_text()
    (event,) = [line for line in shipped.splitlines() if "CELGenUserEvent" in line]
    files = {
        "agi-bridge.conf": shipped.replace(event, event.removeprefix(";")),
        "modules_local.conf": "".join(
            f"load = {name}.so\n"
            for name in ("app_celgenuserevent", "res_cdrel_custom", "cel_custom")
        ),
        "cel.conf": "[general]\nenable = yes\nevents = USER_DEFINED\n",
        "cel_custom.conf": "[mappings]\n"
        "events.csv => ${CSV_QUOTE(${userdeftype})},${CSV_QUOTE(${eventextra})}\n",
    }
    async with (
        Asterisk(asterisk_binary, agi_url="", files=files) as asterisk,
        AsyncExitStack() as telephones,
    ):
        pbx = Pbx(asterisk, telephones)
        for variables in ({"consent": CONSENT}, {}):
            async with CannedBridge("ANSWER", *result("done", **variables)) as bridge:
                await pbx.use_bridge(bridge.url)
                await (await pbx.call()).ended()
        await pbx.silent()
        written = asterisk.directory / "log" / "cel-custom" / "events.csv"
        async with asyncio.timeout(10):
            while not (written.exists() and CONSENT in written.read_text()):
                await asterisk.channels()  # asking takes long enough to be no busy loop
        ((name, extra),) = csv.reader(written.read_text().splitlines())
        assert (name, json.loads(extra)) == ("AGI_BRIDGE_CONSENT", {"extra": CONSENT})
