"""`consents revoke`: a revocation that reached the business in another way than by the software."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_bridge.app.ledger import open_ledger
from agi_bridge.cli import arguments
from agi_bridge.cli.audit import actor
from agi_bridge.cli.errors import UsageError
from agi_bridge.consent import Revocation, timestamp

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.consent import RevocationResult
    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The answer."""

    revoked: RevocationResult
    brand: str | None
    passed_on: bool
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "revocation": self.revoked.revocation_id,
            "brand": self.brand,
            "consents": self.revoked.consents,
            "already": self.revoked.already,
            "passed_on": self.passed_on,
        }

    def show(self, console: Console) -> None:
        """Print what it ended, and what is still to be done."""
        scope = "every brand" if self.brand is None else self.brand
        count = self.revoked.consents
        ended = f"{count} consent{'' if count == 1 else 's'} ended"
        again = "already on record: " if self.revoked.already else ""
        console.print(
            f"{again}revocation {self.revoked.revocation_id} for {scope}, {ended}", soft_wrap=True
        )
        if not self.passed_on:
            console.print(
                "Tell the platform that texts, then: agi-bridge consents resolve "
                f"{self.revoked.revocation_id} --as passed-on",
                soft_wrap=True,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command, as they were typed."""

    number: str
    brand: str | None = None
    line: str | None = None
    words: str | None = None
    received: str | None = None
    reference: str | None = None
    passed_on: bool = False


async def run(settings: Settings, asked: Asked) -> Withdrawn:
    """Revoke a number for a brand, for a line's brand, or for every brand.

    Raises:
        UsageError: an option has no sense, or both brand and line are named.
        LedgerUnavailable, KeyFault: as the ledger says.
    """
    brand = _brand(settings, asked)
    received = None if asked.received is None else arguments.moment("--received", asked.received)
    if received is not None and received > timestamp():
        raise UsageError("--received: lies in the future (days are UTC); leave it out for now")
    request = Revocation(
        number=arguments.number(settings, asked.number),
        brand=brand,
        channel="command",
        actor=actor(),
        reference=asked.reference,
        words=asked.words,
        received=received,
        passed_on=asked.passed_on,
    )
    async with await open_ledger(settings) as ledger:
        revoked = await ledger.revoke(request)
    return Withdrawn(revoked, brand, asked.passed_on)


def _brand(settings: Settings, asked: Asked) -> str | None:
    if asked.brand is not None and asked.line is not None:
        raise UsageError("--brand and --line: name one of them")
    if asked.line is not None:
        return settings.find_line(asked.line).brand
    if asked.brand is None:
        return None
    # A brand that no line has would revoke nothing, and nobody would notice.
    named = asked.brand.strip().casefold()
    known = {line.brand.strip().casefold(): line.brand for line in settings.lines.values()}
    if named not in known:
        raise UsageError(f"--brand: no line has it; the brands are: {', '.join(known.values())}")
    return known[named]
