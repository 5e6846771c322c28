"""The two branches of an application that decides by a condition: ExecIf, GotoIf, GosubIf.

`ExecIf(CONDITION?APPLICATION(ARGUMENTS):APPLICATION(ARGUMENTS))`; the second is often left out
(`execif_exec` in apps/app_exec.c, `pbx_builtin_gotoif` in main/pbx_builtins.c). What a condition
is worth only a call can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_JUMP_OF: Final = {"gotoif": "goto", "gosubif": "gosub"}
_OPENS: Final = "([{"
_CLOSES: Final = ")]}"


@dataclass(frozen=True, slots=True)
class Command:
    """An application and its arguments, as a step has them."""

    application: str
    arguments: str

    @property
    def name(self) -> str:
        """The application as dialplans compare it: in lower case."""
        return self.application.strip().lower()


def commands(step: Command) -> tuple[Command | None, ...]:
    """Return what a step may run: itself, or both branches; None for an empty one."""
    if step.name != "execif" and step.name not in _JUMP_OF:
        return (step,)
    _, then_else = _cut(step.arguments, "?")
    first, second = _cut(then_else, ":")
    if (jump := _JUMP_OF.get(step.name)) is not None:
        return tuple(Command(jump, each) if each.strip() else None for each in (first, second))
    return _application(first), _application(second)


def _application(text: str) -> Command | None:
    name, _, rest = text.strip().partition("(")
    if not name.strip():
        return None
    inside, closed, _ = rest.rpartition(")")
    return Command(name, inside if closed else rest)


def _cut(text: str, separator: str) -> tuple[str, str]:
    """Split at the first separator that is in no brackets and no quotes."""
    depth, quoted, escaped = 0, False, False
    for place, sign in enumerate(text):
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif sign in _OPENS:
            depth += 1
        elif sign in _CLOSES:
            depth = max(0, depth - 1)
        elif sign == separator and depth == 0:
            return text[:place], text[place + 1 :]
    return text, ""
