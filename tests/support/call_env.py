"""Everything behind one test call except Asterisk: settings, ledger, hook client, prompts.

async def test_something(call_env: CallEnv) -> None:
    call = await call_env("4155550123,1")
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app.build import hook_client
from agi_bridge.call import CallHandler, Services
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys, generate_keys
from agi_bridge.history import History
from agi_bridge.settings import Settings
from agi_bridge.speech import SHIPPED, Library

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from agi_bridge.agi.testing import CallRecord, KeysBySound
    from agi_bridge.consent import StoredEvent
    from agi_bridge.hook.testing import FakeHook
    from agi_bridge.settings import Line

DID = "+14155550111"
KEY = "a73d5034210f702515128ac61193cd21"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""What signs webhooks."""
WEBHOOK = {"kind": "webhook", "signing_secret": {"env": "SIGNING"}}
"""The table [hook] of a line whose hook is a webhook."""
NUMBER = "+14155550123"
AGREES = "4155550123,1"
"""Keys `NUMBER` and agrees."""
FORWARD = "PJSIP/+14155550199@trunk"
"""What the fake hook's answer has the line dial."""
DEFAULT = "PJSIP/100"
"""The line's default destination."""
AGREEMENT = ["disclosed", "entered", "confirmed", "submitting"]
"""The states up to a submission."""


def settings(
    state_dir: Path | None = None,
    hook: str | None = None,
    tables: dict[str, Any] | None = None,
    **line: Any,
) -> Settings:
    """A configuration of one line called `shop`; `tables` are further tables of the file."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(toml(state_dir, hook, tables, **line))
        file.flush()
        return Settings.load(Path(file.name), {"SHOP_KEY": KEY, "SIGNING": SECRET})


def toml(
    state_dir: Path | None = None,
    hook: str | None = None,
    tables: dict[str, Any] | None = None,
    **line: Any,
) -> str:
    """The text of that configuration; the key is in the variable SHOP_KEY."""
    table: dict[str, Any] = {
        "did": [DID],
        "business_number": DID,
        "hook_key": {"env": "SHOP_KEY"},
        "brand": "Example Store",
        "dial_template": "PJSIP/{number}@trunk",
        "default": {"kind": "dial", "destination": DEFAULT},
        **line,
    }
    values: dict[str, Any] = {
        "state_dir": str(state_dir or "/nonexistent"),
        "agi": {"port": 0},
        "status": {"port": 0},
        "lines": {"shop": table},
        **(tables or {}),
    }
    if hook is not None:
        values["hook"] = {"url": hook, **values.get("hook", {})}
    return "\n".join(_toml(values))


def line(**values: Any) -> Line:
    """The line of `settings`."""
    return settings(**values).lines["shop"]


def _toml(table: dict[str, Any], path: str = "") -> list[str]:
    lines = [f"[{path}]"] if path else []
    lines += [f"{k} = {_value(v)}" for k, v in table.items() if not isinstance(v, dict)]
    for key, inner in table.items():
        if isinstance(inner, dict):
            lines += _toml(inner, f"{path}.{key}" if path else key)
    return lines


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_value(inner)}' for key, inner in value.items())}}}"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


@cache
def shipped_milliseconds(path: str) -> int | None:
    """The length of a shipped prompt, or a second for the PBX's own sounds."""
    if not path.startswith(f"{SHIPPED}/"):
        return 1000
    language, _, name = path.removeprefix(f"{SHIPPED}/").partition("/")
    library = Library(cache=SHIPPED)
    return -(-library.prompt(name, language).samples // 8)


class CallEnv:
    """Places one call to a handler with everything real behind it."""

    def __init__(self, state_dir: Path, fake_hook: FakeHook, parts: AsyncExitStack) -> None:
        self.fake_hook = fake_hook
        self.ledger: Ledger
        self.keys: Keys = generate_keys()
        self.parts = parts
        self.state_dir = state_dir
        self.where: Path | str = state_dir / "consents.db"
        self.services: Services
        self.history = History()

    async def open(self) -> None:
        self.ledger = await self.parts.enter_async_context(await Ledger.open(self.where, self.keys))

    async def handler(self, tables: dict[str, Any] | None = None, **line: Any) -> CallHandler:
        return await self.handler_of(settings(self.state_dir, self.fake_hook.url, tables, **line))

    async def handler_of(self, configured: Settings) -> CallHandler:
        hook = await self.parts.enter_async_context(hook_client(configured))
        library = Library(cache=configured.speech_cache)
        self.services = Services(
            configured, library, self.ledger, hook, configured.sha256, history=self.history
        )
        return CallHandler(self.services)

    async def __call__(
        self,
        keys: str | KeysBySound,
        line: dict[str, Any] | None = None,
        *,
        path: str = "consent?to=%2B14155550111&attestation=A",
        **pbx: Any,
    ) -> CallRecord:
        pbx.setdefault("sounds", shipped_milliseconds)
        fake = FakeAsterisk(keys=keys, **pbx)
        call = await fake.run(await self.handler(**(line or {})), path)
        assert call.protocol_violations == []
        return call

    async def events(self) -> list[StoredEvent]:
        return await self.ledger.events()

    async def states(self) -> list[str]:
        return [event.type.value for event in await self.ledger.events()]


def dialled(call: CallRecord) -> list[str]:
    """The destinations dialled, in order."""
    return [dial.destination for dial in call.dialled]


def prompts_heard(call: CallRecord) -> list[str]:
    """What the caller heard, without folders; not the pauses, nor the search for digits."""
    heard = [each.name for each in call.heard if not each.name.endswith("/digits/0")]
    heard = [name for name in heard if not name.startswith("silence/")]
    return [name.rpartition("/")[2] for name in heard]
