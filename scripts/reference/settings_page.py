"""The page of all settings, from the example configuration."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.reference.markdown import WIDTH, prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXAMPLE: Final = Path(__file__).parents[2] / "agi-bridge.example.toml"
_TABLE: Final = re.compile(r"\[([\w.]+)\](?: # (.*))?")
_SETTING: Final = re.compile(r"(#?)(\w+) = (.*)")
_LINE: Final = "lines.shop"
_OWN_LINE: Final = "lines.NAME"
_HEAD: Final = """# Settings

Every setting, its default and its meaning, made from `agi-bridge.example.toml`. Times are in
seconds. Phone numbers are in E.164. The environment overrides the file: the variable is
`AGI_BRIDGE_` and the setting's path, with two underscores between the parts, such as
`AGI_BRIDGE_HOOK__TOTAL_SECONDS=6`. What a reload takes: [Operations](../operations.md#reload).
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the example.

    Attributes:
        table: the table that it is in; empty at the top.
        name: its name.
        value: its default, or an example of what has none.
        optional: whether it has no default.
        comment: the lines before it.
    """

    table: str
    name: str
    value: str
    optional: bool
    comment: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its path in the configuration."""
        return f"{self.table}.{self.name}" if self.table else self.name

    @property
    def required(self) -> bool:
        """Whether the configuration has to set it."""
        return bool(self.comment) and self.comment[0].startswith("Required")


def settings() -> tuple[dict[str, str], list[Setting]]:
    """What each table is for, and all settings in the order of the example."""
    titles: dict[str, str] = {"": ""}
    found: list[Setting] = []
    table = ""
    comment: list[str] = []
    for line in _joined(EXAMPLE.read_text(encoding="utf-8").splitlines()):
        if match := _TABLE.fullmatch(line):
            table = match[1].replace(_LINE, _OWN_LINE)
            titles[table] = match[2] or ""
            comment = []
        elif match := _SETTING.fullmatch(line):
            optional, name, value = bool(match[1]), match[2], match[3]
            found.append(Setting(table, name, value, optional, tuple(comment)))
            comment = []
        elif line.startswith("#"):
            comment.append(line.removeprefix("#").removeprefix(" "))
        else:
            comment = []
    return titles, found


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """The lines of the file; a remark behind a value comes before it."""
    for line in lines:
        match = re.fullmatch(r"(#?\w+ = (?:\{\}|[^#]*?)) # (.*)", line)
        if match and not line.startswith("# "):
            yield f"# {match[2]}"
            yield match[1]
        else:
            yield line


def settings_page() -> str:
    """The page."""
    titles, found = settings()
    parts = [_HEAD]
    for table, title in titles.items():
        parts.append(f"## `[{table}]`\n" if table else "## At the top\n")
        if title:
            parts.append(prose(f"{title[0].upper()}{title[1:]}.") + "\n")
        parts += [_section(each) for each in found if each.table == table]
    return "\n".join(parts)


def _section(setting: Setting) -> str:
    what = "Default:"
    if setting.required:
        what = "Required, like"
    elif setting.optional:
        what = "No default; for example"
    default = f"{what} `{setting.value}`."
    if len(default) > WIDTH:
        default = f"{what}\n\n```toml\n{setting.value}\n```"
    return f"### `{setting.path}`\n\n{default}\n\n{_comment(setting.comment)}"


def _comment(lines: Iterable[str]) -> str:
    """The comment as Markdown: what is indented in it is code."""
    blocks: list[tuple[bool, list[str]]] = []
    for line in lines:
        is_code = line.startswith("    ") or (not line and bool(blocks) and blocks[-1][0])
        if not blocks or blocks[-1][0] != is_code:
            blocks.append((is_code, []))
        blocks[-1][1].append(line)
    return "\n".join(
        f"```toml\n{textwrap.dedent(chr(10).join(block)).strip()}\n```\n"
        if is_code
        else f"{prose(_linked(' '.join(block)))}\n"
        for is_code, block in blocks
    )


def _linked(text: str) -> str:
    """The text with the pages that it names as links."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](../\1)", text)
