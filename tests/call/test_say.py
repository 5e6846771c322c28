"""A text from outside, on its way to one caller's ear."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call import CallHandler, say
from agi_bridge.call.say import AHEAD, FIRST_LONGEST, PAUSE, SHORTEST, passages
from agi_bridge.speech.prompt_names import clean
from tests.support.call_env import shipped_milliseconds
from tests.support.fake_library import FakeLibrary, flite, speak

if TYPE_CHECKING:
    from agi_bridge.agi.testing import CallEvent, CallRecord
    from agi_bridge.call.say import TextPlayer
    from tests.support.call_env import CallEnv

ONE = "We are closed until tomorrow."
TWO = "Please call again between nine and six."
THREE = "If it cannot wait, send us a letter."
FOUR = "We answer every letter that we get."
TEXT = f"{ONE} {TWO} {THREE} {FOUR}"


def heard(call: CallRecord) -> list[str]:
    return [sound.name.removeprefix("/speech/") for sound in call.heard]


# How a text is parted


def test_a_text_is_parted_into_its_sentences() -> None:
    assert passages(TEXT) == [ONE, TWO, THREE, FOUR]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello. We are closed today, I fear.", ["Hello. We are closed today, I fear."]),
        (
            f"Ask for Dr. Smith at noon or later. {TWO}",
            ["Ask for Dr. Smith at noon or later.", TWO],
        ),
        (f"{ONE} {TWO} Bye!", [ONE, f"{TWO} Bye!"]),
        (f"{ONE} \N{WAVING HAND SIGN}!", [f"{ONE} \N{WAVING HAND SIGN}!"]),
        ("", []),
        ("\n\t", []),
    ],
)
def test_what_is_too_short_to_stand_alone_is_spoken_with_its_neighbour(
    text: str, parts: list[str]
) -> None:
    assert passages(text) == parts


def test_a_long_first_passage_is_parted_where_one_may_breathe() -> None:
    first = "We are closed today because of the holiday, as on every holiday of the year"
    rest = "and open again tomorrow at nine in the morning and on every day of the week."
    assert passages(f"{first}, {rest}") == [f"{first},", rest]
    assert passages(f"{ONE} {first}, {rest}") == [ONE, f"{first}, {rest}"]


@pytest.mark.parametrize("text", ["word " * 40, "word, " + "word " * 40, "word " * 24 + ", then"])
def test_a_long_first_passage_without_a_place_to_breathe_stays_whole(text: str) -> None:
    assert passages(text) == [text.strip()]


@given(st.text(alphabet=st.sampled_from("ab,;:.!? \n\N{WAVING HAND SIGN}"), max_size=600))
def test_no_word_is_lost_in_parting(text: str) -> None:
    parts = passages(text)
    assert "".join(parts).replace(" ", "") == clean(text).replace(" ", "")
    assert all(parts)
    assert all(len(part) >= SHORTEST for part in parts[1:-1])


def test_the_first_passage_is_short_wherever_a_comma_allows() -> None:
    text = ", ".join(["a few words"] * 30)
    assert len(passages(text)[0]) <= FIRST_LONGEST


# What the caller hears


async def test_all_of_a_text_is_heard_in_order_with_a_breath_between() -> None:
    call, whole = await speak(FakeLibrary(), lambda player: player.say(TEXT, "en"))
    assert heard(call) == [ONE, TWO, THREE, FOUR]
    assert call.names[1:] == ["STREAM FILE", *["WAIT FOR DIGIT", "STREAM FILE"] * 3]
    assert whole is True
    assert call.commands[2] == ["WAIT", "FOR", "DIGIT", f"{PAUSE * 1000:.0f}"]


async def test_a_text_may_be_heard_twice() -> None:
    fake_library = FakeLibrary()
    text = f"{ONE} {TWO}"
    call, whole = await speak(fake_library, lambda player: player.say(text, "en", times=2))
    assert heard(call) == [ONE, TWO, ONE, TWO]
    assert fake_library.asked == [ONE, TWO]
    assert whole is True


async def test_the_first_passage_is_heard_while_the_next_are_rendered() -> None:
    fake_library = FakeLibrary()
    fake_library.hold(TWO)

    def listen(event: CallEvent) -> None:
        if event.kind == "playing" and event.text.endswith(ONE):
            fake_library.let_go(TWO)

    call, whole = await speak(fake_library, lambda player: player.say(TEXT, "en"), on_event=listen)
    assert heard(call) == [ONE, TWO, THREE, FOUR]
    assert whole is True


async def test_no_more_is_rendered_than_is_soon_heard() -> None:
    fake_library = FakeLibrary()
    asked: list[int] = []

    def listen(event: CallEvent) -> None:
        if event.kind == "playing":
            asked.append(len(fake_library.asked))

    text = " ".join([ONE, TWO, THREE, FOUR] * 3)
    await speak(fake_library, lambda player: player.say(text, "en"), on_event=listen)
    assert all(made <= played + AHEAD for played, made in enumerate(asked, start=1))


async def test_a_prefetched_text_is_not_rendered_again() -> None:
    fake_library = FakeLibrary()

    async def script(player: TextPlayer) -> bool:
        player.prefetch(ONE, "en")
        player.prefetch(ONE, "en")
        return await player.say(ONE, "en")

    call, _ = await speak(fake_library, script)
    assert heard(call) == [ONE]
    assert fake_library.asked == [ONE]


# Keys


async def test_a_key_of_the_line_ends_the_text() -> None:
    fake_library = FakeLibrary()
    call, whole = await speak(
        fake_library, lambda player: player.say(TEXT, "en", times=3, keys="#"), keys="#"
    )
    assert heard(call) == [ONE]
    assert whole is True


class Impatient(FakeAsterisk):
    """A caller who presses a key in every pause."""

    key = "#"

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the fake's own
        return self.key if timeout <= PAUSE else None


class Playful(Impatient):
    """... and one that means nothing."""

    key = "1"


@pytest.mark.parametrize(("caller", "passages_heard"), [(Impatient, 1), (Playful, 4)])
async def test_it_ends_it_in_a_pause_too_and_other_keys_do_not(
    caller: type[FakeAsterisk], passages_heard: int
) -> None:
    call, whole = await speak(
        FakeLibrary(), lambda player: player.say(TEXT, "en", keys="#"), caller, keys=None
    )
    assert len(call.heard) == passages_heard
    assert whole is True


async def test_it_ends_a_repetition() -> None:
    call, whole = await speak(
        FakeLibrary(),
        lambda player: player.say(ONE, "en", times=4, keys="#"),
        keys={ONE: ["", "#"]},
    )
    assert heard(call) == [ONE, ONE]
    assert whole is True


async def test_it_ends_the_pause_before_a_repetition() -> None:
    call, whole = await speak(
        FakeLibrary(), lambda player: player.say(ONE, "en", times=4, keys="#"), Impatient, keys=None
    )
    assert heard(call) == [ONE]
    assert whole is True


# What cannot be said


async def test_a_sentence_that_no_engine_can_render_is_skipped() -> None:
    fake_library = FakeLibrary({TWO: None})
    call, whole = await speak(fake_library, lambda player: player.say(TEXT, "en"))
    assert heard(call) == [ONE, THREE, FOUR]
    assert whole is False


async def test_an_empty_text_is_not_played() -> None:
    call, whole = await speak(FakeLibrary(), lambda player: player.say(" ", "en"))
    assert call.heard == []
    assert whole is False


async def test_a_caller_does_not_wait_longer_than_the_budget() -> None:
    fake_library = FakeLibrary(budget=0.0)
    fake_library.hold(ONE)
    with capture_logs() as logs:
        call, whole = await speak(fake_library, lambda player: player.say(TEXT, "en"))
    assert call.heard == []
    assert whole is False
    assert logs == [{"event": "call.speech_timed_out", "passages": 0, "log_level": "warning"}]
    assert fake_library.given_up == [ONE]
    assert fake_library.asked == [ONE]


@pytest.mark.parametrize("length", [None, 0])
async def test_a_recording_that_the_pbx_does_not_play_counts_as_unspoken(
    length: int | None,
) -> None:
    """Missing on the PBX: result -1, or on old releases 0 with endpos 0."""
    sounds = {f"/speech/{ONE}": 1000} | ({} if length is None else {f"/speech/{TWO}": length})
    call, whole = await speak(
        FakeLibrary(), lambda player: player.say(f"{ONE} {TWO}", "en"), sounds=sounds
    )
    assert heard(call)[0] == ONE
    assert whole is False


async def test_a_caller_who_hangs_up_costs_no_more_renderings() -> None:
    fake_library = FakeLibrary()
    fake_library.hold(TWO)
    call, whole = await speak(
        fake_library,
        lambda player: player.say(TEXT, "en"),
        hangup_at=lambda words: words[0] == "STREAM",
    )
    assert heard(call) == [ONE]
    assert whole is None
    assert fake_library.given_up == [TWO]


async def test_a_prefetched_text_that_is_not_played_is_cancelled_with_the_call() -> None:
    fake_library = FakeLibrary()
    fake_library.hold(ONE)

    async def script(player: TextPlayer) -> bool:
        player.prefetch(TEXT, "en")
        await asyncio.sleep(0)
        return True

    await speak(fake_library, script)
    await asyncio.sleep(0)
    assert fake_library.given_up == [ONE]


# The PBX's own voice


async def test_the_pbx_speaks_what_its_engine_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(say, "SHORTEST_SPEECH", 0.0)
    text = 'Closed, "until" nine; ask.'
    call, whole = await speak(
        FakeLibrary({text: flite(text)}),
        lambda player: player.say(text, "en"),
        applications={"Flite": 0},
    )
    assert call.commands[-1] == ["EXEC", "Flite", 'Closed\\, \\"until\\" nine; ask.']
    assert call.heard == []
    assert whole is True


@pytest.mark.parametrize(
    ("applications", "least", "event"),
    [
        ({"Flite": -1}, 0.0, "call.pbx_speech_empty"),
        ({"Flite": 0}, 3600.0, "call.pbx_speech_empty"),
        ({}, 0.0, "call.pbx_speech_failed"),
    ],
    ids=["it failed", "it was done at once", "it has no such application"],
)
async def test_where_the_pbx_does_not_speak_the_next_engine_does(
    monkeypatch: pytest.MonkeyPatch, applications: dict[str, int], least: float, event: str
) -> None:
    monkeypatch.setattr(say, "SHORTEST_SPEECH", least)
    with capture_logs() as logs:
        call, whole = await speak(
            FakeLibrary({ONE: flite(ONE)}),
            lambda player: player.say(ONE, "en"),
            applications=applications,
        )
    assert [line["event"] for line in logs] == [event]
    assert heard(call) == [ONE]
    assert whole is True


async def test_a_text_that_no_command_can_hold_goes_to_the_next_engine() -> None:
    call, whole = await speak(
        FakeLibrary({ONE: flite("${EXTEN}")}), lambda player: player.say(ONE, "en")
    )
    assert "EXEC" not in call.names
    assert heard(call) == [ONE]
    assert whole is True


async def test_without_a_next_engine_the_text_is_not_played() -> None:
    fake_library = FakeLibrary({ONE: flite(ONE)})
    fake_library.files = {ONE: None}
    call, whole = await speak(fake_library, lambda player: player.say(ONE, "en"))
    assert call.heard == []
    assert whole is False


# In a whole call


async def agreed(call_env: CallEnv, fake_library: FakeLibrary, **pbx: Any) -> CallRecord:
    """A call in which the caller agrees and the hook answers with a text."""
    call_env.fake_hook.forward = f"</Dial><Say>{ONE}</Say><Dial>"
    await call_env.handler()
    handler = CallHandler(replace(call_env.services, library=fake_library))

    def sounds(path: str) -> int | None:
        return 1000 if path.startswith("/speech/") else shipped_milliseconds(path)

    fake = FakeAsterisk(keys="4155550123,1", sounds=sounds, **pbx)
    return await fake.run(handler, "consent?to=%2B14155550111")


async def test_the_hooks_text_is_rendered_while_the_caller_is_thanked(call_env: CallEnv) -> None:
    fake_library = FakeLibrary()
    asked: dict[str, list[str]] = {}

    def listen(event: CallEvent) -> None:
        if event.kind == "playing":
            asked[event.text.rpartition("/")[2]] = list(fake_library.asked)

    await agreed(call_env, fake_library, on_event=listen)
    assert asked["you-entered"] == []
    assert asked["accepted"] == [ONE]
    assert ONE in asked


async def test_it_is_given_up_when_the_caller_goes_meanwhile(call_env: CallEnv) -> None:
    fake_library = FakeLibrary()
    fake_library.hold(ONE)
    await agreed(
        call_env,
        fake_library,
        hangup_at=lambda words: words[0] == "STREAM" and "accepted" in words[2],
    )
    await asyncio.sleep(0)
    assert fake_library.given_up == [ONE]
