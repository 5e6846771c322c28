import subprocess
import sys

import asterisk.agi
import pytest

from agi_bridge.agi import (
    AGIAppError,
    AGIArgumentError,
    AGIError,
    AGIHangup,
    AGIInvalidCommand,
    AGIProtocolError,
    AGITimeout,
    AGIUsageError,
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (AGIError, asterisk.agi.AGIError),
        (AGIHangup, asterisk.agi.AGIHangup),
        (AGIAppError, asterisk.agi.AGIAppError),
        (AGIUsageError, asterisk.agi.AGIUsageError),
        (AGIInvalidCommand, asterisk.agi.AGIInvalidCommand),
        (AGIProtocolError, asterisk.agi.AGIUnknownError),
        (AGIArgumentError, ValueError),
        (AGITimeout, TimeoutError),
    ],
)
def test_code_that_catches_the_known_class_catches_ours(
    ours: type[Exception], theirs: type[Exception]
) -> None:
    assert issubclass(ours, theirs)
    assert issubclass(ours, AGIError)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AGIHangup(), "hangup"),
        (AGIUsageError(), "usage"),
        (AGIInvalidCommand(), "invalid_command"),
        (AGITimeout(), "timeout"),
        (AGIArgumentError("line_break", ""), "line_break"),
        (AGIAppError("sound_missing", ""), "sound_missing"),
    ],
)
def test_every_error_has_a_code(error: AGIError, code: str) -> None:
    assert error.code == code


def test_a_hangup_is_not_an_application_error_of_ours() -> None:
    assert not issubclass(AGIHangup, AGIAppError)


@pytest.mark.programs
def test_importing_the_engine_prints_nothing_and_leaves_signals_alone() -> None:
    script = (
        "import signal; before = signal.getsignal(signal.SIGHUP)\n"
        "import agi_bridge.agi, agi_bridge.agi.stdio, agi_bridge.agi.testing\n"
        "assert signal.getsignal(signal.SIGHUP) is before"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-W", "error", "-c", script], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
