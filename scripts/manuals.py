"""Writes the man pages and the shell completions, from the commands themselves.

    python -m scripts.manuals FOLDER

    FOLDER/man1/agi-bridge*.1              a page for each command (man-pages(7))
    FOLDER/completions/agi-bridge.bash     bash
    FOLDER/completions/_agi-bridge         zsh
    FOLDER/completions/agi-bridge.fish     fish

The completions are plain lists: to ask the program itself at each press of the tab key would take
a third of a second.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

from agi_bridge import __version__
from agi_bridge.cli.commands import CommandGroup
from agi_bridge.cli.main import app

PROGRAM: Final = "agi-bridge"
_FILES: Final = (
    (
        "/etc/agi-bridge/agi-bridge.toml",
        "The configuration, unless --config or AGI_BRIDGE_CONFIG names another.",
    ),
    ("/var/lib/agi-bridge", "The state: ledger, keys, checkpoints, rendered speech."),
    ("/usr/share/doc/agi-bridge", "The documentation, and an example of the configuration."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """An option or an argument of a command.

    Attributes:
        names: as they are typed; none for an argument.
        metavar: what stands for its value; empty for a switch.
        help: what it does.
        required: whether the command needs it.
        several: whether it may be given more than once.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    required: bool
    several: bool

    @property
    def is_file(self) -> bool:
        """Whether its value is the name of a file or folder."""
        return self.metavar in {"FILE", "FOLDER", "EXPORT", "DIR", "PATH"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is typed.

    Attributes:
        words: the program's name and those after it.
        text: its help.
        options: with arguments.
        commands: those below it that are listed.
    """

    words: tuple[str, ...]
    text: str
    options: tuple[Option, ...]
    commands: tuple[Command, ...] = ()

    @property
    def page(self) -> str:
        """The name of its page."""
        return "-".join(self.words)

    @property
    def summary(self) -> str:
        """The first sentence of its help, without the full stop."""
        text = " ".join(self.text.partition("\n\n")[0].split())
        return text.partition(". ")[0].rstrip(".")

    def all(self) -> list[Command]:
        """This command and those below it."""
        return [self, *(each for below in self.commands for each in below.all())]


def commands() -> Command:
    """The program with all its commands."""
    return _command((PROGRAM,), get_command(app))


def _command(words: tuple[str, ...], found: Any) -> Command:  # noqa: ANN401 - typer's click has no public type
    below: tuple[Command, ...] = ()
    if isinstance(found, CommandGroup):
        below = tuple(
            _command((*words, name), found.get_command(None, name))
            for name, entry in found.table.items()
            if not entry.hidden
        )
    options = [_option(each) for each in found.params if not getattr(each, "hidden", False)]
    usual = Option(("--help",), "", "Show help and exit.", required=False, several=False)
    text = found.help or ""
    epilog = getattr(found, "epilog", None)
    return Command(words, f"{text}\n\n{epilog}" if epilog else text, (*options, usual), below)


def _option(found: Any) -> Option:  # noqa: ANN401 - the same
    names = tuple(each for each in (*found.opts, *found.secondary_opts) if each.startswith("-"))
    is_switch = bool(getattr(found, "is_flag", False)) and bool(names)
    return Option(
        names,
        "" if is_switch else (found.metavar or found.name).upper(),
        " ".join((found.help or "").split()),
        required=bool(found.required),
        several=bool(getattr(found, "multiple", False)) or found.nargs == -1,
    )


# Man pages


def man_page(command: Command) -> str:
    """The page of a command, in man(7)'s macros."""
    lines = [
        f'.TH {_roff(command.page).upper()} 1 "" "{PROGRAM} {__version__}" "User Commands"',
        ".SH NAME",
        f"{_roff(command.page)} \\- {_roff(_lower_first(command.summary))}",
        ".SH SYNOPSIS",
        ".nh",
        f".B {_roff(' '.join(command.words))}",
        *_synopsis(command),
        ".hy",
        ".SH DESCRIPTION",
        *_paragraphs(command.text),
    ]
    arguments = [each for each in command.options if not each.names]
    if arguments:
        lines.append(".SH ARGUMENTS")
        for each in arguments:
            lines += [".TP", f"\\fI{_roff(each.metavar)}\\fR", _roff(each.help) or "\\&"]
    lines.append(".SH OPTIONS")
    for each in command.options:
        if each.names:
            names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in each.names)
            value = f" \\fI{_roff(each.metavar)}\\fR" if each.metavar else ""
            lines += [".TP", names + value, _roff(each.help) or "\\&"]
    if command.commands:
        lines.append(".SH COMMANDS")
        for below in command.commands:
            lines += [".TP", f"\\fB{_roff(below.page)}\\fR(1)", f"{_roff(below.summary)}."]
    if len(command.words) == 1:
        lines.append(".SH FILES")
        for path, what in _FILES:
            lines += [".TP", f"\\fI{_roff(path)}\\fR", _roff(what)]
    else:
        above = "-".join(command.words[:-1])
        lines += [".SH SEE ALSO", f"\\fB{_roff(above)}\\fR(1)"]
    return "\n".join(lines) + "\n"


