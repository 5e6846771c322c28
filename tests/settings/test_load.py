"""What is read, and from where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from agi_bridge.settings import (
    DialDefault,
    DialplanDefault,
    HangupDefault,
    SayDefault,
    Settings,
    SettingsError,
    find_state_dir,
)
from agi_bridge.settings.sources import read_environment
from tests.support.settings_texts import KEY, SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_minimal_line_gets_every_default(load: Callable[..., Settings]) -> None:
    settings = load()
    line = settings.lines["shop"]
    assert (line.name, line.legal_name, line.languages) == ("shop", "Example Store", ("en",))
    assert (line.ring_seconds, line.talk_seconds, line.dial) == (30, 7200, "exec")
    assert line.default == DialDefault(kind="dial", destination="PJSIP/100")
    assert (settings.agi.host, settings.agi.port, settings.agi.allow) == ("127.0.0.1", 4573, ())
    assert settings.agi.secret() is None
    assert settings.speech_cache == Path("/var/lib/agi-bridge/speech")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{kind = "dialplan", context = "main"}', DialplanDefault),
        ('{kind = "say", prompt = "goodbye"}', SayDefault),
        ('{kind = "hangup"}', HangupDefault),
        ('{kind = "dial", destination = "PJSIP/100&PJSIP/101"}', DialDefault),
    ],
)
def test_callers_can_be_sent_to_four_kinds_of_default(
    load: Callable[..., Settings], text: str, kind: type
) -> None:
    assert isinstance(load(shop(default=text)).lines["shop"].default, kind)


def test_the_environment_wins_over_the_file(load: Callable[..., Settings]) -> None:
    settings = load(
        'state_dir = "/a"\n[hook]\nmethod = "GET"\ntotal_seconds = 5\n' + SHOP,
        AGI_BRIDGE_STATE_DIR="/b",
        AGI_BRIDGE_HOOK__TOTAL_SECONDS="6.5",
        AGI_BRIDGE_HOOK__KEEPALIVE="true",
        AGI_BRIDGE_LINES__SHOP__BRAND="Corner Shop",
        AGI_BRIDGE_LINES__SHOP__LANGUAGES="fr, en",
        AGI_BRIDGE_LINES__SHOP__REGIONS='["FR", "US"]',
        AGI_BRIDGE_LINES__SHOP__CONSENT__ENTRY_TRIES="2",
        AGI_BRIDGE_LINES__SHOP__DEFAULT='{"kind": "hangup"}',
    )
    line = settings.lines["shop"]
    assert (settings.state_dir, settings.hook.method) == (Path("/b"), "GET")
    assert (settings.hook.total_seconds, settings.hook.keepalive) == (6.5, True)
    assert (line.brand, line.languages, line.regions) == (
        "Corner Shop",
        ("fr", "en"),
        ("FR", "US"),
    )
    assert line.consent.entry_tries == 2
    assert line.default == HangupDefault(kind="hangup")


def test_a_whole_configuration_can_come_from_the_environment() -> None:
    environ = {
        "AGI_BRIDGE_LINES__SHOP__DID": "+14155550111",
        "AGI_BRIDGE_LINES__SHOP__BUSINESS_NUMBER": "+14155550111",
        "AGI_BRIDGE_LINES__SHOP__HOOK_KEY": KEY,
        "AGI_BRIDGE_LINES__SHOP__BRAND": "Example Store",
        "AGI_BRIDGE_LINES__SHOP__DIAL_TEMPLATE": "PJSIP/{number}@trunk",
        "AGI_BRIDGE_LINES__SHOP__DEFAULT__KIND": "hangup",
        "AGI_BRIDGE_AGI__TOKEN": "word",
        "AGI_BRIDGE_CACHE": "/another/tool's",
        "PATH": "/bin",
    }
    settings = Settings.load(None, environ)
    assert settings.lines["shop"].secret() == KEY
    assert settings.agi.secret() == "word"


def test_a_key_in_a_table_wins_over_a_variable_for_the_whole_table() -> None:
    environ = {"AGI_BRIDGE_LINES": "x", "AGI_BRIDGE_LINES__SHOP__BRAND": "B"}
    assert read_environment(environ) == {"lines": {"shop": {"brand": "B"}}}


def test_nothing_can_be_changed_after_loading(load: Callable[..., Settings]) -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.state_dir = Path("/x")
    with pytest.raises(ValidationError):
        settings.lines["shop"].brand = "x"


def test_the_ambient_environment_does_not_slip_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", "/ambient")
    monkeypatch.setenv("FALLBACK_LINE", "ambient")
    assert Settings().fallback_line is None


def test_who_needs_only_the_ledger_need_not_have_the_hooks_key(tmp_path: Path) -> None:
    file = tmp_path / "agi-bridge.toml"
    file.write_text(
        '[ledger]\nurl = "postgresql://u@h/d"\npassword = {env = "PASSWORD"}\n'
        '[lines.shop]\ndid = "100"\nbusiness_number = "+14155550111"\nhook_key = {env = "KEY"}\n'
        'brand = "B"\ndial_template = "PJSIP/{number}@t"\ndefault = {kind = "hangup"}\n'
    )
    with pytest.raises(SettingsError, match="hook_key"):
        Settings.load(file, {"PASSWORD": "p"})
    Settings.load(file, {"PASSWORD": "p"}, secrets="ledger.")
    with pytest.raises(SettingsError, match=r"ledger\.password"):
        Settings.load(file, {"KEY": "k"}, secrets="ledger.")


def test_the_state_directory_is_found_in_a_configuration_that_is_otherwise_wrong(
    tmp_path: Path,
) -> None:
    file = tmp_path / "agi-bridge.toml"
    file.write_text('state_dir = "/a"\nnonsense = 5\n[lines.shop]\nhook_key = "secret"\n')
    assert find_state_dir(file, {}) == Path("/a")
    assert find_state_dir(file, {"AGI_BRIDGE_STATE_DIR": "/b"}) == Path("/b")
    file.write_text("[hook]\n")
    assert find_state_dir(file, {}) == Path("/var/lib/agi-bridge")


@pytest.mark.parametrize(
    ("text", "code"), [('state_dir = "here"', "state_dir"), ("not toml", "agi-bridge.toml")]
)
def test_a_state_directory_that_cannot_be_told_is_a_fault(
    tmp_path: Path, text: str, code: str
) -> None:
    file = tmp_path / "agi-bridge.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        find_state_dir(file, {})
    assert [fault.key.rpartition("/")[2] for fault in caught.value.faults] == [code]
