"""Verification of a whole ledger: events, values, texts, recordings, and the index beside them.

Reads through a `LedgerReader`, so it knows no database. An export is verified by `evidence.export`.
The tables beside the events are an index, which `index` holds against them.
"""

from __future__ import annotations

import base64
from itertools import groupby
from typing import TYPE_CHECKING, Final, Protocol

from agi_bridge.consent import BadCheckpoint, BadStamp
from agi_bridge.consent.signing import Stamp, ledger_id_of
from agi_bridge.evidence.verify.contents import NamedContents
from agi_bridge.evidence.verify.event import letter, named_contents, named_ids
from agi_bridge.evidence.verify.history import can_interleave
from agi_bridge.evidence.verify.index import check_revocations, wrong_columns
from agi_bridge.evidence.verify.report import Findings
from agi_bridge.evidence.verify.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from cryptography.x509 import Certificate

    from agi_bridge.consent import Chain, Row, StoredValues
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.verify.report import Report
    from agi_bridge.evidence.verify.time import Resume

PAGE: Final = 2000
"""Events read at once."""
_ROUNDS: Final = 10
"""How often a ledger in service is read again for what was stored meanwhile."""


class LedgerReader(Protocol):
    """What verification reads of a ledger; `consent.ledger.Ledger` is one."""

    @property
    def ledger_id(self) -> str:
        """The chain of the keys that the ledger was opened with."""

    async def chains(self) -> Sequence[Chain]:
        """Every chain with its head."""

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """The ledger's own copies of its checkpoints. BadCheckpoint if one cannot be read."""

    async def stamps(self) -> Sequence[bytes]:
        """The time stamps of checkpoints."""

    async def rows(self, ledger_id: str, *, first: int, last: int) -> Sequence[Row]:
        """The events of a chain from number `first` to `last`, in order."""

    async def rows_of_all(self, ids: Collection[str], *, as_stored: bool = False) -> Sequence[Row]:
        """The events of some records, of each chain in order; or each record's as stored."""

    async def stored_values(
        self, *, after: str = "", only: Collection[str] | None = None
    ) -> Sequence[StoredValues]:
        """A page of the rows of personal data after an id, or those of some records."""

    async def text(self, sha256: str) -> str | None:
        """A text by its SHA-256."""

    async def audio(self, sha256: str) -> bytes | None:
        """A recording by its SHA-256."""

    async def unknown_chains(self) -> Sequence[str]:
        """The chains that events name, and that were never begun here."""

    async def moved_events(
        self, since: Mapping[str, int] | None = None
    ) -> Sequence[tuple[str, int]]:
        """Events that stand elsewhere in the table than in their chain: chain and number."""

    async def misnumbered_events(self) -> Sequence[tuple[str, str]]:
        """Events whose number no event of a chain has: chain and number."""

    async def suppressions(self) -> Mapping[str, tuple[str, str, str | None]]:
        """The index of revocations: the number's keyed hash, scope and brand, by revocation."""

    async def liftings(self) -> Collection[tuple[str, str]]:
        """The index of what consents have lifted: revocation and brand."""


async def verify_ledger(
    ledger: LedgerReader,
    elsewhere: Sequence[Checkpoint] = (),
    *,
    trusted: Collection[str] | None = None,
    roots: Sequence[Certificate] | None = None,
    since: Sequence[Resume] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Report, list[Resume]]:
    """Replay every chain of a ledger.

    Args:
        ledger: the ledger.
        elsewhere: checkpoints that were kept outside the database.
        trusted: the ids of chains that are the business's, besides the one of the ledger's own
            keys. None: other chains depend on their keys.
        roots: root certificates of time stamping authorities; None takes stamps as they are.
        since: where an earlier verification got to: what stands before is not read again.
        progress: is told how many events are read, and of how many.

    Returns:
        The report, and where a later verification may go on.

    Raises:
        LedgerUnavailable: the database failed.
        KeyMissing: personal data is sealed with a key that is not available.
    """
    run = _Run(ledger, elsewhere, trusted, roots, since=since, progress=progress)
    try:
        await run.read()
        return run.report(), run.verifier.resume()
    finally:
        run.close()


