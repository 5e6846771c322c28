"""`consents revoke`: records a revocation that reached the business outside the software."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import LineOption, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.consent import RevocationResult
    from agi_bridge.settings import RevocationReach, Settings


@dataclass(frozen=True, slots=True)
class Revoked:
    """The revocation, how far it reaches, and whether the platform knows of it."""

    result: RevocationResult
    reach: RevocationReach
    passed_on: bool
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {
            "revocation": self.result.revocation_id,
            **self.reach,
            "consents": self.result.consents,
            "under_way": self.result.under_way,
            "already": self.result.already,
            "passed_on": self.passed_on,
        }

    def show(self, console: Console) -> None:
        """Print what was revoked, and what is still to be done."""
        from agi_bridge.cli.output import count

        names = {
            "brand": self.reach["brand"],
            "seller": f"every brand of {self.reach['seller']}",
            "all": "every brand",
        }
        scope = names[self.reach["scope"]]
        ended = f"{count(self.result.consents, 'consent')} ended"
        again = "already on record: " if self.result.already else ""
        console.print(
            f"{again}revocation {self.result.revocation_id} for {scope}, {ended}", soft_wrap=True
        )
        if self.result.under_way:
            console.print(
                f"{count(self.result.under_way, 'text')} may still arrive: "
                "the request was under way when this was stored",
                soft_wrap=True,
            )
        if not self.passed_on:
            console.print(
                "Tell the platform that sends the texts, then run: agi-bridge consents resolve "
                f"{self.result.revocation_id} --as passed-on",
                soft_wrap=True,
            )


def command(
    number: Annotated[str, typer.Option(help="The mobile number.", metavar="NUMBER")],
    *,
    brand: Annotated[
        str | None, typer.Option(help="For this brand only. Default: for every brand.")
    ] = None,
    line: LineOption = None,
    words: Annotated[
        str | None, typer.Option(help="What the person wrote or said; stored sealed.")
    ] = None,
    received: Annotated[
        str | None, typer.Option(help="When the request came. Default: now.", metavar="DATE")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Your own reference; repeating it changes nothing.")
    ] = None,
    passed_on: Annotated[
        bool, typer.Option("--passed-on", help="The platform that sends the texts knows already.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a number's consent, effective immediately on every bridge."""
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli.arguments import phone_number, utc_timestamp
    from agi_bridge.cli.audit import actor
    from agi_bridge.cli.common import UsageError
    from agi_bridge.consent import Revocation, timestamp

    settings = load_settings(config)

    async def work() -> Revoked:
        reach = _reach(settings, brand, line)
        at = None if received is None else utc_timestamp("--received", received)
        if at is not None and at > timestamp():
            raise UsageError("--received: is in the future (dates are UTC); omit it for now")
        request = Revocation(
            number=phone_number(settings, number),
            **reach,
            channel="command",
            actor=actor(),
            reference=reference,
            words=words,
            received=at,
            passed_on=passed_on,
        )
        async with await open_ledger(settings) as ledger:
            return Revoked(await ledger.revoke(request), reach, passed_on)

    answer(work(), as_json=as_json)


def _reach(settings: Settings, brand: str | None, line: str | None) -> RevocationReach:
    from agi_bridge.cli.common import UsageError

    if brand is not None and line is not None:
        raise UsageError("--brand and --line: name one of them")
    if line is not None:
        return settings.find_line(line).revocation_reach()
    if brand is None:
        return {"scope": "all", "brand": None, "seller": None}
    # A misspelt brand would revoke nothing, and nobody would notice.
    named = brand.strip().casefold()
    known = {each.brand.strip().casefold(): each.brand for each in settings.lines.values()}
    if named not in known:
        raise UsageError(f"--brand: no line has it; the brands are: {', '.join(known.values())}")
    return {"scope": "brand", "brand": known[named], "seller": None}
