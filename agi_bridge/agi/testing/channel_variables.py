"""Variables and AstDB of a call, as far as GET FULL VARIABLE can evaluate them here."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from agi_bridge.agi.testing.call import Call

_INNERMOST = re.compile(r"\$\{((?:URIENCODE|LEN)\()?([^${}]*)\}")
_VALUE_BYTES = 1023
"""GET VARIABLE copies into 1,024 bytes (`handle_getvariable`)."""


class ChannelVariables:
    """What a channel remembers."""

    def __init__(self, call: "Call") -> None:
        pbx = call.pbx
        self._values = {
            "CALLERID(num)": pbx.caller_id,
            "CALLERID(name)": pbx.caller_name,
            "CHANNEL(language)": pbx.language,
            "CHANNEL": f"PJSIP/caller-{call.name}",
            "CONTEXT": pbx.context,
            "EXTEN": pbx.extension,
            "UNIQUEID": call.name,
            **pbx.variables,
        }
        self._database: dict[tuple[str, str], str] = {}

    def store(self, name: str, text: str) -> None:
        """Set a variable."""
        self._values[name] = text

    def read(self, name: str) -> str | None:
        """Read a variable, cut as Asterisk cuts it; None if it is unset."""
        text = self._values.get(name)
        if text is None:
            return None
        raw = text.encode("utf-8", "surrogateescape")[:_VALUE_BYTES]
        return raw.decode("utf-8", "surrogateescape")

    def evaluate(self, expression: str) -> str:
        """Replace ``${X}``, ``${URIENCODE(${X})}`` and ``${LEN(${X})}``, inmost first."""
        kept: list[str] = []

        def replace(found: re.Match[str]) -> str:
            function, inside = found[1], found[2]
            if function is None:
                text = self._values.get(inside, "")
            else:
                inside = _restore(inside.removesuffix(")"), kept)
                raw = inside.encode("utf-8", "surrogateescape")
                text = str(len(raw)) if function == "LEN(" else quote(raw, safe="-_.!~*'()")
            kept.append(text)  # what a value holds is never evaluated again
            return f"\0{len(kept) - 1}\0"

        while _INNERMOST.search(expression):
            expression = _INNERMOST.sub(replace, expression)
        return _restore(expression, kept)

    def database(self, what: str, args: list[str]) -> str:
        """Read or change AstDB."""
        if what == "GET":
            text = self._database.get((args[0], args[1]))
            return "200 result=0\n" if text is None else f"200 result=1 ({text})\n"
        if what == "PUT":
            self._database[args[0], args[1]] = args[2]
            return "200 result=1\n"
        if what == "DEL":
            gone = self._database.pop((args[0], args[1]), None)
            return f"200 result={int(gone is not None)}\n"
        tree = args[1] if args[1:] else ""
        doomed = [key for key in self._database if key[0] == args[0] and key[1].startswith(tree)]
        for key in doomed:
            del self._database[key]
        # As `handle_dbdeltree` prints it: 1 is what says that nothing was there.
        return f"200 result={0 if doomed else 1}\n"


def _restore(text: str, kept: list[str]) -> str:
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)
