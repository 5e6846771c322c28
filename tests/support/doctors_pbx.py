"""A PBX for the doctor: an Asterisk with a manager account, and ways to break it while it runs."""

from __future__ import annotations

import json
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agi_bridge.app.doctor import Trial
from agi_bridge.app.doctor import run as run_doctor
from agi_bridge.doctor import ARRIVE_SECONDS, AmiLimits, Id, Level, Target
from agi_bridge.lab.asterisk.server import Asterisk, share_path
from agi_bridge.net import bind
from tests.support.call_env import DID, settings
from tests.support.scripted_pbx import VERSION_2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.doctor import Report
    from agi_bridge.lab.sip.phone import SipPhone
    from agi_bridge.settings import Settings
SECRET = "x7Gh2kQ9vLmN4pRt"
LIMITED = "b8Jk3mW2zXcV5nQy"
TOKEN = "d41d8cd98f00b204e9800998"
_RELOAD = "dialplan reload"
PATIENT = AmiLimits(connect=20.0, action=20.0, session=60.0)
"""What this PBX may take: how long the doctor waits at most is tested by a clock, not here."""

DIALPLAN = """
[overrides]
exten => _[+0-9]!,1,Set(AGI_BRIDGE_URL=agi://127.0.0.1:9/consent)
 same => n,Answer()
 same => n,Wait(1)
 same => n,Goto(agi-bridge,${EXTEN},1)
[never-arrives]
exten => _[+0-9]!,1,Ringing()
 same => n,Wait(60)
[keeps-the-call]
exten => _[+0-9]!,1,Gosub(agi-bridge-ask,s,1(${EXTEN}))
 same => n,Wait(60)
[loses-the-number]
exten => _[+0-9]!,1,Gosub(agi-bridge-ask,s,1())
 same => n,Hangup()
[own-fallback]
exten => _[+0-9]!,1,Set(AGI_BRIDGE_FALLBACK_GOTO=rings,s,1)
 same => n,Goto(agi-bridge,${EXTEN},1)
[own-bridge]
exten => _[+0-9]!,1,Set(AGI_BRIDGE_URL=${OWN_URL})
 same => n,Set(AGI_BRIDGE_URL_2=${OWN_URL})
 same => n,Set(AGI_BRIDGE_FALLBACK_GOTO=rings,s,1)
 same => n,Goto(agi-bridge,${EXTEN},1)
[own-handler]
exten => _[+0-9]!,1,Gosub(agi-bridge-ask,s,1(${EXTEN}))
 same => n,GotoIf($["${AGI_BRIDGE_RESULT}" = "hangup"]?end)
 same => n,Dial(PJSIP/100,2)
 same => n(end),Hangup()
[rings]
exten => s,1,Dial(PJSIP/100,2)
[has-no-token]
exten => _[+0-9]!,1,AGI(${AGI_BRIDGE_URL}?to=${URIENCODE(${EXTEN})})
 same => n,Hangup()
"""


