from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.consent import hidden_leaf, leaf, link, named_records, tag, tags_text
from agi_bridge.consent.chain import Tagger
from agi_bridge.consent.encoding import hmac_sha256


@given(st.binary(max_size=64), st.binary(max_size=300))
def test_an_hmac_is_the_standards(key: bytes, message: bytes) -> None:
    assert hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


def test_leaf_and_link_are_as_documented() -> None:
    tags, body = '["00"]', '{"a":1}'
    inner = hashlib.sha256(tags.encode()).digest() + hashlib.sha256(body.encode()).digest()
    assert leaf(tags, body) == hashlib.sha256(b"\0" + inner).digest()
    assert link(bytes(32), bytes(32)) == hashlib.sha256(b"\1" + bytes(64)).digest()


@given(st.text(max_size=40), st.text(max_size=200).filter(str.isprintable))
def test_an_event_of_which_the_body_is_hidden_has_the_same_leaf(tags: str, body: str) -> None:
    hidden = hashlib.sha256(body.encode()).digest()
    assert hidden_leaf(tags, hidden) == leaf(tags, body)


def test_what_stands_in_the_tags_cannot_be_moved_into_the_body() -> None:
    assert leaf("[]", "x") != leaf("[", "]x")


def test_a_tag_says_nothing_to_who_does_not_know_its_key() -> None:
    one, other = bytes(32), b"\1" * 32
    tags = {
        tag(one, "a" * 32, 1), tag(one, "a" * 32, 2), tag(one, "b" * 32, 1), tag(other, "a" * 32, 1)
    }  # fmt: skip
    assert len(tags) == 4  # not even two events of one person have the same
    assert {len(each) for each in tags} == {32}


@given(st.binary(max_size=64), st.integers(1, 2**40))
def test_a_tagger_computes_what_a_tag_is(key: bytes, seq: int) -> None:
    tagger = Tagger(key, "a" * 32)
    assert [tagger.tag(seq), tagger.tag(seq + 1)] == [
        tag(key, "a" * 32, seq),
        tag(key, "a" * 32, seq + 1),
    ]


def test_the_order_of_tags_says_nothing() -> None:
    assert tags_text(["b", "a"]) == tags_text(["a", "b"]) == '["a","b"]'
    assert tags_text([]) == "[]"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, {"own"}),
        ({"consent": "first"}, {"own", "first"}),
        ({"consent": "first", "revocation": "r"}, {"own", "first", "r"}),
        ({"consents": 2, "revocation": None}, {"own"}),
    ],
)
def test_an_event_names_its_record_and_those_in_its_body(
    body: dict[str, object], named: set[str]
) -> None:
    assert named_records("own", body) == named
