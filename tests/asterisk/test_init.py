"""The first fifteen minutes: what `init` has written takes a call, and the consent is stored."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook.testing import FakeHook
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.sip.phone import SipPhone
from tests.asterisk.conftest import DID, FREEPBX, Pbx
from tests.support.bridge_fixture import AGREEMENT, FORWARD, BridgeFixture
from tests.support.commands import invoke

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asterisk


class Site:
    """A folder that `init` has filled, and a PBX that has read its dialplan."""

    def __init__(self, folder: Path, prompts: Path, *flags: str) -> None:
        self.config = folder / "etc" / "agi-bridge.toml"
        self.asterisk = folder / "asterisk"
        key = folder / "key"
        key.write_text("a73d5034210f702515128ac61193cd21")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        status, out, err = invoke(
            "init", "--yes", "--did", f"{DID},14155550113", "--brand", "Example Store",
            "--hook-key-file", key, "--port", port, "--dir", self.config.parent,
            "--asterisk-dir", self.asterisk, *flags,
        )  # fmt: skip
        assert status == 0, out + err
        self._environ = {
            "AGI_BRIDGE_STATUS__PORT": "0",
            "AGI_BRIDGE_SPEECH__PROMPTS": str(prompts),
            "AGI_BRIDGE_LINES__MAIN__DIGITS": "own",
        }

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.asterisk.iterdir()}

    @asynccontextmanager
    async def bridge(self, hook: FakeHook) -> AsyncIterator[None]:
        """Run `agi-bridge serve` with what was written; only the hook is another one."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agi_bridge", "serve", "--config", str(self.config),
            env={**os.environ, **self._environ, "AGI_BRIDGE_HOOK__URL": hook.url},
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            async for line in process.stderr:
                if json.loads(line)["event"] == "service.listening":
                    break
            else:
                raise AssertionError("the bridge did not start")
            yield
        finally:
            process.terminate()
            await process.communicate()


@asynccontextmanager
async def pbx_with(binary: Path, files: dict[str, str], dialplan: str = "") -> AsyncIterator[Pbx]:
    """A PBX whose dialplan has no variable set: everything is in `agi-bridge-site`."""
    files["modules_local.conf"] = "load = func_cdr.so\n"
    async with (
        Asterisk(binary, agi_url="", fallback="", dialplan=dialplan, files=files) as asterisk,
        AsyncExitStack() as telephones,
    ):
        yield Pbx(asterisk, telephones)


async def agrees(pbx: Pbx, number: str, helper: BridgeFixture) -> None:
    """A caller agrees, and is connected to the number of the hook."""
    async with SipPhone(user="far", port=pbx.asterisk.trunk[1], ring_seconds=0.0) as far_end:
        call = await pbx.call(number)
        await helper.agrees(call)
        there = await far_end.next_call(within=20)
        assert there.number == FORWARD
        await there.answered()
        await call.hang_up()
        await there.ended()


async def test_the_first_consent_is_stored_with_what_init_wrote(
    asterisk_binary: Path, short_prompts: Path, tmp_path: Path
) -> None:
    site = Site(tmp_path, short_prompts, "--default", "PJSIP/100")
    async with FakeHook() as hook, pbx_with(asterisk_binary, site.files()) as pbx:
        helper = BridgeFixture(pbx, short_prompts, tmp_path / "etc" / "state", hook)
        async with site.bridge(hook):
            await agrees(pbx, DID, helper)
            await helper.stored(*AGREEMENT, "accepted")
        shop = await pbx.telephone("100")  # the bridge has stopped: the fallback
        call = await pbx.call(answered=False)
        there = await shop.next_call()
        assert there.number == "100"
        await call.answered()
        await call.hang_up()


async def test_on_freepbx_the_gui_has_the_fallback_and_the_default(
    asterisk_binary: Path, short_prompts: Path, tmp_path: Path
) -> None:
    template = "PJSIP/+{number}@trunk"  # this PBX has no outbound routes
    site = Site(tmp_path, short_prompts, "--freepbx", "--dial-template", template)
    files = site.files()
    own = files["agi-bridge-freepbx.conf"]
    assert "#include agi-bridge.conf\n" in own  # which this PBX's extensions.conf includes
    dialplan = own.replace("#include agi-bridge.conf\n", "") + FREEPBX.read_text()
    route = "route14155550113"
    async with FakeHook() as hook, pbx_with(asterisk_binary, files, dialplan) as pbx:
        helper = BridgeFixture(pbx, short_prompts, tmp_path / "etc" / "state", hook)
        shop = await pbx.telephone("100")
        async with site.bridge(hook):
            await agrees(pbx, route, helper)
            await helper.stored(*AGREEMENT, "accepted")
            call = await pbx.call(route)
            await helper.hears(call, "disclosure")
            await call.press("*")  # declines: the default, which is the GUI's destination
            there = await shop.next_call(within=20)
            await there.answered()
            await call.hang_up()
            await there.ended()
        call = await pbx.call(route, answered=False)
        there = await shop.next_call()
        await call.answered()
        await call.hang_up()
