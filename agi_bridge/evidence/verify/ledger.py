"""The ledger verified where it lies: every event, every commitment, every text and recording."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import AGREED, Act, BadCheckpoint, State, VaultDamaged, text_sha256
from agi_bridge.evidence.verify.fold_findings import Findings
from agi_bridge.evidence.verify.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agi_bridge.consent import Row
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.verify.report import Report

_PAGE: Final = 5000
"""Events read at once; memory holds no more of them, only the state of every consent."""
_BINDING: Final = frozenset({*AGREED, Act.REVOCATION, Act.MESSAGE})
"""The types of events that commit to a number, or to a customer."""


async def verify_ledger(
    ledger: Ledger, elsewhere: Sequence[Checkpoint] = (), trusted: Collection[str] | None = None
) -> Report:
    """Replay every chain of a ledger.

    Args:
        ledger: where the events lie.
        elsewhere: checkpoints that were kept outside the database.
        trusted: the ids of the chains that are the business's; None trusts any.

    Raises:
        LedgerUnavailable: the database failed.
        KeyMissing: personal data is sealed with a key that is not at hand.
    """
    reading = _Reading(ledger)
    try:
        kept = await ledger.checkpoints()
    except BadCheckpoint as error:
        reading.findings.wrong("anchored", f"the database's copy of a checkpoint: {error}")
        kept = []
    verifier = Verifier([*kept, *elsewhere], disclosures=reading.texts, trusted=trusted)
    for chain in await ledger.chains():
        for first in range(1, chain.seq + 1, _PAGE):
            last = min(first + _PAGE - 1, chain.seq)
            rows = await ledger.rows(chain.ledger_id, first=first, last=last)
            verifier.read(rows, await reading.beside(rows))
    await reading.missing()
    verdicts = verifier.verdicts()
    reading.findings.add(verdicts)
    return reading.findings.report(
        "the ledger",
        integrity=verdicts.integrity.text,
        anchored=verdicts.anchored.text,
        completeness=verdicts.completeness.text,
    )


class _Reading:
    """Fetches what lies beside the events: texts, recordings, personal data."""

    def __init__(self, ledger: Ledger) -> None:
        self.findings = Findings()
        self.texts: dict[str, str] = {}
        self._ledger = ledger
        self._sounds: set[str] = set()
        self._gone: dict[str, Row] = {}

    async def beside(self, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
        """See to the disclosures of some events, and open the personal data of their consents."""
        for row in rows:
            if row.type == State.DISCLOSED:
                await self._disclosed(row)
        # All at once: the ledger's thread then goes from one to the next without waiting for us.
        binding = [row for row in rows if row.type in _BINDING]
        opened = await asyncio.gather(*map(self._open, binding))
        for row, known in zip(binding, opened, strict=True):
            if known is None:
                self._gone[row.consent_id] = row
            elif row.type == Act.REVOCATION and "number" in known:
                await self._obeyed(row, known["number"])
        for row in rows:
            if _explains(row):
                self._gone.pop(row.consent_id, None)
        return {row.consent_id: known or {} for row, known in zip(binding, opened, strict=True)}

    async def missing(self) -> None:
        """Once all is read: blame what is gone though nobody has erased it."""
        for consent_id, row in self._gone.items():
            # In another chain, or since we began to read.
            if not any(map(_explains, await self._ledger.rows_of(consent_id))):
                what = "its personal data is gone, though no erasure is on record"
                self.findings.wrong("completeness", what, row.ledger_id, row.seq)

    async def _obeyed(self, row: Row, number: str) -> None:
        """Blame a revocation that was taken out of the list that agreements are held against."""
        try:
            scope = row.fields.get("scope")
        except ValueError:  # the verifier says so
            return
        if isinstance(scope, str) and not await self._ledger.revocation_in_force(number, scope):
            what = "the number that was revoked may be texted again, though nobody agreed since"
            self.findings.wrong("completeness", what, row.ledger_id, row.seq)

    async def _open(self, row: Row) -> dict[str, str] | None:
        try:
            return await self._ledger.personal_data(row.consent_id)
        except VaultDamaged as error:
            self.findings.wrong("integrity", str(error), row.ledger_id, row.seq)
            return {}

    async def _disclosed(self, row: Row) -> None:
        try:
            facts = row.fields
        except ValueError:  # the verifier says so
            return
        text, sound = facts.get("disclosure_sha256"), facts.get("audio_sha256")
        if isinstance(text, str) and text not in self.texts:
            kept = await self._ledger.disclosure(text)
            if kept is not None:
                self.texts[text] = kept.text
                if text_sha256(kept.text) != text:
                    self.findings.wrong("integrity", f"the text {text[:16]} was changed")
        if isinstance(sound, str) and sound not in self._sounds:
            self._sounds.add(sound)
            wav = await self._ledger.audio(sound)
            if wav is not None and hashlib.sha256(wav).hexdigest() != sound:
                self.findings.wrong("integrity", f"the recording {sound[:16]} was changed")


def _explains(row: Row) -> bool:
    """Whether after this event there is no personal data of its consent, or never was."""
    return row.type == State.DECLINED or (row.type == Act.ERASED and '"what":"all"' in row.body)
