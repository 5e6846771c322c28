"""What an attacker does to a ledger or an export, each with the keys that he has.

* an outsider has an export, and can write its files;
* the owner of the database can write every table, and has no key;
* a holder of the vault key can also seal personal data again;
* the owner has all keys and can sign everything again, but cannot change what left before.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agi_bridge.cli.consents.verify import Verified
from agi_bridge.consent import START, State, canonical, leaf, link, named_records, tag, tags_text
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.ledger.schema import guards
from agi_bridge.consent.signing import (
    Checkpoint,
    Stamp,
    Vault,
    generate_keys,
    read_certificates,
    sign,
)
from agi_bridge.evidence.export import Collector, ExportWriter, verify_export
from agi_bridge.evidence.export.archive import SIGNATURE, SUMS, open_archive, sign_files
from agi_bridge.evidence.export.format import RECORDS
from agi_bridge.evidence.export.pages import TEMPLATES, page_bytes, page_format, render
from agi_bridge.evidence.export.reader import manifest_text
from agi_bridge.evidence.export.verify import ExportVerifier
from agi_bridge.evidence.export.writer import SOFTWARE
from agi_bridge.evidence.export.zones import Zones
from agi_bridge.evidence.verify import VERDICTS, verify_ledger
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from agi_bridge.consent.signing import Keys
    from agi_bridge.evidence.verify import Report, Resume

CHECK = TEMPLATES / "check.txt"
"""The standalone check, from the project's own sources."""
STATUSES = {"fails": 1, "pending": 4, "trusting": 3, "holds": 0}
"""The exit status of a verdict that is the worst, worst first."""
_WORDS = {"FAILS": "fails", "not yet anchored": "pending", "holds if": "trusting", "holds": "holds"}
"""What verdicts of `check.py` begin with."""


@dataclass(frozen=True)
class Judgement:
    """What a judge says: the value of each verdict, and the exit status."""

    values: dict[str, str]
    status: int
    codes: frozenset[str] = field(default=frozenset(), compare=False)
    of_pages: bool = field(default=False, compare=False)
    """Whether all that keeps integrity from holding are pages, which `check.py` does not judge."""
    said: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """What is said besides the values: by the program, and of an export by `check.py`."""

    def without_pages(self) -> Judgement:
        """The same, had the pages not been judged."""
        if not self.of_pages:
            return self
        values = {**self.values, "integrity": "holds"}
        return Judgement(
            values, next(STATUSES[each] for each in STATUSES if each in values.values())
        )

    @property
    def failing(self) -> set[str]:
        return {name for name, value in self.values.items() if value == "fails"}


