"""The AGI environment: the ``agi_*`` lines that Asterisk sends before the first command.

Parsing of the lines (`setup_env`) and typed access to them. Reading the stream is in `wire`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from agi_bridge.agi.errors import AGIProtocolError

_UNKNOWN = "unknown"
_VALUES = re.compile(r"\nagi_(?!arg_)(.*?): (.*)")
_ARGUMENTS = re.compile(r"\nagi_arg_.*?: (.*)")


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """What Asterisk sends about a call before the first command.

    It is kept as it came, and each access looks its value up: a call asks for half a dozen, and
    most of what is left would be names. The properties are None where Asterisk sent nothing, an
    empty value or ``unknown``. Bytes that are not UTF-8 are kept as surrogate escapes.
    """

    text: str
    """The lines, with a line feed before each of them and behind the last."""

    def __repr__(self) -> str:
        """Show the call's ID, and nothing that could be a phone number."""
        return f"Environment(unique_id={self.unique_id!r}, arguments={len(self.arguments)})"

    def _known(self, name: str) -> str | None:
        value = self._sent(name)
        return None if not value or value == _UNKNOWN else value

    def _sent(self, name: str) -> str | None:
        before = f"\nagi_{name}: "
        start = self.text.find(before)
        if start < 0:
            return None
        start += len(before)
        return self.text[start : self.text.index("\n", start)]

    @property
    def values(self) -> Mapping[str, str]:
        """All values as sent (``unknown`` included) by their names without ``agi_``."""
        return dict(_VALUES.findall(self.text))

    @property
    def arguments(self) -> tuple[str, ...]:
        """``agi_arg_1`` to ``agi_arg_n``, in order, as the dialplan gave them."""
        return tuple(_ARGUMENTS.findall(self.text))

    @property
    def channel(self) -> str | None:
        """The channel's name, e.g. ``PJSIP/trunk-0000002a``."""
        return self._known("channel")

    @property
    def unique_id(self) -> str | None:
        """Asterisk's identifier of the call (``${UNIQUEID}``)."""
        return self._known("uniqueid")

    @property
    def language(self) -> str | None:
        """The channel's language, which chooses the folder of its sounds."""
        return self._known("language")

    @property
    def caller_id(self) -> str | None:
        """The caller's number as the trunk sent it: a claim, not a proof."""
        return self._known("callerid")

    @property
    def caller_name(self) -> str | None:
        """The caller's name as the trunk sent it."""
        return self._known("calleridname")

    @property
    def dnid(self) -> str | None:
        """The dialled number, if the trunk sends it."""
        return self._known("dnid")

    @property
    def rdnis(self) -> str | None:
        """The number that redirected the call here."""
        return self._known("rdnis")

    @property
    def context(self) -> str | None:
        """The dialplan context that called AGI()."""
        return self._known("context")

    @property
    def extension(self) -> str | None:
        """The dialplan extension that called AGI(): the DID on most trunks."""
        return self._known("extension")

    @property
    def request(self) -> str | None:
        """The URL given to AGI(), neither decoded nor changed; a path for classic AGI."""
        return self._known("request")

    @property
    def script(self) -> str | None:
        """Path and query of the URL, without the leading slash."""
        return self._known("network_script")

    @property
    def enhanced(self) -> bool:
        """Whether EAGI() started the program, so that the caller's sound can be read."""
        return self._sent("enhanced") == "1.0"

    @property
    def query(self) -> Mapping[str, str]:
        """The URL's query, percent-decoded; the first of several wins, ``+`` stays ``+``.

        Parsed at each access. The plus sign is kept because dialplans put numbers there.
        """
        pairs: dict[str, str] = {}
        for part in (self.request or "").partition("?")[2].split("&"):
            name, _, value = part.partition("=")
            if name:
                pairs.setdefault(unquote(name), unquote(value))
        return pairs


def parse_environment(block: str) -> Environment:
    """Read the lines before the empty one.

    Lines without ``agi_`` or a colon are ignored: a caller name with a line break produces them.

    Raises:
        AGIProtocolError: a name appears twice, for example because a value contains a forged line;
            or no line has a name, so that this is no call.
    """
    text = f"\n{block}" if not block or block.endswith("\n") else f"\n{block}\n"
    names = [line.partition(": ")[0] for line in text.split("\nagi_")]
    if len(set(names)) != len(names):
        raise AGIProtocolError(
            "duplicate_environment_name", "a name stands twice in the environment"
        )
    if len(names) == 1:
        raise AGIProtocolError("no_environment", "no line of the environment has a name")
    return Environment(text)