class _Run:
    """One verification."""

    def __init__(
        self,
        ledger: LedgerReader,
        elsewhere: Sequence[Checkpoint],
        trusted: Collection[str] | None,
        roots: Sequence[Certificate] | None,
        *,
        since: Sequence[Resume],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._ledger = ledger
        self._elsewhere = elsewhere
        self._trusted = None if trusted is None else {*trusted, ledger.ledger_id}
        self._roots = roots
        self._since = {each.ledger_id: each for each in since}
        self._progress = progress or (lambda _done, _of: None)
        self._texts: dict[str, bytes | None] = {}
        self._recordings: dict[str, bytes | None] = {}
        self._fetched: set[str] = set()
        self._known: set[str] = set()
        self._reached: dict[str, int] = {}
        self.verifier: Verifier

    async def read(self) -> None:
        findings = Findings()
        kept = await self._kept(findings)
        self.verifier = Verifier(
            [*kept, *self._elsewhere],
            elsewhere=self._elsewhere,
            stamps=await self._stamps(findings),
            roots=self._roots,
            contents=NamedContents(findings, self._texts.get, self._take_recording),
            trusted=self._trusted,
            own={self._ledger.ledger_id},
            whole=True,
            findings=findings,
        )
        for each in self._since.values():
            self.verifier.go_on(each)
            self._reached[each.ledger_id] = each.seq
        await self._read_new(names=False)
        await self._take_values(self._known if self._since else None)
        for _ in range(_ROUNDS):  # what a ledger in service has stored meanwhile
            touched = await self._read_new()
            if not touched:
                break
            await self._take_values(touched | self._known)
        check_revocations(
            self.verifier.findings,
            self.verifier.records,
            await self._ledger.suppressions(),
            await self._ledger.liftings(),
            is_all=not self._since,
        )
        await self._check_order()
        self.verifier.finish()

    def close(self) -> None:
        if hasattr(self, "verifier"):  # else the database failed before
            self.verifier.close()

    def report(self) -> Report:
        return self.verifier.report("the ledger")

    async def _kept(self, findings: Findings) -> Sequence[Checkpoint]:
        try:
            return await self._ledger.checkpoints()
        except BadCheckpoint as error:
            what = f"the database's copy of a checkpoint: {error}"
            findings.add("anchored", "checkpoint_malformed", what)
            return ()

    async def _stamps(self, findings: Findings) -> list[Stamp]:
        found = []
        for der in await self._ledger.stamps():
            try:
                found.append(Stamp.parse(der))
            except BadStamp as error:
                findings.add("integrity", "stamp_changed", f"a time stamp that is kept {error}")
        return found

    async def _read_new(self, *, names: bool = True) -> set[str]:
        """Read the events that are not read yet; the ids of their records, if these are wanted.

        A whole ledger has too many to keep.
        """
        touched: set[str] = set()
        # SQLite takes any type in any column: a last event with another number is told below.
        chains = [each for each in await self._ledger.chains() if type(each.seq) is int]
        total = sum(chain.seq for chain in chains)
        for chain in chains:
            if not _is_key_of(chain):
                what = "the database's copy of its public key is another chain's"
                self.verifier.findings.add("integrity", "chain_key_wrong", what, chain.ledger_id)
            if not _is_unicode(chain.ledger_id):
                continue  # no event can be asked for by that name
            begin = self._reached.get(chain.ledger_id, 0) + 1
            for first in range(begin, chain.seq + 1, PAGE):
                last = min(first + PAGE - 1, chain.seq)
                rows = await self._ledger.rows(chain.ledger_id, first=first, last=last)
                if not rows:  # its last event may have any number
                    what = f"no event from number {first:,} on is there, but one that is its last"
                    self.verifier.findings.add(
                        "completeness", "events_missing", what, chain.ledger_id, chain.seq
                    )
                    self._reached[chain.ledger_id] = chain.seq
                    break
                await self._fetch_contents(rows)
                if self._since:
                    await self._remember(rows)
                self.verifier.read(rows)
                if names:
                    touched.update(row.consent_id for row in rows)
                self._reached[chain.ledger_id] = last
                self._progress(sum(self._reached.values()), total)
        return touched

    async def _remember(self, rows: Sequence[Row]) -> None:
        """Take over what earlier events said of the records that these are about.

        And of all that those name in turn: the consent that a `returned` relied on, what revoked
        that one, and so on. They are records of one person.
        """
        wanted = {each for row in rows for each in named_ids(row)} - self._known
        while wanted:
            self._known |= wanted
            earlier = await self._ledger.rows_of_all(wanted)
            self.verifier.remember(
                row
                for row in earlier
                if row.ledger_id in self._since
                if row.seq <= self._since[row.ledger_id].seq
            )
            wanted = {each for row in earlier for each in named_ids(row)} - self._known

    async def _fetch_contents(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for sha256, is_text in named_contents(row):
                if sha256 in self._fetched:
                    continue
                self._fetched.add(sha256)
                if is_text:
                    self._texts[sha256] = _bytes(await self._ledger.text(sha256))
                else:
                    self._recordings[sha256] = await self._ledger.audio(sha256)

    def _take_recording(self, sha256: str) -> bytes | None:
        return self._recordings.pop(sha256, None)

    async def _take_values(self, only: Collection[str] | None) -> None:
        """Take the personal values of all records, or of some."""
        if only is not None:
            ids = sorted(only)
            for first in range(0, len(ids), PAGE):
                some = ids[first : first + PAGE]
                for record in some:
                    self.verifier.records.forget_values(record)
                for row in await self._ledger.stored_values(only=some):
                    self._take(row)
            return
        after = ""
        while page := await self._ledger.stored_values(after=after):
            for row in page:
                self._take(row)
            after = page[-1].record
            if not _is_unicode(after):
                break  # it sorts last

    def _take(self, row: StoredValues) -> None:
        findings = self.verifier.findings
        if not _is_unicode(row.record):
            what = "there is a row of personal data whose record has no id"
            findings.add("integrity", "index_changed", what)
            return
        if row.values is None:
            findings.add("integrity", "personal_data_damaged", row.damage or "")
            self.verifier.records.excuse(row.record)
            return
        self.verifier.open(row.record, row.values)
        self.verifier.records.note_lookup(row.record, row.number_lookup)
        facts = self.verifier.records.known(row.record)
        if facts is not None and facts.first:
            differ = wrong_columns(row, facts)
            if differ:
                what = f"its row of personal data was changed: {', '.join(differ)}"
                findings.add("integrity", "index_changed", what, *facts.first)

    async def _check_order(self) -> None:
        """See that no event is outside the chains, and that the table has their order.

        The service goes by that order: what was stored last of a consent is its state.
        """
        findings = self.verifier.findings
        for ledger_id, number in await self._ledger.misnumbered_events():
            what = f"its number is {number}, which no event of a chain has"
            findings.add("integrity", "event_malformed", what, ledger_id)
        for ledger_id in await self._ledger.unknown_chains():
            what = "there are events of it, but the chain was never begun here"
            findings.add("integrity", "chain_unknown", what, ledger_id)
        since = {each.ledger_id: each.seq for each in self._since.values()}
        for ledger_id, seq in await self._ledger.moved_events(since):
            what = "it stands before an earlier event in the table, which says what came last"
            findings.add("integrity", "event_moved", what, ledger_id, seq)
        records = self.verifier.records.all()
        shared = [record for record, facts in records if len(facts.states) > 1]
        for first in range(0, len(shared), PAGE):
            some = shared[first : first + PAGE]
            rows = await self._ledger.rows_of_all(some, as_stored=True)
            for record, events in groupby(rows, key=lambda row: row.consent_id):
                if not can_interleave(["".join(map(letter, events))]):
                    what = f"the table has the events of {record} in an order that is not allowed"
                    findings.add("integrity", "event_moved", what)


def _bytes(text: object) -> bytes | None:
    """A text as it is stored. SQLite takes any type in any column: what is no text is no bytes."""
    if text is None:
        return None
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else b""


def _is_unicode(text: object) -> bool:
    """Whether a text is one. SQLite takes any type in any column, and any bytes for a text."""
    try:
        return isinstance(text, str) and text.encode() is not None
    except UnicodeEncodeError:
        return False


def _is_key_of(chain: Chain) -> bool:
    """Whether the public key that is stored beside a chain is the one that its id is made of."""
    try:
        return ledger_id_of(base64.b64decode(chain.public_key, validate=True)) == chain.ledger_id
    except (ValueError, TypeError):
        return False
