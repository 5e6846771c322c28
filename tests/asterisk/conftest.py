"""A real Asterisk 22 for the tests: one for each test process, and telephones for each test.

    async def test_something(pbx, shop, far_end):
        async with CannedBridge(...) as bridge:          # or a real bridge
            await pbx.use_bridge(bridge.url)
            call = await pbx.call("+14155550111")        # the caller; answered
            await call.press("4155550123")
            rings = await far_end.next_call()            # the forwarded call arrives there
            await rings.answered()

`pbx` starts each test with no bridge to reach and the fallback PJSIP/100, and ends it by checking
that no channel is left behind.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from agi_bridge.agi import Channel, Server
from agi_bridge.app.start_checks import LOCK_FILE
from agi_bridge.hook.testing import FakeHook
from agi_bridge.lab.asterisk.provision import default_tree, share_path
from agi_bridge.lab.asterisk.server import Asterisk, find_asterisk, provision_asterisk
from agi_bridge.lab.asterisk.webrtc import BrowserAccount
from agi_bridge.lab.sip.call import Call
from agi_bridge.lab.sip.phone import SipPhone
from tests.support.bridge_fixture import BridgeFixture, shorten
from tests.support.doctors_pbx import DoctorsAsterisk, Surgery, free_tcp_port

DID = "+14155550111"
"""The business number that callers dial."""

CALLER = "+15145550100"
"""Caller ID of the caller."""

BROWSER = BrowserAccount("browser", CALLER)
"""The account of a telephone in a browser."""

NOBODY = "agi://127.0.0.1:9/consent"
"""A port where nothing listens: the connection is refused at once."""

_OWN_DIALPLAN = """
; A line's default destination of kind "dialplan": the caller hears the keys 4, 2.
[elsewhere]
exten => s,1,Answer()
 same => n,SendDTMF(42,100,100)
 same => n,Hangup()
exten => back,1,Goto(agi-bridge,+14155550111,1)

; Ways into agi-bridge that the shipped extensions.conf does not use.
[from-softphone](+)
include => from-internal-custom
exten => no-did,1,Goto(agi-bridge,s,1)
exten => named-did,1,Set(AGI_BRIDGE_DID=+14155550112)
 same => n,Goto(agi-bridge,s,1)
exten => classic,1,AGI(${CLASSIC},+14155550111)
 same => n,Hangup()
exten => enhanced,1,EAGI(${ENHANCED})
 same => n,Hangup()
exten => own-bridge,1,Set(AGI_BRIDGE_URL=${OWN_URL})
 same => n,Goto(agi-bridge,+14155550114,1)
"""


FREEPBX = Path(__file__).parents[1] / "support" / "freepbx_dialplan.conf"
"""The contexts that FreePBX would write."""

CDR_FIELDS = ("uniqueid", "disposition", "agi_bridge_consent", "did")
"""The columns of the file of call records that the PBX of the tests writes."""

_FILES = {
    "modules_local.conf": "load = func_cdr.so\nload = res_cdrel_custom.so\nload = cdr_custom.so\n",
    "cdr.conf": "[general]\nenable = yes\n",
    "cdr_custom.conf": "[mappings]\ncalls.csv => "
    + ",".join(f"${{CSV_QUOTE(${{CDR({name})}})}}" for name in CDR_FIELDS)
    + "\n",
}


class Pbx:
    """The running Asterisk as one test sees it.

    Attributes:
        asterisk: the PBX itself: `cli`, `channels`, `set_global`, `sip`, `trunk`, `sounds`, `pid`.
        records_before: how many call records there were when the test began.
    """

    def __init__(self, asterisk: Asterisk, telephones: AsyncExitStack) -> None:
        self.asterisk = asterisk
        self._telephones = telephones
        self._caller: SipPhone | None = None
        self._log_from = len(asterisk.log())
        records = asterisk.directory / "log" / "cdr-custom" / "calls.csv"
        self.records_before = len(records.read_text().splitlines()) if records.exists() else 0

    async def use_bridge(self, url: str, second: str = "") -> None:
        """Let the dialplan find the bridge there, and a second one."""
        await self.asterisk.set_global("AGI_BRIDGE_URL", url)
        await self.asterisk.set_global("AGI_BRIDGE_URL_2", second)

    async def call(
        self, number: str = DID, *, caller_id: str = CALLER, name: str = "", answered: bool = True
    ) -> Call:
        """Dial as a customer; returns once answered, or at once with answered=False."""
        if self._caller is None:
            self._caller = await self.telephone("softphone", registers=False)
        call = await self._caller.dial(number, caller_id=caller_id, name=name)
        if answered:
            await call.answered()
        return call

    async def telephone(self, account: str, *, registers: bool = True) -> SipPhone:
        """Return a telephone of one of the PBX's accounts; it is put away after the test."""
        phone = await self._telephones.enter_async_context(
            SipPhone(
                user=account,
                password=self.asterisk.accounts[account],
                server=self.asterisk.sip,
                ring_seconds=0.0,
            )
        )
        if registers:
            await phone.register()
        return phone

    def log(self) -> str:
        """Return what Asterisk has logged since the test began."""
        return self.asterisk.log()[self._log_from :]

    def sound(self, name: str, language: str = "en") -> Path:
        """Return one of Asterisk's own recordings, e.g. "digits/1"."""
        return self.asterisk.sounds / language / f"{name}.wav"

    async def silent(self, within: float = 5.0) -> None:
        """Wait until no channel is left; TimeoutError when one stays."""
        async with asyncio.timeout(within):
            while await self.asterisk.channels():  # asking takes long enough to be no busy loop
                pass


