"""Reads a secret from the environment, a file or a systemd credential; never from the TOML.

The configuration has `{env = "NAME"}`, `{file = "/path"}`, or `{credential = "NAME"}` for what
systemd passes to the unit (`LoadCredential=` in systemd.exec(5)). `Secret.load` reads the secret
once, when the configuration is read; `reveal()` returns it. It is never in a repr, an error or a
dump.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
)

from agi_bridge.plain_text import decode
from agi_bridge.webhook_signature import InvalidSecret, read_secrets

from .types import AbsolutePath, invalid, table

_MAX_BYTES = 4096
_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""The variable by which systemd says where a unit's credentials are."""
_CREDENTIAL: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")
"""Names that are plain file names; systemd takes a few more characters."""
_PLACES: Final = ("env", "file", "credential")
_PLACES_FIX: Final = 'write {env = "NAME"}, {file = "/path"} or {credential = "NAME"}'


def _credential(value: str) -> str:
    if not _CREDENTIAL.fullmatch(value):
        raise invalid(
            "is not the name of a credential",
            "write the name that LoadCredential= gives it, of letters, digits, dots and dashes",
            "name",
        )
    return value


class Secret(BaseModel):
    """Where a secret is, and, once loaded, the secret itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The environment variable that holds it."""

    file: AbsolutePath | None = None
    """The file that contains it and nothing else; white space around it is removed."""

    credential: Annotated[str, AfterValidator(_credential)] | None = None
    """The credential of the systemd unit that contains it, in the same form as a file."""

    _value: SecretStr | None = PrivateAttr(default=None)

    def load(self, environ: Mapping[str, str]) -> str | None:
        """Read the secret; return the problem, or None.

        Never raises. The problem never contains any part of the secret.
        """
        try:
            raw = self._fetch(environ)
        except LookupError as missing:
            return str(missing.args[0])
        except OSError as error:
            return f"{self.place} cannot be read ({error.strerror})"
        except ValueError:
            return f"{self.place} is not text"
        value = raw.strip()
        if not value:
            return f"{self.place} is empty"
        if (problem := self._refused(value)) is not None:
            return f"{self.place} {problem}"
        self._value = SecretStr(value)
        return None

    def _fetch(self, environ: Mapping[str, str]) -> str:
        """Read the secret from its place; raise LookupError, OSError or ValueError."""
        if self.env is not None:
            if self.env not in environ:
                raise LookupError(f"{self.place} is not set")
            return environ[self.env]
        if self.credential is not None:
            if not environ.get(_CREDENTIALS):
                raise LookupError(f"{self.place} is not there: ${_CREDENTIALS} is not set")
            return _read(Path(environ[_CREDENTIALS], self.credential))
        return _read(Path(self.file or os.devnull))

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
        if self.credential is not None:
            return f"the credential {self.credential}"
        return f"the file {self.file}"

    def reveal(self) -> str:
        """Return the secret.

        Raises RuntimeError if it was not loaded: the caller bypassed `Settings.load`.
        """
        if self._value is None:
            raise RuntimeError("this secret was not loaded")
        return self._value.get_secret_value()

    def open_to_others(self) -> bool:
        """Whether every account may read the secret's file (OSError if it is gone)."""
        return self.file is not None and bool(self.file.stat().st_mode & stat.S_IROTH)


class KeyText(Secret):
    """A key as text, which may have several lines; the code that parses it checks it."""

    def _refused(self, value: str) -> str | None:
        return "is too long to be a key" if len(value) > _MAX_BYTES else None


class SigningSecret(Secret):
    """The secrets that sign webhooks, one a line: two while one replaces the other."""

    def _refused(self, value: str) -> str | None:
        try:
            read_secrets(value)
        except InvalidSecret as error:
            return str(error)
        return None


def _read(path: Path) -> str:
    # Non-blocking: a FIFO in the file's place must not block the start.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as opened:
        return decode(opened.read(_MAX_BYTES + 4), "unicode")


def _place(value: object) -> object:
    """Refuse a literal secret, and a table that names no place or several."""
    if isinstance(value, Secret):  # of a configuration that is checked again
        return value
    value = table(value)
    if not isinstance(value, dict):
        raise invalid(
            "must not be in the configuration itself",
            f"{_PLACES_FIX} and keep the secret there",
            "plain_secret",
        )
    unknown = value.keys() - set(_PLACES)
    if not unknown and len([place for place in value.values() if place is not None]) != 1:
        raise invalid(
            "must have one of env, file and credential",
            _PLACES_FIX,
            "choice",
        )
    return value  # pydantic names an unknown key itself


SecretPlace = Annotated[Secret, BeforeValidator(_place)]
"""A secret as a setting: `{env = "NAME"}`, `{file = "/path"}` or `{credential = "NAME"}`."""

KeyPlace = Annotated[KeyText, BeforeValidator(_place)]
"""A key of the ledger as a setting, in the same form."""

SigningPlace = Annotated[SigningSecret, BeforeValidator(_place)]
"""The secrets of webhooks as a setting, in the same form."""
