"""Secrets: where they come from, and that they are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import Secret, SettingsError
from tests.support.settings_texts import KEY, shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.settings import (
        Settings,
    )


def test_a_key_is_read_from_a_file_without_the_white_space_around_it(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n", encoding="utf-8")
    settings = load(shop(hook_key=f'{{file = "{tmp_path}/key"}}'))
    assert settings.lines["shop"].secret() == KEY


def test_a_key_is_a_credential_that_systemd_passes(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "shop.key").write_text(f"{KEY}\n", encoding="utf-8")
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    settings = load(shop(hook_key='{credential = "shop.key"}'), **given)
    assert settings.lines["shop"].secret() == KEY


def test_a_credential_that_the_unit_does_not_have_is_a_fault(
    faults: Callable[..., list[str]], tmp_path: Path
) -> None:
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    (line,) = faults(shop(hook_key='{credential = "shop.key"}'), **given)
    assert line.startswith("lines.shop.hook_key: the credential shop.key cannot be read (No such")
    assert "LoadCredential=shop.key:/path" in line


def test_a_key_in_the_environment_replaces_its_place_in_the_file(
    load: Callable[..., Settings],
) -> None:
    override = {"AGI_BRIDGE_LINES__SHOP__HOOK_KEY": "other"}
    settings = load(shop(hook_key='{file = "/nowhere"}'), **override)
    assert settings.lines["shop"].secret() == "other"


def test_a_secrets_variable_may_have_the_prefix_without_being_a_setting(
    load: Callable[..., Settings],
) -> None:
    settings = load(shop(hook_key='{env = "AGI_BRIDGE_SHOP_KEY"}'), AGI_BRIDGE_SHOP_KEY=KEY)
    assert settings.lines["shop"].secret() == KEY


def test_a_secret_is_in_no_repr_and_no_dump(load: Callable[..., Settings]) -> None:
    settings = load()
    everything = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert KEY not in everything
    assert "+14155550111" not in repr(settings)


def test_a_secret_that_was_never_loaded_is_not_given_out() -> None:
    with pytest.raises(RuntimeError):
        Secret(env="X").reveal()


def test_only_a_secrets_file_can_be_open_to_others(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    assert not Secret(env="X").open_to_others()
    assert not Secret(file=file).open_to_others()
    file.chmod(0o644)
    assert Secret(file=file).open_to_others()


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (f'"{KEY}"', "line.hook_key.plain_secret"),
        ('{env = "A", file = "/b"}', "line.hook_key.choice"),
        ('{env = "A", credential = "b"}', "line.hook_key.choice"),
        ("{}", "line.hook_key.choice"),
        ('{credential = "key"}', "line.hook_key.unavailable"),
        ('{credential = "../key"}', "line.hook_key.credential.name"),
        ('{credential = ".."}', "line.hook_key.credential.name"),
        ('{envv = "A"}', "line.hook_key.envv.unknown"),
        ('{env = "GONE"}', "line.hook_key.unavailable"),
        ('{env = "BLANK"}', "line.hook_key.unavailable"),
        ('{env = "WORDS"}', "line.hook_key.unavailable"),
        ('{file = "/dev/null"}', "line.hook_key.unavailable"),
        ('{file = "/gone"}', "line.hook_key.unavailable"),
        ('{file = "/"}', "line.hook_key.unavailable"),
        ('{file = "relative"}', "line.hook_key.file.invalid"),
    ],
)
def test_a_key_that_is_not_available_is_refused_and_never_shown(
    load: Callable[..., Settings], place: str, code: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(shop(hook_key=place), BLANK=" \n", WORDS=f"{KEY} {KEY}")
    assert [fault.code for fault in refused.value.faults] == [code]
    assert KEY not in str(refused.value)


def test_a_key_file_that_is_not_a_text_is_refused(
    codes: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"\x89PNG\xff")
    found = codes(shop(hook_key=f'{{file = "{tmp_path}/key"}}'))
    assert found == ["line.hook_key.unavailable"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_key_file_that_notepad_or_powershell_wrote_is_read(
    load: Callable[..., Settings], tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "key").write_bytes(f"{KEY}\r\n".encode(encoding))
    settings = load(shop(hook_key=f'{{file = "{tmp_path}/key"}}'))
    assert settings.lines["shop"].secret() == KEY