@dataclass
class Place:
    """A folder with a ledger, its keys, and what left before anybody attacked."""

    folder: Path
    keys: Keys
    root: Path
    """The root certificate of the authority."""
    elsewhere: list[Checkpoint] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    other_keys: Keys | None = None

    @property
    def database(self) -> Path:
        return self.folder / "ledger.db"

    def copy(self, folder: Path) -> Place:
        shutil.copytree(self.folder, folder)
        return Place(
            folder, self.keys, self.root, list(self.elsewhere), dict(self.ids), self.other_keys
        )

    # As the business

    def use(self, work: Callable[[Ledger], Any]) -> Any:
        """Do something with the ledger, as the service does."""

        async def run() -> Any:
            async with await Ledger.open(self.database, self.keys) as ledger:
                return await work(ledger)

        return asyncio.run(run())

    def export(self, out: Path, *ids: str) -> Path:
        """Export some records, or all."""

        async def run(ledger: Ledger) -> None:
            out.mkdir()
            writer = ExportWriter(out)
            await Collector(ledger, writer, everything=not ids).collect(ids)
            writer.finish(self.keys)

        self.use(run)
        return out

    # As the judges

    def verified(self) -> list[Resume]:
        """Where a verification that found no fault got to."""

        async def run(ledger: Ledger) -> list[Resume]:
            return (await verify_ledger(ledger, self.elsewhere, trusted=self.trusted))[1]

        found: list[Resume] = self.use(run)
        return found

    def verify(self, **given: Any) -> Judgement:
        """Verify the ledger, as the business does with what it kept elsewhere."""
        given.setdefault("roots", read_certificates(self.root))
        given.setdefault("trusted", self.trusted)

        async def run(ledger: Ledger) -> Report:
            return (await verify_ledger(ledger, self.elsewhere, **given))[0]

        return judgement(self.use(run))

    @property
    def trusted(self) -> set[str]:
        others = {self.other_keys.ledger_id} if self.other_keys else set()
        return {self.keys.ledger_id, *others}

    def both(self, export: Path, *, elsewhere: bool = False, key: bool = True) -> Judgement:
        """Verify an export with the program and with `check.py`; they have to agree."""
        trusted = self.trusted if key else None
        kept = self.elsewhere if elsewhere else []
        ours = judgement(
            verify_export(export, kept, trusted, roots=read_certificates(self.root))[0]
        )
        arguments = [*(sorted(trusted) if trusted else ()), "--tsa-ca", str(self.root)]
        if kept:
            file = export.parent / "elsewhere.jsonl"
            file.write_text("".join(f"{each.line}\n" for each in kept))
            arguments += ["--checkpoints", str(file)]
        theirs = check(export, *arguments)
        assert theirs == ours.without_pages(), (ours, theirs)
        return replace(ours, said=(*ours.said, *theirs.said))

    # As an attacker

    def sql(self, statement: str, *values: Any, key: str = "") -> list[Any]:
        """Change the database as its owner can: without triggers, without constraints."""
        del key
        with closing(sqlite3.connect(self.database, isolation_level=None)) as database:
            for name in ("event_no_update", "event_no_delete"):
                database.execute(f"DROP TRIGGER IF EXISTS {name}")
            found = database.execute(statement, values).fetchall()
            for guard in guards("sqlite"):
                database.execute(guard)
        return found

    def reseal(self, record: str, change: Callable[[dict[str, str]], object]) -> None:
        """Seal a record's personal data again, as a holder of the vault key can."""
        vault = Vault(self.keys)
        [(person_id, sealed_person, sealed)] = self.sql(
            "SELECT pii.person_id, person.sealed, pii.sealed FROM pii"
            " JOIN person ON person.person_id = pii.person_id WHERE consent_id = ?",
            record,
        )
        person = vault.open_person(person_id, sealed_person)
        values = vault.open(person, record, sealed)
        change(values)
        self.sql(
            "UPDATE pii SET sealed = ? WHERE consent_id = ?",
            vault.seal(person, record, values),
            record,
        )

    def forge(
        self,
        change: Callable[[list[dict[str, Any]]], None],
        date: Callable[[str], str] = lambda at: at,
        *,
        stamps: bool = False,
    ) -> None:
        """Write the chain again, as the owner of all keys can; checkpoints are signed again.

        Each checkpoint stays at its event; `date` says what it is dated. The stamps do not fit any
        more, so `witnessed` events name the new checkpoints and stamps that nobody has, unless
        `stamps` keeps them.
        """
        salts = dict(self._salts())
        chain = self.keys.ledger_id
        bodies = [
            json.loads(body)
            for (body,) in self.sql(
                "SELECT body FROM event WHERE ledger_id = ? ORDER BY seq", chain
            )
        ]
        lines = [
            Checkpoint.parse(line)
            for (line,) in self.sql("SELECT line FROM checkpoint WHERE ledger_id = ?", chain)
        ]
        anchors = [(line, bodies[line.seq - 1]) for line in lines]
        change(bodies)
        self.sql("DELETE FROM event WHERE ledger_id = ?", chain)
        self.sql("DELETE FROM checkpoint WHERE ledger_id = ?", chain)
        head, left = START, {id(anchor): line for line, anchor in anchors}
        made: dict[int, Checkpoint] = {}
        for seq, body in enumerate(bodies, 1):
            if not stamps:
                unstamp(body, made.get(body.get("checkpoint", 0)))
            body["seq"] = seq
            named = named_records(body["consent_id"], body)
            tags = [tag(each.encode(), chain, seq) for each in named]
            if body["consent_id"] in salts and not body.pop("untagged", False):
                tags.append(tag(salts[body["consent_id"]], chain, seq))
            text, joined = canonical(body), tags_text(tags)
            head = link(head, leaf(joined, text))
            line = left.pop(id(body), None)
            if line is not None:
                made[line.seq] = self._sign(seq, head, line, date)
            self.sql(
                "INSERT INTO event (ledger_id, seq, consent_id, type, at, tags, body, hash)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                chain, seq, body["consent_id"], body["type"], body["at"], joined, text, head.hex(),
            )  # fmt: skip
        for line in left.values():
            self._sign(len(bodies), head, line, date)

    def _sign(
        self, seq: int, head: bytes, old: Checkpoint, date: Callable[[str], str]
    ) -> Checkpoint:
        made = sign(self.keys.signing, seq, head.hex(), date(old.at), old.heads)
        self.sql(
            "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", made.ledger_id, seq, made.line
        )
        return made

    def _salts(self) -> Iterator[tuple[str, bytes]]:
        async def run(ledger: Ledger) -> Any:
            return await ledger.stored_values()

        for row in self.use(run):
            if row.values is not None:
                yield row.record, bytes.fromhex(row.values["person_salt"])


