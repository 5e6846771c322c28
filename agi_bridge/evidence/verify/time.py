"""The verdict on time: when events were written, as far as outside time stamps confirm it.

The times in events are the machine's own, and its administrator can set them. So they are
held against each other along each chain, and against the time stamps of an authority outside:

* an event is older than the first stamp of a checkpoint at or after it;
* an event is younger than any stamp whose hash an event before it holds (`witnessed`).

A `clock` event explains why times jump. It proves none: until a witness agrees with the clock
again, the times of the events after it are not relied on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import Act
from agi_bridge.evidence.verify.order import SKEW_MS, milliseconds
from agi_bridge.evidence.verify.report import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptography.x509 import Certificate

    from agi_bridge.consent import Row
    from agi_bridge.consent.signing import Checkpoint, Stamp
    from agi_bridge.evidence.verify.report import Findings

LONGEST_CALL_MS: Final = 4 * 3_600_000
"""How long before it was written an event may have happened, if it does not say that it is late."""
WITNESS_SKEW_MS: Final = 60_000
"""How far the clock may differ from an authority's. A clock without NTP drifts by seconds a day."""

_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LATEST: Final = 1 << 63
"""A time that is after every other."""
_MAX_WINDOWS: Final = 100_000
"""Most windows that are remembered: they are for the pages of a few records."""
_OF_CHAINS: Final = frozenset(
    {Act.OPENED.value, Act.CLOCK.value, Act.WITNESSED.value, Act.RESEALED.value}
)
"""Events about no record. They need no witness: nobody gains by their dates."""


