"""The objects that calls share: settings, prompts, ledger, hook client.

`app.service` builds them for each configuration that comes into force; a call keeps those that it
began with. Nothing here belongs to a single call (see `call.context`).
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from agi_bridge.consent import AgreementRules, IllegalTransition, SendingFacts
from agi_bridge.history import History
from agi_bridge.observe import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agi_bridge.agi import Channel
    from agi_bridge.consent import Batch
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.hook import Hook
    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Library

LEASE_SPARE_SECONDS: Final = 10.0
"""Besides the hook's own time, how long a submission may take: the ledger stores its outcome."""


class DeferredOutcomes:
    """Outcomes of submissions that the ledger refused when they arrived, kept in memory.

    Outcomes still queued when the process ends are settled as `unknown` at the next start.
    """

    def __init__(self) -> None:
        self._queue: list[Batch] = []

    def __len__(self) -> int:
        """How many are queued."""
        return len(self._queue)

    def add(self, batch: Batch) -> None:
        """Queue one outcome."""
        self._queue.append(batch)

    async def store(self, ledger: Ledger) -> None:
        """Store every queued outcome, oldest first.

        Raises:
            LedgerUnavailable: the ledger still refuses; what is not stored stays queued.
        """
        while self._queue:
            # IllegalTransition: it was stored after all, or the consent was settled meanwhile.
            with suppress(IllegalTransition):
                await ledger.append(self._queue[0])
            del self._queue[0]


class DialledCalls:
    """The calls inside a Dial that this process asked for, and what a stop does with them.

    Such a call rings or talks; which of the two, the bridge cannot tell. A stop leaves it to
    Asterisk: the call goes on without the bridge, and then the dialplan does. Calls that come to
    their Dial later are handed to the dialplan, which dials in the bridge's place.
    """

    def __init__(self) -> None:
        self._channels: set[Channel] = set()
        self.leaving = False
        """Whether a stop was asked for, so that nothing more is dialled by the bridge."""

    @contextmanager
    def dialling(self, channel: Channel) -> Iterator[None]:
        """Count a call as dialled while the block runs."""
        self._channels.add(channel)
        try:
            yield
        finally:
            self._channels.discard(channel)

    def leave(self) -> int:
        """Leave all of them to Asterisk, now; return how many there are."""
        self.leaving = True
        for channel in self._channels:
            channel.release()
        return len(self._channels)


@dataclass(frozen=True, slots=True)
class Services:
    """What all calls share.

    Attributes:
        settings: the configuration.
        library: the prompts that all lines share.
        ledger: stores consents.
        hook: the Instaply hook.
        config_sha256: the configuration's hash, for the consent record.
        line_libraries: the prompts of lines that have their own, by line name.
        resubmission_due: set when a call leaves a consent that must be sent again.
        deferred_outcomes: outcomes that the ledger has not stored yet.
        dialled_calls: the calls inside a Dial.
        metrics: what is counted.
        history: keeps what calls did; the default keeps nothing.
    """

    settings: Settings
    library: Library
    ledger: Ledger
    hook: Hook
    config_sha256: str
    line_libraries: Mapping[str, Library] = field(default_factory=dict)
    resubmission_due: asyncio.Event = field(default_factory=asyncio.Event)
    deferred_outcomes: DeferredOutcomes = field(default_factory=DeferredOutcomes)
    dialled_calls: DialledCalls = field(default_factory=DialledCalls)
    metrics: Metrics = field(default_factory=Metrics)
    history: History = field(default_factory=History)
    _sending: dict[str, SendingFacts] = field(default_factory=dict, init=False, repr=False)
    _rules: dict[str, AgreementRules] = field(default_factory=dict, init=False, repr=False)

    def sending_facts(self, line: Line) -> SendingFacts:
        """Return what the consent record says of a line's submissions."""
        facts = self._sending.get(line.name)
        if facts is None:
            hook = self.settings.hook
            facts = self._sending[line.name] = SendingFacts(
                texts_from=line.texts_from,
                platform=_platform(hook.url, whole=hook.idempotent),
                first_text=line.filled(line.workflow.sample),
                seconds=hook.total_seconds + LEASE_SPARE_SECONDS,
                hook_kind=hook.kind,
                idempotent=hook.idempotent,
            )
        return facts

    def agreement_rules(self, line: Line) -> AgreementRules:
        """Return the limits of a line, as the ledger checks them when an agreement is stored."""
        rules = self._rules.get(line.name)
        if rules is None:
            limits = line.limits
            rules = self._rules[line.name] = AgreementRules(
                number_per_day=limits.number_per_day,
                caller_per_day=limits.caller_id_per_day,
                unidentified_per_day=limits.unidentified_per_day,
                line_per_hour=limits.line_per_hour,
                unidentified_share=limits.unidentified_share,
                other_number_share=limits.other_number_share,
                own_number_share=limits.own_number_share,
            )
        return rules

    def library_for(self, line: Line) -> Library:
        """Return the prompts that callers of a line hear."""
        return self.line_libraries.get(line.name, self.library)


def _platform(url: str, *, whole: bool) -> str:
    """Return the host of a hook; with `whole`, its host and a hash of its URL.

    A receiver at another path or port has seen none of the first one's keys. It must not be asked
    for what the first one may have sent.
    """
    host = (urlsplit(url).hostname or "")[:200]
    return f"{host}#{sha256(url.encode()).hexdigest()[:16]}" if whole else host
