"""`[ami]`: the doctor's access to the PBX, which the service neither needs nor reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import AMI_SECRET, read_at_start
from tests.support.settings_texts import SHOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.settings import Settings

SECRET = "9f8e7d6c5b4a"


def ami(text: str) -> str:
    return f"[ami]\n{text}\n{SHOP}"


def test_the_defaults_are_those_of_an_asterisk_on_this_machine(
    load: Callable[..., Settings],
) -> None:
    given = load().ami
    assert (given.host, given.port, given.user) == ("127.0.0.1", 5038, "agi-bridge")
    assert given.secret is None
    assert given.contexts == ()


def test_a_secret_that_the_service_may_not_see_does_not_keep_it_from_starting(
    load: Callable[..., Settings],
) -> None:
    settings = load(ami('secret = {file = "/nonexistent/ami.secret"}'))
    assert settings.ami.secret is not None
    assert settings.ami.secret.load({}) is not None  # the doctor says so
    missing = load(ami('secret = {env = "NOT_SET"}'))
    assert AMI_SECRET not in read_at_start(missing)


def test_the_secret_is_never_in_the_configuration(load: Callable[..., Settings]) -> None:
    settings = load(ami('secret = {env = "PBX_SECRET"}'), PBX_SECRET=SECRET)
    assert SECRET not in settings.public_text
    by_variable = load(SHOP, AGI_BRIDGE_AMI__SECRET=SECRET)
    assert by_variable.ami.secret is not None
    assert by_variable.ami.secret.load({"AGI_BRIDGE_AMI__SECRET": SECRET}) is None
    assert by_variable.ami.secret.reveal() == SECRET
    assert SECRET not in repr(by_variable)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('host = "pbx.example.net/"', "ami.host"),
        ('host = "a b"', "ami.host"),
        ("port = 0", "ami.port"),
        ('user = ""', "ami.user"),
        ('user = "a\\r\\nAction: x"', "ami.user"),
        ('secret = "9f8e7d6c5b4a"', "ami.secret"),
        ('contexts = ["a,b"]', "ami.contexts"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    faults: Callable[..., list[str]], text: str, key: str
) -> None:
    (line,) = faults(ami(text))
    assert line.startswith(key)
    assert SECRET not in line


def test_hosts_are_addresses_and_names(load: Callable[..., Settings]) -> None:
    for host, kept in {
        "pbx.example.net": "pbx.example.net",
        "[::1]": "::1",
        "10.0.0.5": "10.0.0.5",
    }.items():
        assert load(ami(f'host = "{host}"')).ami.host == kept
