"""The dialplan functions of the simulated PBX, read and written.

A function that is not here cannot be read, unless the scenario's variables have it by its name.
"""

import re
from collections.abc import Callable, MutableMapping
from urllib.parse import quote

from agi_bridge.agi.encoding import separate_arguments
from agi_bridge.agi.testing.astdb import AstDb
from agi_bridge.agi.testing.caller_id import parse_caller
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.errors import NotSimulatedError

_CALLER_FIELDS = {
    **{name: name for name in ("num", "name", "ani", "dnid", "rdnis")},
    "number": "num",
    "ani-num": "ani",
}
_SET_VARIABLES = frozenset({"LOCAL", "PUSH", "UNSHIFT"})
"""Functions that change variables when they are written."""
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]*)?")
Read = Callable[[str], str | None]
Write = Callable[[str, str], None]


def plain_name(name: str) -> str:
    """Remove the underscores before a variable's name, which let other channels inherit it."""
    return name.removeprefix("_").removeprefix("_")


class DialplanFunctions:
    """The functions, for one channel, whose variables and globals they read and change.

    `value_of` gives what a name between ``${`` and ``}`` becomes.
    """

    def __init__(
        self,
        channel: SimulatedChannel,
        database: AstDb,
        variables: MutableMapping[str, str],
        global_variables: MutableMapping[str, str],
        value_of: Callable[[str], str],
    ) -> None:
        scenario = channel.scenario
        self._value_of = value_of
        self._channel = channel
        self._database = database
        self._variables = variables
        self._globals = global_variables
        self._language = scenario.language
        number = _known(scenario.caller_id)
        self._caller = {
            "num": number,
            "name": _known(scenario.caller_name),
            "ani": number,
            "dnid": _known(scenario.dnid),
            "rdnis": _known(scenario.environment.get("rdnis") or ""),
        }
        self.timeouts: dict[str, float] = {"digit": 5.0, "response": 10.0}
        """Seconds of TIMEOUT(digit) and TIMEOUT(response)."""
        self._given: dict[str, str] = {}
        self._readers: dict[str, Read] = {
            "CALLERID": self._read_caller,
            "CHANNEL": self._read_channel,
            "DB": self._read_database,
            "DB_EXISTS": self._in_database,
            "GLOBAL": lambda name: global_variables.get(name, ""),
            "IF": _choice,
            "LEN": lambda text: str(len(text.encode("utf-8", "surrogateescape"))),
            "REPLACE": self._replaced,
            "TIMEOUT": self._read_timeout,
            "URIENCODE": _uri_encoded,
        }
        self._writers: dict[str, Write] = {
            "ARRAY": self._write_array,
            "CALLERID": self._write_caller,
            "CHANNEL": self._write_channel,
            "DB": self._write_database,
            "GLOBAL": self._write_global,
            "TIMEOUT": self._write_timeout,
        }

    def give(self, call: str, text: str) -> None:
        """Take what the scenario's variables say of a function: what it reads as from now on."""
        if not self._write(call, text):
            self._given[call] = text

    def read(self, call: str) -> str | None:
        """Read a function, e.g. ``CALLERID(num)``; None if it fails in Asterisk.

        Raises:
            NotSimulatedError: the simulation does not have it.
        """
        if call in self._given:
            return self._given[call]
        name, argument = _parts(call)
        try:
            return self._readers[name](argument)
        except KeyError:
            raise NotSimulatedError(f"the function {call}", "give it in `variables`") from None

    def write(self, call: str, text: str) -> None:
        """Write a function. Of one that the simulation lacks nothing can be read afterwards.

        Raises:
            NotSimulatedError: it lacks it, and Asterisk's would set a variable.
        """
        if call in self._given:
            self._given[call] = text
        elif not self._write(call, text) and _parts(call)[0] in _SET_VARIABLES:
            raise NotSimulatedError(f"the function {call}", "set the variable itself")

    def _write(self, call: str, text: str) -> bool:
        """Write a function that the simulation has; tell whether it has it."""
        name, argument = _parts(call)
        try:
            self._writers[name](argument, text)
        except KeyError:
            return False
        return True

    # A field that the simulation lacks is a KeyError in what follows.

    def _read_caller(self, field: str) -> str:
        if field.lower() == "all":
            return '"{name}" <{num}>'.format(**self._caller)
        return self._caller[_CALLER_FIELDS[field.lower()]]

    def _write_caller(self, field: str, text: str) -> None:
        if field.lower() == "all":
            self._caller["name"], self._caller["num"] = parse_caller(text)
        else:
            self._caller[_CALLER_FIELDS[field.lower()]] = text

    def _read_channel(self, field: str) -> str:
        return {
            "channeltype": "PJSIP",
            "language": self._language,
            "linkedid": self._channel.name,
            "name": self._channel.full_name,
            "state": "Up" if self._channel.record.answered else "Ring",
            "uniqueid": self._channel.name,
        }[field.lower()]

    def _write_channel(self, field: str, text: str) -> None:
        if field.lower() != "language":
            raise KeyError(field)
        self._language = text

    def _read_timeout(self, field: str) -> str:
        if field.lower() == "absolute":
            left = self._channel.seconds_left()
            return "0" if left is None else f"{left:.3f}"
        return f"{self.timeouts[field.lower()]:.3f}"

    def _write_timeout(self, field: str, text: str) -> None:
        if field.lower() == "absolute":
            self._channel.hang_up_in(_number(text))
            return
        if field.lower() not in self.timeouts:
            raise KeyError(field)
        self.timeouts[field.lower()] = max(0.0, _number(text))

    def _read_database(self, argument: str) -> str | None:
        """Read DB, which leaves a value that is there in DB_RESULT (``func_db.c``)."""
        family, slash, key = argument.partition("/")
        if not slash:
            return None
        text = self._database.get(family, key)
        if text is None:
            return ""
        self._variables["DB_RESULT"] = text
        return text

    def _in_database(self, argument: str) -> str:
        family, _, key = argument.partition("/")
        found = self._database.get(family, key) is not None
        self._read_database(argument)
        return str(int(found))

    def _write_database(self, argument: str, text: str) -> None:
        family, slash, key = argument.partition("/")
        if slash:
            self._database.put(family, key, text)

    def _replaced(self, argument: str) -> str:
        """REPLACE(variable,characters,other): each of the characters becomes the other one."""
        name, *rest = separate_arguments(argument, raw=True)
        characters, other = (*map(_unescaped, rest), "", "")[:2]
        return "".join(other[:1] if char in characters else char for char in self._value_of(name))

    def _write_global(self, name: str, text: str) -> None:
        self._globals[plain_name(name)] = text

    def _write_array(self, names: str, text: str) -> None:
        values = separate_arguments(text)
        for place, name in enumerate(names.split(",")):
            self._variables[plain_name(name)] = "".join(values[place : place + 1])


def _parts(call: str) -> tuple[str, str]:
    """Give a function's name and what is between its parentheses."""
    name, _, rest = call.partition("(")
    return name, rest[: rest.rindex(")")] if ")" in rest else rest


def _known(text: str) -> str:
    """Give what a channel holds where the environment says ``unknown``: nothing."""
    return "" if text == "unknown" else text


def _uri_encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="-_.!~*'()")


def _unescaped(text: str) -> str:
    r"""Read a character's code, ``\x1f``, as `ast_get_encoded_char` does."""
    return re.sub(r"\\x([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _choice(argument: str) -> str | None:
    """IF(condition?one:other): a number is true unless it is 0, other text is true."""
    condition, mark, rest = argument.partition("?")
    one, colon, other = rest.partition(":")
    if not condition.strip() or not mark or not (one or colon):
        return None
    number = re.match(r"[+-]?[0-9]+", condition.lstrip())
    return (one if number is None or int(number[0]) else other).strip()


def _number(text: str) -> float:
    found = _NUMBER.match(text.lstrip())
    return float(found[0]) if found else 0.0
