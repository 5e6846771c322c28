from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.call.plan import End, GoToDefault, Ring, Speak, Step, Wait, plan_call
from agi_bridge.hook import (
    Dial,
    Hangup,
    Instructions,
    Pause,
    Refusal,
    Reject,
    Say,
    Unusable,
    Verb,
    read_answer,
)
from tests.support.call_env import DID, line, settings

FORWARD = "+14155550199"
EN = "Sorry, this store did not define voice call forwarding"
FR = "Désolé, ce magasin n’a pas défini de numéro vocal"


def steps(*verbs: Verb, language: str = "en", kind: str = "other", **of_line: Any) -> list[Step]:
    answer = Instructions(verbs, kind)  # type: ignore[arg-type]  # a test's own word
    return list(plan_call(answer, line(**of_line), language).steps)


def test_a_number_is_rung_and_then_the_default_destination_if_nobody_answers() -> None:
    ring, last = steps(Dial((FORWARD,)))
    assert isinstance(ring, Ring)
    assert [number.e164 for number in ring.numbers] == [FORWARD]
    assert (ring.ring, ring.limit, ring.caller_id) == (30, 7200, None)
    assert last == GoToDefault("no_answer")


def test_the_answers_own_times_win_where_they_are_shorter() -> None:
    (ring, _) = steps(Dial((FORWARD,), timeout=12, time_limit=600), ring_seconds=40)
    assert isinstance(ring, Ring)
    assert (ring.ring, ring.limit) == (12, 600)
    (ring, _) = steps(Dial((FORWARD,), time_limit=14_000), ring_seconds=40)
    assert isinstance(ring, Ring)
    assert (ring.ring, ring.limit) == (40, 7200)


def test_several_numbers_ring_together_each_once() -> None:
    (ring, _) = steps(Dial((FORWARD, "(415) 555-0198", "415 555 0199")))
    assert isinstance(ring, Ring)
    assert [number.e164 for number in ring.numbers] == [FORWARD, "+14155550198"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("+19005550123", "premium"),
        ("+442079460000", "region"),
        ("911", "emergency"),
        (DID, "own_number"),
        ("PJSIP/6001&+14155550199", "characters"),
        ("", "empty"),
    ],
)
def test_a_number_that_fails_the_forward_policy_is_never_dialled(number: str, reason: str) -> None:
    made = plan_call(Instructions((Dial((number,)),), "dial"), line(), "en")
    assert made.steps == (GoToDefault("forward_refused"),)
    assert made.forward_refused == (reason,)


@pytest.mark.parametrize("number", ["+14155550112", "415 555 0112", "+33 1 42 68 53 00"])
def test_a_number_of_another_line_is_never_dialled(number: str) -> None:
    """The call would come back to us, and go round for as long as somebody pays."""
    other = {
        "did": ["4155550112"],
        "business_number": "+33142685300",
        "hook_key": {"env": "SHOP_KEY"},
        "brand": "Other Store",
        "dial_template": "PJSIP/{number}@trunk",
        "default": {"kind": "hangup"},
    }
    own = settings(tables={"lines.other": other}, forward_regions=["US", "FR"]).lines["shop"]
    made = plan_call(Instructions((Dial((number,)),), "dial"), own, "en")
    assert made.steps == (GoToDefault("forward_refused"),)
    assert made.forward_refused == ("own_number",)


def test_of_several_numbers_the_allowed_ones_are_rung() -> None:
    made = plan_call(Instructions((Dial(("911", FORWARD)),), "dial"), line(), "en")
    assert isinstance(made.steps[0], Ring)
    assert made.forward_refused == ("emergency",)


@pytest.mark.parametrize(
    ("allowed", "shown"), [(True, "+14155550177"), (False, None)], ids=["allowed", "not allowed"]
)
def test_the_hook_chooses_the_caller_id_only_where_the_line_allows_it(
    allowed: bool,  # noqa: FBT001 - a parameter of the test
    shown: str | None,
) -> None:
    (ring, _) = steps(Dial((FORWARD,), caller_id="415-555-0177"), allow_caller_id=allowed)
    assert isinstance(ring, Ring)
    assert ring.caller_id == shown


