"""A console over a real socket, without a service behind it."""

from __future__ import annotations

import asyncio
import html
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx

from agi_bridge.app.speech import inspect_lines
from agi_bridge.console import ConsoleServer, Live, hash_password
from agi_bridge.console.passwords import PasswordCheck
from agi_bridge.history import open_history
from agi_bridge.speech import SHIPPED
from tests.support import call_env
from tests.support.statuses import Pretended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.console import Exported
    from agi_bridge.history import HistoryReader
    from agi_bridge.prompts import LinePrompts
    from agi_bridge.settings import Settings

PASSWORD: Final = "correct horse battery"
HASH: Final = hash_password(PASSWORD)
NOBODY: Final[Mapping[str, Any]] = {"enabled": True, "port": 0, "sign_in": "none"}
"""`[console]` of everybody on this machine, who may only look."""
ANYBODY: Final[Mapping[str, Any]] = {**NOBODY, "role": "act"}
PEOPLE: Final[Mapping[str, Any]] = {
    "enabled": True,
    "port": 0,
    "users": [
        {"name": "alice", "role": "act", "password_hash": HASH},
        {"name": "bob", "role": "look", "password_hash": HASH},
    ],
}
LIVE_ID: Final = "0123456789abcd"


def live_call(**values: Any) -> dict[str, Any]:
    """A call in progress, as the history describes it."""
    began = "2026-11-27T01:00:00.000Z"
    return {
        "id": LIVE_ID,
        "uniqueid": "1795413525.18",
        "line": "shop",
        "begun": began,
        "seconds": 3.0,
        "step": "disclosure",
        "step_seconds": 2.0,
        "step_began": began,
        "language": "en",
        "caller": "+1***00",
        "consent": None,
        **values,
    }


@dataclass
class FakeService:
    """What the console asks, answered by a test."""

    settings: Settings
    pretended: Pretended = field(default_factory=Pretended)
    calls: list[dict[str, Any]] = field(default_factory=list)
    timelines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    kept: Ledger | None = None
    reloads: list[Mapping[str, Any]] = field(default_factory=list)
    answer: Mapping[str, Any] = field(
        default_factory=lambda: {"outcome": "unchanged", "faults": [], "restart": []}
    )
    report: Mapping[str, Any] | None = None
    exported: Exported | None = None
    problems: list[str | None] = field(default_factory=list)

    async def live(self, calls: Collection[str] = ()) -> Live:
        known = {each["id"]: each for each in self.calls}
        timelines = {
            name: {**known[name], "timeline": self.timelines.get(name, [])}
            if name in known
            else None
            for name in calls
        }
        return Live(self.pretended.status.document(), list(self.calls), timelines)

    def report_problem(self, problem: str | None) -> None:
        self.problems.append(problem)

    def number_key(self, number: str) -> str:
        return f"key of {len(number)}"

    async def reload(self) -> Mapping[str, Any]:
        self.reloads.append(self.answer)
        return self.answer

    async def export(self, consent_id: str, name: str) -> Exported:
        del consent_id, name
        assert self.exported is not None
        return self.exported

    def prompts(self, line: str) -> LinePrompts:
        (found,) = inspect_lines(self.settings, [self.settings.lines[line]])
        return found

    def doctor_report(self) -> Mapping[str, Any] | None:
        return self.report

    def history(self) -> AbstractContextManager[HistoryReader]:
        return open_history(self.settings.state_dir, running=True)

    async def ledger(self) -> Ledger:
        assert self.kept is not None
        return self.kept

    async def recording(self, line: str, language: str, name: str) -> Path | None:
        file = SHIPPED / language / f"{name}.wav"
        return file if line in self.settings.lines and file.exists() else None


def settings(folder: Path, console: Mapping[str, Any] = NOBODY, **line: Any) -> Settings:
    return call_env.settings(folder, tables={"console": dict(console)}, **line)


@asynccontextmanager
async def serving(service: FakeService) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running console, which sends what a browser sends with its forms."""
    console = ConsoleServer(service, PasswordCheck(wrong_seconds=0))
    task = asyncio.create_task(console.run())
    try:
        async with asyncio.timeout(10):
            await console.listening.wait()
        base = f"http://127.0.0.1:{console.port}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            client.headers["Origin"] = base
            yield client
    finally:
        task.cancel()
        await asyncio.wait({task})


async def sign_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/sign-in", data={"name": name, "password": password, "next": "/"})


async def turned(client: httpx.AsyncClient, path: str, link: str) -> list[tuple[str, list[str]]]:
    """A list's page and all that a link leads to: the address, and the ids of what is shown."""
    found = []
    while path:
        text = (await client.get(path)).text
        found.append((path, re.findall(r'"began"><a href="/[a-z]+/([^"]+)"', text)))
        more = re.search(rf'href="([^"]+)">{link}', text)
        path = "" if more is None else html.unescape(more[1])
    return found
