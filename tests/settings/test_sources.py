"""Files, pipes and variables: what is read, and the codes of what cannot be."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import (
    Settings,
    SettingsError,
    sources,
)
from tests.support.settings_texts import KEY, SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("[hok]\n", "hok: is not a setting; did you mean hook?"),
        ("[agi]\nprot = 1\n", "agi.prot: is not a setting; did you mean agi.port?"),
        ("method = 'GET'\n", "method: is not a setting; did you mean hook.method?"),
        ("zzz = 1\n", "zzz: is not a setting; remove it"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(
    faults: Callable[..., list[str]], wrong: str, meant: str
) -> None:
    assert faults(wrong + SHOP) == [meant]


def test_an_unknown_key_on_a_line_is_refused_with_the_one_that_was_meant(
    faults: Callable[..., list[str]],
) -> None:
    assert faults(shop(rings_seconds="20")) == [
        "lines.shop.rings_seconds: is not a setting; did you mean lines.shop.ring_seconds?"
    ]
    assert faults(shop(name='"x"')) == ["lines.shop.name: is not a setting; remove it"]


@pytest.mark.parametrize("name", ["Shop", "main__shop", '"main shop"', "1st"])
def test_a_lines_name_must_fit_a_variables_name(codes: Callable[..., list[str]], name: str) -> None:
    (code,) = codes(SHOP.replace("lines.shop", f"lines.{name}"))
    assert code.endswith(".invalid")


def test_a_misspelt_variable_is_a_fault(faults: Callable[..., list[str]]) -> None:
    lines = faults(AGI_BRIDGE_HOOK__TOTAL_SECOND="5", AGI_BRIDGE_STATEDIR="/x")
    assert lines == [
        "hook.total_second: is not a setting; did you mean hook.total_seconds?",
        "statedir: is not a setting; did you mean state_dir?",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("AGI_BRIDGE_LINES__SHOP__DID", '["+1', "line.did.json"),
        ("AGI_BRIDGE_LINES__SHOP__DEFAULT", "{kind", "line.default.json"),
        ("AGI_BRIDGE_LINES__SHOP__HOOK_KEY", "{env", "line.hook_key.json"),
        ("AGI_BRIDGE_SPEECH__ENGINES", "[x", "speech.engines.json"),
        ("AGI_BRIDGE_LEDGER__CHECKPOINTS__COMMAND", "log 'x", "ledger.checkpoints.command.quotes"),
        ("AGI_BRIDGE_LINES", "x", "lines.type"),
        ("AGI_BRIDGE_AGI", "x", "agi.type"),
        ("AGI_BRIDGE_LINES__SHOP", "x", "line.type"),
    ],
)
def test_a_variable_that_cannot_be_read_is_a_fault(
    codes: Callable[..., list[str]], variable: str, value: str, code: str
) -> None:
    assert code in codes(**{variable: value})


def test_all_faults_come_at_once_also_those_between_tables(
    faults: Callable[..., list[str]],
) -> None:
    text = (
        'fallback_line = "gone"\n[agi]\nport = 70000\n[hook]\nmethod = "PUT"\n'
        + shop(dial_template='"PJSIP/x"', hook_key='{env = "GONE"}')
        + SHOP.replace("shop", "second").replace("SHOP_KEY", "LOST")
        + SHOP.replace("shop", "third")
    )
    keys = [line.partition(":")[0] for line in faults(text)]
    assert keys == [
        "agi.port",
        "fallback_line",
        "hook.method",
        "lines.second.hook_key",
        "lines.shop.dial_template",
        "lines.shop.hook_key",
        "lines.third.did",
    ]


def test_a_faulty_token_is_listed_although_its_table_is_faulty_too(
    faults: Callable[..., list[str]],
) -> None:
    lines = faults(
        '[agi]\nport = -1\ntoken = {env = "GONE"}\n[speech]\nbudget_seconds = 0\n'
        '[ledger]\nvault_key = {file = "/gone"}\npassword = {}\n' + SHOP
    )
    assert [line.partition(":")[0] for line in lines] == [
        "agi.port",
        "agi.token",
        "ledger.password",
        "ledger.vault_key",
        "speech.budget_seconds",
    ]


def test_a_configuration_without_lines_is_refused(codes: Callable[..., list[str]]) -> None:
    assert codes('fallback_line = "shop"') == ["lines.missing"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"did = ", "toml"),
        (b"a = 1\na = 2", "toml"),
        (b"brand = '\xff'", "encoding"),
        (b"#" * (1 << 20) + b"\n", "too_large"),
        (b"brand = 'a\0b'", "toml"),
        (b"a = " + b"9" * 5000, "toml"),
        (b"a = " + b"[" * 900, "toml"),
        (b"a = " + b"[" * 30 + b"]" * 30, "toml"),
        (b"a = " + b"{a=" * 900, "toml"),
        (b".".join([b"lines"] * 900) + b" = 1", "toml"),
        (b"[lines." + b".".join([b"a"] * 900) + b"]\nhook_key = 1", "toml"),
    ],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        Settings.load(file, {})
    assert [(fault.key, fault.reason) for fault in raised.value.faults] == [(str(file), reason)]
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("path", ["/", "/dev/zero", "/dev/full", "/dev/null/x"])
def test_a_folder_or_device_is_refused(path: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(Path(path), {})
    assert [(fault.key, fault.reason) for fault in raised.value.faults] == [(path, "unreadable")]


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=("statedir = 1",))
    writing.start()
    with pytest.raises(SettingsError) as raised:
        Settings.load(pipe, {})
    assert "statedir.unknown" in [fault.code for fault in raised.value.faults]
    writing.join()


def test_a_variable_of_endless_parts_is_refused() -> None:
    name = "AGI_BRIDGE_" + "__".join(["A"] * 900)
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {name: "1"})
    assert [fault.code for fault in raised.value.faults] == ["configuration.toml"]


def test_json_of_endless_brackets_is_refused(codes: Callable[..., list[str]]) -> None:
    assert codes(AGI_BRIDGE_AGI__ALLOW="[" * 100_000) == ["agi.allow.json"]


def test_without_any_configuration_the_path_is_named_that_was_looked_for() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {})
    first = raised.value.faults[0]
    assert (first.key, first.reason) == ("/etc/agi-bridge/agi-bridge.toml", "unreadable")


def test_an_environment_that_has_lines_needs_no_file() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {"AGI_BRIDGE_LINES__SHOP__BRAND": "Example Store"})
    assert "unreadable" not in {fault.reason for fault in raised.value.faults}


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(tmp_path / "gone.toml", {})
    assert [fault.reason for fault in raised.value.faults] == ["unreadable"]


def test_a_pipe_that_nobody_writes_to_is_not_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_FIFO_SECONDS", 0.0)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError) as refused:
        Settings.load(tmp_path / "pipe", {})
    assert [fault.reason for fault in refused.value.faults] == ["unreadable"]


def test_a_pipe_with_a_writer_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(SHOP, "utf-8-sig"))
    writer.start()
    assert list(Settings.load(pipe, {"SHOP_KEY": KEY}).lines) == ["shop"]
    writer.join()
