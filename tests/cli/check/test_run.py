"""`agi-bridge check`: its findings, its output, and that it sends and reveals nothing."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.findings import EXIT_FAULTS, EXIT_OK, Finding, Level, Report
from agi_bridge.app.ledger import service_is_running, service_lock
from agi_bridge.cli.check import run as check_module
from agi_bridge.cli.check.run import run
from agi_bridge.settings import Settings
from agi_bridge.speech import SHIPPED
from tests.support.checking import (
    DID,
    FORWARD,
    KEY,
    checked_in,
    found,
    one,
    outcome,
    outcomes,
    port,
    printed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_a_sound_configuration_has_no_fault(checked: Callable[..., Report], tmp_path: Path) -> None:
    report = checked()
    assert report.faults == ()
    assert report.exit_code == EXIT_OK
    assert {finding.key for finding in report.findings if finding.level is Level.OK} >= {
        "state_dir",
        "agi.port",
        "hook.url",
        "lines.shop.languages",
        "lines.shop.hook_key",
    }
    assert str(tmp_path) in one(report, "state_dir").problem
    assert "32 characters" in one(report, "lines.shop.hook_key").problem
    assert "SHOP_KEY" in one(report, "lines.shop.hook_key").problem


def test_it_writes_nothing(checked: Callable[..., Report], tmp_path: Path) -> None:
    checked()
    before = sorted(tmp_path.rglob("*"))
    checked()
    assert sorted(tmp_path.rglob("*")) == before


def test_neither_keys_nor_numbers_are_shown(checked: Callable[..., Report]) -> None:
    text = printed(checked())
    assert KEY not in text
    assert DID not in text
    assert FORWARD not in text
    assert "+1***11" in text
    assert "PJSIP/+1***99@trunk" in text


def test_every_finding_is_one_line_and_the_faults_are_counted(
    checked: Callable[..., Report],
) -> None:
    report = checked()
    assert len(printed(report).splitlines()) == len(report.findings) + 1
    assert printed(report).endswith("no fault\n")
    assert printed(checked("statedir = 1")).endswith("\n1 fault\n")
    assert printed(checked("statedir = 1\nzzz = 1")).endswith("\n2 faults\n")


def test_faults_of_the_configuration_come_all_and_with_their_fix(
    checked: Callable[..., Report],
) -> None:
    report = checked('fallback_line = "gone"', agi="port = 0\nprot = 1")
    assert report.exit_code == EXIT_FAULTS
    assert [(finding.key, finding.code) for finding in report.findings] == [
        ("agi.prot", "agi.prot.unknown"),
        ("fallback_line", "fallback_line.unknown_line"),
    ]
    assert "agi.port" in report.findings[0].fix
    assert "shop" in report.findings[1].fix


def test_text_in_brackets_is_printed_as_it_is() -> None:
    report = Report((Finding(Level.NOTE, "key", "[bold]x[/bold] :warning:"),))
    assert "key: [bold]x[/bold] :warning:" in printed(report)


def test_a_breaker_that_is_off_is_noted(checked: Callable[..., Report]) -> None:
    on = one(checked(), "hook.breaker_failures")
    assert on.level is Level.OK
    assert "5 failures" in on.problem
    assert "30 s" in on.problem
    off = one(checked("hook = {breaker_failures = 0}"), "hook.breaker_failures")
    assert (off.level, off.code) == (Level.NOTE, "hook.breaker_failures.off")
    assert "8 s" in off.problem


def test_a_field_of_call_detail_records_needs_a_module_of_the_pbx(
    checked: Callable[..., Report],
) -> None:
    found = one(checked(agi='port = 0\ncdr_field = "userfield"'), "agi.cdr_field")
    assert found.level is Level.OK
    assert "func_cdr" in found.problem
    assert not [each for each in checked().findings if each.key == "agi.cdr_field"]


def test_the_shipped_disclosure_is_not_for_marketing(checked: Callable[..., Report]) -> None:
    advertises = 'purpose = "marketing"\ndefault = {kind = "hangup"}\n'
    for disclosure in ("disclosure", "disclosure-example-store"):
        findings = checked(line=f'{advertises}disclosure = "{disclosure}"').faults
        assert [each.code for each in findings] == ["line.disclosure.disclosure"]


def test_a_disclosure_for_canada_gives_the_address_and_says_that_consent_can_be_withdrawn(
    checked: Callable[..., Report],
) -> None:
    def lacks(*lines: str) -> int:
        text = "\n".join(('purpose = "marketing"', 'default = {kind = "hangup"}', *lines))
        codes = [each.code for each in checked(line=text).findings]
        return codes.count("line.disclosure.canada")

    assert lacks() == 2
    assert lacks('regions = ["US"]') == 0
    assert lacks('mailing_address = "1 Main Street, Ottawa"') == 2, "nor does it give this one"


@pytest.mark.parametrize(
    ("default", "destination"),
    [
        ('{kind = "dialplan", context = "main"}', "main,s,1"),
        ('{kind = "say", prompt = "goodbye"}', "goodbye"),
        ('{kind = "hangup"}', "hang up"),
    ],
)
def test_the_default_destination_is_named(
    checked: Callable[..., Report], default: str, destination: str
) -> None:
    assert destination in one(checked(line=f"default = {default}"), "lines.shop.did").problem


def test_a_disclosure_without_a_brand_is_noted(checked: Callable[..., Report]) -> None:
    assert outcome(checked(), "lines.shop.disclosure") == (Level.NOTE, "line.disclosure.shipped")
    own = 'disclosure = "disclosure-example-store"\ndefault = {kind = "hangup"}'
    assert not found(checked(line=own), "lines.shop.disclosure")


def test_own_digits_without_recordings_are_noted(checked: Callable[..., Report]) -> None:
    own = 'digits = "own"\nlanguages = ["en", "es"]\ndefault = {kind = "hangup"}'
    finding = one(checked(line=own), "lines.shop.digits")
    assert (finding.level, finding.code) == (Level.NOTE, "line.digits.missing")
    assert finding.problem.startswith("es: ")


# -- the state directory


def test_a_state_directory_that_can_be_made_is_not_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    report = checked(f'state_dir = "{tmp_path}/a/b"')
    assert outcome(report, "state_dir") == (Level.OK, "state_dir.ok")
    assert not (tmp_path / "a").exists()


def test_a_state_directory_that_is_a_file_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    report = checked(f'state_dir = "{tmp_path}/file"')
    assert outcome(report, "state_dir") == (Level.FAULT, "state_dir.no_folder")


def test_a_state_directory_that_may_not_be_written_is_a_fault(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the system's answer is given here.
    monkeypatch.setattr("os.access", lambda *_: False)
    assert outcome(checked(), "state_dir") == (Level.FAULT, "state_dir.not_writable")


# -- listening


def test_a_port_that_another_program_uses_is_a_fault_because_serve_would_not_start(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    finding = one(checked(agi=f"port = {port(listener)}"), "agi.port")
    assert (finding.level, finding.code) == (Level.FAULT, "agi.port.in_use")
    assert f"127.0.0.1 port {port(listener)}" in finding.problem
    assert "agi.port" in finding.fix


async def test_a_port_that_the_running_service_uses_is_noted(
    checked: Callable[..., Report], listener: socket.socket, tmp_path: Path
) -> None:
    checked()
    configured = Settings.load(tmp_path / "agi-bridge.toml", {"SHOP_KEY": KEY})
    async with service_lock(configured):
        assert service_is_running(configured)
        report = checked(agi=f"port = {port(listener)}")
        assert outcome(report, "agi.port") == (Level.NOTE, "agi.port.in_use")
    assert not service_is_running(configured)


def test_a_shortage_of_descriptors_is_a_fault(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = one(checked(agi="port = 0\nmax_calls = 500"), "agi.max_calls")
    assert enough.level is Level.OK
    assert "500 calls need 2184 file descriptors" in enough.problem
    monkeypatch.setattr(check_module, "hard_limit", lambda: 1024)
    short = one(checked(agi="port = 0\nmax_calls = 500"), "agi.max_calls")
    assert (short.level, short.code) == (Level.FAULT, "agi.max_calls.descriptors")
    assert [*re.findall(r"\d+", short.problem)] == ["500", "2184", "1024", "368"]
    assert "LimitNOFILE=" in short.fix


def test_an_address_of_another_machine_is_a_fault(checked: Callable[..., Report]) -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    report = checked(agi='host = "192.0.2.1"\nport = 0\nallow = ["192.0.2.2"]')
    assert outcome(report, "agi.port") == (Level.FAULT, "agi.port.unavailable")
    assert "192.0.2.1 port 0" in one(report, "agi.port").problem


def test_an_open_allow_list_without_a_token_is_noted(checked: Callable[..., Report]) -> None:
    report = checked(agi='port = 0\nallow = ["0.0.0.0/0"]')
    assert outcome(report, "agi.allow") == (Level.NOTE, "agi.allow.open")


def test_a_token_file_that_every_account_may_read_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("word", encoding="utf-8")
    token.chmod(0o644)
    agi = f'port = 0\nallow = ["0.0.0.0/0"]\ntoken = {{file = "{token}"}}'
    assert outcomes(checked(agi=agi), "agi.token") == [
        (Level.OK, "agi.token.ok"),
        (Level.NOTE, "agi.token.open"),
    ]
    token.chmod(0o600)
    assert len(found(checked(agi=agi), "agi.token")) == 1


# -- the hook


def hook(server: socket.socket, scheme: str = "http") -> str:
    return f'hook = {{url = "{scheme}://localhost:{port(server)}/v1", connect_seconds = 0.5}}'


def test_without_connect_the_hook_is_not_contacted(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    checked(hook(listener))
    listener.setblocking(False)  # noqa: FBT003  # the socket's own signature
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_with_connect_it_connects_and_sends_nothing(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    report = checked(hook(listener), connect=True)
    assert outcome(report, "hook.url") == (Level.OK, "hook.url.ok")
    assert f"localhost port {port(listener)}" in one(report, "hook.url").problem
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(1) == b""


def test_a_hook_that_refuses_the_connection_is_a_fault(checked: Callable[..., Report]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        text = hook(gone)
    finding = one(checked(text, connect=True), "hook.url")
    assert (finding.level, finding.code) == (Level.FAULT, "hook.url.unreachable")
    assert "Connection refused" in finding.problem


def test_a_hook_that_never_answers_the_handshake_is_a_fault(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    finding = one(checked(hook(listener, "https"), connect=True), "hook.url")
    assert (finding.level, finding.code) == (Level.FAULT, "hook.url.unreachable")
    assert "timed out" in finding.problem


@pytest.fixture
def secure(listener: socket.socket) -> Iterator[socket.socket]:
    """A TLS server with the certificate that the tests of the hook use, for one connection."""
    certificate = Path(__file__).parents[2] / "support" / "loopback.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer() -> None:
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
        except OSError:  # the client rejects the certificate, or closed the connection
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    yield listener
    thread.join()


def test_a_certificate_that_is_not_trusted_is_a_fault(
    checked: Callable[..., Report], secure: socket.socket
) -> None:
    report = checked(hook(secure, "https"), connect=True)
    assert outcome(report, "hook.url") == (Level.FAULT, "hook.url.certificate")


def test_a_self_signed_certificate_is_trusted_if_ca_file_names_it(
    checked: Callable[..., Report], secure: socket.socket
) -> None:
    certificate = Path(__file__).parents[2] / "support" / "loopback.pem"
    text = hook(secure, "https").replace("}", f', ca_file = "{certificate}"}}')
    finding = one(checked(text, connect=True), "hook.url")
    assert finding.level is Level.OK, finding.problem
    assert "TLSv1" in finding.problem


# -- the command


async def test_the_command_prints_and_returns_the_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(tmp_path / "gone.toml") == EXIT_FAULTS
    assert capsys.readouterr().out.splitlines()[-1] == "1 fault"


def test_a_rendering_with_an_old_brand_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "speech" / "lines" / "shop" / "en"
    folder.mkdir(parents=True)
    shutil.copyfile(SHIPPED / "en" / "busy.wav", folder / "disclosure.wav")
    (folder / "disclosure.txt").write_text("Thank you for calling Old Store.", encoding="utf-8")
    default = 'default = {kind = "dial", destination = "PJSIP/100"}'
    report = checked_in(tmp_path, line=f'policy_url = "example.com/sms"\n{default}')
    finding = one(report, "lines.shop")
    assert (finding.level, finding.code) == (Level.FAULT, "line.stale_prompts")
    assert "en/disclosure" in finding.problem
