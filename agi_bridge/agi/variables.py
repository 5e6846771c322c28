"""Commands for channel variables and AstDB, and no-ops; they work on a dead channel too."""

import re
from urllib.parse import unquote

from agi_bridge.agi.commands import Commands
from agi_bridge.agi.errors import AGIAppError, AGIArgumentError
from agi_bridge.agi.results import value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(\([A-Za-z0-9_.,:@/ -]*\))?")
_DONE = "1"


class VariableCommands(Commands):
    """Channel variables, functions, and Asterisk's own database."""

    __slots__ = ()

    async def set_variable(self, name: str, text: str | int) -> None:
        """Set a channel variable or function: SET VARIABLE (`handle_setvariable`).

        The text is taken literally, ``${...}`` included.
        """
        await self._send("SET VARIABLE", name, str(text), live=False)

    async def get_variable(self, name: str) -> str | None:
        """Read a variable: GET VARIABLE (`handle_getvariable`); None if it is not set.

        At most 1,023 bytes of it, raw: for untrusted values, use `read_variable`.
        """
        return value(await self._send("GET VARIABLE", name, live=False))

    async def get_full_variable(self, expression: str, channel: str | None = None) -> str | None:
        """Evaluate dialplan text: GET FULL VARIABLE (`handle_getvariablefull`).

        ``${X}`` of an unset X is empty. Never put untrusted text into the expression. `channel` is
        the name of another channel to evaluate it on; None if it does not exist.
        """
        names = () if channel is None else (channel,)
        return value(await self._send("GET FULL VARIABLE", expression, *names, live=False))

    async def read_variable(self, name: str) -> str | None:
        """Read an untrusted variable: line breaks and ``)`` in it cannot forge a reply.

        Asterisk encodes the value (``URIENCODE`` of func_uri, ``REPLACE`` of func_strings); this
        decodes it. None if it is unset or empty. A colon travels as the character U+001F: behind a
        ``)`` it would begin the place of a substring (`parse_variable_name` in pbx_variables.c).

        Raises:
            AGIArgumentError: the name is not a variable's or a function's.
        """
        if not _NAME.fullmatch(name):
            raise AGIArgumentError("variable_name", "this is not the name of a variable")
        encoded = await self.get_full_variable(f"${{URIENCODE(${{REPLACE({name},:,\\x1f)}})}}")
        if not encoded:
            return None
        return unquote(encoded, errors="surrogateescape").replace("\x1f", ":")

    async def verbose(self, text: str, level: int = 1) -> None:
        """Write to Asterisk's console: VERBOSE (`handle_verbose`), from `level` 1 to 4 up."""
        await self._send("VERBOSE", text, level, live=False)

    async def noop(self, text: str = "") -> None:
        """Do nothing; shows in Asterisk's AGI debugging: NOOP (`handle_noop`)."""
        await self._send("NOOP", text, live=False)

    async def database_get(self, family: str, name: str) -> str | None:
        """Read a key of AstDB: DATABASE GET (`handle_dbget`); None if it does not exist."""
        return value(await self._send("DATABASE GET", family, name, live=False))

    async def database_put(self, family: str, name: str, text: str) -> None:
        """Write a key of AstDB: DATABASE PUT (`handle_dbput`).

        Raises:
            AGIAppError: it was not stored.
        """
        reply = await self._send("DATABASE PUT", family, name, text, live=False)
        if reply.result != _DONE:
            raise AGIAppError("database_failed", "DATABASE PUT did not store the value")

    async def database_delete(self, family: str, name: str) -> bool:
        """Delete a key of AstDB: DATABASE DEL (`handle_dbdel`); False if AstDB could not.

        True also where there was no such key.
        """
        reply = await self._send("DATABASE DEL", family, name, live=False)
        return reply.result == _DONE

    async def database_delete_tree(self, family: str, tree: str | None = None) -> None:
        """Delete a family of AstDB, or a tree in it: DATABASE DELTREE (`handle_dbdeltree`).

        Asterisk compares with SQLite's LIKE (`ast_db_deltree`): ``_`` stands for any character,
        ``%`` for any text, and letters are compared without case. ``call_back`` also deletes the
        families ``callXback`` and ``CALL_BACK``.

        Returns nothing, because the result has opposite meanings in different Asterisk versions.
        """
        keys = (family,) if tree is None else (family, tree)
        await self._send("DATABASE DELTREE", *keys, live=False)