def _synopsis(command: Command) -> list[str]:
    words = ["[\\fIOPTION\\fR]..."]
    if command.commands:
        words.append("\\fICOMMAND\\fR")
    for each in command.options:
        if not each.names:
            word = f"\\fI{_roff(each.metavar)}\\fR" + ("..." if each.several else "")
            words.append(word if each.required else f"[{word}]")
    return [" ".join(words)]


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        lines += [".PP", _roff(" ".join(paragraph.split()))]
    return lines[1:]


def _roff(text: str) -> str:
    r"""A text for roff: hyphens that can be copied, and no line that looks like a macro."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    safe = safe.replace("…", "...").replace("“", '"').replace("”", '"')
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


def _lower_first(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


# Completions


def bash(root: Command) -> str:
    """The completion for bash."""
    cases = []
    for each in root.all():
        words = " ".join([*(below.words[-1] for below in each.commands), *_option_names(each)])
        files = "|".join(name for option in each.options if option.is_file for name in option.names)
        takes_file = any(option.is_file and not option.names for option in each.options)
        cases.append(
            f'    "{" ".join(each.words[1:])}") words="{words}" files="{files}"'
            f" plain={'yes' if takes_file else 'no'} ;;"
        )
    groups = "|".join(
        " ".join(each.words[1:]) for each in root.all() if each.commands and each != root
    )
    return f"""# bash completion of {PROGRAM}; made by scripts/manuals.py
_agi_bridge() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
  local command="" word words="" files="" plain=no
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$command" in
      ""|{groups}) [[ $word == -* ]] || command="${{command:+$command }}$word" ;;
    esac
  done
  case "$command" in
{chr(10).join(cases)}
  esac
  COMPREPLY=()
  if [[ -n $files && $previous == @($files) ]] || [[ $plain == yes && $current != -* ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}}
shopt -s extglob
complete -F _agi_bridge {PROGRAM}
"""


def zsh(root: Command) -> str:
    """The completion for zsh."""
    functions = []
    for each in root.all():
        name = "_" + "_".join(each.words).replace("-", "_")
        lines = [f"{name}() {{"]
        if each.commands:
            lines.append("  local -a commands=(")
            lines += [
                f"    {_quoted(f'{below.words[-1]}:{below.summary}')}" for below in each.commands
            ]
            lines.append("  )")
            calls = [
                f"    {below.words[-1]}) shift words; (( CURRENT-- )); "
                f"_{'_'.join(below.words).replace('-', '_')} ;;"
                for below in each.commands
            ]
            lines += [
                "  if (( CURRENT == 2 )); then",
                "    _describe command commands",
                "    return",
                "  fi",
                "  case $words[2] in",
                *calls,
                "  esac",
            ]
        else:
            lines.append("  _arguments \\")
            lines += [
                f"    {_zsh_option(option, name_)} \\"
                for option in each.options
                for name_ in option.names
            ]
            lines.append("    '*: :_files'")
        functions.append("\n".join([*lines, "}"]))
    entry = "_agi_bridge"
    return (
        f"#compdef {PROGRAM}\n# made by scripts/manuals.py\n"
        + "\n\n".join(functions)
        + f'\n\n{entry} "$@"\n'
    )


def _zsh_option(option: Option, name: str) -> str:
    what = re.sub(r"([\[\]:])", r"\\\1", option.help)
    value = (
        "" if not option.metavar else f":{option.metavar}:" + ("_files" if option.is_file else "")
    )
    return _quoted(f"{'*' if option.several else ''}{name}[{what}]{value}")


def fish(root: Command) -> str:
    """The completion for fish."""
    lines = [
        f"# fish completion of {PROGRAM}; made by scripts/manuals.py",
        f"complete -c {PROGRAM} -f",
    ]
    for each in root.all():
        seen = each.words[1:]
        siblings = " ".join(below.words[-1] for below in each.commands)
        inside = " and ".join(f"__fish_seen_subcommand_from {word}" for word in seen)
        inside = inside.replace(" and ", "; and ")
        complete = f"complete -c {PROGRAM} -n"
        for below in each.commands:
            outside = f"not __fish_seen_subcommand_from {siblings}"
            when = f"{inside}; and {outside}" if inside else outside
            lines.append(
                f"{complete} {_quoted(when)} -a {below.words[-1]} -d {_quoted(below.summary)}"
            )
        for option in each.options:
            names = "".join(
                f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
                for name in option.names
            )
            if names and inside:
                takes = (" -r -F" if option.is_file else " -x") if option.metavar else ""
                what = _quoted(option.help)
                lines.append(f"{complete} {_quoted(inside)}{names}{takes} -d {what}")
    return "\n".join(lines) + "\n"


def _option_names(command: Command) -> list[str]:
    return [name for option in command.options for name in option.names]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


def write(folder: Path) -> None:
    """Write all pages and completions into a folder."""
    root = commands()
    pages, completions = folder / "man1", folder / "completions"
    for each in (pages, completions):
        each.mkdir(parents=True, exist_ok=True)
    for command in root.all():
        (pages / f"{command.page}.1").write_text(man_page(command), encoding="utf-8")
    (completions / f"{PROGRAM}.bash").write_text(bash(root), encoding="utf-8")
    (completions / f"_{PROGRAM}").write_text(zsh(root), encoding="utf-8")
    (completions / f"{PROGRAM}.fish").write_text(fish(root), encoding="utf-8")


def main(arguments: list[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m scripts.manuals")
    parser.add_argument("folder", type=Path)
    write(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main(sys.argv[1:])
