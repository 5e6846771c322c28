"""Every pair of states, allowed or refused, against the table of the consent reference."""

from __future__ import annotations

from itertools import product

import pytest

from agi_bridge.consent.errors import IllegalTransition
from agi_bridge.consent.states import State, step

PATHS = """
nothing -> disclosed
disclosed -> entered declined abandoned
entered -> entered confirmed declined abandoned
confirmed -> submitting expired revoked
submitting -> accepted refused unknown not_sent
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
        with pytest.raises(IllegalTransition, match=f"{after} may not follow"):
            step(before, after)
