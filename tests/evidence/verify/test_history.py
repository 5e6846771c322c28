from __future__ import annotations

import pytest

from agi_bridge.evidence.verify.history import LETTERS, bad_step, can_interleave


def written(*states: str) -> str:
    return "".join(LETTERS[state] for state in states)


AGREED = written("disclosed", "entered", "confirmed", "submitting")


@pytest.mark.parametrize(
    ("history", "state", "fits"),
    [
        ("", "disclosed", True),
        ("", "confirmed", False),
        (AGREED, "accepted", True),
        (AGREED, "confirmed", False),
        (written("disclosed", "declined"), "revoked", False),
    ],
)
def test_a_state_follows_only_what_the_table_allows(history: str, state: str, fits: bool) -> None:  # noqa: FBT001 - pytest passes parameters by name
    assert (bad_step(history, LETTERS[state]) is None) is fits


def test_a_consent_may_go_on_in_other_chains() -> None:
    assert can_interleave([AGREED, written("not_sent", "submitting", "accepted")])
    assert can_interleave([AGREED, written("accepted"), written("revoked")])


def test_what_several_chains_say_has_to_fit_together() -> None:
    assert not can_interleave([AGREED, written("accepted"), written("refused")])
    assert not can_interleave([written("accepted"), written("revoked")])


def test_a_history_that_is_too_long_to_be_one_is_refused_and_not_tried() -> None:
    assert not can_interleave([written(*["entered"] * 400)] * 3)
