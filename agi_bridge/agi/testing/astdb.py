"""The simulated PBX's AstDB (``main/db.c``)."""

import re


class AstDb:
    """Values by path: family and key make one, as in AstDB's file."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, family: str, key: str) -> str | None:
        """Return a value; None if there is none."""
        return self._values.get(_path(family, key))

    def put(self, family: str, key: str, text: str) -> None:
        """Set a value."""
        self._values[_path(family, key)] = text

    def delete(self, family: str, key: str) -> None:
        """Remove a value, if there is one."""
        self._values.pop(_path(family, key), None)

    def delete_tree(self, family: str, key: str = "") -> bool:
        """Remove a path with all below it; tell whether anything was there.

        Asterisk selects with SQLite's LIKE (`ast_db_deltree`): ``_`` is any character, ``%`` any
        text, and ASCII letters match in either case.
        """
        tree = _path(family, key) if key else f"/{family}" if family else ""
        wild = {"_": ".", "%": ".*"}
        pattern = "".join(wild.get(char) or re.escape(char) for char in tree)
        like = re.compile(f"{pattern}/.*", re.IGNORECASE | re.ASCII | re.DOTALL)
        doomed = [path for path in self._values if like.fullmatch(f"{path}/")]
        for path in doomed:
            del self._values[path]
        return bool(doomed)


def _path(family: str, key: str) -> str:
    return f"/{family}/{key}"
