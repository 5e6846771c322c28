"""What a reload puts in force, and what it says waits for a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import keep_fixed, read_at_start, same_values
from tests.support.settings_texts import KEY, SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.settings import Settings


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('state_dir = "/b"\n', "state_dir"),
        ('[agi]\nhost = "127.0.0.2"\n', "agi.host"),
        ("[agi]\nport = 4574\n", "agi.port"),
        ('[agi]\nallow = ["127.0.0.1/32"]\n', "agi.allow"),
        ('[agi]\ntoken = {env = "SHOP_KEY"}\n', "agi.token"),
        ("[ledger]\nretention_days = 5\ndetails_days = 5\n", "ledger.retention_days"),
        ("[ledger.checkpoints]\nsyslog = true\n", "ledger.checkpoints.syslog"),
        ("[web]\nport = 4999\n", "web.port"),
        ('[web]\ntoken = {env = "SHOP_KEY"}\n', "web.token"),
    ],
)
def test_what_is_fixed_stays_as_it_was_and_is_named(
    load: Callable[..., Settings], text: str, named: str
) -> None:
    running, read = load(), load(text + SHOP)
    kept, waiting = keep_fixed(read, running)
    assert named in waiting
    assert {name.split(".")[0] for name in waiting} == {named.split(".", maxsplit=1)[0]}
    assert (kept.state_dir, kept.ledger) == (running.state_dir, running.ledger)
    assert (kept.agi, kept.web.host, kept.web.port) == (
        running.agi, running.web.host, running.web.port,
    )  # fmt: skip


def test_all_else_comes_into_force(load: Callable[..., Settings]) -> None:
    running = load()
    read = load(
        '[agi]\nport = 4574\nmax_calls = 5\n[hook]\nmethod = "GET"\n' + shop(ring_seconds="20")
    )
    kept, waiting = keep_fixed(read, running)
    assert waiting == ("agi.port",)
    assert (kept.agi.port, kept.agi.max_calls, kept.hook.method) == (4573, 5, "GET")
    assert kept.lines["shop"].ring_seconds == 20
    assert kept.line_for(["+14155550111"]) is kept.lines["shop"]


def test_the_address_of_recordings_holds_until_a_restart(load: Callable[..., Settings]) -> None:
    speech = '[speech]\ndelivery = "http"\nurl = "http://192.0.2.{}:4580"\n'
    running = load(speech.format(1) + SHOP)
    kept, waiting = keep_fixed(load(speech.format(2) + SHOP), running)
    assert (kept.speech.url, waiting) == ("http://192.0.2.1:4580", ("speech.url",))
    kept, waiting = keep_fixed(load(), running)
    assert (kept.speech.delivery, kept.speech.url) == ("http", "http://192.0.2.1:4580")


def test_the_fingerprint_is_that_of_what_is_in_force(load: Callable[..., Settings]) -> None:
    running, read = load(), load("[agi]\nport = 4574\n" + SHOP)
    assert read.sha256 != running.sha256
    assert keep_fixed(read, running)[0].sha256 == running.sha256


def test_a_token_of_the_same_value_is_not_a_change(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("one")
    text = f'[agi]\ntoken = {{file = "{tmp_path}/token"}}\n' + SHOP
    running = load(text)
    assert keep_fixed(load(text), running)[1] == ()
    (tmp_path / "token").write_text("two")
    kept, waiting = keep_fixed(load(text), running)
    assert waiting == ("agi.token",)
    assert kept.agi.secret() == "one"


def test_secrets_that_only_a_start_reads_are_named(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    for name in ("token", "vault"):
        (tmp_path / name).write_text("word")
    text = (
        f'[agi]\ntoken = {{file = "{tmp_path}/token"}}\n'
        '[ledger]\nvault_key = {credential = "vault"}\n'
    )
    settings = load(text + SHOP, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert set(read_at_start(settings)) == {"ledger.vault_key", "lines.shop.hook_key"}


def test_a_key_of_another_value_is_another_configuration(load: Callable[..., Settings]) -> None:
    assert same_values(load(), load())
    assert not same_values(load(), load(SHOP_KEY=KEY[::-1]))
    assert not same_values(load(), load(shop(ring_seconds="20")))
