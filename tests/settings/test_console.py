"""`[console]`: who may enter is said completely, or the configuration is refused."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.settings import SettingsError
from tests.support import call_env

if TYPE_CHECKING:
    from agi_bridge.settings import Settings

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$c29tZWhhc2hzb21laGFzaHNvbWVoYXNo"
ALICE = {"name": "alice", "role": "act", "password_hash": HASH}


def console(**given: Any) -> Settings:
    return call_env.settings(tables={"console": {"enabled": True, **given}})


def test_it_is_off_and_on_this_machine_alone_unless_it_is_said() -> None:
    given = call_env.settings().console
    assert (given.enabled, given.host, given.sign_in, given.role, given.users) == (
        False, "127.0.0.1", "password", "look", (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, "console.users"),
        ({"users": [{"name": "alice"}]}, "console.users.1.password_hash"),
        ({"users": [{**ALICE, "password_hash": "secret"}]}, "console.users.1.password_hash"),
        ({"users": [{**ALICE, "name": "alice bob"}]}, "console.users.1.name"),
        ({"users": [{**ALICE, "role": "root"}]}, "console.users.1.role"),
        ({"users": [ALICE, {**ALICE, "name": "ALICE"}]}, "console.users"),
        ({"users": [ALICE], "sign_in": "proxy"}, "console.proxies"),
        ({"sign_in": "proxy", "proxies": ["127.0.0.1"]}, "console.users"),
        ({"users": [ALICE], "proxy_header": "X Remote"}, "console.proxy_header"),
        ({"users": [ALICE], "hosts": ["console.example.com:443"]}, "console.hosts"),
        ({"users": [ALICE], "hosts": ["https://console"]}, "console.hosts"),
        ({"users": [ALICE], "host": str(IPv4Address(0))}, "console.hosts"),
        ({"sign_in": "none", "host": "192.0.2.1"}, "console.sign_in"),
        ({"users": [ALICE], "port": 4581}, "console.port"),
        ({"users": [ALICE], "session_hours": 0}, "console.session_hours"),
    ],
)
def test_what_lets_in_nobody_or_everybody_is_one_fault(given: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        call_env.settings(tables={"console": {"enabled": True, **given}, "status": {"port": 4581}})
    (fault,) = caught.value.faults
    assert fault.key.startswith(key)
    assert "secret" not in str(fault)
    assert fault.reason


def test_a_console_that_is_off_is_not_held_to_the_rules_between_settings() -> None:
    assert call_env.settings(tables={"console": {"enabled": False}}).console.users == ()


def test_people_are_found_in_any_case() -> None:
    given = console(users=[ALICE]).console
    assert given.user("Alice") is given.users[0]
    assert given.user("mallory") is None


def test_the_record_of_the_configuration_has_no_hash_and_changes_with_it() -> None:
    other = console(users=[{**ALICE, "password_hash": HASH[:-1] + "w"}])
    one = console(users=[ALICE])
    assert HASH not in one.public_text
    assert "$argon2" not in one.public_text
    assert one.sha256 != other.sha256
    assert HASH not in repr(one)
