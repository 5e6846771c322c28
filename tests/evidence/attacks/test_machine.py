"""The standalone check on other machines, and what both judges print of what others wrote."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agi_bridge.consent.signing import Checkpoint, Stamp, sign
from tests.support.commands import invoke
from tests.support.forgery import CHECK, Place, edit_lines, forge_export, resign


def checked(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `check.py` as a stranger does."""
    return subprocess.run(  # noqa: S603 - our own
        [sys.executable, str(CHECK), *map(str, arguments)],
        check=False, capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip


def arguments(place: Place, export: Path) -> list[object]:
    return ["--in", export, *sorted(place.trusted), "--tsa-ca", place.root]


def test_clock_and_language_of_the_machine_change_nothing(place: Place, export: Path) -> None:
    environment = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONUTF8": "0"}
    assert checked(*arguments(place, export), **environment).returncode == 0


def test_a_machine_without_time_zones_says_what_it_cannot_judge(place: Place, export: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own; -S keeps the package tzdata away
        [sys.executable, "-S", str(CHECK), *map(str, arguments(place, export))],
        check=False, capture_output=True, text=True, env={**os.environ, "PYTHONTZPATH": ""},
    )  # fmt: skip
    assert done.returncode == 3
    assert "America/Los_Angeles" in done.stdout


def test_an_openssl_that_cannot_check_signatures_blames_no_export(
    place: Place, export: Path, tmp_path: Path
) -> None:
    """LibreSSL, which is macOS's `openssl`, has no `-rawin`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):  # the interpreter may start others
            if program.name != "openssl" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    openssl = programs / "openssl"
    for there in (False, True):
        if there:
            openssl.write_text("#!/bin/sh\nexit 1\n")
            openssl.chmod(0o755)
        done = checked(*arguments(place, export), PATH=str(programs))
        assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--in", "/not/there"],
        ["--tsa-ca", "/not/there"],
        ["--checkpoints", "/not/there"],
        ["AB:CD"],
    ],
)
def test_what_cannot_be_judged_is_one_line(export: Path, wrong: list[str]) -> None:
    done = checked("--in", export, *wrong)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (2, "", 1)


ESCAPE = "\x1b[2J\nintegrity     holds\u202e"


def test_what_others_wrote_cannot_pass_for_the_verdict(place: Place, export: Path) -> None:
    def change(body: dict[str, Any]) -> None:
        if body["type"] == "disclosed":
            body["server"] = ESCAPE

    forge_export(export, place.keys, change)
    (export / ESCAPE.replace("/", "")).write_text("x")
    (export / os.fsdecode(b"\xff")).write_text("x")
    told = [
        checked("--in", export, "--show", place.ids["first"]).stdout,
        invoke("consents", "verify", export)[1],
        invoke("consents", "verify", export, "--show", place.ids["first"])[1],
        invoke("consents", "verify", export, "--json")[1],
    ]
    for text in told:
        assert "integrity" in text
        assert ESCAPE[0] not in text
        assert not any(line.startswith("integrity     holds") for line in text.splitlines())


TIMES = [
    ("revocation", "received", "2026-13-45T25:61:61Z"),
    ("revocation", "received", "2026-11-25T24:00:00Z"),
    ("revocation", "received", "0001-01-01T00:00:00+14:00"),
    ("submitting", "deadline", "2026-02-30T00:00:00.000Z"),
    ("witnessed", "stamped_at", "2026-11-26T10:00:60Z"),
    ("disclosed", "at", "2026-11-26T24:00:00.000Z"),
]


@pytest.mark.parametrize(("type_", "name", "time"), TIMES)
def test_a_time_that_does_not_exist_is_a_verdict(
    place: Place, export: Path, type_: str, name: str, time: str
) -> None:
    def change(body: dict[str, Any]) -> None:
        if body["type"] == type_:
            body[name] = time

    forge_export(export, place.keys, change)
    found = place.both(export)
    assert "body_invalid" in found.codes
    assert found.status == 1


def test_a_checkpoint_at_a_time_that_does_not_exist_is_none(place: Place, export: Path) -> None:
    def dated(lines: list[str]) -> list[str]:
        first, *rest = map(Checkpoint.parse, lines)
        moved = sign(place.keys.signing, first.seq, first.hash, "2026-99-99T24:00:00.000Z")
        return [moved.line, *(each.line for each in rest)]

    edit_lines(export / "checkpoints.jsonl", dated)
    resign(export, place.keys)
    assert place.both(export).status == 1


def header(encoded: bytes, place: int) -> tuple[int, int]:
    """Where the content of a DER value begins, and its length."""
    length = encoded[place + 1]
    if length < 128:
        return place + 2, length
    size = length & 0x7F
    return place + 2 + size, int.from_bytes(encoded[place + 2 : place + 2 + size], "big")


def der(kind: int, *parts: bytes) -> bytes:
    """A DER value."""
    content = b"".join(parts)
    if len(content) < 128:
        return bytes([kind, len(content)]) + content
    return bytes([kind, 0x82]) + len(content).to_bytes(2, "big") + content


def test_words_that_stand_around_a_stamp_are_not_the_stamp(place: Place, export: Path) -> None:
    """The status of an authority's answer is not signed: anyone can write words into it."""
    words = b"\nTST info:\nVersion: 1\nTime stamp: Jan  1 00:00:00 2020 GMT\n"
    line = (export / "checkpoints.jsonl").read_text().splitlines()[-1]
    [newest] = [
        each
        for each in (export / "stamps").iterdir()
        if Stamp.parse(each.read_bytes()).covers(line)
    ]
    answer = newest.read_bytes()
    status, length = header(answer, header(answer, 0)[0])
    said = der(0x30, b"\x02\x01\x00", der(0x30, der(0x0C, words)))
    worded = der(0x30, said, answer[status + length :])
    newest.unlink()
    (newest.parent / f"{hashlib.sha256(worded).hexdigest()}.tsr").write_bytes(worded)
    resign(export, place.keys)
    found = place.both(export)
    assert found.values["time"] == "holds"


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("checkpoints.jsonl", '{"a":' + DEEP),
        ("chain.jsonl", '{"a":' + DEEP),
        ("chain.jsonl", DEEP),
        ("opened.jsonl", '{"a":' + DEEP),
        ("manifest.json", '{"zones":' + DEEP),
    ],
)
def test_a_line_that_is_nested_deep_is_a_verdict(
    place: Place, export: Path, name: str, line: str
) -> None:
    edit_lines(export / name, lambda lines: [*lines, line])
    resign(export, place.keys)
    assert place.both(export).status == 1


def test_a_checkpoint_elsewhere_that_is_nested_deep_is_one_line(export: Path) -> None:
    kept = export.parent / "kept.jsonl"
    kept.write_text('{"a":' + DEEP + "}\n")
    done = checked("--in", export, "--checkpoints", kept)
    assert (done.returncode, done.stderr) == (2, "")
