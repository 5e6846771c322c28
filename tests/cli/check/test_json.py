"""`agi-bridge check --json`: the document, and that its codes are those of docs/check.md."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import agi_bridge
from agi_bridge.app.findings import Finding, Level, Report, document
from agi_bridge.cli.main import app
from agi_bridge.settings import fault_code
from tests.support.checking import DID, KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(agi_bridge.__file__).parent
SOURCES = [
    *(PACKAGE / "settings").glob("*.py"),
    *(PACKAGE / "cli" / "check").glob("*.py"),
    PACKAGE / "app" / "findings.py",
    PACKAGE / "app" / "disclosures.py",
    PACKAGE / "app" / "database_checks.py",
    PACKAGE / "app" / "start_checks.py",
]
DOCUMENT = PACKAGE.parent / "docs" / "check.md"


def asked(path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(
        app, ["check", "--json", "--config", str(path), *options], env={"SHOP_KEY": KEY}
    )
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


def configured(folder: Path, **line: str) -> Path:
    values = {
        "did": f'["{DID}"]',
        "business_number": f'"{DID}"',
        "hook_key": '{env = "SHOP_KEY"}',
        "brand": '"Example Store"',
        "dial_template": '"PJSIP/{number}@trunk"',
        "default": '{kind = "hangup"}',
        **line,
    }
    rows = "\n".join(f"{name} = {value}" for name, value in values.items())
    file = folder / "agi-bridge.toml"
    top = f'state_dir = "{folder}"\nagi = {{port = 0}}\n[lines.shop]\n'
    file.write_text(top + rows, encoding="utf-8")
    return file


def test_a_sound_configuration_is_ok_and_every_finding_has_all_keys(tmp_path: Path) -> None:
    status, shown = asked(configured(tmp_path))
    assert status == 0
    assert shown["ok"] is True
    assert shown["faults"] == 0
    assert shown["notes"] == sum(found["level"] == "note" for found in shown["findings"])
    for found in shown["findings"]:
        assert list(found) == ["level", "code", "key", "problem", "fix"]
        assert found["code"].endswith(".ok") == (found["level"] == "ok")
    codes = {found["code"] for found in shown["findings"]}
    assert {"state_dir.ok", "line.did.ok", "line.disclosure.shipped"} <= codes
    assert DID not in json.dumps(shown)
    assert KEY not in json.dumps(shown)


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ({"dial_template": '"PJSIP/trunk"'}, ["line.dial_template.placeholder"]),
        ({"dial_template": '"PJSIP/{number}@trunk,30"'}, ["line.dial_template.characters"]),
        ({"hook_key": '{env = "NOT_SET"}'}, ["line.hook_key.unavailable"]),
        (
            {"ring_seconds": "true", "ringing": "5"},
            ["line.ring_seconds.type", "line.ringing.unknown"],
        ),
        ({"ring_seconds": "-1"}, ["line.ring_seconds.too_small"]),
        ({"dial": '"maybe"'}, ["line.dial.choice"]),
        ({"languages": '["xx"]'}, ["line.languages.missing_prompts"]),
    ],
)
def test_a_fault_of_a_line_has_a_code_without_the_line_s_name(
    tmp_path: Path, line: dict[str, str], codes: list[str]
) -> None:
    status, shown = asked(configured(tmp_path, **line))
    assert status == 1
    assert shown["ok"] is False
    assert [found["code"] for found in shown["findings"]] == codes
    assert all(found["fix"] for found in shown["findings"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "configuration.unreadable"),
        (b"\xff\xfe\x00", "configuration.encoding"),
        (b"lines = [", "configuration.toml"),
        (b"", "lines.missing"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_json_too(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "agi-bridge.toml"
    if content is not None:
        file.write_bytes(content)
    status, shown = asked(file)
    assert status == 1
    assert [found["code"] for found in shown["findings"]] == [expected]


def test_a_wrong_command_line_is_exit_code_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--json", "--nonsense", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("lines.shop.did", "line.did.x"),
        ("lines.shop", "line.x"),
        ("lines.shop.texts.en", "line.texts.x"),
        ("lines", "lines.x"),
        ("speech.engines.2.command", "speech.engine.command.x"),
        ("hook.url", "hook.url.x"),
        ("/etc/agi-bridge/agi-bridge.toml", "configuration.x"),
    ],
)
def test_a_code_names_the_setting_and_no_line_of_it(key: str, expected: str) -> None:
    assert fault_code(key, "x") == expected


def test_the_document_counts_by_level() -> None:
    report = Report(
        (
            Finding(Level.OK, "a", "is"),
            Finding(Level.NOTE, "b", "is", "do", "open"),
            Finding(Level.FAULT, "c", "is", "do", "missing"),
        )
    )
    shown = document(report)
    assert (shown["ok"], shown["faults"], shown["notes"]) == (False, 1, 1)
    assert shown["findings"][2] == {
        "level": "fault",
        "code": "c.missing",
        "key": "c",
        "problem": "is",
        "fix": "do",
    }


def calls(names: set[str]) -> Iterator[tuple[str, ast.Call]]:
    """The calls that create faults and findings, with their places."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in names
            ):
                yield f"{source.name}:{node.lineno}", node


def reason(call: ast.Call, place: int) -> str | None:
    given = call.args[place] if len(call.args) > place else None
    for keyword in call.keywords:
        given = keyword.value if keyword.arg == "reason" else given
    return str(given.value) if isinstance(given, ast.Constant) else None


def test_every_fault_and_note_has_a_reason_of_its_own() -> None:
    bare = [
        where
        for where, call in calls({"Finding"})
        if "OK" not in ast.unparse(call.args[0]) and len(call.args) < 5 and not call.keywords
    ]
    assert bare == []


def test_the_reasons_are_those_that_the_documentation_names() -> None:
    used = {reason(call, 4) for _, call in calls({"Finding"})}
    used |= {reason(call, 3) for _, call in calls({"Fault"})}
    used |= {reason(call, 2) for _, call in calls({"invalid"})}
    faults = (PACKAGE / "settings" / "pydantic_errors.py").read_text(encoding="utf-8")
    used |= set(re.findall(r'^    "\w+": \(.*, "(\w+)"\),$', faults, re.MULTILINE))
    used |= {"invalid"}  # where none is given
    table = DOCUMENT.read_text(encoding="utf-8").partition("## Reasons")[2]
    named = {
        word
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for word in re.findall(r"`(\w+)`", row)
    }
    assert used - {None} == named


def test_the_document_in_the_documentation_is_what_is_said(tmp_path: Path) -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").partition("--config agi-bridge.toml\n")[2]
    shown = shown.partition("```")[0]
    _, answer = asked(configured(tmp_path, dial_template='"PJSIP/trunk"'))
    assert json.loads(shown) == answer
