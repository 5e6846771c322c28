"""The page of all commands, from their own help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scripts.manuals import commands
from scripts.reference.markdown import prose, table

if TYPE_CHECKING:
    from scripts.manuals import Command, Option

_HEAD: Final = """# Commands

What `--help` says of each command.

| exit code | meaning |
| -- | -- |
| 0 | success, and the answer is yes |
| 1 | the command ran, and the answer is no (`check` found faults) or it failed |
| 2 | the command line or the configuration is wrong |
| 3 | `consents verify` and `restore --prove`: something has to be taken on trust |
| 4 | `consents verify` and `restore --prove`: the newest events are not anchored yet |
"""


def command_page() -> str:
    """The page."""
    return "\n".join([_HEAD, *(_section(each) for each in commands().all() if each.words[1:])])


def _section(command: Command) -> str:
    words = " ".join(command.words[1:])
    parts = [f"{'##' if len(command.words) == 2 else '###'} `{words}`\n"]  # noqa: PLR2004 - the program and a command
    parts += [f"{prose(each)}\n" for each in command.text.strip().split("\n\n")]
    rows = [(_shown(each), _help(each)) for each in command.options if each.help]
    if rows:
        parts.append(table(("option", "meaning"), rows))
    return "\n".join(parts)


def _shown(option: Option) -> str:
    names = option.names or (option.metavar,)
    value = f" {option.metavar}" if option.names and option.metavar else ""
    more = " …" if option.several else ""
    return ", ".join(f"`{name}{value}`" for name in names) + more


def _help(option: Option) -> str:
    return prose(option.help).replace("\n", " ")
