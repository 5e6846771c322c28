"""What the demonstration is made of, started and stopped: the bridge, the hook, the PBX, phones."""

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from typing import Any, Final, Self

from agi_bridge.consent.signing import Keys
from agi_bridge.lab.asterisk.provision import default_tree, find_asterisk, provision
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.errors import AsteriskError, AsteriskUnavailableError, DemoError
from agi_bridge.lab.sip.phone import SipPhone

DID: Final = "+14155550111"
"""The business's number. Like all numbers here it is made up: 555-01xx belongs to nobody."""
MENU_DID: Final = "+14155550112"
"""The same business in three languages, with the dialplan dialling."""
CALLER: Final = "+14155550100"
MOBILE: Final = "+14155550123"
"""What the caller keys, without the +1."""
FORWARD: Final = "+14155550199"
"""Where the hook's answer sends the caller."""
SHOP: Final = "100"
"""The business's own telephone: the default destination."""
DISCLOSURE: Final = "disclosure-example-store"
LEDGER: Final = "consents.db"

_KEY: Final = "DEMO_HOOK_KEY"
# Whoever tries it out calls again and again.
_NO_LIMITS: Final = "number_per_day = 0\ncaller_id_per_day = 0\nline_per_hour = 0"
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_SIP_PORT: Final = 5060

Line = Mapping[str, Any]
"""A line of the bridge's log."""


def configuration(folder: Path, hook_url: str, engine: list[str]) -> str:
    """Return the bridge's configuration, as a user would write it."""
    line = f"""
business_number = "{DID}"
hook_key = {{env = "{_KEY}"}}
brand = "Example Store"
policy_url = "https://example.com/text"
disclosure = "{DISCLOSURE}"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "dial", destination = "PJSIP/{SHOP}"}}
"""
    # A JSON text is a TOML text as well: quotes, backslashes and all.
    return f"""state_dir = {json.dumps(str(folder / "state"))}
[agi]
port = 0
[hook]
url = "{hook_url}"
{_engines(engine)}
[lines.demo]
did = ["{DID}"]{line}
[lines.demo.limits]
{_NO_LIMITS}
[lines.menu]
did = ["{MENU_DID}"]{line}languages = ["en", "es", "fr"]
dial = "dialplan"
[lines.menu.limits]
{_NO_LIMITS}
"""


def _engines(command: list[str]) -> str:
    if not command:
        return ""
    return f"""[[speech.engines]]
kind = "command"
command = {json.dumps(command)}
languages = ["en", "es", "fr"]"""


def make_keys(folder: Path) -> None:
    """Make the ledger's keys, so that the bridge need not ask for a back-up of them. Blocks."""
    Keys.load(folder / "state" / "keys", create=True)


