"""`agi-bridge console-password`: a line for the configuration, or why there is none."""

from __future__ import annotations

import tomllib

import pytest
from typer.testing import CliRunner

from agi_bridge.cli.main import app
from agi_bridge.console.passwords import PasswordCheck
from agi_bridge.settings import ConsoleUser

PASSWORD = "correct horse battery"


def given(text: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["console-password"], input=text)
    return result.exit_code, result.stdout, result.stderr


async def test_its_line_lets_the_person_in() -> None:
    code, out, _ = given(f"{PASSWORD}\n")
    assert code == 0
    assert PASSWORD not in out
    user = ConsoleUser(name="alice", **tomllib.loads(out))
    check = PasswordCheck(wrong_seconds=0)
    assert await check.matches(user, PASSWORD)
    assert not await check.matches(user, PASSWORD.upper())


@pytest.mark.parametrize("password", ["", "short", "x" * 300])
def test_a_password_that_is_none_is_said_so_and_not_repeated(password: str) -> None:
    code, out, err = given(password)
    assert (code, out) == (2, "")
    assert not password or password not in err


def test_each_hash_has_its_own_salt() -> None:
    assert given(PASSWORD)[1] != given(PASSWORD)[1]
