"""A private Asterisk: its own folder and ports on loopback, with the configuration that users get.

`asterisk-conf/` and `dialplan/` are copied unchanged. Settings of one machine go into the small
`*_local.conf` files that they include.
"""

import asyncio
import random
import re
import secrets
import shutil
import socket
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from agi_bridge.lab.asterisk import webrtc
from agi_bridge.lab.asterisk.provision import (
    Installation,
    find_asterisk,
    provision_asterisk,
    share_path,
)
from agi_bridge.lab.asterisk.webrtc import BrowserAccount
from agi_bridge.lab.errors import AsteriskError

__all__ = ["Asterisk", "find_asterisk", "free_port", "provision_asterisk", "share_path"]

_BOOT_SECONDS = 30.0
_STOP_SECONDS = 5.0
_CLI_SECONDS = 10.0
_ALWAYS = ("softphone", "100")
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,40}")


def free_port(host: str = "127.0.0.1") -> int:
    """Return a free UDP port outside the range of the kernel's ephemeral ports.

    So no other program gets it by chance before it is used.

    Raises:
        AsteriskError: no free port was found.
    """
    for _ in range(200):
        port = random.randrange(20_000, 32_000)  # noqa: S311  # not a secret
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise AsteriskError("no_port", f"no free UDP port on {host}")


