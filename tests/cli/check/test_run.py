"""`agi-bridge check`: what it finds, how it says it, and that it texts and shows nobody."""

from __future__ import annotations

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
from tests.support.checking import DID, FORWARD, KEY, checked_in, found, one, port, printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_a_sound_configuration_has_no_fault(checked: Callable[..., Report], tmp_path: Path) -> None:
    report = checked()
    assert report.faults == ()
    assert report.exit_code == EXIT_OK
    assert one(report, "state_dir") == (Level.OK, f"{tmp_path} can be written")
    assert one(report, "agi.port")[0] is Level.OK
    assert one(report, "lines.shop.hook_key") == (
        Level.OK,
        "32 characters from the environment variable SHOP_KEY",
    )
    assert one(report, "lines.shop.languages") == (Level.OK, "en: all 17 prompts are there")
    assert "not tried" in one(report, "hook.url")[1]


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
    assert "lines.shop.did: +1***11; otherwise dials PJSIP/+1***99@trunk" in text


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
    assert [(finding.key, finding.text) for finding in report.findings] == [
        ("agi.prot", "is not a setting; did you mean agi.port?"),
        ("fallback_line", "names a line that does not exist; name one of shop"),
    ]


def test_text_in_brackets_is_printed_as_it_is() -> None:
    report = Report((Finding(Level.NOTE, "key", "[bold]x[/bold] :warning:"),))
    assert "key: [bold]x[/bold] :warning:" in printed(report)


def test_a_breaker_that_is_off_is_noted(checked: Callable[..., Report]) -> None:
    level, text = one(checked(), "hook.breaker_failures")
    assert level is Level.OK
    assert text == "after 5 failures in a row nobody waits for the hook, which is tried every 30 s"
    level, text = one(checked("hook = {breaker_failures = 0}"), "hook.breaker_failures")
    assert level is Level.NOTE
    assert text == "off: while the hook is down every caller waits up to 8 s"


def test_the_shipped_disclosure_is_not_for_marketing(checked: Callable[..., Report]) -> None:
    hangs_up = 'purpose = "marketing"\ndefault = {kind = "hangup"}\n'
    level, text = one(checked(line=hangs_up), "lines.shop.purpose")
    assert level is Level.NOTE
    assert text.startswith("the shipped disclosure asks for texts about a request, not for adverti")
    own = hangs_up + 'disclosure = "disclosure-example-store"'
    assert not found(checked(line=own), "lines.shop.purpose")


@pytest.mark.parametrize(
    ("default", "words"),
    [
        ('{kind = "dialplan", context = "main"}', "goes to main,s,1"),
        ('{kind = "say", prompt = "goodbye"}', "says 'goodbye'"),
        ('{kind = "hangup"}', "hangs up"),
    ],
)
def test_the_default_destination_is_said(
    checked: Callable[..., Report], default: str, words: str
) -> None:
    assert words in one(checked(line=f"default = {default}"), "lines.shop.did")[1]


def test_a_disclosure_without_a_brand_is_noted(checked: Callable[..., Report]) -> None:
    assert one(checked(), "lines.shop.disclosure")[0] is Level.NOTE
    own = 'disclosure = "disclosure-example-store"\ndefault = {kind = "hangup"}'
    assert not found(checked(line=own), "lines.shop.disclosure")


def test_digits_of_ones_own_that_are_not_recorded_are_noted(
    checked: Callable[..., Report],
) -> None:
    own = 'digits = "own"\nlanguages = ["en", "es"]\ndefault = {kind = "hangup"}'
    assert one(checked(line=own), "lines.shop.digits") == (
        Level.NOTE,
        "es: not all of digit-0 to digit-9 are recorded, so the PBX says its own",
    )


# -- the state directory


def test_a_state_directory_that_can_be_made_is_no_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    report = checked(f'state_dir = "{tmp_path}/a/b"')
    assert one(report, "state_dir") == (Level.OK, f"{tmp_path}/a/b will be made")


