"""The channel variables and the AstDB of a simulated call, and the dialplan text that reads them.

Of dialplan functions only `URIENCODE` and `LEN` are evaluated, and no expressions (`$[...]`):
another one in a text is a `NotSimulatedError`, unless the scenario's variables have it by its name.
"""

import re
from urllib.parse import quote

from agi_bridge.agi.testing.errors import NotSimulatedError
from agi_bridge.agi.testing.scenario import Scenario

_INNERMOST = re.compile(r"\$\{((?:URIENCODE|LEN)\()?([^${}]*)\}")
_SUBSTRING = re.compile(r"([^:()]*):(-?[0-9]+)(?::(-?[0-9]+))?")
_CALLER = re.compile(r'(?:"((?:[^"\\]|\\.)*)"\s*|([^<"]*))<([^>]*)>')
_NUMBER_ALONE = re.compile(r"[0-9*#+(). -]+")
_VALUE_BYTES = 1023
"""GET VARIABLE copies into 1,024 bytes (`handle_getvariable`)."""


class ChannelVariables:
    """The variables of one channel, and its own AstDB."""

    def __init__(self, scenario: Scenario, unique_id: str, channel_name: str) -> None:
        self._values = {
            "CALLERID(num)": _known(scenario.caller_id),
            "CALLERID(name)": _known(scenario.caller_name),
            "CHANNEL(language)": scenario.language,
            "CHANNEL": channel_name,
            "CONTEXT": scenario.context,
            "EXTEN": scenario.extension,
            "HANGUPCAUSE": "0",
            "UNIQUEID": unique_id,
        }
        for name, text in scenario.variables.items():
            self.store(name, text)
        self._database: dict[str, str] = {}

    def store(self, name: str, text: str) -> None:
        """Set a variable; underscores before its name, which let other channels inherit it, go."""
        name = name.removeprefix("_").removeprefix("_")
        if name == "CALLERID(all)":
            self._values["CALLERID(name)"], self._values["CALLERID(num)"] = _caller(text)
        else:
            self._values[name] = text

    def _get(self, name: str) -> str | None:
        if name == "CALLERID(all)":
            return '"{CALLERID(name)}" <{CALLERID(num)}>'.format(**self._values)
        text = self._values.get(name)
        part = _SUBSTRING.fullmatch(name) if text is None else None
        if part is None:
            return text
        return _substring(self._values.get(part[1], ""), int(part[2]), part[3])

    def _inserted(self, name: str) -> str:
        """What `${name}` becomes in a text."""
        text = self._get(name)
        if text is None and "(" in name:
            raise NotSimulatedError(f"the function {name}", "give it in `variables`")
        return text or ""

    def read(self, name: str) -> str | None:
        """Read a variable, cut as Asterisk cuts it; None if it is unset."""
        text = self._get(name)
        if text is None:
            return None
        raw = text.encode("utf-8", "surrogateescape")[:_VALUE_BYTES]
        return raw.decode("utf-8", "surrogateescape")

    def evaluate(self, expression: str) -> str:
        """Replace ``${X}``, ``${URIENCODE(${X})}`` and ``${LEN(${X})}``, innermost first.

        Raises:
            NotSimulatedError: the text has another function, or an expression.
        """
        if "$[" in expression:
            raise NotSimulatedError("expressions like $[1 + 2]", "evaluate them in the server")
        kept: list[str] = []

        def replace(found: re.Match[str]) -> str:
            function, inside = found[1], found[2]
            if function is None:
                text = self._inserted(inside)
            else:
                inside = _restore(inside.removesuffix(")"), kept)
                raw = inside.encode("utf-8", "surrogateescape")
                text = str(len(raw)) if function == "LEN(" else quote(raw, safe="-_.!~*'()")
            kept.append(text)  # a value is never evaluated again
            return f"\0{len(kept) - 1}\0"

        while _INNERMOST.search(expression):
            expression = _INNERMOST.sub(replace, expression)
        return _restore(expression, kept)

    def database(self, action: str, args: list[str]) -> str:
        """Run DATABASE GET, PUT, DEL or DELTREE; return the reply.

        Family and key make one path, as in AstDB's file; a tree is a path with all below it.
        """
        if action == "DELTREE":
            tree = "/".join(args[:2]).rstrip("/") + "/"
            doomed = [path for path in self._database if f"{path}/".startswith(tree)]
            for path in doomed:
                del self._database[path]
            # As `handle_dbdeltree` prints it: 1 means that nothing was there.
            return f"200 result={0 if doomed else 1}\n"
        path = f"{args[0]}/{args[1]}"
        if action == "GET":
            text = self._database.get(path)
            return "200 result=0\n" if text is None else f"200 result=1 ({text})\n"
        if action == "PUT":
            self._database[path] = args[2]
        else:
            self._database.pop(path, None)
        return "200 result=1\n"


def _substring(text: str, begin: int, length: str | None) -> str:
    """Cut a part out as `${X:begin:length}` does (`substring` in ``pbx_variables.c``)."""
    first = begin if begin >= 0 else max(len(text) + begin, 0)
    if length is None:
        return text[first:]
    last = first + int(length) if int(length) >= 0 else len(text) + int(length)
    return text[first : max(last, first)]


def _known(text: str) -> str:
    """Give what a channel holds where the environment says ``unknown``: nothing."""
    return "" if text == "unknown" else text


def _caller(text: str) -> tuple[str, str]:
    """Take a caller apart into name and number (`ast_callerid_parse`)."""
    found = _CALLER.fullmatch(text.strip())
    if found is None:
        return ("", text.strip()) if _NUMBER_ALONE.fullmatch(text.strip()) else (text.strip(), "")
    name = (found[1] if found[1] is not None else found[2]).replace('\\"', '"')
    return name.strip(), found[3].strip()


def _restore(text: str, kept: list[str]) -> str:
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)
