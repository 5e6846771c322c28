"""Every pair of states, allowed or refused, against the table of the consent reference."""

from __future__ import annotations

from itertools import product

import pytest

from agi_bridge.consent import FOLLOWS, Act, IllegalTransition, State
from agi_bridge.consent.states import event_type, step
from tests.support.error_codes import coded

PATHS = """
nothing -> disclosed returned imported
imported -> revoked
disclosed -> entered declined abandoned
entered -> entered confirmed declined abandoned
confirmed -> submitting expired revoked
returned -> submitting declined expired revoked
submitting -> accepted refused unknown not_sent revoked
not_sent -> submitting expired revoked
accepted -> revoked
refused -> revoked
unknown -> revoked
expired -> revoked
"""
ALLOWED = {
    (before, after)
    for line in PATHS.strip().splitlines()
    for before, _, afters in [line.partition(" -> ")]
    for after in afters.split()
}


@pytest.mark.parametrize(("before", "after"), list(product([None, *State], State)))
def test_a_state_follows_another_only_where_the_reference_says_so(
    before: State | None, after: State
) -> None:
    if ((before or "nothing"), after.value) in ALLOWED:
        assert step(before, after) is after
    else:
        with pytest.raises(IllegalTransition, check=coded("illegal_transition", after)):
            step(before, after)


def test_a_consent_can_be_revoked_in_every_later_state() -> None:
    later, new = {State.CONFIRMED, State.RETURNED}, True
    while new:
        reached = set().union(*(FOLLOWS[state] for state in later))
        new = not reached <= later
        later |= reached
    later -= {State.DECLINED, State.REVOKED}  # nothing to take back
    assert all(State.REVOKED in FOLLOWS[state] for state in later)


@pytest.mark.parametrize("type_", [*State, *Act])
def test_an_events_type_is_known_by_its_name(type_: State | Act) -> None:
    assert event_type(type_.value) is type_


def test_a_name_that_is_not_a_type_is_refused() -> None:
    with pytest.raises(ValueError, match="texted"):
        event_type("texted")