@dataclass(frozen=True, slots=True)
class Window:
    """When an event was written, by witnesses alone: milliseconds since the epoch."""

    after: int | None
    before: int | None


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a verification of a chain got to: at a checkpoint signed by its own key.

    Attributes:
        ledger_id: the chain.
        seq: the checkpoint's event.
        hash: the chain's hash there.
        latest: the latest time that the clock had shown.
        after: the newest stamp before, in milliseconds since the epoch; None if there was none.
        explained: whether the clock had been set, and no witness agreed with it since.
    """

    ledger_id: str
    seq: int
    hash: str
    latest: int
    after: int | None
    explained: bool

    @classmethod
    def parse(cls, value: object) -> Resume | None:
        """One as `asdict` gave it; None if it is not one."""
        if not isinstance(value, dict):
            return None
        types = {
            "ledger_id": (str,),
            "seq": (int,),
            "hash": (str,),
            "latest": (int,),
            "after": (int, type(None)),
            "explained": (bool,),
        }
        fits = value.keys() == types.keys() and all(type(value[k]) in types[k] for k in types)
        if not fits or value["seq"] < 1 or not _HASH.fullmatch(value["hash"]):
            return None
        return cls(**value)


@dataclass(slots=True)
class _Line:
    """How far the times of one chain were read."""

    latest: int = 0
    """The latest time that the clock showed since it was set last."""
    explained: bool = False
    """A `clock` event stands before, and no witness has agreed since."""
    after: int | None = None
    """The newest stamp of a trusted authority that the events from here on are younger than."""
    after_any: int | None = None
    """The same of any authority: what pages say, whomever a verifier trusts."""
    after_waiting: int | None = None
    """What `after` was at the first event that waits."""
    open: list[int] = field(default_factory=list)
    """Numbers of events of records that no stamp bounds yet; only if windows are kept."""
    waiting: int = 0
    """Events of records with a stamp before them that no stamp bounds from above yet."""
    latest_open: tuple[int, int] = (0, 0)
    """The latest time among them that is relied on, and its event."""
    records: int = 0
    unconfirmed: int = 0
    """Events of records whose own times are not relied on, or that have no stamp before."""
    widest: int = 0
    first: tuple[int, int] | None = None
    """When the first event that is shown was written, and its number. Not of a `clock` event."""
    agreed: int = 0
    """The event at which a witness last agreed with the clock."""
    doubted: list[tuple[int, int | None]] = field(default_factory=list)
    """Where the clock was set: after which event a witness did not agree with it, up to which."""

    def set(self) -> None:
        """The clock was set. How long it had been wrong nobody knows: since it was agreed with."""
        self.explained = True
        if not self.doubted or self.doubted[-1][1] is not None:
            self.doubted.append((self.agreed, None))

    def agree(self, seq: int) -> None:
        """A witness agrees with the clock."""
        self.explained, self.agreed = False, seq
        if self.doubted and self.doubted[-1][1] is None:
            self.doubted[-1] = self.doubted[-1][0], seq


class TimeChecker:
    """Checks the times of each chain's events in order.

    Args:
        findings: where contradictions are noted.
        stamps: the stamps that are there.
        roots: the authorities' root certificates that the verifier trusts; None if none was given,
            and the stamps are taken as they are.
        keep_windows: remember each event's window; for exports of few records.
        tail: whether the newest events may lack a stamp, as in a ledger that is in service.
    """

    def __init__(
        self,
        findings: Findings,
        stamps: Iterable[Stamp],
        roots: Sequence[Certificate] | None,
        *,
        keep_windows: bool = False,
        tail: bool = False,
    ) -> None:
        self._findings = findings
        self._roots = roots
        self._keep = keep_windows
        self._tail = tail
        self._by_imprint: dict[str, list[Stamp]] = {}
        self._by_sha256: dict[str, Stamp] = {}
        self._trusted: dict[str, bool] = {}
        for stamp in stamps:
            self._by_imprint.setdefault(stamp.imprint, []).append(stamp)
            self._by_sha256[stamp.sha256] = stamp
        self._lines: dict[str, _Line] = {}
        self._signers: dict[str, None] = {}
        self._span: tuple[int, int] | None = None
        self.windows: dict[tuple[str, int], Window] = {}
        """The windows of the events of records, by chain and number, by the stamps of anybody."""

    def start(self, checkpoint: Checkpoint) -> None:
        """A part of a chain starts after this checkpoint."""
        self._line(checkpoint.ledger_id).latest = milliseconds(checkpoint.at)

    def go_on(self, since: Resume) -> None:
        """A chain is read from where an earlier verification got to."""
        line = self._line(since.ledger_id)
        line.latest, line.after, line.explained = since.latest, since.after, since.explained
        # Whether the clock was set further back is not read again, so no more is made of its times.
        line.agreed = since.seq
        line.doubted = [(0, None if since.explained else since.seq)]

    def was_set(self, ledger_id: str, seq: int) -> bool:
        """Whether a clock was set around an event.

        That is from the last witness that agreed with it before it was set, to the next one.
        """
        return any(
            after < seq and (last is None or seq <= last)
            for after, last in self._line(ledger_id).doubted
        )

    def first_before(self, ledger_id: str, at: int) -> int | None:
        """The number of the first event that is shown of a chain, if it is dated before a time.

        Times do not run back along a chain but where a `clock` event stands.
        """
        written, seq = self._line(ledger_id).first or (_LATEST, 0)
        return seq if written < at - SKEW_MS else None

    def place(self, ledger_id: str) -> tuple[int, int | None, bool]:
        """What `go_on` needs of a chain: latest time, newest stamp, whether the clock was set."""
        line = self._line(ledger_id)
        return line.latest, line.after, line.explained

    def event(self, row: Row, body: Mapping[str, Any]) -> None:
        """Check the times of the next event that is shown."""
        line = self._line(row.ledger_id)
        written, at = milliseconds(body["written"]), milliseconds(body["at"])
        if line.first is None:
            line.first = (_LATEST if row.type == Act.CLOCK else written), row.seq
        if row.type == Act.CLOCK:
            line.latest = written
            line.set()
        elif written < line.latest - SKEW_MS:
            what = f"it was written {_seconds(line.latest - written)} before the event before it"
            self._contradiction("written_runs_back", what, row)
        line.latest = max(line.latest, written)
        if not line.explained:
            self._compare(row, at, written, late=body.get("late", False), after=line.after)
        if row.type == Act.WITNESSED:
            self._witnessed(row, body, line, written)
        elif row.type not in _OF_CHAINS:
            self._of_record(row, line, written)

    def checkpoint(self, checkpoint: Checkpoint, line_sha256: str) -> None:
        """A checkpoint is of the event that was reached."""
        line = self._line(checkpoint.ledger_id)
        at = milliseconds(checkpoint.at)
        if at < line.latest - SKEW_MS:
            what = f"its checkpoint is dated {_seconds(line.latest - at)} before it"
            self._findings.add(
                "time", "checkpoint_runs_back", what, checkpoint.ledger_id, checkpoint.seq
            )
        line.latest = max(line.latest, at)
        stamps = self._by_imprint.get(line_sha256, ())
        if stamps and self._keep:
            before = min(stamp.at_ms + stamp.accuracy_ms for stamp in stamps)
            for each in line.open:
                after = self.windows[checkpoint.ledger_id, each].after
                self.windows[checkpoint.ledger_id, each] = Window(after, before)
            line.open = []
        times = [stamp.at_ms + stamp.accuracy_ms for stamp in stamps if self._counts(stamp)]
        if times:
            self._bound(checkpoint.ledger_id, line, min(times))

    def forget_windows(self) -> None:
        """Keep no windows from here on, and none of those so far."""
        self._keep = False
        self.windows.clear()
        for each in self._lines.values():
            each.open.clear()

    def finish(self) -> str:
        """Note what the verdict rests on; returns what it says if it holds."""
        lines = self._lines.values()
        unconfirmed = sum(line.unconfirmed for line in lines)
        waiting = sum(line.waiting for line in lines)
        bounded = sum(line.records for line in lines) - unconfirmed - waiting
        loose = unconfirmed + (0 if self._tail else waiting)
        foreign = sum(1 for stamp in self._by_sha256.values() if not self._counts(stamp))
        if loose or not bounded:
            what = f"unwitnessed: no time stamps bound {counted(loose or waiting, 'event')}"
            self._findings.trust("time", what)
        elif foreign:
            what = (
                f"{counted(foreign, 'time stamp')} not of the authority that --tsa-ca names, which "
                "pages take for its"
            )
            self._findings.trust("time", what)
        elif self._roots is None:
            signers = ", ".join(self._signers) or "nobody"
            what = f"stamped with certificate {signers}, not verified; name its root with --tsa-ca"
            self._findings.trust("time", what)
        return self._holding(bounded)

    def _holding(self, bounded: int) -> str:
        widest = max((line.widest for line in self._lines.values()), default=0)
        summary = (
            f"{counted(bounded, 'event')} between time stamps, at most {_seconds(widest)} apart"
        )
        if self._span is not None:
            summary += f": after {utc(self._span[0])}, before {utc(self._span[1])}"
        return summary

    def _line(self, ledger_id: str) -> _Line:
        found = self._lines.get(ledger_id)
        if found is None:
            found = self._lines[ledger_id] = _Line()
        return found

    def _compare(self, row: Row, at: int, written: int, *, late: bool, after: int | None) -> None:
        if at > written + SKEW_MS:
            what = f"it happened {_seconds(at - written)} after it was written"
            self._contradiction("happened_after_written", what, row)
        elif at < written - LONGEST_CALL_MS and not late:
            what = f"it was written {_seconds(written - at)} after it happened, and does not say so"
            self._contradiction("written_late", what, row)
        if after is not None and written < after - WITNESS_SKEW_MS:
            what = f"it is dated before {utc(after)}, but a stamp of that time is older than it"
            self._contradiction("older_than_stamp", what, row)

    def _witnessed(self, row: Row, body: Mapping[str, Any], line: _Line, written: int) -> None:
        stamp = self._by_sha256.get(body["stamp_sha256"])
        if stamp is None:
            return  # it bounds nothing; that it is missing leaves events unwitnessed
        if stamp.imprint != body["checkpoint_sha256"]:
            what = "the stamp that it names is not of the checkpoint that it names"
            self._findings.add("integrity", "stamp_of_other", what, row.ledger_id, row.seq)
            return
        if milliseconds(body["stamped_at"]) != stamp.at_ms:
            what = f"its stamp is of another time: {utc(stamp.at_ms)}"
            self._findings.add("integrity", "stamp_time_wrong", what, row.ledger_id, row.seq)
        line.after_any = max(line.after_any or 0, stamp.at_ms - stamp.accuracy_ms)
        if self._counts(stamp):
            line.after = max(line.after or 0, stamp.at_ms - stamp.accuracy_ms)
            if abs(written - stamp.at_ms) <= WITNESS_SKEW_MS:
                line.agree(row.seq)

    def _of_record(self, row: Row, line: _Line, written: int) -> None:
        line.records += 1
        if line.explained or line.after is None:
            line.unconfirmed += 1
        else:
            line.after_waiting = line.after if not line.waiting else line.after_waiting
            line.waiting += 1
        if not line.explained and written > line.latest_open[0]:
            line.latest_open = written, row.seq
        if self._keep:
            self.windows[row.ledger_id, row.seq] = Window(line.after_any, None)
            line.open.append(row.seq)
            if len(self.windows) > _MAX_WINDOWS:
                self.forget_windows()

    def _bound(self, ledger_id: str, line: _Line, before: int) -> None:
        """A stamp bounds all that was read."""
        written, seq = line.latest_open
        if written > before + WITNESS_SKEW_MS:
            what = f"it is dated after {utc(before)}, but a stamp of that time is younger than it"
            self._findings.add("time", "younger_than_stamp", what, ledger_id, seq)
        if line.waiting and line.after_waiting is not None:
            line.widest = max(line.widest, before - line.after_waiting)
            first, last = self._span or (line.after_waiting, before)
            self._span = min(first, line.after_waiting), max(last, before)
        line.waiting, line.latest_open = 0, (0, 0)

    def _counts(self, stamp: Stamp) -> bool:
        """Whether a stamp is taken for the authority's."""
        if stamp.sha256 not in self._trusted:
            good = self._roots is None or stamp.is_trusted_by(self._roots)
            self._trusted[stamp.sha256] = good
            if good:
                self._signers[stamp.signer] = None
        return self._trusted[stamp.sha256]

    def _contradiction(self, code: str, what: str, row: Row) -> None:
        self._findings.add("time", code, what, row.ledger_id, row.seq)


def utc(at: int) -> str:
    """A time in milliseconds since the epoch, in UTC, to the second."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _seconds(length: int) -> str:
    """A length in milliseconds, as people say it."""
    for unit, size in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000)):
        if length >= 2 * size:
            return f"{length // size:,} {unit}"
    return f"{length / 1000:.1f} s"