async def sent_by_two_bridges(place: Place) -> str:
    """One bridge cannot send what it took, and another one does; returns the consent's id."""
    place.other_keys = replace(place.keys, signing=generate_keys().signing)
    async with await Ledger.open(place.database, place.keys) as ledger:
        record = shop.agreed("+14155550107")
        await ledger.append(record.take())
        record.submission_ended(
            State.NOT_SENT, reason="connect", status=None, attempts=1, answer=None
        )
        await ledger.append(record.take())
    async with await Ledger.open(place.database, place.other_keys) as other:
        again = await other.load_for_retry(record.id)
        again.submitting(shop.SENDING, attempt=2)
        await other.append(again.take())
        again.submission_ended(
            State.ACCEPTED, reason="dial", status=200, attempts=1, answer="b" * 64
        )
        await other.append(again.take())
        await other.checkpoint()
    async with await Ledger.open(place.database, place.keys) as ledger:
        await ledger.checkpoint()
    return record.id


def unstamp(body: dict[str, Any], made: Checkpoint | None) -> None:
    """Let a `witnessed` event name a checkpoint that was signed again; no stamp is of it."""
    if made is None or body.get("type") != "witnessed":
        return
    sum_ = sha256(made.line)
    if body["checkpoint_sha256"] != sum_:
        body.update(checkpoint=made.seq, checkpoint_sha256=sum_, stamp_sha256="0" * 64)


def judgement(report: Report) -> Judgement:
    """What a report says, with the exit status of `consents verify`."""
    verified = Verified(report)
    status = {True: 0, False: 1, None: verified.exit_code or 3}[verified.ok]
    codes = {fault.code for _, verdict in report.verdicts for fault in verdict.faults}
    values = {name: verdict.value.value for name, verdict in report.verdicts}
    wrong = report.integrity.faults
    of_pages = all(fault.code.startswith("page_") for fault in wrong) and not report.integrity.ok
    said = "\n".join([*report.notes, *(verdict.text for _, verdict in report.verdicts)])
    return Judgement(values, status, frozenset(codes), of_pages, (said,))


def check(export: Path, *arguments: str) -> Judgement:
    """What the standalone check says of an export."""
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-I", str(CHECK), "--in", str(export), *arguments],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    printed = dict(
        line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:1].isalpha()
    )
    values = {
        name: next(
            (value for begin, value in _WORDS.items() if words.startswith(begin)), "trusting"
        )
        for name, words in printed.items()
        if name in VERDICTS
    }
    return Judgement(values, done.returncode, said=(done.stdout,))