class Asterisk:
    """A running PBX; an async context manager. It leaves nothing behind when it ends.

    Args:
        binary: the program; `find_asterisk()` or `provision_asterisk()` knows it.
        agi_url: AGI_BRIDGE_URL, e.g. "agi://127.0.0.1:4573/consent".
        second_url: AGI_BRIDGE_URL_2.
        accounts: passwords by account. "softphone" and "100" of the shipped dialplan always exist,
            with random passwords if not given.
        browsers: accounts for telephones in browsers, with random passwords. With at least one,
            Asterisk's web server takes WebSockets on loopback.
        trunk: where numbers dialled as PJSIP/NUMBER@trunk go; a free port of `host` when None.
        fallback: AGI_BRIDGE_FALLBACK.
        variables: further global variables of the dialplan.
        dialplan: further text of the dialplan.
        files: further configuration files, by name; they replace shipped ones.
        host: address for SIP and RTP.
        sip_port: SIP port; 0 picks a free one.
        rtp_ports: first and last RTP port.
        directory: a folder to use and keep; default: a temporary one.

    Attributes:
        accounts: all accounts with their passwords.
        sip: host and port where phones register.
        trunk: host and port of the trunk's far end.
        web: the web server for browsers; None without accounts for them.
        directory: the folder.
    """

    def __init__(
        self,
        binary: Path,
        *,
        agi_url: str,
        second_url: str = "",
        accounts: Mapping[str, str] | None = None,
        browsers: Sequence[BrowserAccount] = (),
        trunk: tuple[str, int] | None = None,
        fallback: str = "PJSIP/100",
        variables: Mapping[str, str] | None = None,
        dialplan: str = "",
        files: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        sip_port: int = 0,
        rtp_ports: tuple[int, int] | None = None,
        directory: Path | None = None,
    ) -> None:
        self._installed = Installation.of(binary)
        self.accounts = {name: secrets.token_urlsafe(9) for name in _ALWAYS}
        self.accounts.update({each.name: secrets.token_urlsafe(18) for each in browsers})
        self.accounts.update(accounts or {})
        if bad := [name for name in self.accounts if not _ACCOUNT.fullmatch(name)]:
            raise AsteriskError("account_name", f"not a valid account name: {bad[0]!r}")
        self._browsers = {each.name: each for each in browsers}
        self.web = webrtc.WebServer.on_free_port() if browsers else None
        self._globals = {
            "AGI_BRIDGE_URL": agi_url,
            "AGI_BRIDGE_URL_2": second_url,
            "AGI_BRIDGE_FALLBACK": fallback,
            **(variables or {}),
        }
        self._dialplan = dialplan
        self._files = dict(files or {})
        self.sip = (host, sip_port or free_port(host))
        self.trunk = trunk or (host, free_port(host))
        if rtp_ports is None:
            first = random.randrange(10_000, 19_000, 2)  # noqa: S311  # not a secret
            rtp_ports = (first, first + 999)
        self._rtp_ports = rtp_ports
        self._kept = directory
        self.directory = Path()
        self._process: asyncio.subprocess.Process | None = None

    # ---- life

    async def __aenter__(self) -> Self:
        # A short path: that of the control socket in it may have at most 107 bytes (sun_path).
        self.directory = self._kept or Path(tempfile.mkdtemp(prefix="agi-bridge-"))
        try:
            self._write()
            await self._start()
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

    async def _start(self) -> None:
        command = [str(self._installed.binary), "-f", "-C", str(self._main_file)]
        if setpriv := shutil.which("setpriv"):  # ends with this process, even if it is killed
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        with (self.directory / "log" / "console.log").open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=console, stderr=console, cwd=self.directory
            )
        try:
            async with asyncio.timeout(_BOOT_SECONDS):
                await self._booted(self._process)
        except TimeoutError:
            raise AsteriskError(
                "not_started", f"Asterisk did not start: {self._last_output()}"
            ) from None
        if "Unable to find object" in await self.cli("pjsip show transport transport-udp"):
            raise AsteriskError(
                "port_in_use", f"Asterisk cannot use UDP port {self.sip[1]} of {self.sip[0]}"
            )
        if self.web is not None:
            self.web.check(await self.cli("http show status"))

    async def _booted(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the control socket, which Asterisk opens late, then for the last module."""
        control = self.directory / "run" / "asterisk.ctl"
        while not control.exists():
            if process.returncode is not None:
                raise self._not_started()
            await asyncio.sleep(0.02)
        while "fully booted" not in await self._remote("core waitfullybooted"):
            if process.returncode is not None:
                raise self._not_started()
            await asyncio.sleep(0.02)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._kept is None:
            await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    # ---- use

    @property
    def sounds(self) -> Path:
        """The folder of Asterisk's recordings, with a folder per language."""
        return self._installed.data / "sounds"

    @property
    def log_path(self) -> Path:
        """The log: notices, warnings, errors and every step of the dialplan."""
        return self.directory / "log" / "verbose.log"

    def log(self) -> str:
        """Return the whole log so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            AsteriskError: it is not running.
        """
        if self._process is None:
            raise AsteriskError("not_running", "Asterisk is not running")
        return self._process.pid

    async def cli(self, command: str) -> str:
        """Run a command of Asterisk's command line and return what it prints.

        Raises:
            AsteriskError: Asterisk does not answer.
        """
        if self._process is None:
            raise AsteriskError("not_running", "Asterisk is not running")
        try:
            async with asyncio.timeout(_CLI_SECONDS):
                answer = await self._remote(command)
        except TimeoutError:
            raise AsteriskError("no_answer", "Asterisk does not answer its command line") from None
        if "Unable to connect to remote asterisk" in answer:
            raise AsteriskError("gone", "Asterisk is no longer running")
        return answer

    async def set_global(self, name: str, value: str) -> None:
        """Set a global variable of the dialplan at run time, for the next call.

        Raises:
            ValueError: a character that Asterisk's command line does not support.
            AsteriskError: Asterisk does not answer.
        """
        if not name.isidentifier() or re.search(r'["\\\n\r]', value):
            raise ValueError(f"cannot set the variable {name}")
        await self.cli(f'dialplan set global {name} "{value}"')

    async def channels(self) -> int:
        """Return the number of channels: two for a caller who talks to somebody."""
        answer = await self.cli("core show channels count")
        found = re.search(r"(?<!\d)(\d+) active channel", answer)
        return int(found[1]) if found else 0

    async def missing_for_browsers(self) -> list[str]:
        """Return the modules that telephones in browsers need and this Asterisk does not run."""
        answer = await self.cli("module show")
        return [name for name in webrtc.MODULES if name not in answer]

    async def uniqueid_of(self, call_id: str) -> str | None:
        """Return the unique id of a browser's call by its SIP Call-ID; None: it has not come.

        Raises:
            AsteriskError: Asterisk does not answer.
        """
        return webrtc.uniqueid_in(await self.cli("dialplan show globals"), call_id)

    async def _remote(self, command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            str(self._installed.binary),
            "-C",
            str(self._main_file),
            "-rx",
            command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            output, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()  # reads the pipes to their end, which closes them
        return (output + complaint).decode(errors="replace")

    def _not_started(self) -> AsteriskError:
        return AsteriskError("not_started", f"Asterisk did not start: {self._last_output()}")

    def _last_output(self) -> str:
        for name in ("console.log", "messages.log"):
            with suppress(OSError):
                lines = (self.directory / "log" / name).read_text(errors="replace").splitlines()
                if lines:
                    return lines[-1]
        return "no output"

    # ---- its files

    @property
    def _main_file(self) -> Path:
        return self.directory / "etc" / "asterisk.conf"

    def _write(self) -> None:
        etc = self.directory / "etc"
        for name in (
            "etc",
            "run",
            "log",
            "spool",
            "lib/keys",
            "cache",
            "log/cdr-custom",
            "log/cel-custom",
        ):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        shipped = [*share_path("asterisk-conf").glob("*.conf")]
        for file in (*shipped, share_path("dialplan") / "agi-bridge.conf"):
            shutil.copyfile(file, etc / file.name)
        rtp = _section("general", rtpstart=str(self._rtp_ports[0]), rtpend=str(self._rtp_ports[1]))
        files, dialplan = dict(self._files), self._dialplan
        if self.web is not None:
            rtp += webrtc.RTP
            dialplan += webrtc.DIALPLAN
            files["http_local.conf"] = self.web.conf()
            files["modules_local.conf"] = files.get("modules_local.conf", "") + webrtc.LOADS
        for name, text in {
            "asterisk.conf": self._directories(),
            "pjsip_local.conf": self._pjsip(),
            "rtp_local.conf": rtp,
            "logger_local.conf": "[logfiles](+)\nverbose.log = notice,warning,error,verbose(3)\n",
            "extensions_local.conf": _section("globals", **self._globals) + dialplan + "\n",
            **files,
        }.items():
            (etc / name).write_text(text)
            (etc / name).chmod(0o600)  # they contain passwords

    def _directories(self) -> str:
        here = self.directory
        places = {
            "astetcdir": here / "etc",
            "astmoddir": self._installed.modules,
            "astvarlibdir": here / "lib",
            "astdbdir": here / "lib",
            "astkeydir": here / "lib",
            "astdatadir": self._installed.data,
            "astagidir": here / "lib",
            "astspooldir": here / "spool",
            "astrundir": here / "run",
            "astlogdir": here / "log",
            "astcachedir": here / "cache",
        }
        lines = "".join(f"{name} = {path}\n" for name, path in places.items())
        return f"[directories]\n{lines}[options]\nnocolor = yes\n"

    def _pjsip(self) -> str:
        parts = [_section("transport-udp", bind=f"{self.sip[0]}:{self.sip[1]}")]
        parts.append(_section("trunk-aor", contact=f"sip:{self.trunk[0]}:{self.trunk[1]}"))
        if self._browsers:
            parts.append(webrtc.TRANSPORT)
        for name, password in self.accounts.items():
            parts.append(f"[{name}](account-endpoint)\nauth = {name}-auth\naors = {name}\n")
            if name in self._browsers:
                parts.append(self._browsers[name].pjsip())
            parts.append(f"[{name}-auth](account-auth)\n")
            parts.append(f"username = {name}\npassword = {password}\n")
            parts.append(f"[{name}](account-aor)\n")
        return "".join(parts)


def _section(name: str, **values: str) -> str:
    """Return an addition to a section of a shipped file."""
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    return f"[{name}](+)\n{lines}"
