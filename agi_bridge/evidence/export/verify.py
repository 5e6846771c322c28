"""Verifies an export from its files alone: no database, no key, no network.

The files are checked against the signed sums, the chains in them with `evidence.verify`, and the
pages by rendering them again. Three rules are for exports only: a checkpoint must follow every
event that is shown, no event of the persons and records shown may be hidden, and every chain that
a checkpoint names must be there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agi_bridge.consent import BadCheckpoint, tag
from agi_bridge.consent.signing import ledger_id_of
from agi_bridge.evidence.errors import BadExport, BadPublicKey
from agi_bridge.evidence.export.archive import content, file_faults, open_archive, signer
from agi_bridge.evidence.export.format import (
    AUDIO,
    CERTIFICATE,
    INDEX,
    INSTRUCTIONS,
    PROGRAM,
    RECORDS,
    TEXTS,
    is_name,
    read_chain,
    read_starts,
)
from agi_bridge.evidence.export.pages import Contents, page_bytes, page_format, render
from agi_bridge.evidence.export.reader import (
    named_files,
    read_checkpoint_lines,
    read_manifest,
    read_opened,
    read_stamps,
    without_salts,
)
from agi_bridge.evidence.verify import (
    PERSON_SALT,
    Findings,
    Hidden,
    NamedContents,
    Verifier,
    salt_bytes,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from cryptography.x509 import Certificate

    from agi_bridge.consent.signing import Checkpoint, Stamp
    from agi_bridge.evidence.export.archive import Archive
    from agi_bridge.evidence.verify import Entry, Report, Start

_PAGES: Final = frozenset({INDEX, CERTIFICATE, INSTRUCTIONS, PROGRAM})
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")
_RAW_BYTES: Final = 32
_STEP: Final = 10_000
"""Events between two reports of progress."""


def verify_export(
    path: Path,
    elsewhere: Sequence[Checkpoint] = (),
    trusted: Collection[str] | None = None,
    *,
    roots: Sequence[Certificate] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Report, Contents]:
    """Verify a folder or a zip file; returns the report, and what the files say.

    Args:
        path: the folder or the zip file.
        elsewhere: checkpoints that were kept apart from it.
        trusted: the ids of the chains that are the business's; None if none are known.
        roots: root certificates of time stamping authorities that the verifier trusts; None takes
            stamps as they are.
        progress: is told how many events are verified.

    Raises:
        BadExport: the path is not an export, or its list of files or its signer is missing.
    """
    with open_archive(path) as archive:
        verifier = ExportVerifier(
            archive, elsewhere, trusted=trusted, roots=roots, progress=progress
        )
        for fault in file_faults(archive):
            verifier.findings.add("integrity", fault.code, fault.what)
        for name in sorted(archive.litter()):
            verifier.findings.note(f"passed over: {name}, which a system left behind")
        report = verifier.verify(f"export {path}", signed_by=signer(archive))
        return report, verifier.contents


class ExportVerifier:
    """Verifies what the files of an export say. Their sums are not checked here.

    Args:
        archive: the files.
        elsewhere, trusted, roots, progress: as `verify_export` takes them.
        own: the ids of chains whose signing keys the verifier has.
    """

    def __init__(
        self,
        archive: Archive,
        elsewhere: Sequence[Checkpoint] = (),
        *,
        trusted: Collection[str] | None = None,
        roots: Sequence[Certificate] | None = None,
        own: Collection[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.findings = Findings()
        self._is_malformed = False
        self.contents = Contents()
        self._archive = archive
        self._elsewhere = elsewhere
        self._trusted = trusted
        self._roots = roots
        self._own = own
        self._progress = progress or (lambda _done: None)
        self._texts = dict(named_files(archive, TEXTS))
        self._recordings = dict(named_files(archive, AUDIO))
        self._named = NamedContents(self.findings, self._text, self._recording)
        self._imprints: dict[str, str] = {}
        self._stampable: set[str] = set()

    def verify(self, subject: str, signed_by: Ed25519PublicKey | None = None) -> Report:
        """Read and check everything.

        Args:
            subject: what the report calls the export.
            signed_by: the key that the files are signed with; None if they have no pages and no
                signature yet.
        """
        verifier = Verifier(findings=self.findings)
        try:
            verifier = self._verifier()
            if not self._is_malformed:
                self._read(verifier)
        except (BadExport, BadCheckpoint) as error:
            self._malformed(error)
        try:
            verifier.finish()
            self._take(verifier)
            if signed_by is not None:
                ledger_id = ledger_id_of(signed_by.public_bytes_raw())
                if ledger_id not in verifier.chains:
                    what = "the files are signed with a key that signs none of the chains in them"
                    self.findings.add("integrity", "foreign_signer", what)
                self._check_names()
                self._check_pages(ledger_id)
            return verifier.report(subject)
        finally:
            verifier.close()

    def _malformed(self, error: Exception) -> None:
        self._is_malformed = True
        self.findings.add("integrity", "export_malformed", str(error))

    def _verifier(self) -> Verifier:
        checkpoints = read_checkpoint_lines(self._archive)
        self.contents.date(checkpoints)
        self._stampable = {hashlib.sha256(each.line.encode()).hexdigest() for each in checkpoints}
        starts: list[Start] = []
        try:
            starts = read_starts(self._archive)
        except BadExport as error:  # the checkpoints still say which chains there have to be
            self._malformed(error)
        return Verifier(
            checkpoints,
            elsewhere=self._elsewhere,
            stamps=self._stamps(),
            roots=self._roots,
            contents=self._named,
            starts=starts,
            trusted=self._trusted,
            own=self._own,
            keep_windows=True,
            findings=self.findings,
        )

    def _stamps(self) -> list[Stamp]:
        found = []
        for sha256, stamp in read_stamps(self._archive):
            if stamp is None or stamp.sha256 != sha256:
                what = f"the time stamp {sha256[:16]} was changed"
                self.findings.add("integrity", "stamp_changed", what)
            else:
                found.append(stamp)
                self._imprints[sha256] = stamp.imprint
        self.contents.stamps = tuple(sorted(stamp.at_ms for stamp in found))
        return found

    def _read(self, verifier: Verifier) -> None:
        for record, values in read_opened(self._archive):
            verifier.open(record, values)
        verifier.read(self._counted(read_chain(self._archive), verifier))
        if verifier.hidden:
            self._find_hidden(verifier)
        if not verifier.shown:
            self.findings.add("completeness", "no_event", "it shows no event")

    def _counted(self, entries: Iterator[Entry], verifier: Verifier) -> Iterator[Entry]:
        for done, entry in enumerate(entries, 1):
            self.contents.add(entry)
            if done % _STEP == 0:
                self._progress(done)
                if self.contents.is_large:  # windows are for records' own pages
                    verifier.time.forget_windows()
            yield entry

    def _find_hidden(self, verifier: Verifier) -> None:
        """Report hidden events of the persons and records that are shown."""
        keys = [
            *(record.encode() for record in verifier.records_shown()),
            *{salt for _, values in verifier.records.all_opened() for salt in _salt(values)},
        ]
        for entry in read_chain(self._archive):
            if isinstance(entry, Hidden):
                tags = set(json.loads(entry.tags))
                if any(tag(key, entry.ledger_id, entry.seq) in tags for key in keys):
                    what = "it is hidden, but belongs to a person or record that is shown"
                    self.findings.add(
                        "completeness", "event_hidden", what, entry.ledger_id, entry.seq
                    )

    def _take(self, verifier: Verifier) -> None:
        """Take what pages need of what was verified."""
        self.contents.windows = verifier.time.windows
        self.contents.recordings = frozenset(self._recordings)
        self.contents.texts = {sha256: text_of(self._text(sha256) or b"") for sha256 in self._texts}
        if not self.contents.is_large:
            self.contents.personal = {
                record: without_salts(values) for record, values in verifier.records.all_opened()
            }

    def _check_names(self) -> None:
        """Nothing is in the export that belongs to no event: it would pass for a part of it."""
        for name in sorted(self._archive.names()):
            if not is_name(name):
                self._add("file_unknown", f"{name} is not a file of an export")
        if self._is_malformed:
            return  # not all events were read
        texts, recordings = self._named.seen
        unnamed = {*(self._texts.keys() - texts), *(self._recordings.keys() - recordings)}
        for sha256 in sorted(unnamed):
            self._add("file_unnamed", f"no event names the text or recording {sha256[:16]}")
        for sha256, imprint in self._imprints.items():
            if imprint not in self._stampable:
                self._add("stamp_of_nothing", f"the time stamp {sha256[:16]} is of no checkpoint")

    def _check_pages(self, signer_id: str) -> None:
        """Render the pages again, if this version can, and compare."""
        try:
            manifest = read_manifest(self._archive)
        except BadExport as error:
            self._add("export_malformed", str(error))
            return
        if manifest.pages != page_format():
            what = "pages not judged: another version of agi-bridge wrote them; see --show"
            self.findings.trust("integrity", what)
            return
        if self.findings.has("integrity") or self.findings.has("completeness"):
            self.findings.note("pages not judged: the evidence that they are made of fails")
            return
        pages = dict(
            render(self.contents, manifest.zones, signer=signer_id, software=manifest.software)
        )
        if not manifest.zones.agree_with_this_machine:
            what = "local times on pages not judged: this machine has other rules of time zones"
            self.findings.trust("integrity", what)
        there = {
            name
            for name in self._archive.names()
            if name in _PAGES or name.startswith(f"{RECORDS}/")
        }
        for name in sorted(there | pages.keys()):
            if name not in pages:
                self._add("page_added", f"{name} is not a page of this export")
            elif name not in there:
                self._add("page_missing", f"{name} is missing")
            elif content(self._archive, name) != page_bytes(pages[name]):
                self._add("page_differs", f"{name} does not say what the evidence says")

    def _add(self, code: str, what: str) -> None:
        self.findings.add("integrity", code, what)

    def _text(self, sha256: str) -> bytes | None:
        name = self._texts.get(sha256)
        return None if name is None else content(self._archive, name)

    def _recording(self, sha256: str) -> bytes | None:
        name = self._recordings.get(sha256)
        return None if name is None else content(self._archive, name)


def _salt(values: Mapping[str, str]) -> Iterator[bytes]:
    """The salt of a person's tags, if it is one."""
    key = salt_bytes(values.get(PERSON_SALT, ""))
    if key is not None:
        yield key


def trusted_chain(given: str) -> str:
    """The id of the chain that belongs to a public key: the key's fingerprint.

    `given` is the id itself, or the name of a file with the key in PEM or its 32 bytes in base64.

    Raises:
        BadPublicKey: it is neither.
    """
    if _FINGERPRINT.fullmatch(given.lower()):
        return given.lower()
    try:
        return ledger_id_of(_raw(Path(given).read_bytes().strip()))
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except ValueError:
        reason = "does not hold an Ed25519 public key"
    raise BadPublicKey(f"{given} {reason}; name a file in PEM or base64, or 32 hex digits")


def _raw(text: bytes) -> bytes:
    """The 32 bytes of a public key. ValueError if the text is not one."""
    if text.startswith(b"-----BEGIN"):
        key = serialization.load_pem_public_key(text)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("another kind of key")
        return key.public_bytes_raw()
    raw = base64.b64decode(text, validate=True)
    if len(raw) != _RAW_BYTES:
        raise ValueError("not 32 bytes")
    return raw
