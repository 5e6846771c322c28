"""What the servers under measurement share: the words of the flow and how they are started.

The flow: ANSWER, STREAM FILE, GET DATA, SAY DIGITS, GET DATA, SET VARIABLE twice, one POST to the
hook where one is given, EXEC Dial, GET VARIABLE.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DISCLOSURE = "disclosure"
ENTER_NUMBER = "enter-number"
CONFIRM_NUMBER = "confirm-number"
ENTRY_SECONDS = 10
ENTRY_DIGITS = 10
CONFIRM_SECONDS = 8
RING_SECONDS = 30
TALK_SECONDS = 7200

BUSINESS_NUMBER = "+14155550111"
FORWARD_NUMBER = "+14155550199"
"""Dialled where no hook is asked."""
HOOK_KEY = "bench"

BACKLOG = 4096
MOST_CALLS = 20_000
ROUTE = "consent"
"""The path of the AGI URL, and of the hook's caller-side contract."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a server was started: with which hook, where it may write, whether connections stay.

    `ca_file` is what to trust where the hook is reached over TLS.
    """

    hook: str | None
    state: Path
    keepalive: bool
    ca_file: str | None


def read_arguments(arguments: Sequence[str] | None = None) -> Start:
    """Read `--hook URL` (none: AGI only), `--state DIRECTORY`, `--keepalive`, `--ca-file FILE`.

    `arguments`: instead of the command line's.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--hook")
    parser.add_argument("--state", type=Path, default=Path.cwd())
    parser.add_argument("--keepalive", action="store_true")
    parser.add_argument("--ca-file")
    return Start(**vars(parser.parse_args(arguments)))


def announce(port: int) -> None:
    """Tell the runner that calls are taken, and where."""
    print(f"READY {port}", flush=True)


def submission(digits: str) -> dict[str, str]:
    """The hook's JSON body for a number as keyed."""
    return {"key": HOOK_KEY, "from": f"+1{digits}", "to": BUSINESS_NUMBER}


def forward_number(body: bytes) -> str:
    """Cut the number out of the hook's answer, in the cheapest way there is.

    The two other libraries are given no XML parser to pay for.
    """
    return body.partition(b"<Dial>")[2].partition(b"</Dial>")[0].decode()


def dial_options(number: str) -> str:
    """EXEC Dial's one argument string."""
    return f"PJSIP/{number}@trunk,{RING_SECONDS},gS({TALK_SECONDS})"
