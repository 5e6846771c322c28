"""Patterns, ways through the dialplan, and what differs from the shipped file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agi_bridge.doctor.dialplan import (
    UNDECIDED,
    Way,
    best_match,
    differences,
    follow,
    match,
    read_shipped,
    spellings,
)
from agi_bridge.doctor.pbx import Context
from agi_bridge.shipped_files import share_path
from tests.support.scripted_pbx import DID, SHIPPED, steps


@pytest.mark.parametrize(
    ("pattern", "number", "matches"),
    [
        ("_X.", "14155550111", True),
        ("_X.", "1", False),
        ("_X!", "1", True),
        ("_[+0-9]!", "+14155550111", True),
        ("_[+0-9]!", "s", False),
        ("_+1NXXNXXXXXX", "+14155550111", True),
        ("_+1NXXNXXXXXX", "+11155550111", False),
        ("_NXX-XXXX", "4155550", True),
        ("_1[2-46]X", "165", True),
        ("_1[2-46]X", "155", False),
        ("_z", "0", False),
        ("_[", "1", False),
    ],
)
def test_a_pattern_matches_as_in_asterisk(pattern: str, number: str, matches: bool) -> None:  # noqa: FBT001 - pytest passes parameters by name
    assert (match(pattern, number) is not None) is matches


def test_the_name_itself_wins_then_the_most_specific_pattern() -> None:
    names = ["_X.", "_NXX", "_4[1-5]X", "_!", "415"]
    assert best_match(iter(names), "415") == "415"
    assert best_match(iter(names), "416") == "_4[1-5]X"
    assert best_match(iter(names), "516") == "_NXX"
    assert best_match(iter(names), "5160") == "_X."
    assert best_match(iter(names), "abc") == "_!"
    assert best_match(iter(names[:3]), "abc") is None


def dialplan(*contexts: Context) -> dict[str, Context]:
    return {**SHIPPED, **{each.name: each for each in contexts}}


async def way(number: str, start: str, *contexts: Context) -> tuple[Way, str]:
    plan = dialplan(*contexts)

    async def look_up(name: str) -> Context | None:
        return plan.get(name)

    route = await follow(number, start, look_up)
    return route.way, route.context


async def test_a_number_reaches_the_bridge_by_an_include_or_a_jump() -> None:
    include = Context("trunk", (), ("agi-bridge",))
    assert await way(DID, "trunk", include) == (Way.BRIDGE, "agi-bridge")
    jump = Context("trunk", steps("_X.", "NoOp(in)", "Goto(agi-bridge,${EXTEN},1)"))
    assert await way(DID[1:], "trunk", jump) == (Way.BRIDGE, "agi-bridge")
    asks = Context("trunk", steps("_X!", "Set(A=1)", "Gosub(agi-bridge-ask,s,1(${EXTEN}))"))
    assert await way(DID[1:], "trunk", asks) == (Way.BRIDGE, "agi-bridge-ask")
    comes_back = Context("trunk", steps("_X!", "Gosub(record,s,1)", "Goto(agi-bridge,${EXTEN},1)"))
    assert await way(DID[1:], "trunk", comes_back) == (Way.BRIDGE, "agi-bridge")


async def test_the_prefix_that_a_dialplan_cuts_off_is_cut_off() -> None:
    cuts = Context("trunk", steps("_00X.", "Goto(agi-bridge,${FILTER(0-9,${EXTEN:2})},1)"))
    assert await way("0014155550111", "trunk", cuts) == (Way.BRIDGE, "agi-bridge")


async def test_freepbx_leads_to_the_bridge_by_its_custom_destination() -> None:
    text = (Path(__file__).parents[1] / "support" / "freepbx_dialplan.conf").read_text()
    ours = (share_path("dialplan") / "agi-bridge-freepbx.conf").read_text()
    contexts = [*read_shipped(text).values(), *read_shipped(ours).values()]
    includes = {"from-pstn": ("ext-did", "from-did-direct"), "ext-did": ("ext-did-0002",)}
    linked = [replace(each, includes=includes.get(each.name, ())) for each in contexts]
    for did in ("14155550113", "14155550114", "14155550115"):
        assert await way(did, "from-pstn", *linked) == (Way.BRIDGE, "agi-bridge-freepbx")
    assert (await way("14155550116", "from-pstn", *linked))[0] is Way.NOWHERE


def test_a_number_is_spelt_as_trunks_deliver_it() -> None:
    assert spellings("+1 (415) 555-0111") == ("+14155550111", "14155550111", "4155550111")
    assert spellings("+33612345678") == ("+33612345678", "33612345678")
    assert spellings("s") == ("s",)


async def test_a_condition_that_only_sets_is_passed_over() -> None:
    sets = Context("trunk", steps("_X!", "ExecIf($[1]?Set(A=1):NoOp())", "Goto(agi-bridge,1,1)"))
    assert (await way("1", "trunk", sets))[0] is Way.BRIDGE
    jumps = Context("trunk", steps("_X!", "ExecIf($[1]?Goto(a,s,1))", "Goto(agi-bridge,1,1)"))
    assert (await way("1", "trunk", jumps))[0] is Way.UNCLEAR


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("ExecIf($[1]?NoOp():Dial(PJSIP/1))", Way.UNCLEAR),
        ("ExecIf($[1]?:Hangup())", Way.UNCLEAR),
        ("ExecIf($[1]?NoOp():Gosub(agi-bridge-ask,s,1))", Way.UNCLEAR),
        ("ExecIf($[1]?Verbose(a:b (c),d):Set(A=1))", Way.BRIDGE),
        ('ExecIf($["${A}" = "?:"]?Set(A=${IF($[1]?Dial:Hangup)}):NoOp)', Way.BRIDGE),
        ("ExecIf($[1]?Gosub(record,s,1):NoOp())", Way.BRIDGE),
        ("ExecIf($[1]?Dial(PJSIP/1):Dial(PJSIP/2))", Way.ELSEWHERE),
        ("ExecIf($[1]?Goto(agi-bridge,1,1):Goto(agi-bridge,1,1))", Way.BRIDGE),
        ("ExecIf($[1])", Way.BRIDGE),  # nothing to run: Asterisk warns and goes on
        ("GosubIf($[1]?record,s,1:other,s,1)", Way.BRIDGE),
        ("GosubIf($[1]?agi-bridge-ask,s,1(1))", Way.UNCLEAR),
    ],
)
async def test_both_branches_of_a_condition_are_followed(step: str, expected: Way) -> None:
    trunk = Context("trunk", steps("_X!", step, "Goto(agi-bridge,1,1)"))
    assert (await way("1", "trunk", trunk))[0] is expected


@pytest.mark.parametrize(
    ("lines", "given"),
    [
        (["Set(AGI_BRIDGE_URL=a)"], "a"),
        (["MSet(A=1,AGI_BRIDGE_URL=a)"], "a"),
        (["ExecIf($[1]?Set(AGI_BRIDGE_URL=a))"], UNDECIDED),
        (["ExecIf($[1]?NoOp():Set(AGI_BRIDGE_URL=a))"], UNDECIDED),
        (["ExecIf($[1]?Set(AGI_BRIDGE_URL=a):Set(AGI_BRIDGE_URL=b))"], UNDECIDED),
        (["ExecIf($[1]?Set(AGI_BRIDGE_URL=a):Set(AGI_BRIDGE_URL=a))"], "a"),
        (["Set(AGI_BRIDGE_URL=a)", "ExecIf($[1]?Set(AGI_BRIDGE_URL=a))"], "a"),
        (["ExecIf($[1]?Set(AGI_BRIDGE_URL=b))", "Set(AGI_BRIDGE_URL=a)"], "a"),
    ],
)
async def test_what_a_condition_sets_is_known_only_if_both_branches_agree(
    lines: list[str], given: str
) -> None:
    plan = dialplan(Context("trunk", steps("_X!", *lines, "Goto(agi-bridge,1,1)")))

    async def look_up(name: str) -> Context | None:
        return plan.get(name)

    route = await follow("1", "trunk", look_up)
    assert dict(route.settings) == {"AGI_BRIDGE_URL": given}


async def test_an_extension_of_its_own_hides_the_include() -> None:
    own = Context("trunk", steps(DID, "Answer()", "Hangup()"), ("agi-bridge",))
    assert await way(DID, "trunk", own) == (Way.ELSEWHERE, "trunk")
    dials = Context("trunk", steps("_+X.", "Dial(PJSIP/100)"), ("agi-bridge",))
    assert await way(DID, "trunk", dials) == (Way.ELSEWHERE, "trunk")


async def test_what_leads_nowhere_or_in_circles_is_said_so() -> None:
    assert await way(DID, "trunk", Context("trunk", ())) == (Way.NOWHERE, "trunk")
    assert await way(DID, "missing") == (Way.NOWHERE, "missing")
    circle = Context("trunk", steps("_+X.", "Goto(trunk,${EXTEN},1)"))
    assert (await way(DID, "trunk", circle))[0] is Way.LOOP
    includes = Context("trunk", (), ("other",)), Context("other", (), ("trunk",))
    assert await way(DID, "trunk", *includes) == (Way.NOWHERE, "trunk")


async def test_an_include_at_certain_times_is_unclear() -> None:
    for hours in ("agi-bridge,9:00-17:00,mon-fri,*,*", "agi-bridge|9:00-17:00|mon-fri|*|*"):
        timed = Context("trunk", (), (hours,))
        assert (await way(DID, "trunk", timed))[0] is Way.UNCLEAR
    behind = Context("trunk", (), ("day,9:00-17:00,*,*,*",)), Context("day", (), ("agi-bridge",))
    assert (await way(DID, "trunk", *behind))[0] is Way.UNCLEAR
    first = Context("trunk", steps(DID, "Goto(agi-bridge,${EXTEN},1)"), ("day,9:00-17:00,*,*,*",))
    assert (await way(DID, "trunk", first))[0] is Way.BRIDGE


async def test_a_label_is_followed_to_its_step() -> None:
    there, *rest = steps("_+X.", "Hangup()", "Goto(agi-bridge,${EXTEN},1)")
    labelled = (there, *(replace(step, label="there") for step in rest))
    trunk = Context("trunk", steps("_+X.", "Goto(other,${EXTEN},there)"))
    assert (await way(DID, "trunk", trunk, Context("other", labelled)))[0] is Way.BRIDGE
    unlabelled = Context("other", (there, *rest))
    assert (await way(DID, "trunk", trunk, unlabelled))[0] is Way.UNCLEAR


async def test_what_only_a_call_can_follow_is_unclear() -> None:
    branches = Context("trunk", steps("_+X.", "GotoIf($[1]?a:b)"))
    assert (await way(DID, "trunk", branches))[0] is Way.UNCLEAR
    computed = Context("trunk", steps("_+X.", "Goto(${WHERE},${EXTEN},1)"))
    assert (await way(DID, "trunk", computed))[0] is Way.UNCLEAR
    switched = Context("trunk", (), (), has_switches=True)
    assert (await way(DID, "trunk", switched))[0] is Way.UNCLEAR


@pytest.mark.parametrize("odd", ["\u00b2", "9" * 5000, "1234567890"])
async def test_a_priority_that_is_no_number_of_asterisks_is_unclear(odd: str) -> None:
    trunk = Context("trunk", steps("_+X.", f"Goto(agi-bridge-site,s,{odd})"))
    assert (await way(DID, "trunk", trunk))[0] is Way.UNCLEAR


def test_a_range_takes_no_longer_than_what_can_be_dialled() -> None:
    assert match("_[ -\U0010ffff]", "5") == (95,)


def test_an_edited_step_is_named() -> None:
    shipped = SHIPPED["agi-bridge-go-on"]
    assert differences(shipped, shipped) == []
    changed = [*shipped.steps]
    changed[1] = replace(changed[1], arguments="0?hangup,1")
    assert differences(shipped, replace(shipped, steps=tuple(changed))) == ["s,2"]
    more = (*shipped.steps, *steps("h", "Hangup()"))
    assert differences(shipped, replace(shipped, steps=more)) == ["h,1"]
    assert differences(shipped, replace(shipped, steps=shipped.steps[:-1])) != []


def test_the_shipped_file_is_read_whole() -> None:
    text = SHIPPED["agi-bridge-ask"].steps
    assert {step.extension for step in text} == {"s"}
    assert [step.priority for step in text] == [*range(1, len(text) + 1)]
    assert {step.label for step in text} >= {"first", "asked"}
    assert SHIPPED["agi-bridge-version"].steps[0].arguments.isdigit()