class Surgery:
    """The PBX, the configuration that fits it, and ways to break both."""

    def __init__(
        self, asterisk: Asterisk, ami_port: int, folder: Path, data: Path, bridge_port: int
    ) -> None:
        self.asterisk = asterisk
        self.ami_port = ami_port
        self.folder = folder
        self.data = data
        self.bridge_port = bridge_port
        self.phones: dict[str, SipPhone] = {}
        self.url = f"agi://127.0.0.1:{bridge_port}/consent"

    def settings(self, tables: dict[str, dict[str, Any]] | None = None, **line: Any) -> Settings:
        secret = self.folder / "ami.secret"
        secret.write_text(SECRET)
        ami = {"port": self.ami_port, "secret": {"file": str(secret)}}
        given = dict(tables or {})
        return settings(
            self.folder,
            tables={
                **given,
                "ami": {**ami, **given.get("ami", {})},
                "agi": {"port": self.bridge_port, **given.get("agi", {})},
            },
            **{"default": {"kind": "dial", "destination": "PJSIP/200"}, **line},
        )

    async def look(
        self,
        given: Settings | None = None,
        *,
        call: str = "",
        load: int = 0,
        arrive_seconds: float = ARRIVE_SECONDS,
        host: str = "127.0.0.1",
        synchronised: bool = True,
        environ: dict[str, str] | None = None,
    ) -> Report:
        target = Target(*call.split("@")) if call else None
        return await run_doctor(
            given or self.settings(),
            environ or {},
            local=list,
            trial=None
            if target is None
            else Trial(target, load, host, arrive_seconds=arrive_seconds),
            limits=PATIENT,
            synchronised=lambda: synchronised,
        )

    @asynccontextmanager
    async def edited(self, name: str, old: str, new: str, reload: str) -> AsyncIterator[None]:
        """Replace text in a configuration file and reload; take it back in the end."""
        file = self.asterisk.directory / "etc" / name
        before = file.read_text()
        assert old in before
        file.write_text(before.replace(old, new, 1))
        await self.asterisk.cli(reload)
        try:
            yield
        finally:
            file.write_text(before)
            await self.asterisk.cli(reload)

    @asynccontextmanager
    async def version_2(self) -> AsyncIterator[None]:
        """Give the PBX the dialplan that did not know test calls."""
        file = self.asterisk.directory / "etc" / "agi-bridge.conf"
        async with self.edited(file.name, file.read_text(), VERSION_2.read_text(), _RELOAD):
            yield

    @asynccontextmanager
    async def variable(self, name: str, value: str, before: str) -> AsyncIterator[None]:
        await self.asterisk.set_global(name, value)
        try:
            yield
        finally:
            await self.asterisk.set_global(name, before)


def free_tcp_port() -> int:
    (taken,) = bind("127.0.0.1", 0, "test")
    with taken:
        port: int = taken.getsockname()[1]
        return port


class DoctorsAsterisk(Asterisk):
    """An Asterisk with its own manager interface and recordings."""

    def __init__(
        self, binary: Path, data: Path, ami_port: int, freepbx: str, bridge_port: int
    ) -> None:
        ours = (share_path("dialplan") / "agi-bridge-freepbx.conf").read_text()
        super().__init__(
            binary,
            agi_url=f"agi://127.0.0.1:{bridge_port}/consent",
            accounts={"200": "p2Qw3eR4tY5u"},
            dialplan=DIALPLAN + ours.replace("#include agi-bridge.conf", "") + freepbx,
            files={
                "manager_local.conf": f"[general](+)\nenabled = yes\nport = {ami_port}\n"
                f"[agi-bridge]\nsecret = {SECRET}\nwrite = reporting,system,originate\n"
                f"[limited]\nsecret = {LIMITED}\nwrite = reporting\n",
                "logger_local.conf": "",  # a test PBX logs verbose, which is a finding
            },
        )
        shared = self._installed.data
        (data / "sounds").mkdir(parents=True)
        for each in shared.iterdir():  # with the documentation that Asterisk starts by
            if each.name != "sounds":
                (data / each.name).symlink_to(each)
        shutil.copytree(shared / "sounds" / "en", data / "sounds" / "en", symlinks=True)
        self._installed = replace(self._installed, data=data)


def wrong(report: Report) -> dict[Id, Level]:
    """The findings that are not well; none contains a secret or a whole number.

    That an old Asterisk is old is left out: these tests run on 16 too.
    """
    text = json.dumps(report.document().model_dump(mode="json"))
    for secret in (SECRET, LIMITED, TOKEN, DID, DID[1:], "p2Qw3eR4tY5u"):
        assert secret not in text
    return {
        each.id: each.level
        for each in report.findings
        if each.level is not Level.OK and (each.id, each.level) != (Id.PBX_VERSION, Level.NOTE)
    }
