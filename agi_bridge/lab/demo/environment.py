"""Starts and stops the demonstration's programs: the bridge, Asterisk, the SIP phones.

It also holds the demonstration's numbers and the bridge's configuration.
"""

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from typing import Any, Final, Self

from agi_bridge.consent.signing import Keys
from agi_bridge.lab.asterisk import (
    Asterisk,
    BrowserAccount,
    default_tree,
    find_asterisk,
    provision_asterisk,
)
from agi_bridge.lab.errors import AsteriskError, AsteriskUnavailableError, DemoError
from agi_bridge.lab.sip import SipPhone

DID: Final = "+14155550111"
"""The business's number. All numbers here are fictitious: 555-01xx is reserved for that."""
MENU_DID: Final = "+14155550112"
"""The same business in three languages; here the dialplan dials."""
CALLER: Final = "+14155550100"
MOBILE: Final = "+14155550123"
"""The number that the caller keys, without the +1."""
FORWARD: Final = "+14155550199"
"""The destination in the hook's answer."""
SHOP: Final = "100"
"""The business's own phone: the default destination."""
DISCLOSURE: Final = "disclosure-example-store"
LEDGER: Final = "consents.db"

_KEY: Final = "DEMO_HOOK_KEY"
# A person who tries it out calls many times.
_NO_LIMITS: Final = "number_per_day = 0\ncaller_id_per_day = 0\nline_per_hour = 0"
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_SIP_PORT: Final = 5060

LogRecord = Mapping[str, Any]
"""One line of the bridge's log, parsed."""


def configuration(folder: Path, hook_url: str, engine: list[str], *, webhook: bool = False) -> str:
    """Return the text of the bridge's configuration file; `webhook` is the kind of its hook."""
    secret = f'{{env = "{_KEY}"}}'
    hook = f'kind = "webhook"\nsigning_secret = {secret}\nidempotent = true\n' if webhook else ""
    key = "" if webhook else f"hook_key = {secret}\n"
    line = f"""
business_number = "{DID}"
{key}brand = "Example Store"
policy_url = "https://example.com/text"
disclosure = "{DISCLOSURE}"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "dial", destination = "PJSIP/{SHOP}"}}
"""
    # A JSON string is also a valid TOML string.
    return f"""state_dir = {json.dumps(str(folder / "state"))}
[agi]
port = 0
[status]
port = 0
[hook]
{hook}url = "{hook_url}"
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
    """Create the ledger's keys first, so that the bridge does not ask for a backup. Blocks."""
    Keys.load(folder / "state" / "keys", create=True)


