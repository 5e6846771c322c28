"""Which number was called: the places where Asterisk may say it, in order of trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge import phone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.agi import Environment
    from agi_bridge.settings import Line


def called_numbers(environment: Environment) -> tuple[str | None, ...]:
    """What the call's environment says was called, the most telling first.

    `to=` in the AGI URL, the first AGI argument, the DNID that the trunk gave, the extension that
    the dialplan is at. Any of them may be missing.
    """
    argument = environment.arguments[0] if environment.arguments else None
    return (
        environment.query.get("to"),
        argument,
        environment.dnid,
        environment.extension,
    )


def called_did(line: Line, called: Sequence[str | None]) -> str:
    """Which of a line's DIDs was called; on the fallback line, what was called instead."""
    numbers = [number for number in called if number]
    for number in numbers:
        for did in line.did:
            if phone.same_number(number, did, region=line.regions[0]):
                return did
    return numbers[0] if numbers else line.did[0]
