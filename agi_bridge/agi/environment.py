"""The AGI environment: the ``agi_*`` lines that Asterisk sends before the first command.

Parsing of the lines (`setup_env`) and typed access to them. Reading the stream is in `wire`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from agi_bridge.agi.errors import AGIProtocolError

_PREFIX = "agi_"
_ARGUMENT = "arg_"
_UNKNOWN = "unknown"

# One string object per name, shared by all calls.
_NAMES = {
    _PREFIX + name: name
    for name in (
        "network",
        "network_script",
        "request",
        "channel",
        "language",
        "type",
        "uniqueid",
        "version",
        "callerid",
        "calleridname",
        "callingpres",
        "callingani2",
        "callington",
        "callingtns",
        "dnid",
        "rdnis",
        "context",
        "extension",
        "priority",
        "enhanced",
        "accountcode",
        "threadid",
    )
}


# Names whose lines repeat from call to call: they are parsed once and share their strings.
_REPEATED = frozenset(
    {
        "network",
        "network_script",
        "language",
        "type",
        "version",
        "callingpres",
        "callingani2",
        "callington",
        "callingtns",
        "rdnis",
        "context",
        "priority",
        "enhanced",
        "accountcode",
    }
)
_MAX_SHARED = 512
_shared: dict[str, tuple[str, str]] = {}
"""Parsed lines by their text, at most `_MAX_SHARED`; a dialplan has a few dozen."""


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """What Asterisk sends about a call before the first command.

    `values` has the names without ``agi_`` and the values as sent (``unknown`` included); bytes
    that are not UTF-8 are kept as surrogate escapes. The properties are None where Asterisk sent
    nothing, an empty value or ``unknown``.
    """

    values: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    """``agi_arg_1`` to ``agi_arg_n``, in order, as the dialplan gave them."""

    def __repr__(self) -> str:
        """Show the call's ID, and nothing that could be a phone number."""
        return f"Environment(unique_id={self.unique_id!r}, arguments={len(self.arguments)})"

    def _known(self, name: str) -> str | None:
        value = self.values.get(name)
        return None if not value or value == _UNKNOWN else value

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
        return self.values.get("enhanced") == "1.0"

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
        AGIProtocolError: a name appears twice, for example because a value contains a forged line.
    """
    values: dict[str, str] = {}
    arguments: list[str] = []
    named = 0
    for line in block.split("\n"):
        pair = _shared.get(line)
        if pair is not None:
            values[pair[0]] = pair[1]
            named += 1
            continue
        sent, colon, value = line.partition(": ")
        name = _NAMES.get(sent)
        if name is None:
            if not colon or not sent.startswith(_PREFIX):
                continue
            name = sent[len(_PREFIX) :]
            if name.startswith(_ARGUMENT):
                arguments.append(value)
                continue
        values[name] = value
        named += 1
        if name in _REPEATED and len(_shared) < _MAX_SHARED:
            _shared[line] = name, value
    if len(values) != named:
        raise AGIProtocolError(
            "duplicate_environment_name", "a name stands twice in the environment"
        )
    return Environment(values, tuple(arguments))
