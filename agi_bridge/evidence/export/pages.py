"""The pages of an export, rendered from its other files alone.

A verifier can render them again and compare them with the files. The
manifest names the format of the pages: the same format gives the same pages. They open without a
network: no script, style inline, every value escaped.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from agi_bridge.consent import Row, State
from agi_bridge.evidence.export import labels
from agi_bridge.evidence.export.case import KINDS, Case, in_order, named_others, named_texts
from agi_bridge.evidence.export.format import CERTIFICATE, INDEX, INSTRUCTIONS, PROGRAM, RECORDS
from agi_bridge.evidence.export.labels import label, value
from agi_bridge.evidence.export.summary import personal_label, summarise
from agi_bridge.evidence.verify import QUESTIONS, utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.export.zones import Zones
    from agi_bridge.evidence.verify import Entry, Window

TEMPLATES: Final = Path(__file__).parent / "templates"
_HIDING: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    r"\U000e0000-\U000e007f]"
)
"""Characters that let a text read as another one: they turn its direction, or are not seen."""
MAX_RECORDS: Final = 1000
"""Most records that get a page each. Nobody prints more, and they would outgrow the evidence."""


@dataclass(slots=True)
class Contents:
    """What the files of an export hold, as far as pages need it.

    Attributes:
        rows: the events that are shown, by record; empty once there are too many records.
        counts: how many records of each kind there are.
        others: how many events are hidden.
        first, last: times of the oldest and the newest checkpoint.
        stamps: when its checkpoints were stamped, in milliseconds since the epoch.
        personal: personal values by record, without salts.
        texts: texts by their SHA-256.
        recordings: the SHA-256 of the recordings.
        windows: when events were written, by witnesses alone.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    others: int = 0
    shown: int = 0
    first: str = ""
    last: str = ""
    chains: tuple[str, ...] = ()
    stamps: tuple[int, ...] = ()
    personal: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    recordings: frozenset[str] = frozenset()
    windows: Mapping[tuple[str, int], Window] = field(default_factory=dict)

    @property
    def is_large(self) -> bool:
        """Whether there are too many records for a page each."""
        return sum(self.counts.values()) > MAX_RECORDS

    def add(self, entry: Entry) -> None:
        """Take the next event of the chains."""
        if not isinstance(entry, Row):
            self.others += 1
            return
        self.shown += 1
        kind = KINDS.get(entry.type)
        if kind is not None:
            self.counts[kind] = self.counts.get(kind, 0) + 1
        if not self.is_large:
            self.rows.setdefault(entry.consent_id, []).append(entry)
        elif self.rows:
            self.rows.clear()

    def date(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Take the times and chains of the checkpoints."""
        given = tuple(checkpoints)
        times = sorted(each.at for each in given)
        self.first, self.last = (times[0], times[-1]) if times else ("", "")
        self.chains = tuple(sorted({each.ledger_id for each in given}))

    def is_record(self, record: str) -> bool:
        """Whether an id is a consent's, a revocation's or a message's."""
        return record in self.rows and in_order(self.rows[record])[0].type in KINDS

    def cases(self) -> list[Case]:
        """The records that have a page: those that are not part of another's."""
        part_of = {
            other
            for rows in self.rows.values()
            for row in rows
            if row.type == State.REVOKED
            for other in named_others(row)
        }
        found = [
            self.case(record)
            for record in self.rows
            if self.is_record(record) and record not in part_of
        ]
        return sorted(found, key=lambda case: (case.rows[0].at, case.consent_id))

    def case(self, record: str) -> Case:
        """One record, with what belongs to it."""
        rows = in_order(self.rows[record])
        others = dict.fromkeys(other for row in rows for other in named_others(row))
        related = tuple(row for other in others for row in self.rows.get(other, ()))
        return Case(
            record,
            rows,
            related,
            {each: self.personal[each] for each in (record, *others) if each in self.personal},
            {sha: self.texts[sha] for row in rows for sha in named_texts(row) if sha in self.texts},
            self.windows,
            self.recordings,
        )


def render(
    contents: Contents, zones: Zones, *, signer: str, software: str
) -> Iterator[tuple[str, str]]:
    """The pages of an export: their names, and their texts."""
    summaries = [summarise(case, reveal=True, zones=zones) for case in contents.cases()]
    one = summaries[0] if len(summaries) == 1 and not contents.is_large else None
    shared: dict[str, Any] = {
        "cases": summaries,
        "case": one,
        "root": "",
        "recordings": contents.recordings,
        "contents": contents,
        "first": labels.utc(contents.first) if contents.first else "",
        "last": labels.utc(contents.last) if contents.last else "",
        "stamped": tuple(map(utc, (contents.stamps[0], contents.stamps[-1])))
        if contents.stamps
        else (),
        "questions": QUESTIONS,
        "signer": signer,
        "software": software,
    }
    yield INDEX, page("index.html", **shared)
    if one is None:
        for each in summaries:
            text = page("consent.html", **{**shared, "case": each, "root": "../"})
            yield f"{RECORDS}/{each.consent_id}.html", text
    yield CERTIFICATE, page("certificate.html", **shared)
    yield INSTRUCTIONS, page("verify.txt", **shared)
    yield PROGRAM, (TEMPLATES / "check.txt").read_text(encoding="utf-8")


def page(template: str, folder: Path = TEMPLATES, /, **values: object) -> str:
    """Render a template of a folder. It may extend `page.html`, the frame of all pages.

    A value that the template needs and does not get is an error (jinja2.UndefinedError).
    """
    return _environment(folder).get_template(template).render(values)


def page_bytes(text: str) -> bytes:
    """A page as it is written. Bytes from outside that are not UTF-8 are shown escaped."""
    return text.encode("utf-8", "backslashreplace")


@cache
def _environment(folder: Path) -> Environment:
    made = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        # A brand or a text from the database is never markup.
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals |= {"label": label, "value": value, "personal_label": personal_label}
    return made


def _visible(value: object) -> object:
    """A value with the characters that hide or turn others written as their escapes."""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # markup of a template's own
        return value
    return _HIDING.sub(lambda found: found[0].encode("unicode_escape").decode(), value)


@cache
def page_format() -> str:
    """The format of the pages: the first 16 hex digits of a SHA-256 of what renders them."""
    here = TEMPLATES.parent
    modules = ("pages", "summary", "labels", "dialogue_words", "zones", "case")
    files = [*sorted(TEMPLATES.iterdir()), *(here / f"{name}.py" for name in modules)]
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
