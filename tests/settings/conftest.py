"""Fixtures that load a TOML text, or return the faults of one that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import Settings, SettingsError
from tests.support.settings_texts import KEY, SHOP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Load a TOML text with an environment that holds the shop's key."""

    def loaded(text: str = SHOP, **environ: str) -> Settings:
        file = tmp_path / "agi-bridge.toml"
        file.write_text(text, encoding="utf-8")
        return Settings.load(file, {"SHOP_KEY": KEY, **environ})

    return loaded


@pytest.fixture
def faults(load: Callable[..., Settings]) -> Callable[..., list[str]]:
    """Load what cannot be loaded; return the lines of the refusal."""

    def refused(text: str = SHOP, **environ: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, **environ)
        return str(caught.value).splitlines()

    return refused


@pytest.fixture
def codes(load: Callable[..., Settings]) -> Callable[..., list[str]]:
    """Load what cannot be loaded; return the codes of the faults."""

    def refused(text: str = SHOP, **environ: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, **environ)
        for fault in caught.value.faults:
            assert fault.what
            assert fault.fix
        return [fault.code for fault in caught.value.faults]

    return refused
