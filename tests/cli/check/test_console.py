"""`agi-bridge check`: its findings about `[console]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.app.findings import Level, Report
from tests.support.checking import found, one, outcome, port

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$c29tZWhhc2hzb21laGFzaHNvbWVoYXNo"
ALICE = f'users = [{{name = "alice", role = "act", password_hash = "{HASH}"}}]'


def console(text: str) -> str:
    return f"console = {{enabled = true, {text}}}"


def test_a_console_that_is_off_is_not_looked_at(checked: Callable[..., Report]) -> None:
    assert not [each for each in checked().findings if each.key.startswith("console")]


def test_people_with_passwords_on_this_machine_are_fine(checked: Callable[..., Report]) -> None:
    report = checked(console(f"port = 0, {ALICE}"))
    assert outcome(report, "console.port") == (Level.OK, "console.port.ok")
    assert not found(report, "console.host")
    assert not found(report, "console.sign_in")


def test_a_port_in_use_is_a_note_because_calls_are_taken(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    report = checked(console(f"port = {port(listener)}, {ALICE}"))
    assert outcome(report, "console.port") == (Level.NOTE, "console.port.in_use")


def test_who_lets_everybody_in_is_told_so(checked: Callable[..., Report]) -> None:
    report = checked(console('port = 0, sign_in = "none", role = "act"'))
    assert outcome(report, "console.sign_in") == (Level.NOTE, "console.sign_in.open")


def test_other_machines_need_a_proxy_with_tls(checked: Callable[..., Report]) -> None:
    report = checked(console(f'port = 0, host = "::", hosts = ["console.example.com"], {ALICE}'))
    assert outcome(report, "console.host") == (Level.NOTE, "console.host.unencrypted")


def test_check_and_serve_refuse_the_same(checked: Callable[..., Report]) -> None:
    finding = one(checked(console("port = 0")), "console.users")
    assert (finding.level, finding.code) == (Level.FAULT, "console.users.missing")
