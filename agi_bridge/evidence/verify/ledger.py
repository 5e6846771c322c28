"""Verification of a whole ledger: every event, commitment, text, recording and revocation.

Reads through a `LedgerReader`, so it knows no database. An export is verified by `evidence.export`.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final, Protocol

from agi_bridge.consent import AGREED, Act, BadCheckpoint, State, VaultDamaged, text_sha256
from agi_bridge.evidence.verify.report import Findings
from agi_bridge.evidence.verify.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agi_bridge.consent import Chain, Row
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.verify.report import Report

_PAGE: Final = 5000
"""Events read at once. Memory holds one page, and the states of every consent."""
_BINDING: Final = frozenset({*AGREED, Act.REVOCATION, Act.MESSAGE})
"""The types of events with a commitment to a number or a customer."""


class _Text(Protocol):
    @property
    def text(self) -> str: ...


class LedgerReader(Protocol):
    """What verification reads of a ledger; `consent.ledger.Ledger` is one."""

    async def chains(self) -> Sequence[Chain]:
        """Every chain with its head."""

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """The ledger's own copies of its checkpoints. BadCheckpoint if one cannot be read."""

    async def rows(self, ledger_id: str, *, first: int, last: int) -> Sequence[Row]:
        """The events of a chain from number `first` to `last`, in order."""

    async def rows_of(self, consent_id: str) -> Sequence[Row]:
        """The events of one record, in the order they were stored."""

    async def personal_data(self, consent_id: str) -> dict[str, str] | None:
        """The personal data of a record; None if it has none. VaultDamaged if it was changed."""

    async def disclosure(self, sha256: str) -> _Text | None:
        """The text of a disclosure by its SHA-256."""

    async def audio(self, sha256: str) -> bytes | None:
        """A recording by its SHA-256."""

    async def suppressions(self) -> Mapping[str, tuple[str, str]]:
        """The index of revocations by id."""


async def verify_ledger(
    ledger: LedgerReader,
    elsewhere: Sequence[Checkpoint] = (),
    trusted: Collection[str] | None = None,
) -> Report:
    """Replay every chain of a ledger.

    Args:
        ledger: the ledger.
        elsewhere: checkpoints that were kept outside the database.
        trusted: the ids of the chains that are the business's; None trusts any.

    Raises:
        LedgerUnavailable: the database failed.
        KeyMissing: personal data is sealed with a key that is not available.
    """
    contents = _Contents(ledger)
    kept: Sequence[Checkpoint] = ()
    try:
        kept = await ledger.checkpoints()
    except BadCheckpoint as error:
        what = f"the database's copy of a checkpoint: {error}"
        contents.findings.add("anchored", "checkpoint_malformed", what)
    verifier = Verifier([*kept, *elsewhere], disclosures=contents.texts, trusted=trusted)
    for chain in await ledger.chains():
        for first in range(1, chain.seq + 1, _PAGE):
            last = min(first + _PAGE - 1, chain.seq)
            rows = await ledger.rows(chain.ledger_id, first=first, last=last)
            verifier.read(rows, await contents.check(rows))
    await contents.finish()
    report = verifier.report()
    contents.findings.merge(report)
    return contents.findings.report(
        "the ledger", **{name: verdict.text for name, verdict in report.verdicts}
    )


class _Contents:
    """Checks what the ledger stores apart from the events: texts, recordings, personal data."""

    def __init__(self, ledger: LedgerReader) -> None:
        self.findings = Findings()
        self.texts: dict[str, str] = {}
        self._ledger = ledger
        self._recordings: set[str] = set()
        self._gone: dict[str, Row] = {}

    async def check(self, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
        """Check what belongs to some events; returns the personal data of their consents."""
        for row in rows:
            if row.type == State.DISCLOSED:
                await self._check_disclosure(row)
        # All at once: the ledger's thread then goes from one to the next without waiting for us.
        binding = [row for row in rows if row.type in _BINDING]
        opened = await asyncio.gather(*map(self._open, binding))
        for row, known in zip(binding, opened, strict=True):
            if known is None:
                self._gone[row.consent_id] = row
            elif row.type == Act.REVOCATION:
                await self._check_revocation(row)
        for row in rows:
            if _explains(row):
                self._gone.pop(row.consent_id, None)
        return {row.consent_id: known or {} for row, known in zip(binding, opened, strict=True)}

    async def finish(self) -> None:
        """Once all is read: report personal data that is gone without an erasure."""
        for consent_id, row in self._gone.items():
            # The erasure may be in another chain, or newer than what was read.
            if not any(map(_explains, await self._ledger.rows_of(consent_id))):
                self._add(
                    "completeness",
                    "personal_data_missing",
                    "its personal data is missing, but no erasure is on record",
                    row,
                )

    async def _check_revocation(self, row: Row) -> None:
        """Report a revocation that was removed from the list that agreements are checked with."""
        if row.consent_id not in await self._ledger.suppressions():
            what = "the revoked number may be texted again, but nobody agreed since"
            self._add("completeness", "revocation_missing", what, row)

    async def _open(self, row: Row) -> dict[str, str] | None:
        try:
            return await self._ledger.personal_data(row.consent_id)
        except VaultDamaged as error:
            self._add("integrity", "personal_data_damaged", str(error), row)
            return {}

    async def _check_disclosure(self, row: Row) -> None:
        try:
            facts = row.fields
        except ValueError:  # the verifier reports it
            return
        text, recording = facts.get("disclosure_sha256"), facts.get("audio_sha256")
        if isinstance(text, str) and text not in self.texts:
            kept = await self._ledger.disclosure(text)
            if kept is not None:
                self.texts[text] = kept.text
                if text_sha256(kept.text) != text:
                    what = f"the text {text[:16]} was changed"
                    self.findings.add("integrity", "text_changed", what)
        if isinstance(recording, str) and recording not in self._recordings:
            self._recordings.add(recording)
            wav = await self._ledger.audio(recording)
            if wav is not None and hashlib.sha256(wav).hexdigest() != recording:
                what = f"the recording {recording[:16]} was changed"
                self.findings.add("integrity", "recording_changed", what)

    def _add(self, verdict: str, code: str, what: str, row: Row) -> None:
        self.findings.add(verdict, code, what, row.ledger_id, row.seq)


def _explains(row: Row) -> bool:
    """Whether the event explains that its consent has no personal data."""
    return row.type == State.DECLINED or (row.type == Act.ERASED and '"fields":["*"]' in row.body)
