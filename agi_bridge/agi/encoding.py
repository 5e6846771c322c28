"""Encoding of AGI commands, and Asterisk's rules for splitting them again. Pure.

Two layers: a line is split into words by `parse_args` (``res/res_agi.c``); the one argument
string of EXEC is split again by the application (`__ast_app_separate_args`, ``main/app.c``).
"""

import re
from functools import lru_cache

from agi_bridge.agi.errors import AGIArgumentError

MAX_WORDS = 127
"""`MAX_ARGS` is 128, the last one is the end mark. Asterisk drops further words."""

_LINE_BYTES = 2047
_FEW_WORDS = 100
"""So many arguments are below `MAX_WORDS` whatever the command's own name."""
_KNOWN_LINES = 1024
"""Commands that are remembered as bytes: most are the same prompts and waits from call to call."""
_PLAIN = re.compile(r'[^,"\\()\[\]]*(?:\([^,"\\()\[\]]*\)[^,"\\()\[\]]*)*')
"""Text that needs no escaping for an application: at most pairs of parentheses."""


@lru_cache(maxsize=_KNOWN_LINES, typed=True)
def encode(words: str, *arguments: str | int, line_bytes: int = _LINE_BYTES) -> bytes:
    r"""Encode a command as one line: every argument quoted, ``"`` and ``\`` escaped.

    Raises:
        AGIArgumentError: a line feed, carriage return or NUL in an argument (AGI has no escape
            for them, and what follows would be run as a command), more than 127 words, a line
            longer than `line_bytes`, or text that cannot be encoded.
    """
    line = words
    for argument in arguments:
        if isinstance(argument, str):
            if "\\" in argument or '"' in argument:
                argument = argument.replace("\\", "\\\\").replace('"', '\\"')  # noqa: PLW2901 - the same word, escaped
            line += f' "{argument}"'
        else:
            line += f" {argument}"
    # What is printable (`str.isprintable`) holds no control character and no surrogate: nearly all.
    encoded = f"{line}\n".encode() if line.isprintable() else _encode_odd(line)
    if len(encoded) > line_bytes:
        raise AGIArgumentError(
            "line_too_long", f"a command has {len(encoded)} bytes; the limit is {line_bytes}"
        )
    if len(arguments) > _FEW_WORDS and len(arguments) + words.count(" ") >= MAX_WORDS:
        raise AGIArgumentError("too_many_words", f"a command has more than {MAX_WORDS} words")
    return encoded


def _encode_odd(line: str) -> bytes:
    """Encode a line that holds control characters or bytes that are not UTF-8.

    Raises:
        AGIArgumentError: see `encode`.
    """
    if "\n" in line or "\r" in line or "\0" in line:
        raise AGIArgumentError("line_break", "a command cannot contain a line break or NUL")
    try:
        # Surrogate escapes are bytes that came from Asterisk; they go back as they were.
        return line.encode("utf-8", "surrogateescape") + b"\n"
    except UnicodeEncodeError as error:
        # Without the cause: it shows the text.
        raise AGIArgumentError(
            "not_unicode", "a command contains text that is not Unicode"
        ) from error.__cause__


def split_command(line: str) -> list[str]:
    r"""Split a command line as `parse_args` does: quotes, backslashes, blanks and tabs."""
    found: list[list[str]] = []
    quoted = escaped = False
    blank = True
    for char in line.removesuffix("\n"):
        if char == '"' and not escaped:
            quoted = not quoted
            if quoted and blank:
                found.append([])
                blank = False
        elif char in " \t" and not quoted and not escaped:
            blank = True
        elif char == "\\" and not escaped:
            escaped = True
        else:
            if blank:
                if len(found) >= MAX_WORDS:
                    continue
                found.append([])
                blank = False
            found[-1].append(char)
            escaped = False
    return ["".join(word) for word in found]


@lru_cache(maxsize=_KNOWN_LINES)
def app_arguments(*arguments: str) -> str:
    r"""Join an application's arguments so that it reads each of them literally.

    An argument that needs no escaping stays as it is (``gS(7200)``); any
    other gets a backslash before each of ``, " \ ( ) [ ]``. An application undoes this in all its
    arguments except the last one it knows: `__ast_app_separate_args` leaves that one raw.
    """
    return ",".join(
        argument if _PLAIN.fullmatch(argument) else _literal(argument) for argument in arguments
    )


def raw_arguments(*arguments: str) -> str:
    """Join arguments for what splits them and takes each as it stands: `gosub_exec`.

    Raises:
        AGIArgumentError: they would be split at another place; nothing can keep a comma there.
    """
    text = ",".join(arguments)
    if (separate_arguments(text, raw=True) or [""]) != list(arguments):
        raise AGIArgumentError("raw_argument", "an argument of a subroutine cannot hold a comma")
    return text


def separate_arguments(text: str, *, raw: bool = False) -> list[str]:
    r"""Separate an application's arguments as `__ast_app_separate_args` does (delimiter ``,``).

    `raw`: quotes and backslashes stay (`AST_STANDARD_RAW_ARGS`).
    """
    if not text:
        return []
    found = [""]
    depth = {"(": 0, "[": 0}
    quoted = False
    chars = iter(text)
    for char in chars:
        if char in "([":
            depth[char] += 1
        elif char in ")]":
            opening = "(" if char == ")" else "["
            depth[opening] = max(0, depth[opening] - 1)
        elif char == '"':
            quoted = not quoted
            found[-1] += char if raw else ""
            continue
        elif char == "\\":
            found[-1] += char if raw else ""
            found[-1] += next(chars, "")
            continue
        elif char == "," and not quoted and not any(depth.values()):
            found.append("")
            continue
        found[-1] += char
    return found


def _literal(argument: str) -> str:
    return "".join(f"\\{char}" if char in ',"\\()[]' else char for char in argument)