def test_a_state_directory_that_is_a_file_is_a_fault(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    report = checked(f'state_dir = "{tmp_path}/file"')
    assert one(report, "state_dir") == (Level.FAULT, f"{tmp_path}/file is no folder")


def test_a_state_directory_that_may_not_be_written_is_a_fault(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the system's answer is given here.
    monkeypatch.setattr("os.access", lambda *_: False)
    level, text = one(checked(), "state_dir")
    assert level is Level.FAULT
    assert "may not write" in text


# -- listening


def test_a_port_that_another_program_has_is_a_fault_as_serve_would_not_start(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    level, text = one(checked(agi=f"port = {port(listener)}"), "agi.port")
    assert level is Level.FAULT
    where = f"127.0.0.1 port {port(listener)}"
    assert text.startswith(f"{where} is in use by another program; set another agi.port, or")


async def test_a_port_that_the_service_at_work_here_has_is_noted(
    checked: Callable[..., Report], listener: socket.socket, tmp_path: Path
) -> None:
    checked()
    configured = Settings.load(tmp_path / "agi-bridge.toml", {"SHOP_KEY": KEY})
    async with service_lock(configured):
        assert service_is_running(configured)
        level, text = one(checked(agi=f"port = {port(listener)}"), "agi.port")
        assert level is Level.NOTE
        assert "agi-bridge is at work here" in text
    assert not service_is_running(configured)


def test_descriptors_that_cannot_be_had_are_a_fault(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert one(checked(agi="port = 0\nmax_calls = 500"), "agi.max_calls") == (
        Level.OK,
        "500 calls need 2184 file descriptors, which this account may have",
    )
    monkeypatch.setattr(check_module, "hard_limit", lambda: 1024)
    level, text = one(checked(agi="port = 0\nmax_calls = 500"), "agi.max_calls")
    assert level is Level.FAULT
    assert text == (
        "500 calls need 2184 file descriptors and this process may have 1024: calls beyond 368 are"
        " refused; raise LimitNOFILE= of the service (ulimit -Hn), or lower agi.max_calls"
    )


def test_an_address_of_another_machine_is_a_fault(checked: Callable[..., Report]) -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    report = checked(agi='host = "192.0.2.1"\nport = 0\nallow = ["192.0.2.2"]')
    level, text = one(report, "agi.port")
    assert level is Level.FAULT
    assert "cannot listen on 192.0.2.1 port 0" in text


def test_everybody_allowed_without_a_token_is_noted(checked: Callable[..., Report]) -> None:
    report = checked(agi='port = 0\nallow = ["0.0.0.0/0"]')
    assert one(report, "agi.allow")[0] is Level.NOTE


def test_a_token_file_that_every_account_may_read_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("word", encoding="utf-8")
    token.chmod(0o644)
    agi = f'port = 0\nallow = ["0.0.0.0/0"]\ntoken = {{file = "{token}"}}'
    assert found(checked(agi=agi), "agi.token") == [
        (Level.OK, f"4 characters from the file {token}"),
        (Level.NOTE, f"every account may read the file {token}; chmod 600 it"),
    ]
    token.chmod(0o600)
    assert len(found(checked(agi=agi), "agi.token")) == 1


# -- the hook


def hook(server: socket.socket, scheme: str = "http") -> str:
    return f'hook = {{url = "{scheme}://localhost:{port(server)}/v1", connect_seconds = 0.5}}'


def test_without_being_asked_the_hook_is_left_alone(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    checked(hook(listener))
    listener.setblocking(False)  # noqa: FBT003  # the socket's own signature
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_when_asked_it_connects_and_sends_nothing(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    report = checked(hook(listener), connect=True)
    assert one(report, "hook.url") == (Level.OK, f"localhost port {port(listener)} answers")
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(1) == b""


def test_a_hook_that_refuses_the_connection_is_a_fault(checked: Callable[..., Report]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        text = hook(gone)
    level, words = one(checked(text, connect=True), "hook.url")
    assert level is Level.FAULT
    assert "Connection refused" in words


def test_a_hook_that_never_answers_the_handshake_is_a_fault(
    checked: Callable[..., Report], listener: socket.socket
) -> None:
    level, words = one(checked(hook(listener, "https"), connect=True), "hook.url")
    assert level is Level.FAULT
    assert "timed out" in words


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
        except OSError:  # the other side did not like the certificate, or has gone
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    yield listener
    thread.join()


def test_a_certificate_that_is_not_trusted_is_a_fault(
    checked: Callable[..., Report], secure: socket.socket
) -> None:
    level, words = one(checked(hook(secure, "https"), connect=True), "hook.url")
    assert level is Level.FAULT
    assert "the certificate of localhost is not trusted" in words


def test_a_certificate_of_ones_own_is_trusted_when_named(
    checked: Callable[..., Report], secure: socket.socket
) -> None:
    certificate = Path(__file__).parents[2] / "support" / "loopback.pem"
    text = hook(secure, "https").replace("}", f', ca_file = "{certificate}"}}')
    level, words = one(checked(text, connect=True), "hook.url")
    assert level is Level.OK, words
    assert "answers, TLSv1" in words


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
    level, text = one(report, "lines.shop")
    assert level is Level.FAULT
    assert text.startswith("en/disclosure: other words than the texts in force")
