"""Attacks on time stamps: other bytes of genuine ones, and what authorities may differ in."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Stamp, generate_keys
from tests.support import evidence_ledger as shop
from tests.support.der_variants import CERTIFICATES, rewritten, variants
from tests.support.forgery import Place, resign
from tests.support.timestamp_authority import make_authority, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def newest(export: Path) -> Path:
    """The stamp of the newest checkpoint, which no `witnessed` event holds the hash of."""
    line = (export / "checkpoints.jsonl").read_text().splitlines()[-1]
    [found] = [
        each
        for each in (export / "stamps").iterdir()
        if Stamp.parse(each.read_bytes()).covers(line)
    ]
    return found


def put(place: Place, export: Path, stamp: Path, der: bytes) -> Path:
    """Replace a stamp by other bytes, and sign the files; returns where they are."""
    stamp.unlink()
    written = stamp.with_name(f"{hashlib.sha256(der).hexdigest()}.tsr")
    written.write_bytes(der)
    resign(export, place.keys)
    return written


OTHERWISE = {
    "all of it": ("0", "indefinite length"),
    "token": ("0/1", "long length"),
    "encapsulated content": ("0/1/1/0/2/1/0", "string in pieces"),
    "version": ("0/1/1/0/0", "padded integer"),
    "criticality within a certificate": ("0/1/1/0/3/0/0/7/0/0/1", "truth of 1"),
    "signed attributes": ("0/1/1/0/4/0/3", "reversed"),
    "name of an attribute": ("0/1/1/0/4/0/3/2/1/0", "string in pieces"),
    "signature": ("0/1/1/0/4/0/5", "string in pieces"),
    "parameters of ECDSA": ("0/1/1/0/4/0/4", "one more"),
}


@pytest.mark.parametrize("where", OTHERWISE)
def test_a_stamp_in_other_bytes_is_changed(place: Place, export: Path, where: str) -> None:
    """Nobody but the authority writes its stamp: openssl would read each of these."""
    stamp = newest(export)
    der = rewritten(stamp.read_bytes(), *OTHERWISE[where])
    assert der is not None
    put(place, export, stamp, der)
    found = place.both(export)
    assert "integrity" in found.failing
    assert found.status == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda der: der + bytes(2),
        lambda der: der[:-1],
        lambda _: b"",
        lambda _: b"\x30\x80" * 30_000,
    ],
)
def test_what_follows_a_stamp_or_is_cut_off_it_changes_it(
    place: Place, export: Path, change: Callable[[bytes], bytes]
) -> None:
    stamp = newest(export)
    put(place, export, stamp, change(stamp.read_bytes()))
    assert "integrity" in place.both(export).failing


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_both_judges_read_a_stamp_alike_however_it_is_written(place: Place, export: Path) -> None:
    stamp = newest(export)
    written, given = stamp, stamp.read_bytes()
    differ = []
    for name, der in variants(given):
        if name == _NO_CURVE:
            continue
        written = put(place, export, written, der)
        try:
            place.both(export)
        except AssertionError:
            differ.append(name)
    assert differ == []


_NO_CURVE = "last one dropped at 0/1/1/0/3/0/0/6/0"
"""An authority's certificate whose key names no curve. Neither judge counts its stamp: the program
cannot read it, and for openssl its signature is nobody's."""


@pytest.mark.parametrize("way", [None, "reversed"])
def test_stamps_of_a_large_authority_hold(tmp_path: Path, way: str | None) -> None:
    """With certificates between, in any order, and times with parts of seconds."""
    (tmp_path / "state").mkdir()
    with serving(make_authority(tmp_path / "large", large=True)) as large:
        if way is not None:
            large.answer = lambda query: rewritten(large.reply(query), CERTIFICATES, way) or b""
        place = Place(tmp_path / "state", generate_keys(), large.root)

        async def fill() -> None:
            async with await Ledger.open(place.database, place.keys) as ledger:
                await shop.begin(ledger)
                await shop.stamped(ledger, large.client())
                place.ids["first"] = await shop.accepted(ledger)
                await shop.stamped(ledger, large.client())

        asyncio.run(fill())
    found = place.both(place.export(tmp_path / "out", place.ids["first"]))
    assert (found.values["time"], found.status) == ("holds", 0)


def test_an_authority_of_the_same_name_is_another_one(
    place: Place, export: Path, tmp_path: Path
) -> None:
    stamp = newest(export)
    line = (export / "checkpoints.jsonl").read_text().splitlines()[-1]
    with serving(make_authority(tmp_path / "made" / place.root.parent.name)) as other:
        put(place, export, stamp, other.client(trusted=False).stamp(line).der)
    found = place.both(export)
    assert (found.values["time"], found.status) == ("trusting", 1)  # and pages say another window
    assert found.failing == {"integrity"}
    assert found.of_pages
