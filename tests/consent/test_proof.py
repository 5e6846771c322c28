from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.consent.proof import Identifiers, canonical, commitment, new_salt, timestamp

SCALARS = st.none() | st.booleans() | st.integers() | st.text()


@given(st.dictionaries(st.text(), SCALARS | st.lists(SCALARS)))
def test_a_body_is_written_one_way_whatever_the_order_of_its_keys(body: dict[str, object]) -> None:
    text = canonical(body)  # type: ignore[arg-type]  # hypothesis cannot name the type
    shuffled = dict(reversed(body.items()))
    assert canonical(shuffled) == text  # type: ignore[arg-type]  # the same
    assert json.loads(text) == body


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
    source._random = (1 << 80) - 1
    made = [uuid.UUID(source.next()) for _ in range(3)]
    assert {(u.version, u.variant) for u in made} == {(7, uuid.RFC_4122)}
    assert len(set(made)) == 3


def test_a_timestamp_is_utc_with_milliseconds() -> None:
    paris = timezone(timedelta(hours=1))
    at = datetime(2026, 11, 23, 6, 7, 8, tzinfo=paris)
    assert timestamp(int(at.timestamp()) * 10**9 + 9_999_999) == "2026-11-23T05:07:08.009Z"


def test_a_timestamp_is_of_now_unless_told_otherwise() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= datetime.fromisoformat(timestamp()) <= datetime.now(UTC)
