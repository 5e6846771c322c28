"""Every setting: what a start reads, a reload reads again, or it is named as waiting for a restart.

Reads are counted where they happen. So a setting that only a start uses, and that a reload would
call "reloaded" without an effect, is found when it is made.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.app import service
from agi_bridge.settings import Settings, keep_fixed
from agi_bridge.settings.restart import FIXED
from agi_bridge.settings.sections import Section
from tests.support.call_env import KEY, toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from agi_bridge.hook.testing import FakeHook
    from tests.support.captured_log import Log

LATER: Final = {
    "hook.breaker_seconds": "an unchanged [hook] keeps its breaker, a changed one gets another",
    "web.instaply_api_token": "each look-up asks the services in force",
}
"""Settings that a start reads, and that are in force after a reload all the same."""


def models(model: type[Section], prefix: str = "") -> Iterator[tuple[type[Section], str]]:
    """Each table of the configuration that there is once, with the beginning of its keys."""
    yield model, prefix
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from models(kind, f"{prefix}{name}.")


PREFIXES: Final = dict(models(Settings))


class Reads:
    """The settings that are read while a block runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: set[str] | None = None

        def get(model: Section, name: str) -> Any:
            prefix = PREFIXES.get(type(model))
            if self.names is not None and prefix is not None and name in type(model).model_fields:
                self.names.add(prefix + name)
            return object.__getattribute__(model, name)

        monkeypatch.setattr(Section, "__getattribute__", get)

    @contextmanager
    def recorded(self) -> Iterator[set[str]]:
        self.names = names = set[str]()
        yield names
        self.names = None


def is_fixed(name: str) -> bool:
    return any(name == fixed or name.startswith(f"{fixed}.") for fixed in FIXED)


async def test_what_only_a_start_reads_is_fixed(
    tmp_path: Path,
    fake_hook: FakeHook,
    written: Log,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port_factory: Any,
) -> None:
    del written
    (tmp_path / "token").write_text("word")
    token = {"file": str(tmp_path / "token")}
    tables = {
        "agi": {"token": token, "cdr_field": "userfield"},
        "web": {"port": unused_tcp_port_factory(), "token": token},
        "status": {"enabled": True, "port": unused_tcp_port_factory(), "token": token},
        "speech": {"delivery": "http", "url": "http://127.0.0.1:4580"},
        "history": {"days": 3},
    }
    file = tmp_path / "agi-bridge.toml"
    file.write_text(toml(tmp_path / "state", fake_hook.url, tables))

    def load() -> Settings:
        return Settings.load(file, {"SHOP_KEY": KEY})

    reads, first = Reads(monkeypatch), await asyncio.to_thread(load)
    running = service.running(first, load=load)
    with reads.recorded() as at_start:
        bridge = await running.__aenter__()
    try:
        second, _ = keep_fixed(await asyncio.to_thread(load), first)
        with reads.recorded() as at_reload:
            await bridge._apply(second)
    finally:
        await running.__aexit__(None, None, None)
    tables_read = {prefix.removesuffix(".") for prefix in PREFIXES.values()}
    only = {name for name in at_start - at_reload - tables_read if not is_fixed(name)}
    assert at_start > {"agi.port", "speech.url", "hook.url"}
    assert only == LATER.keys()


def test_every_name_that_is_fixed_is_a_setting_or_a_table() -> None:
    known = {prefix.removesuffix(".") for prefix in PREFIXES.values()}
    known |= {prefix + name for model, prefix in PREFIXES.items() for name in model.model_fields}
    assert set(FIXED) <= known
