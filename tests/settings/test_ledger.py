"""Where the ledger is, under which keys, and what listens for revocations."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from agi_bridge.settings import SettingsError
from tests.support.settings_texts import SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.settings import Settings

POSTGRESQL = "postgresql://bridge@db.example:5432/consents?sslmode=verify-full"
PASSWORD = "xyzzy:/p@ss"


def test_without_a_word_everything_is_in_the_state_directory(
    load: Callable[..., Settings],
) -> None:
    settings = load('state_dir = "/state"\n' + SHOP)
    assert settings.ledger_place == Path("/state/consents.db")
    assert settings.keys_dir == Path("/state/keys")
    assert settings.checkpoint_file == Path("/state/checkpoints.jsonl")
    assert settings.ledger.key_texts() == {"vault": None, "lookup": None, "signing": None}
    assert not settings.web.enabled
    assert (settings.web.secret(), settings.web.instaply_secret()) == (None, None)


def test_checkpoints_can_have_a_file_elsewhere(load: Callable[..., Settings]) -> None:
    settings = load('ledger = {checkpoints = {file = "/mnt/worm/c.jsonl"}}\n' + SHOP)
    assert settings.checkpoint_file == Path("/mnt/worm/c.jsonl")


def test_the_password_is_in_the_drivers_url_and_in_nothing_that_is_shown(
    load: Callable[..., Settings],
) -> None:
    settings = load(
        f'[ledger]\nurl = "{POSTGRESQL}"\npassword = {{env = "DB"}}\n{SHOP}', DB=PASSWORD
    )
    assert settings.ledger_place == POSTGRESQL.replace("bridge@", "bridge:xyzzy%3A%2Fp%40ss@")
    shown = f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert "xyzzy" not in shown
    assert "p@ss" not in shown


def test_a_database_may_need_no_password(load: Callable[..., Settings]) -> None:
    url = "postgresql:///consents?host=/run/postgresql"
    assert load(f'ledger = {{url = "{url}"}}\n{SHOP}').ledger_place == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@a.example:5432,b.example:5433/c?target_session_attrs=read-write",
        "postgresql://u@/c?host=a.example:5432&host=b.example:5433&target_session_attrs=read-write",
    ],
)
def test_several_servers_are_written_in_either_form(
    load: Callable[..., Settings], url: str
) -> None:
    place = load(f'ledger = {{url = "{url}"}}\n{SHOP}').ledger_place
    arguments = make_url(str(place)).set(drivername="postgresql+psycopg")
    [_, given] = arguments.get_dialect()().create_connect_args(arguments)
    assert given["host"] == "a.example,b.example"
    assert given["port"] == "5432,5433"
    assert given["target_session_attrs"] == "read-write"


@pytest.mark.parametrize(
    ("url", "open_"),
    [
        ("", False),
        ("postgresql:///c", False),
        ("postgresql:///c?host=/run/postgresql", False),
        ("postgresql://u@127.0.0.1/c", False),
        ("postgresql://u@[::1]:5432/c", False),
        ("postgresql://u@%2Frun%2Fpostgresql/c", False),
        ("postgresql://u@db.example/c", True),
        ("postgresql://u@db.example/c?sslmode=prefer", True),
        ("postgresql:///c?host=db.example", True),
        ("postgresql:///c?host=127.0.0.1:5432&host=db.example:5432", True),
        ("postgresql:///c?host=db.example&host=127.0.0.1", True),
        ("postgresql://u@127.0.0.1:5432,127.0.0.2:5433/c", False),
        ("postgresql://u@db.example,127.0.0.1/c", True),
        ("postgresql://u@db.example/c?sslmode=verify-full", False),
        ("postgresql://u@db.example/c?sslmode=require", False),
    ],
)
def test_a_database_elsewhere_is_known_to_need_encryption(
    load: Callable[..., Settings], url: str, *, open_: bool
) -> None:
    assert load(f'ledger = {{url = "{url}"}}\n{SHOP}').ledger.travels_open is open_


def test_keys_may_stand_elsewhere_and_have_several_lines(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----"
    (tmp_path / "signing.pem").write_text(f"{pem}\n", encoding="utf-8")
    settings = load(
        f"""
        [ledger]
        vault_key = {{env = "VAULT"}}
        signing_key = {{file = "{tmp_path}/signing.pem"}}
        {SHOP}""",
        VAULT="vvvv1 vvvv2",
        AGI_BRIDGE_LEDGER__LOOKUP_KEY="third",
    )
    assert settings.ledger.key_texts() == {
        "vault": "vvvv1 vvvv2",
        "lookup": "third",
        "signing": pem,
    }
    assert "vvvv" not in f"{settings!r} {settings.model_dump()}"


def test_a_key_that_is_far_too_long_is_refused_unshown(
    load: Callable[..., Settings],
) -> None:
    with pytest.raises(SettingsError) as refused:
        load('ledger = {vault_key = {env = "VAULT"}}\n' + SHOP, VAULT="k" * 5000)
    assert [fault.code for fault in refused.value.faults] == ["ledger.vault_key.unavailable"]
    assert "kkkk" not in str(refused.value)


def test_the_web_listens_as_soon_as_one_token_is_set(load: Callable[..., Settings]) -> None:
    revoking = load('web = {token = {env = "SHOP_KEY"}}\n' + SHOP).web
    assert revoking.enabled
    assert revoking.secret()
    instaply = load(SHOP, AGI_BRIDGE_WEB__INSTAPLY_TOKEN="word").web
    assert instaply.enabled
    assert instaply.instaply_secret() == "word"
    assert instaply.secret() is None


def test_both_listeners_may_take_a_free_port(load: Callable[..., Settings]) -> None:
    text = 'agi = {port = 0}\nweb = {port = 0, token = {env = "SHOP_KEY"}}\n'
    assert load(text + SHOP).web.port == 0


def test_hours_are_read_with_and_without_quotes(load: Callable[..., Settings]) -> None:
    hours = load(shop(hours='{opens = 09:30:00, closes = "21:00"}')).lines["shop"].hours
    assert (hours.opens, hours.closes) == (time(9, 30), time(21))
    whole = load(shop(hours='{opens = "00:00", closes = "00:00"}')).lines["shop"].hours
    assert whole.opens == whole.closes == time(0)


def test_the_fingerprint_knows_the_hours(load: Callable[..., Settings]) -> None:
    assert load().sha256 != load(shop(hours='{opens = "09:00"}')).sha256
