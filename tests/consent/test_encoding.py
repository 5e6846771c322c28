from __future__ import annotations

import hmac
import json
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.consent import Identifiers, canonical, commitment, timestamp
from agi_bridge.consent.encoding import Hmac, canonical_bytes, new_salt, random_bytes
from tests.support.consent_texts import TEXTS

if TYPE_CHECKING:
    from random import Random

SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
BODIES = st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS | st.lists(SCALARS)))


def exact(value: Any) -> Any:
    """The value with its types, for Python takes True for 1."""
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, list) else (type(value), value)


@given(BODIES, st.randoms())
def test_a_body_is_written_one_way_whatever_the_order_of_its_keys(
    body: dict[str, Any], random: Random
) -> None:
    names = list(body)
    random.shuffle(names)
    assert canonical({name: body[name] for name in names}) == canonical(body)


@given(BODIES)
def test_a_body_is_read_back_the_same_and_written_again_the_same(body: dict[str, Any]) -> None:
    text = canonical(body)
    assert exact(json.loads(text)) == exact(body)
    assert canonical(json.loads(text)) == text


@given(BODIES, BODIES)
def test_two_bodies_are_written_the_same_only_if_they_are(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (canonical(one) == canonical(other)) == (exact(one) == exact(other))


@given(BODIES)
def test_a_body_is_one_line_of_utf_8_with_no_space_between(body: dict[str, Any]) -> None:
    text = canonical(body)
    assert text.encode().decode() == text
    assert not {"\n", "\r"} & set(text)
    between = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert re.fullmatch(r"[\[\]{}:,0-9a-z-]*", between)


@given(BODIES)
def test_the_keys_of_a_body_are_in_the_order_of_their_code_points(body: dict[str, Any]) -> None:
    pairs = json.loads(canonical(body), object_pairs_hook=list)
    assert [name for name, _ in pairs] == sorted(body)


def test_a_body_is_written_as_documented() -> None:
    body: dict[str, Any] = {"é": None, "a": [True, -1, ["x", 31000]], "\x1f": 'say "\\"\n'}
    assert canonical(body) == (r'{"\u001f":"say \"\\\"\n","a":[true,-1,["x",31000]],"é":null}')


@given(BODIES)
def test_a_body_is_written_as_python_s_own_encoder_writes_it(body: dict[str, Any]) -> None:
    plain = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert canonical_bytes(body) == plain.encode("utf-8", "backslashreplace")


@given(st.binary(max_size=64), st.binary(max_size=99), st.lists(st.binary(max_size=99), max_size=3))
def test_a_code_is_hmac_sha_256_of_prefix_and_message(
    key: bytes, prefix: bytes, messages: list[bytes]
) -> None:
    keyed = Hmac(key, prefix)
    for message in messages:  # one after the other, and each on its own
        assert keyed.digest(message) == hmac.digest(key, prefix + message, "sha256")


@pytest.mark.programs
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_random_bytes_are_given_once_by_each_thread_and_each_process() -> None:
    counts = [10, 32, 12] * 300
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(random_bytes, counts))
    assert [len(each) for each in drawn] == counts
    assert len(set(drawn)) == len(drawn)
    random_bytes(1)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, random_bytes(32))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 32) != random_bytes(32)
    os.close(reading)
    os.close(writing)


@given(st.text(), st.text(), st.binary(min_size=32, max_size=32))
def test_a_commitment_tells_values_and_fields_apart(one: str, other: str, salt: bytes) -> None:
    assert (commitment(salt, "f", one) == commitment(salt, "f", other)) == (one == other)
    assert commitment(salt, "f", one) != commitment(salt, "g", one)


def test_a_commitment_opens_with_salt_and_value_and_with_nothing_else() -> None:
    salt = new_salt()
    bound = commitment(salt, "number", "+14155550123")
    assert commitment(salt, "number", "+14155550123") == bound
    assert commitment(salt, "number", "+14155550124") != bound
    assert commitment(salt, "ani", "+14155550123") != bound
    assert commitment(new_salt(), "number", "+14155550123") != bound


def test_identifiers_are_version_7_uuids_of_now() -> None:
    before = int(datetime.now(UTC).timestamp() * 1000)
    made = uuid.UUID(Identifiers().next())
    after = int(datetime.now(UTC).timestamp() * 1000)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before - 1 <= made.int >> 80 <= after + 1


def test_identifiers_are_never_the_same() -> None:
    sources = [Identifiers() for _ in range(100)]
    assert len({source.next() for source in sources for _ in range(10)}) == 1000


def test_identifiers_stay_version_7_when_the_random_bits_are_counted_up() -> None:
    source = Identifiers()
    source._count = (1 << 47) - 2  # the highest that is ever drawn, but for one
    made = [uuid.UUID(source.next()) for _ in range(3)]
    assert {(u.version, u.variant) for u in made} == {(7, uuid.RFC_4122)}
    assert [u.int & (1 << 48) - 1 for u in made] == [(1 << 47) - 1, 1 << 47, (1 << 47) + 1]


def test_all_other_bits_of_an_identifier_are_drawn() -> None:
    made = [uuid.UUID(Identifiers().next()).int for _ in range(300)]
    drawn = [bit for bit in range(80) if bit not in (47, 62, 63, *range(76, 80))]
    for bit in drawn:
        assert {made_ >> bit & 1 for made_ in made} == {0, 1}


def test_a_timestamp_is_utc_with_milliseconds() -> None:
    paris = timezone(timedelta(hours=1))
    at = datetime(2026, 11, 23, 6, 7, 8, tzinfo=paris)
    assert timestamp(int(at.timestamp()) * 10**9 + 9_999_999) == "2026-11-23T05:07:08.009Z"


def test_a_timestamp_is_of_now_unless_told_otherwise() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= datetime.fromisoformat(timestamp()) <= datetime.now(UTC)