class BridgeProcess:
    """`agi-bridge serve` as a child process; an async context manager.

    Args:
        folder: for the configuration and the state.
        hook_url: the hook's URL.
        hook_key: the hook's key, or what signs webhooks; passed in the environment.
        webhook: the hook is a webhook.
        engine: the speech engine's command line; empty for no engine.
        on_line: called with each line of the bridge's log.

    Attributes:
        port: the port it listens on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hook_url: str,
        hook_key: str,
        engine: list[str],
        webhook: bool = False,
        on_line: Callable[[LogRecord], None] = lambda _: None,
    ) -> None:
        self.ledger = folder / "state" / LEDGER
        self.port = 0
        self._config = folder / "agi-bridge.toml"
        text = configuration(folder, hook_url, engine, webhook=webhook)
        self._config.write_text(text, encoding="utf-8")
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith("AGI_BRIDGE_")}
        self._environ[_KEY] = hook_key
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listening: asyncio.Future[int]
        self._last_output = "no output"

    @property
    def url(self) -> str:
        """The AGI URL for the dialplan."""
        return f"agi://127.0.0.1:{self.port}/consent"

    async def __aenter__(self) -> Self:
        self._listening = asyncio.get_running_loop().create_future()
        command = [sys.executable, "-m", "agi_bridge", "serve", "--config", str(self._config)]
        if setpriv := shutil.which("setpriv"):  # ends with this process, even if it is killed
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=self._environ,
            start_new_session=True,  # this process handles Ctrl-C and stops the bridge in order
        )
        self._reader = asyncio.create_task(self._read(self._process))
        try:
            async with asyncio.timeout(_START_SECONDS):
                self.port = await self._listening
        except TimeoutError:
            await self._stop()
            raise DemoError(
                "bridge_not_started", f"the bridge did not start: {self._last_output}"
            ) from None
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
        """Stop the bridge. The second SIGTERM drops calls: no caller is left."""
        if self._process is not None:
            for end in (self._process.terminate, self._process.terminate, self._process.kill):
                with suppress(ProcessLookupError, TimeoutError):
                    end()
                    await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
                    break
        if self._reader is not None:
            await self._reader

    def _not_started(self) -> DemoError:
        return DemoError("bridge_not_started", f"the bridge did not start: {self._last_output}")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        async for raw in process.stderr:
            text = raw.decode(errors="replace").strip()
            self._last_output = text or self._last_output
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if not isinstance(line, dict):
                continue  # not a log line
            if line.get("event") == "service.listening":
                self._listening.set_result(int(line["port"]))
            self._on_line(line)
        if not self._listening.done():
            self._listening.set_exception(self._not_started())
            self._listening.exception()  # no "never retrieved" warning


@dataclass(frozen=True, slots=True)
class Phones:
    """The SIP phones: the caller's, the business's own, and the one at the far end."""

    caller: SipPhone
    shop: SipPhone
    far: SipPhone


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder for the files of this run, and delete it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="agi-bridge-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def asterisk_binary(on_progress: Callable[[str], None]) -> Path:
    """Return the Asterisk to use; download it first if there is none.

    Raises:
        AsteriskUnavailableError: there is none, and it cannot be downloaded.
        AsteriskError: the installation failed.
    """
    found = find_asterisk()
    if found is not None and found != default_tree() / "bin" / "asterisk":
        return found  # named by the user, or installed on this machine
    try:
        return await provision_asterisk(on_progress=on_progress)
    except OSError as error:  # the folder belongs to another account
        if found is not None:
            return found
        raise AsteriskUnavailableError(
            "unavailable", f"{default_tree()}: {error.strerror}"
        ) from error


def speech_engine(asterisk: Path | None) -> list[str]:
    """Return espeak-ng's command line: the copy beside Asterisk, else the machine's, else []."""
    beside = asterisk.with_name("espeak-ng") if asterisk is not None else None
    program = str(beside) if beside and beside.exists() else shutil.which("espeak-ng")
    return [program, "-v", "{language}", "-w", "{output}", "--stdin"] if program else []


@asynccontextmanager
async def start_asterisk(
    binary: Path,
    bridge: BridgeProcess,
    *,
    well_known_port: bool,
    browsers: Sequence[BrowserAccount] = (),
) -> AsyncIterator[Asterisk]:
    """Run Asterisk with the shipped configuration and dialplan.

    Args:
        binary: the program.
        bridge: the bridge that the dialplan calls.
        well_known_port: use SIP's default port if it is free, since a person must type it.
        browsers: accounts for telephones in browsers.

    Raises:
        AsteriskError: it did not start.
    """
    ports = [_SIP_PORT, 0] if well_known_port and _is_free(_SIP_PORT) else [0]
    for port in ports:
        asterisk = Asterisk(
            binary,
            agi_url=bridge.url,
            accounts={"caller": token_urlsafe(9)},
            browsers=browsers,
            sip_port=port,
        )
        try:
            await asterisk.__aenter__()
        except AsteriskError:
            if port == ports[-1]:
                raise
            continue  # another program has taken the port
        try:
            yield asterisk
        finally:
            await asterisk.__aexit__(None, None, None)
        return


@asynccontextmanager
async def start_phones(asterisk: Asterisk) -> AsyncIterator[Phones]:
    """Start the phones: the business's registers, the far end waits on the trunk."""
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
