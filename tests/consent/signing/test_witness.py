from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import BadStamp, WitnessFailed
from agi_bridge.consent.signing import Stamp, TimestampAuthority, read_certificates
from tests.support.der_variants import CERTIFICATES, rewritten, variants
from tests.support.error_codes import coded
from tests.support.timestamp_authority import Authority, make_authority, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.programs

LINE = '{"seq":1}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authorities")
    make_authority(folder / "ours")
    make_authority(folder / "other")
    return folder


@pytest.fixture
def authority(folder: Path) -> Iterator[Authority]:
    with serving(Authority(folder / "ours")) as served:
        yield served


def test_a_stamp_covers_the_line_and_names_a_time(authority: Authority) -> None:
    stamp = authority.client().stamp(LINE)
    assert stamp.covers(LINE)
    assert not stamp.covers(LINE + " ")
    assert stamp.at_ms % 1000 == 0
    assert stamp.accuracy_ms == 1000
    assert len(stamp.signer) == 32
    assert Stamp.parse(stamp.der) == stamp


def test_openssl_agrees_with_us_about_a_stamp(authority: Authority, tmp_path: Path) -> None:
    stamp = authority.client().stamp(LINE)
    (tmp_path / "stamp.tsr").write_bytes(stamp.der)
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["openssl", "ts", "-verify", "-digest", stamp.imprint, "-in", tmp_path / "stamp.tsr",  # noqa: S607 - found in PATH, as a user has it
         "-CAfile", authority.root, "-attime", str(stamp.at_ms // 1000)],
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0


def test_only_the_verifiers_own_root_makes_a_stamp_trusted(
    authority: Authority, folder: Path
) -> None:
    stamp = authority.client().stamp(LINE)
    ours, other = (read_certificates(folder / name / "root.pem") for name in ("ours", "other"))
    assert stamp.is_trusted_by(ours)
    assert stamp.is_trusted_by([*other, *ours])
    assert not stamp.is_trusted_by(other)
    assert not stamp.is_trusted_by([])


def test_each_byte_of_a_stamp_counts(authority: Authority) -> None:
    stamp = authority.client().stamp(LINE)
    roots = read_certificates(authority.root)
    believed = []
    for place in range(len(stamp.der)):
        changed = bytearray(stamp.der)
        changed[place] ^= 1
        try:
            other = Stamp.parse(bytes(changed))
            if other.is_trusted_by(roots) and (other.at_ms, other.imprint) != (
                stamp.at_ms,
                stamp.imprint,
            ):
                believed.append(place)
        except BadStamp:
            continue
    assert believed == []


def test_an_answer_that_is_not_a_stamp_of_this_line_is_refused(authority: Authority) -> None:
    earlier = authority.client().stamp(LINE).der
    answers = {
        "stamp_invalid": b"<html>",
        "stamp_too_long": bytes(100_000),
        "stamp_of_other": earlier,  # the same line: the nonce tells
    }
    for code, answer in answers.items():
        authority.answer = lambda _, answer=answer: answer
        with pytest.raises(WitnessFailed, check=coded(code)):
            authority.client().stamp(LINE)


def test_a_refusal_and_an_error_are_told_apart_from_a_stamp(authority: Authority) -> None:
    authority.answer = lambda _: bytes.fromhex("3005300302010 2".replace(" ", ""))
    with pytest.raises(WitnessFailed, check=coded("stamp_refused")):
        authority.client().stamp(LINE)
    authority.status = 500
    with pytest.raises(WitnessFailed, check=coded("http_status", "500")):
        authority.client().stamp(LINE)


def test_a_stamp_of_another_authority_is_refused_where_a_root_is_set(
    authority: Authority, folder: Path
) -> None:
    authority.answer = Authority(folder / "other").reply
    with pytest.raises(WitnessFailed, check=coded("stamp_untrusted")):
        authority.client().stamp(LINE)
    assert authority.client(trusted=False).stamp(LINE).covers(LINE)


def test_an_authority_that_is_not_there_is_named_without_its_url() -> None:
    nobody = TimestampAuthority("http://127.0.0.1:1/secret/path")
    with pytest.raises(WitnessFailed) as failed:
        nobody.stamp(LINE)
    assert "127.0.0.1" in str(failed.value)
    assert "secret" not in str(failed.value)


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name, code in (("empty.pem", "no_certificates"), ("missing.pem", "unreadable")):
        with pytest.raises(BadStamp, check=coded(code, name)):
            read_certificates(tmp_path / name)


@pytest.mark.parametrize("way", [None, "reversed"])
def test_a_chain_of_certificates_is_taken_in_any_order_and_parts_of_seconds_count(
    tmp_path: Path, way: str | None
) -> None:
    """OpenSSL writes certificates in any order; a set in DER is sorted."""
    with serving(make_authority(tmp_path / "large", large=True)) as large:
        given = large.client().stamp(LINE)
    der = rewritten(given.der, CERTIFICATES, way) if way else given.der
    assert der is not None
    stamp = Stamp.parse(der)
    assert stamp.is_trusted_by(read_certificates(large.root))
    (tmp_path / "stamp.tsr").write_bytes(der)
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["openssl", "ts", "-reply", "-in", tmp_path / "stamp.tsr", "-text"],  # noqa: S607 - found in PATH, as a user has it
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    written = re.search(r"Time stamp: .*:\d\d(\.\d+)? ", done.stdout)
    assert written is not None
    assert stamp.at_ms % 1000 == round(float(written[1] or 0) * 1000)


def test_a_stamp_has_one_spelling(authority: Authority) -> None:
    stamp = authority.client().stamp(LINE)
    taken = [
        name
        for name, other in variants(stamp.der)
        if not name.startswith(("reversed", "last", "one", "empty")) and reads(other)
    ]
    assert taken == []


def reads(der: bytes) -> bool:
    try:
        Stamp.parse(der)
    except BadStamp:
        return False
    return True
