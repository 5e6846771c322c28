"""Fast path of `agi-bridge health`: asks the service without loading the other commands.

A container runs it every few seconds, beside the calls. Loading typer and the configuration's
types costs several times the question. What is not simple is left to the command itself: other
options, a configuration that needs more than its `state_dir`, a service that does not run there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.config_file import find_file, plain_state_dir
from agi_bridge.control_client import ControlError, ask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STDOUT: Final = 1


def probe(arguments: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Run `agi-bridge health`, if this is a simple case of it; return its exit code, or None.

    Args:
        arguments: of the command line, without the program's name.
        environ: the environment.
    """
    match arguments:
        case ["health"]:
            named = None
        case ["health", "-c" | "--config", name] if name:
            named = Path(name)
        case _:
            return None
    file = find_file(named, environ)
    state_dir = plain_state_dir(file, environ)
    if state_dir is None:
        return None
    try:
        level = str(ask(state_dir, "status", config=file)["level"])
        os.write(_STDOUT, f"{level}\n".encode())
    except (ControlError, OSError) as error:
        if isinstance(error, ControlError) and error.code == "no_answer":
            raise SystemExit(f"agi-bridge: {error}") from None  # not another ten seconds
        return None
    return int(level == "not_ready")
