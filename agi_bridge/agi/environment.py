"""The block of ``agi_*`` lines with which Asterisk introduces a call (`setup_env`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from agi_bridge.agi.errors import AGIProtocolError

_PREFIX = "agi_"
_ARGUMENT = "arg_"
_UNKNOWN = "unknown"

# One string object for each name that Asterisk uses, whatever the number of calls.
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


# Names whose lines are the same call after call: they are read once and share one string.
_ALIKE = frozenset(
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
_MOST_SHARED = 512
_shared: dict[str, tuple[str, str]] = {}
"""Lines already met, by their text. Bounded; a dialplan has a few dozen of them."""


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """What Asterisk says of a call before the first command.

    `values` has the names without ``agi_`` and the values as sent (``unknown`` included); bytes
    that are no UTF-8 are kept as surrogate escapes. The properties are None where Asterisk sent
    nothing, an empty value or ``unknown``.
    """

    values: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    """``agi_arg_1`` to ``agi_arg_n``, in order, as the dialplan gave them."""

    def __repr__(self) -> str:
        """Name the call, and nothing that could be somebody's number."""
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
        """The number that was dialled, where the trunk tells it."""
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
    def query(self) -> Mapping[str, str]:
        """The URL's query, percent-decoded; the first of several wins, ``+`` stays ``+``.

        Worked out at each access. The plus sign is kept because a dialplan writes numbers there.
        """
        pairs: dict[str, str] = {}
        for part in (self.request or "").partition("?")[2].split("&"):
            name, _, value = part.partition("=")
            if name:
                pairs.setdefault(unquote(name), unquote(value))
        return pairs


def parse_environment(block: str) -> Environment:
    """Read the lines before the empty one.

    Lines without ``agi_`` or colon are passed over: a caller name with a line break makes such.

    Raises:
        AGIProtocolError: a name came twice, as when somebody forged a line inside a value.
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
        if name in _ALIKE and len(_shared) < _MOST_SHARED:
            _shared[line] = name, value
    if len(values) != named:
        raise AGIProtocolError("the environment names one thing twice")
    return Environment(values, tuple(arguments))
