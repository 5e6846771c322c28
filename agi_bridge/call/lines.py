"""Which number was called: the places where Asterisk may say it, in order of trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agi_bridge.agi import Environment


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