class Bridge:
    """`agi-bridge serve` as a process of its own; an async context manager.

    Args:
        folder: where configuration and state go.
        hook_url: where the hook is.
        hook_key: the key for it; it goes to the bridge in the environment.
        engine: the speech engine's command line; empty for none.
        on_line: told of each line of the bridge's log, as it comes.

    Attributes:
        port: where it listens.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hook_url: str,
        hook_key: str,
        engine: list[str],
        on_line: Callable[[Line], None] = lambda _: None,
    ) -> None:
        self.ledger = folder / "state" / LEDGER
        self.port = 0
        self._config = folder / "agi-bridge.toml"
        self._config.write_text(configuration(folder, hook_url, engine), encoding="utf-8")
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith("AGI_BRIDGE_")}
        self._environ[_KEY] = hook_key
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listening: asyncio.Future[int]
        self._last_words = "it said nothing"

    @property
    def url(self) -> str:
        """The AGI URL for the dialplan."""
        return f"agi://127.0.0.1:{self.port}/consent"

    async def __aenter__(self) -> Self:
        self._listening = asyncio.get_running_loop().create_future()
        command = [sys.executable, "-m", "agi_bridge", "serve", "--config", str(self._config)]
        if setpriv := shutil.which("setpriv"):  # ended with us, even when we are killed ourselves
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=self._environ,
            start_new_session=True,  # Ctrl-C is for us to hand on, in good order
        )
        self._reader = asyncio.create_task(self._read(self._process))
        try:
            async with asyncio.timeout(_START_SECONDS):
                self.port = await self._listening
        except TimeoutError:
            await self._stop()
            raise DemoError(f"the bridge did not start: {self._last_words}") from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        """End it, the second signal at once: nobody is left whose call it could wait for."""
        if self._process is not None:
            for end in (self._process.terminate, self._process.terminate, self._process.kill):
                with suppress(ProcessLookupError, TimeoutError):
                    end()
                    await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
                    break
        if self._reader is not None:
            await self._reader

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        async for raw in process.stderr:
            text = raw.decode(errors="replace").strip()
            self._last_words = text or self._last_words
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not isinstance(line, dict):
                continue  # not of the log: kept as last words
            if line.get("event") == "listening":
                self._listening.set_result(int(line["port"]))
            self._on_line(line)
        if not self._listening.done():
            self._listening.set_exception(
                DemoError(f"the bridge did not start: {self._last_words}")
            )
            self._listening.exception()  # whoever waits may have gone


@dataclass(frozen=True, slots=True)
class Phones:
    """The telephones of the demonstration: who calls, the shop's own, and the far end."""

    caller: SipPhone
    shop: SipPhone
    far: SipPhone


@contextmanager
def workplace() -> Iterator[Path]:
    """Give a folder for this run's files; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="agi-bridge-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def asterisk_binary(on_progress: Callable[[str], None]) -> Path:
    """Return the Asterisk to use, fetched first if need be.

    Raises:
        AsteriskUnavailableError: there is none, and none can be fetched.
        AsteriskError: it could not be put into place.
    """
    found = find_asterisk()
    if found is not None and found != default_tree() / "bin" / "asterisk":
        return found  # the user's own choice, or the machine's
    try:
        return await provision(on_progress=on_progress)
    except OSError as error:  # a folder of somebody else's
        if found is not None:
            return found
        raise AsteriskUnavailableError(f"{default_tree()}: {error.strerror}") from error


def speech_engine(asterisk: Path | None) -> list[str]:
    """Return the command line of an espeak-ng, that beside Asterisk first; [] if there is none."""
    beside = asterisk.with_name("espeak-ng") if asterisk is not None else None
    program = str(beside) if beside and beside.exists() else shutil.which("espeak-ng")
    return [program, "-v", "{language}", "-w", "{output}", "--stdin"] if program else []


@asynccontextmanager
async def pbx(binary: Path, bridge: Bridge, *, well_known_port: bool) -> AsyncIterator[Asterisk]:
    """Run Asterisk with the files that users get.

    Args:
        binary: the program.
        bridge: where it finds the bridge.
        well_known_port: use SIP's own port if it is free, as a person has to enter it.

    Raises:
        AsteriskError: it did not start.
    """
    ports = [_SIP_PORT, 0] if well_known_port and _is_free(_SIP_PORT) else [0]
    for port in ports:
        asterisk = Asterisk(
            binary, agi_url=bridge.url, accounts={"caller": token_urlsafe(9)}, sip_port=port
        )
        try:
            await asterisk.__aenter__()
        except AsteriskError:
            if port == ports[-1]:
                raise
            continue  # somebody else has taken that port meanwhile
        try:
            yield asterisk
        finally:
            await asterisk.__aexit__(None, None, None)
        return


@asynccontextmanager
async def telephones(asterisk: Asterisk) -> AsyncIterator[Phones]:
    """Put the telephones in place: the shop's is registered, the far end waits on the trunk."""
    caller = SipPhone(user="caller", password=asterisk.accounts["caller"], server=asterisk.sip)
    shop = SipPhone(
        user=SHOP, password=asterisk.accounts[SHOP], server=asterisk.sip, ring_seconds=1.0
    )
    far = SipPhone(user="far", port=asterisk.trunk[1], ring_seconds=1.0)
    async with far, shop, caller:
        await shop.register()
        yield Phones(caller, shop, far)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