@pytest.fixture(scope="session")
def asterisk_binary() -> Path:
    """Asterisk 22; provisioned on the first run, which takes a while."""
    tree = default_tree()
    found = find_asterisk()
    if found is not None and found != tree / "bin" / "asterisk":
        return found
    return asyncio.run(provision_asterisk(tree, print))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def asterisk(asterisk_binary: Path) -> AsyncIterator[Asterisk]:
    """Return the PBX of this test process, with the files that users get."""
    freepbx = (share_path("dialplan") / "agi-bridge-freepbx.conf").read_text()
    own = _OWN_DIALPLAN + freepbx.replace("#include agi-bridge.conf", "") + FREEPBX.read_text()
    async with Asterisk(
        asterisk_binary, agi_url=NOBODY, browsers=[BROWSER], dialplan=own, files=_FILES
    ) as running:
        yield running


@pytest_asyncio.fixture
async def pbx(asterisk: Asterisk) -> AsyncIterator[Pbx]:
    """Return the PBX as new: no bridge, fallback PJSIP/100, no calls."""
    for name, value in {
        "AGI_BRIDGE_URL": NOBODY,
        "AGI_BRIDGE_URL_2": "",
        "AGI_BRIDGE_TOKEN": "",
        "AGI_BRIDGE_ATTESTATION": "",
        "AGI_BRIDGE_FALLBACK": "PJSIP/100",
        "AGI_BRIDGE_FALLBACK_RING": "",
        "AGI_BRIDGE_FALLBACK_GOTO": "",
        "AGI_BRIDGE_APOLOGY": "",
    }.items():
        await asterisk.set_global(name, value)
    async with AsyncExitStack() as telephones:
        own = Pbx(asterisk, telephones)
        yield own
    await own.silent()


@pytest_asyncio.fixture
async def shop(pbx: Pbx) -> SipPhone:
    """Return the shop's own telephone, PJSIP/100: the fallback."""
    return await pbx.telephone("100")


@pytest_asyncio.fixture
async def far_end(pbx: Pbx) -> AsyncIterator[SipPhone]:
    """Return the far end of the trunk: any number dialled as PJSIP/NUMBER@trunk."""
    async with SipPhone(user="far", port=pbx.asterisk.trunk[1], ring_seconds=0.0) as phone:
        yield phone


@pytest.fixture(scope="session")
def short_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the shipped prompts, cut to their beginnings."""
    folder = tmp_path_factory.mktemp("prompts")
    shorten(folder)
    return folder


@pytest_asyncio.fixture
async def bridge(pbx: Pbx, short_prompts: Path, tmp_path: Path) -> AsyncIterator[BridgeFixture]:
    """Return a bridge behind the PBX with its own hook; `await bridge.open(...)` starts it."""
    async with FakeHook() as fake_hook:
        made = BridgeFixture(pbx, short_prompts, tmp_path, fake_hook)
        yield made
        await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surgery(
    asterisk_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Surgery]:
    """Return a PBX for the doctor, with a bridge that says it is ready."""
    folder = tmp_path_factory.mktemp("doctor")
    port = free_tcp_port()
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(Server(_is_ready, host="127.0.0.1", port=0))
        lock = stack.enter_context((folder / LOCK_FILE).open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a running bridge
        freepbx = FREEPBX.read_text()
        asterisk = await stack.enter_async_context(
            DoctorsAsterisk(asterisk_binary, folder / "data", port, freepbx, bridge.port)
        )
        surgery = Surgery(asterisk, port, folder, folder / "data", bridge.port)
        for account in ("100", "200"):
            surgery.phones[account] = await stack.enter_async_context(
                SipPhone(user=account, password=asterisk.accounts[account], server=asterisk.sip)
            )
            await surgery.phones[account].register()
        yield surgery


async def _is_ready(channel: Channel) -> None:
    """Answer as a bridge that is asked for its health."""
    await channel.set_variable("AGI_BRIDGE_HEALTH", "ready")
