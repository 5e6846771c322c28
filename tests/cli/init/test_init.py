"""`agi-bridge init`: what it asks, what it writes, and that it overwrites nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import socket
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from agi_bridge.cli.init import questions
from agi_bridge.cli.init import run as init_run
from agi_bridge.cli.init.configuration import Answers
from agi_bridge.settings import DialDefault, DialplanDefault
from tests.support.commands import invoke, names
from tests.support.init_command import DID, KEY, mode
from tests.support.scripted_pbx import VERSION_2

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.init_command import Init


def test_what_it_writes_passes_the_check_at_once(init: Init) -> None:
    status, out, err = init("--yes")
    assert (status, err) == (0, "")
    checked, findings, _ = invoke("check", "--config", init.config)
    assert checked == 0, findings
    assert out.splitlines()[-3:] == [
        f"  agi-bridge {command} --config {init.config}"
        for command in ("check", "rehearse", "serve")
    ]
    context = "CONTEXT-OF-YOUR-TRUNK"
    assert f"doctor --config {init.config} --call {DID}@{context}\n" in out


def test_the_files_are_for_those_who_need_them(init: Init) -> None:
    init("--yes")
    assert mode(init.config) == 0o640
    assert mode(init.folder / "main.key") == 0o600
    assert mode(init.folder / "asterisk" / "agi-bridge.conf") == 0o644
    assert names(init.folder) == ["agi-bridge.toml", "asterisk", "main.key"]
    assert init.settings().lines["main"].secret() == KEY


def test_a_second_run_says_the_permissions_that_the_files_have(init: Init) -> None:
    init("--yes")
    key = init.folder / "main.key"
    key.chmod(0o644)
    status, out, err = init("--yes")
    assert status == 0
    assert f"as it is {key} (0644)" in out
    assert f"chmod 600 {key}" in err
    key.chmod(0o400)
    _, out, err = init("--yes")
    assert f"as it is {key} (0400)" in out
    assert err == ""


def test_an_older_dialplan_is_named_with_what_it_lacks(init: Init) -> None:
    init("--yes")
    there = init.folder / "asterisk" / "agi-bridge.conf"
    before = VERSION_2.read_text()
    there.write_text(before)
    status, out, err = init("--yes")
    assert status == 1
    assert f"differs {there}" in out
    assert "version 2" in err
    assert there.read_text() == before
    there.write_text(there.read_text().replace("NoOp(2)", "NoOp(3)"))  # an edited one of today
    _, _, err = init("--yes")
    assert "version" not in err


def test_the_key_is_shown_nowhere(init: Init) -> None:
    _, out, err = init("--yes")
    assert KEY not in out + err
    assert KEY not in init.config.read_text()
    (init.folder / "main.key").write_text("another-key\n")
    _, out, err = init("--yes")
    assert "main.key" in out
    assert KEY not in out + err
    assert "another-key" not in out + err


def test_the_dialplan_knows_the_bridge_and_whom_to_ring_without_one(init: Init, port: str) -> None:
    init("--yes")
    text = (init.folder / "asterisk" / "agi-bridge.conf").read_text()
    assert f"Set(AGI_BRIDGE_URL=agi://127.0.0.1:{port}/consent)" in text
    assert "\n same => n,Set(AGI_BRIDGE_FALLBACK=PJSIP/100)\n" in text


def test_a_place_in_the_dialplan_is_default_and_fallback(init: Init) -> None:
    init("--yes", default="main, s, 3")
    assert init.settings().lines["main"].default == DialplanDefault(
        kind="dialplan", context="main", extension="s", priority=3
    )
    text = (init.folder / "asterisk" / "agi-bridge.conf").read_text()
    assert "\n same => n,Set(AGI_BRIDGE_FALLBACK_GOTO=main,s,3)\n" in text


def test_every_answer_is_in_the_configuration(init: Init) -> None:
    status, _, err = init(
        "--yes",
        did=f"{DID}, 2000",
        languages="es,en",
        business_number="+14155550112",
        dial_template="PJSIP/{number}@carrier",
        brand='The "Best" Store',
        line="shop",
        policy_url="https://example.com/text",
    )
    assert (status, err) == (0, "")
    line = init.settings().lines["shop"]
    assert line.did == (DID, "2000")
    assert line.languages == ("es", "en")
    assert line.business_number == "+14155550112"
    assert line.dial_template == "PJSIP/{number}@carrier"
    assert line.brand == 'The "Best" Store'
    assert line.policy_url == "https://example.com/text"
    assert line.default == DialDefault(kind="dial", destination="PJSIP/100")


def test_freepbx_gets_its_own_files_and_the_default_that_the_gui_chooses(init: Init) -> None:
    status, out, _ = init("--yes", "--freepbx", without=["--default"])
    assert status == 0
    assert names(init.folder / "asterisk") == ["agi-bridge-freepbx.conf", "agi-bridge.conf"]
    line = init.settings().lines["main"]
    assert line.default == DialplanDefault(
        kind="dialplan", context="agi-bridge-freepbx", extension="chosen"
    )
    assert (line.dial, line.number_format) == ("dialplan", "digits")
    assert "agi-bridge-freepbx,s,1" in out
    assert invoke("check", "--config", init.config)[0] == 0


def test_a_pbx_elsewhere_connects_and_fetches_recordings_and_nobody_else_does(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "host", property(lambda _: "127.0.0.2"))
    status, out, err = init("--yes", pbx="192.0.2.10", did="(415) 555-0111")
    assert (status, err) == (0, "")
    assert " --call 4155550111@CONTEXT-OF-YOUR-TRUNK --listen 127.0.0.2\n" in out
    settings = init.settings()
    assert settings.ami.host == "192.0.2.10"
    assert [str(network) for network in settings.agi.allow] == ["192.0.2.10/32"]
    assert (settings.agi.host, settings.web.host) == ("127.0.0.2", "127.0.0.2")
    assert settings.speech.delivery == "http"
    assert settings.speech.url == f"http://127.0.0.2:{settings.web.port}"


# Nothing is overwritten


def test_a_second_run_finds_everything_as_it_is(init: Init) -> None:
    init("--yes")
    before = {path: path.stat().st_mtime_ns for path in init.folder.rglob("*")}
    status, out, err = init("--yes")
    assert (status, err) == (0, "")
    assert out.count("as it is") == 3
    assert {path: path.stat().st_mtime_ns for path in init.folder.rglob("*")} == before


def test_a_running_bridge_and_an_earlier_key_are_not_new_answers(init: Init, port: str) -> None:
    init("--yes")
    with socket.create_server(("127.0.0.1", int(port))):  # the bridge
        status, out, err = init("--yes", without=["--port", "--hook-key-file"])
    assert (status, err) == (0, "")
    assert out.count("as it is") == 3


def test_a_file_that_is_there_is_shown_beside_what_would_be_written(init: Init) -> None:
    init("--yes")
    changed = init.config.read_text().replace("Example Store", "Other Store")
    init.config.write_text(changed)
    (init.folder / "asterisk" / "agi-bridge.conf").unlink()
    status, out, err = init("--yes")
    assert status == 1
    assert '-brand = "Other Store"' in out
    assert '+brand = "Example Store"' in out
    assert "nothing was written" in err
    assert init.config.read_text() == changed
    assert names(init.folder / "asterisk") == []


def test_a_folder_that_cannot_be_written_leaves_nothing(init: Init, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    status, _, err = init("--yes", asterisk_dir=str(tmp_path / "taken"))
    assert status == 1
    assert "nothing was written" in err
    assert not init.folder.exists()


def test_a_full_disk_names_the_file_that_does_not_fit(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    status, _, err = init("--yes")
    assert status == 1
    assert f"{init.folder / 'main.key'}: " in err
    assert names(init.folder) == []


# Answers


@pytest.mark.parametrize("flag", ["--did", "--brand", "--hook-key-file", "--default"])
def test_what_only_a_person_knows_is_named(init: Init, flag: str) -> None:
    status, _, err = init("--yes", without=[flag])
    assert status == 2
    assert err.startswith(f"agi-bridge: {flag}")
    assert not init.folder.exists()


def test_without_a_terminal_every_missing_flag_is_named(init: Init) -> None:
    status, _, err = init(without=["--brand", "--port"])
    assert status == 2
    for flag in ("--brand", "--languages", "--business-number", "--dial-template", "--port"):
        assert flag in err
    assert "--did" not in err
    assert "--yes" in err
    assert not init.folder.exists()


def test_without_a_terminal_all_flags_are_enough(init: Init) -> None:
    status, _, err = init(languages="en", business_number=DID, dial_template="PJSIP/{number}@trunk")
    assert (status, err) == (0, "")
    assert init.config.exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("did", "+1415555O111"),
        ("did", ","),
        ("brand", "*"),
        ("brand", "a\tb"),
        ("brand", "x" * 81),
        ("languages", "xx"),
        ("business_number", "4155550111"),
        ("dial_template", "PJSIP/trunk"),
        ("dial_template", "PJSIP/+{number}@trunk"),
        ("default", "100"),
        ("default", "PJSIP/100,30,t"),
        ("default", "a,b,c,d"),
        ("default", "main,s,first"),
        ("port", "0"),
        ("port", "70000"),
        ("port", "none"),
    ],
)
def test_an_answer_that_cannot_be_used_names_its_flag_and_the_fix(
    init: Init, flag: str, value: str
) -> None:
    status, _, err = init("--yes", **{flag: value})
    assert status == 2
    named, _, problem = err.strip().removeprefix("agi-bridge: ").partition(": ")
    assert named == f"--{flag.replace('_', '-')}"
    assert "; " in problem
    assert not init.folder.exists()


@pytest.mark.parametrize("text", ["two words", "", "\0"])
def test_a_key_that_is_none_is_refused_and_not_shown(init: Init, key_file: Path, text: str) -> None:
    key_file.write_text(text)
    status, _, err = init("--yes")
    assert status == 2
    assert err.startswith("agi-bridge: --hook-key-file: ")
    assert not text or text not in err


@pytest.mark.parametrize(
    ("flag", "value"),
    [("pbx", "pbx.example"), ("line", "my line"), ("line", "a.b"), ("line", "../x"), ("line", "")],
)
def test_a_wrong_place_is_refused(init: Init, flag: str, value: str) -> None:
    status, _, err = init("--yes", **{flag: value})
    assert status == 2
    assert err.startswith(f"agi-bridge: --{flag}: ")
    assert len(err.splitlines()) == 1
    assert not init.folder.exists()


def test_where_another_program_has_the_port_the_next_one_is_proposed(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as freepbx:
        taken = freepbx.getsockname()[1]
        monkeypatch.setattr(questions, "FASTAGI_PORT", taken)
        monkeypatch.setattr(questions, "_LAST_PORT", taken + 20)
        assert init("--yes", without=["--port"])[0] == 0
        assert taken < init.settings().agi.port <= taken + 20


def test_a_port_that_another_program_has_is_refused(init: Init) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        status, _, err = init("--yes", port=str(other.getsockname()[1]))
    assert status == 2
    assert err.startswith("agi-bridge: --port: ")


# At a terminal


def test_a_wrong_answer_is_asked_again(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init_run, "at_a_terminal", lambda: True)
    monkeypatch.setattr(questions, "FASTAGI_PORT", int(init.flags["--port"]))
    answers = ["banana", DID, "", "Example Store", "", "", "two words", KEY, "", "100", "PJSIP/100"]
    typed = "".join(f"{answer}\n" for answer in [*answers, ""])
    from typer.testing import CliRunner

    from agi_bridge.cli.main import app

    done = CliRunner().invoke(
        app,
        init.arguments(without=["--did", "--brand", "--hook-key-file", "--default", "--port"]),
        input=typed,
    )
    assert done.exit_code == 0, done.output
    for flag in ("--did: ", "--brand: ", "--hook-key-file: ", "--default: "):
        assert f"\n  {flag}" in done.output
    assert KEY not in done.output
    line = init.settings().lines["main"]
    assert (line.did, line.brand, line.secret()) == ((DID,), "Example Store", KEY)
    assert line.business_number == DID  # proposed


def own_terminal() -> None:
    """Make standard input the terminal that Ctrl-C is typed at."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.programs
def test_ctrl_c_while_the_key_is_typed_leaves_no_file_and_a_terminal_that_echoes(
    init: Init,
) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "agi_bridge", *init.arguments(without=["--hook-key-file"])],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=own_terminal,  # noqa: PLW1509 - it makes one system call
    )
    shown = b""
    try:
        for wanted, typed in (
            (b"Languages", b"\n"),
            (b"as Instaply knows it", b"\n"),
            (b"Key of the hook", b"half a ke"),
        ):
            while wanted not in shown or not shown.rstrip().endswith(b":"):
                shown += os.read(master, 4096)
            os.write(master, typed)
        while termios.tcgetattr(slave)[3] & termios.ECHO:  # until it hides what is typed
            pass
        os.write(master, b"\x03")
        assert process.wait(60) == 1
        assert termios.tcgetattr(slave)[3] & termios.ECHO
        assert not init.folder.exists()
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)