def test_an_invalid_caller_id_is_omitted() -> None:
    (ring, _) = steps(Dial((FORWARD,), caller_id="Shop"), allow_caller_id=True)
    assert isinstance(ring, Ring)
    assert ring.caller_id is None


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("en", Speak(EN, "en")), ("fr", Speak(FR, "fr")), ("es", Speak(EN, "en"))],
)
def test_of_one_text_in_several_languages_the_callers_is_spoken(
    language: str, spoken: Speak
) -> None:
    made = steps(Say(EN, "en"), Say(FR, "fr-CA"), language=language, kind="no_forwarding")
    assert made == [spoken, GoToDefault("no_forwarding")]


def test_without_the_callers_or_the_lines_language_the_first_is_spoken() -> None:
    made = steps(Say("Hallo", "de"), Say("Ciao", "it"), language="fr", languages=["es"])
    assert made == [Speak("Hallo", "de"), GoToDefault("said")]


def test_a_line_may_speak_all_languages() -> None:
    made = steps(Say(EN, "en"), Say(FR, "fr"), say="all")
    assert made == [Speak(EN, "en"), Speak(FR, "fr"), GoToDefault("said")]


def test_several_texts_of_one_language_are_all_spoken() -> None:
    made = steps(Say("One.", "en"), Say("Un.", "fr"), Say("Two.", "en"), Say("Deux.", "fr"))
    assert made[:2] == [Speak("One.", "en"), Speak("Two.", "en")]


def test_a_text_without_language_is_in_the_lines_and_may_be_repeated() -> None:
    made = steps(Say("Hola", loop=2), languages=["es", "en"])
    assert made == [Speak("Hola", "es", times=2), GoToDefault("said")]


def test_the_lines_keys_end_a_text() -> None:
    made = steps(Say("One"), Say("Two"), say_skip_keys="#0")
    assert made[:2] == [Speak("One", "en", keys="#0"), Speak("Two", "en", keys="#0")]


def test_what_follows_a_text_is_the_lines_choice() -> None:
    assert steps(Say("Bye"), after_say="hangup") == [Speak("Bye", "en"), End("said")]
    assert steps(Say("Bye"), after_say="default") == [Speak("Bye", "en"), GoToDefault("said")]


def test_a_wrong_business_number_does_not_end_the_call() -> None:
    made = steps(Say("Sorry"), after_say="hangup", kind="not_linked")
    assert made == [Speak("Sorry", "en"), GoToDefault("not_linked")]


def test_a_line_may_leave_out_the_not_linked_text() -> None:
    made = steps(Say("Sorry"), kind="not_linked", say_not_linked=False)
    assert made == [GoToDefault("not_linked")]


def test_pause_and_hangup_are_steps_and_nothing_follows_a_hangup() -> None:
    made = steps(Say("Wait"), Pause(3), Say("Bye"), Hangup(), Dial((FORWARD,)))
    assert made == [Speak("Wait", "en"), Wait(3), Speak("Bye", "en"), End("hangup")]
    assert steps(Reject()) == [End("reject")]


def test_a_pause_of_zero_seconds_is_not_a_step() -> None:
    assert steps(Pause(0), Say("Bye")) == [Speak("Bye", "en"), GoToDefault("said")]


def test_nothing_to_act_on_leads_to_the_default_destination() -> None:
    assert steps() == [GoToDefault("nothing_to_do")]
    assert steps(Pause(1)) == [Wait(1), GoToDefault("nothing_to_do")]


@pytest.mark.parametrize(
    "answer", [Refusal(403, "invalid_key"), Unusable(502, "server_error")], ids=repr
)
def test_anything_but_instructions_leads_to_the_default_destination(
    answer: Refusal | Unusable,
) -> None:
    assert plan_call(answer, line(), "en").steps == (GoToDefault(answer.reason),)


LINE = line()


@given(st.text(), st.sampled_from(["en", "fr", "es"]))
def test_whatever_the_hook_sends_the_plan_ends_somewhere(body: str, language: str) -> None:
    wrapped = f"<Response>{body}</Response>".encode()
    for raw in (body.encode(), wrapped):
        made = plan_call(read_answer(200, "text/xml", raw), LINE, language)
        assert isinstance(made.steps[-1], GoToDefault | End)
        assert not any(isinstance(step, GoToDefault | End) for step in made.steps[:-1])


@given(st.text(alphabet="0123456789+&,/@()-|^:;${} .x", max_size=24))
def test_only_digits_of_a_checked_number_ever_reach_a_ring(number: str) -> None:
    made = plan_call(Instructions((Dial((number,)),), "dial"), LINE, "en")
    for step in made.steps:
        if isinstance(step, Ring):
            assert all(n.e164[1:].isdigit() for n in step.numbers)