def resign(export: Path, keys: Keys) -> None:
    """Sign the files of an export again, as the business can."""
    for name in (SUMS, SIGNATURE, "signer.pem"):
        (export / name).unlink(missing_ok=True)
    sign_files(export, keys.signing)


def edit_lines(file: Path, change: Callable[[list[str]], Sequence[str]]) -> None:
    """Change the lines of a file."""
    file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def forge_export(
    export: Path, keys: Keys, change: Callable[[dict[str, Any]], None], *, tags: bool = True
) -> None:
    """Change events in an export and chain, tag and sign all of it again, as the owner can."""
    salts = {}
    for line in (export / "opened.jsonl").read_text().splitlines():
        values = json.loads(line)
        salts[values["consent_id"]] = bytes.fromhex(values["person_salt"])
    lines: list[str] = []
    made: dict[tuple[str, str], Checkpoint] = {}
    old = {
        (each.ledger_id, each.seq): each
        for each in map(Checkpoint.parse, (export / "checkpoints.jsonl").read_text().splitlines())
    }
    chain, seq, head = "", 0, START
    for line in (export / "chain.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if isinstance(entry, dict):
            chain, seq, head = entry["ledger_id"], entry["seq"], bytes.fromhex(entry["hash"])
            lines.append(line)
            continue
        seq += 1
        joined, body = canonical(entry[0]), entry[1]
        if isinstance(body, dict):
            before = canonical(body)
            change(body)
            unstamp(body, made.get((chain, str(body.get("checkpoint")))))
            text = canonical(body)
            if text != before and tags and isinstance(body.get("consent_id"), str):
                new = [
                    tag(each.encode(), chain, seq)
                    for each in named_records(body["consent_id"], body)
                ]
                if body["consent_id"] in salts:
                    new.append(tag(salts[body["consent_id"]], chain, seq))
                joined = tags_text(new)
            digest = hashlib.sha256(text.encode()).digest()
            lines.append(f"[{joined},{text}]")
        else:
            digest = bytes.fromhex(body)
            lines.append(line)
        leaf_ = hashlib.sha256(b"\0" + hashlib.sha256(joined.encode()).digest() + digest).digest()
        head = link(head, leaf_)
        if (chain, seq) in old:
            given = old[chain, seq]
            made[chain, str(seq)] = sign(keys.signing, seq, head.hex(), given.at, given.heads)
    (export / "chain.jsonl").write_text("".join(f"{line}\n" for line in lines))

    signed = [made.get((place[0], str(place[1])), given) for place, given in old.items()]
    (export / "checkpoints.jsonl").write_text("".join(f"{each.line}\n" for each in signed))
    drop_stamps(export, {sha256(each.line) for each in signed})
    resign(export, keys)


def drop_stamps(export: Path, sums: Collection[str]) -> None:
    """Remove the stamps that are of none of these lines."""
    for path in (export / "stamps").glob("*"):
        if Stamp.parse(path.read_bytes()).imprint not in sums:
            path.unlink()


def render_again(export: Path, keys: Keys) -> None:
    """Render the pages of an export from its files, note it in the manifest, and sign them."""
    for path in (*export.glob("records/*"), export / "certificate.html", export / "index.html"):
        path.unlink(missing_ok=True)
    zones = Zones()
    with open_archive(export) as files:
        judged = ExportVerifier(files, own={keys.ledger_id})
        judged.verify("forged")
    (export / RECORDS).mkdir(exist_ok=True)
    for name, text in render(judged.contents, zones, signer=keys.ledger_id, software=SOFTWARE):
        (export / name).write_bytes(page_bytes(text))
    manifest = manifest_text(pages=page_format(), software=SOFTWARE, zones=zones)
    (export / "manifest.json").write_text(manifest)
    resign(export, keys)
