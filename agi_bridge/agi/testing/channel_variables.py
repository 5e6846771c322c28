"""The channel variables of a simulated call, and the dialplan text that reads them.

Expressions (`$[...]`) are not evaluated: one in a text is a `NotSimulatedError`. So is a predefined
variable that depends on the PBX's configuration, unless the scenario's variables have it.
"""

import re
import time
from collections.abc import Callable
from typing import Final

from agi_bridge.agi.testing.astdb import AstDb
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.dialplan_functions import DialplanFunctions, plain_name
from agi_bridge.agi.testing.errors import NotSimulatedError

_INNERMOST = re.compile(r"\$\{([^${}]*)(?:\}|\Z)")  # the last brace may be missing
_RANGE = re.compile(r"\s*(-?[0-9]+)(?::\s*(-?[0-9]+))?")
_NUMBER = re.compile(r"[+-]?[0-9]+")
_OF_CONFIGURATION: Final = frozenset(
    {"ENTITYID", "HINT", "HINTNAME"}
    | {f"AST{name}DIR" for name in ("AGI", "DATA", "DB", "ETC", "KEY", "LOG", "MOD", "RUN")}
    | {"ASTSBINDIR", "ASTSPOOLDIR", "ASTVARLIBDIR"}
)
_CALLING = ("CALLINGPRES", "CALLINGANI2", "CALLINGTON", "CALLINGTNS")
_VALUE_BYTES = 1023
"""GET VARIABLE copies into 1,024 bytes (`handle_getvariable`)."""


class ChannelVariables:
    """The variables of one channel, and what else its dialplan can read: functions, the AstDB."""

    def __init__(self, channel: SimulatedChannel) -> None:
        self._channel = channel
        self._values: dict[str, str] = {}
        self._globals: dict[str, str] = {}
        self.database: AstDb = AstDb()
        self.functions: DialplanFunctions = DialplanFunctions(
            channel, self.database, self._values, self._globals, self._inserted
        )
        self.hangup_cause: str = "0"
        self._given: dict[str, str] = {}
        self._predefined: dict[str, Callable[[], str]] = self._find_predefined()
        for name, text in channel.scenario.variables.items():
            if _is_function(name):
                self.functions.give(name, text)
            elif name in _OF_CONFIGURATION or name in self._predefined:
                self._given[name] = text
            else:
                self.store(name, text)

    def store(self, name: str, text: str) -> None:
        """Set a variable, or write a function.

        A predefined variable still reads as before.

        Raises:
            NotSimulatedError: a function that the simulation lacks would set a variable.
        """
        if _is_function(name):
            self.functions.write(name, text)
        else:
            self._values[plain_name(name)] = text

    def read(self, name: str) -> str | None:
        """Read a variable or a function, cut as GET VARIABLE cuts it; None if it is unset.

        Raises:
            NotSimulatedError: the simulation cannot know its value.
        """
        if _is_function(name):
            text = self.functions.read(name)
        else:
            text = self._get(name)
            text = text and _part(text, _split(name)[1])
        if text is None:
            return None
        raw = text.encode("utf-8", "surrogateescape")[:_VALUE_BYTES]
        return raw.decode("utf-8", "surrogateescape")

    def evaluate(self, expression: str) -> str:
        """Replace ``${X}``, ``${X:1:2}`` and ``${LEN(${X})}``, innermost first.

        Raises:
            NotSimulatedError: the text has an expression, or reads what the simulation lacks.
        """
        if "$[" in expression:
            raise NotSimulatedError("expressions like $[1 + 2]", "evaluate them in the server")
        kept: list[str] = []

        def replace(found: re.Match[str]) -> str:
            kept.append(self._inserted(_restore(found[1], kept)))  # never evaluated again
            return f"\0{len(kept) - 1}\0"

        while _INNERMOST.search(expression):
            expression = _INNERMOST.sub(replace, expression)
        return _restore(expression, kept)

    def _inserted(self, inside: str) -> str:
        """What `${inside}` becomes in a text."""
        name, part = _split(inside)
        text = self.functions.read(name) if "(" in name else self._get(name)
        return _part(text or "", part)

    def _get(self, name: str) -> str | None:
        """Find a variable as `ast_str_retrieve_variable` does: predefined ones come first."""
        if name in self._given:
            return self._given[name]
        if name in _OF_CONFIGURATION:
            raise NotSimulatedError(f"the variable {name}", "give it in `variables`")
        if name in self._predefined:
            return self._predefined[name]()
        return self._values.get(name, self._globals.get(name))

    def _find_predefined(self) -> dict[str, Callable[[], str]]:
        channel, scenario = self._channel, self._channel.scenario
        continued = channel.record.continue_at
        calling = {name: scenario.environment.get(name.lower()) or "0" for name in _CALLING}
        return {
            **{name: text.__str__ for name, text in calling.items()},
            "CHANNEL": lambda: channel.full_name,
            "CONTEXT": lambda: continued.get("context", scenario.context),
            "EPOCH": lambda: str(int(time.time())),
            "EXTEN": lambda: continued.get("extension", scenario.extension),
            "HANGUPCAUSE": lambda: self.hangup_cause,
            "PRIORITY": self._priority,
            "SYSTEMNAME": lambda: "",
            "UNIQUEID": lambda: channel.name,
        }

    def _priority(self) -> str:
        """Give PRIORITY: SET PRIORITY sets the one before, as AGI's own end adds 1."""
        asked = self._channel.record.continue_at.get("priority")
        if asked is None:
            return self._channel.scenario.environment.get("priority") or "1"
        number = _NUMBER.match(asked.lstrip())
        if number is None:
            raise NotSimulatedError("PRIORITY after a label", "give it in `variables`")
        return str(int(number[0]) - 1)


def _is_function(name: str) -> bool:
    return name.endswith(")") and "(" in name


def _split(name: str) -> tuple[str, str]:
    """Separate what `${...}` names from the part to cut out (`parse_variable_name`)."""
    depth = 0
    for place, char in enumerate(name):
        depth += (char == "(") - (char == ")")
        if char == ":" and depth == 0:
            return name[:place], name[place + 1 :]
    return name, ""


def _part(text: str, part: str) -> str:
    """Cut a part out as `${X:begin:length}` does (`substring` in ``pbx_variables.c``)."""
    found = _RANGE.match(part)
    if found is None:
        return text
    begin = int(found[1])
    first = begin if begin >= 0 else max(len(text) + begin, 0)
    if found[2] is None:
        return text[first:]
    length = int(found[2])
    last = first + length if length >= 0 else len(text) + length
    return text[first : max(last, first)]


def _restore(text: str, kept: list[str]) -> str:
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text)
