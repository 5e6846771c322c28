"""A secret: the configuration says where it is and never contains it.

The file says `{env = "NAME"}` or `{file = "/path"}`. `Secret.load` reads the secret once, at start;
`reveal()` returns it. It is never in a repr, an error or a dump.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr

from agi_bridge.plain_text import decode

from .types import AbsolutePath, invalid, table

_MAX_BYTES = 4096


class Secret(BaseModel):
    """Where a secret is, and, once loaded, the secret itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The environment variable that holds it."""

    file: AbsolutePath | None = None
    """The file that contains it and nothing else; white space around it is removed."""

    _value: SecretStr | None = PrivateAttr(default=None)

    def load(self, environ: Mapping[str, str]) -> str | None:
        """Read the secret; return the problem, or None.

        Never raises. The problem never contains any part of the secret.
        """
        if self.env is not None:
            if self.env not in environ:
                return f"the environment variable {self.env} is not set"
            raw = environ[self.env]
        else:
            try:
                raw = _read(Path(self.file or os.devnull))
            except OSError as error:
                return f"the file {self.file} cannot be read ({error.strerror})"
            except ValueError:
                return f"the file {self.file} is not text"
        value = raw.strip()
        if not value:
            return f"{self.place} is empty"
        if (problem := self._refused(value)) is not None:
            return f"{self.place} {problem}"
        self._value = SecretStr(value)
        return None

    def _refused(self, value: str) -> str | None:
        # The key goes into a URL or a JSON body and the token into an AGI URL. A line break or a
        # space in it means that the file is not a key.
        if len(value) > _MAX_BYTES or not value.isprintable() or " " in value:
            return f"must be one word of at most {_MAX_BYTES} characters"
        return None

    @property
    def place(self) -> str:
        """Where the secret is, for messages."""
        if self.env is not None:
            return f"the environment variable {self.env}"
        return f"the file {self.file}"

    def reveal(self) -> str:
        """Return the secret.

        Raises RuntimeError if it was not loaded: the caller bypassed `Settings.load`.
        """
        if self._value is None:
            raise RuntimeError("this secret was not loaded")
        return self._value.get_secret_value()

    def open_to_others(self) -> bool:
        """Tell whether every account may read the secret's file (OSError if it is gone)."""
        return self.file is not None and bool(self.file.stat().st_mode & stat.S_IROTH)


class KeyText(Secret):
    """A key as text, which may have several lines; the code that parses it checks it."""

    def _refused(self, value: str) -> str | None:
        return "is too long to be a key" if len(value) > _MAX_BYTES else None


def _read(path: Path) -> str:
    # Non-blocking: a FIFO in the file's place must not block the start.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as opened:
        return decode(opened.read(_MAX_BYTES + 4), "unicode")


def _place(value: object) -> object:
    """Refuse a secret in the file itself, and a table with both places or neither."""
    value = table(value)
    if not isinstance(value, dict):
        raise invalid(
            "must not be in the configuration itself",
            'write {env = "NAME"} or {file = "/path"} and keep the secret there',
            "plain_secret",
        )
    unknown = value.keys() - {"env", "file"}
    if not unknown and len([place for place in value.values() if place is not None]) != 1:
        raise invalid(
            "must have either env or file",
            'write {env = "NAME"} or {file = "/path"}',
            "choice",
        )
    return value  # pydantic names an unknown key itself


SecretPlace = Annotated[Secret, BeforeValidator(_place)]
"""A secret as a setting: `{env = "NAME"}` or `{file = "/path"}`."""

KeyPlace = Annotated[KeyText, BeforeValidator(_place)]
"""A key of the ledger as a setting, in the same form."""
