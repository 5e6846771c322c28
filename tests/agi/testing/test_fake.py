from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi import (
    AGIAppError,
    AGIHangup,
    AGIInvalidCommand,
    Channel,
    PlaybackResult,
    Server,
)
from agi_bridge.agi.testing import DialOutcome, FakeAsterisk, NotSimulatedError, PlayedSound
from tests.agi.testing.steps import ALL, Step, dial, run_steps

# -- the environment --------------------------------------------------------------------------


async def test_the_environment_is_the_one_asked_for() -> None:
    fake = FakeAsterisk(
        caller_id="+14155550123",
        caller_name="Zoë",
        dnid="100",
        extension="200",
        context="in",
        language="fr",
        arguments=["a", "b,c"],
        environment={"rdnis": "300", "accountcode": None},
    )
    found: list[Channel] = []

    async def handler(channel: Channel) -> None:
        found.append(channel)

    await fake.run(handler, "consent?to=%2B1415")
    environment = found[0].environment
    assert environment.caller_id == "+14155550123"
    assert environment.caller_name == "Zoë"
    assert (environment.dnid, environment.extension, environment.context) == ("100", "200", "in")
    assert environment.language == "fr"
    assert environment.arguments == ("a", "b,c")
    assert environment.rdnis == "300"
    assert "accountcode" not in environment.values
    assert environment.query == {"to": "+1415"}
    assert environment.script == "consent?to=%2B1415"


async def test_an_ipv6_server_is_called_with_brackets() -> None:
    requests: list[str | None] = []

    async def handler(channel: Channel) -> None:
        requests.append(channel.environment.request)

    async with Server(handler, host="::1", port=0) as server:
        port = server.port
        await FakeAsterisk().call("::1", port, "x")
        await server.drain(1.0)
    assert requests == [f"agi://[::1]:{port}/x"]


async def test_nobody_listening_is_an_error() -> None:
    async with Server(_nothing, port=0) as server:
        port = server.port
    with pytest.raises(OSError, match="Connect"):
        await FakeAsterisk().call("127.0.0.1", port)


async def _nothing(_channel: Channel) -> None:
    return


# -- hearing and keying -----------------------------------------------------------------------


async def test_a_key_of_the_prompts_own_stops_it() -> None:
    fake = FakeAsterisk(sounds={"a": 3000}, keys={"a": "5"})
    assert await run_steps(fake, lambda c: c.stream_file("a", ALL)) == [PlaybackResult("5", 1600)]


async def test_what_was_played_is_recorded() -> None:
    fake = FakeAsterisk(sounds=lambda name: 500 if name == "a" else None, keys="1,*")

    async def handler(channel: Channel) -> None:
        await channel.stream_file("a")
        await channel.answer()
        await channel.stream_file("a", "1")
        await channel.say_digits("12", "*")
        await channel.exec("Playback", "a&silence/2&none")
        with pytest.raises(AGIAppError):
            await channel.stream_file("none")

    record = await fake.run(handler)
    assert record.heard == [
        PlayedSound("file", "a", 500, "", audible=False),
        PlayedSound("file", "a", 200, "1"),
        PlayedSound("digits", "12", 200, "*"),
        PlayedSound("file", "a", 500),
        PlayedSound("file", "silence/2", 2000),
    ]
    assert [round(each.at, 3) for each in record.heard] == [0.0, 0.5, 0.7, 0.9, 1.4]
    assert round(record.silence, 3) == 2.0  # the pause; of the first half second nothing is heard
    assert record.played == ["a", "12", "a", "silence/2"]
    assert record.keyed == "1*"
    assert record.status == "FAILURE"  # of the session, as a STREAM FILE failed
    assert record.seconds == pytest.approx(3.4)


async def test_recording_ends_with_a_key_or_with_the_time() -> None:
    fake = FakeAsterisk(keys="#")
    first, second = await run_steps(
        fake, lambda c: c.record_file("r", seconds=5), lambda c: c.record_file("r", seconds=5)
    )
    assert repr(first) == "RecordResult(digit='#', endpos=1600)"
    assert repr(second) == "RecordResult(digit='', endpos=40000)"


async def test_a_caller_who_hangs_up_while_recording() -> None:
    fake = FakeAsterisk(keys="!")
    with capture_logs():
        assert await run_steps(fake, lambda c: c.record_file("r", seconds=5)) == []


async def test_exec_read_collects_into_its_variable() -> None:
    fake = FakeAsterisk(keys="123#,4,")
    results = await run_steps(
        fake,
        lambda c: c.exec("Read", "N", "a&b", "5", "", "1", "3"),
        lambda c: c.get_variable("N"),
        lambda c: c.get_variable("READSTATUS"),
        lambda c: c.exec("Read", "N", "", "5"),
        lambda c: c.get_variable("N"),
        lambda c: c.get_variable("READSTATUS"),
    )
    assert results == [0, "123", "OK", 0, "4", "TIMEOUT"]


async def test_exec_read_keeps_what_was_keyed_before_a_hangup() -> None:
    fake = FakeAsterisk(keys="12!", hangup_mode="silent")
    results = await run_steps(
        fake,
        lambda c: c.exec("Read", "N", "a", "5"),
        lambda c: c.get_variable("N"),
        lambda c: c.get_variable("READSTATUS"),
    )
    assert results == [0, "12", "HANGUP"]


async def test_a_hangup_during_exec_playback() -> None:
    fake = FakeAsterisk(hangup_at=lambda words: "Playback" in words)
    with capture_logs():
        record = await fake.run(lambda c: _answered(c, lambda: c.exec("Playback", "a")))
    assert record.heard == [PlayedSound("file", "a", 200, "!")]
    assert record.hung_up


async def _answered(channel: Channel, step: Callable[[], Awaitable[object]]) -> None:
    await channel.answer()
    await step()


# -- dialling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "options", "result", "status", "answered"),
    [
        ("ANSWER", "g", 0, "ANSWER", "60"),
        ("ANSWER", "", -1, "ANSWER", "60"),
        ("ANSWER", "gS(7)", 0, "ANSWER", "7"),
        ("ANSWER", "S(7)", -1, "ANSWER", "7"),
        ("ANSWER", "gL(9000:1)", 0, "ANSWER", "9"),
        (DialOutcome("ANSWER", ring_seconds=31), "g", 0, "NOANSWER", ""),
        (DialOutcome("ANSWER", talk_seconds=5), "g", 0, "ANSWER", "5"),
        ("BUSY", "g", 0, "BUSY", ""),
        ("NOANSWER", "g", 0, "NOANSWER", ""),
        ("CHANUNAVAIL", "g", 0, "CHANUNAVAIL", ""),
        (lambda _destination: "CONGESTION", "g", 0, "CONGESTION", ""),
    ],
)
async def test_dial_ends_as_told(
    outcome: str | DialOutcome, options: str, result: int, status: str, answered: str
) -> None:
    fake = FakeAsterisk(dial=outcome)
    assert await run_steps(
        fake,
        lambda c: c.exec("Dial", "PJSIP/1@t", "30", options),
        lambda c: c.get_variable("DIALSTATUS"),
        lambda c: c.get_variable("ANSWEREDTIME"),
    ) == [result, status, answered]


async def test_what_was_dialled_is_recorded() -> None:
    record = await FakeAsterisk(dial="BUSY").run(lambda c: dial(c, "PJSIP/1@t", "30", "g"))
    (dialled,) = record.dialled
    assert (dialled.destination, dialled.ring_seconds, dialled.options) == ("PJSIP/1@t", 30.0, "g")
    record = await FakeAsterisk(dial="NOANSWER").run(lambda c: dial(c, "PJSIP/1@t"))
    assert record.dialled[0].ring_seconds is None


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("CANCEL", "CANCEL"), (DialOutcome("ANSWER", caller_hangs_up=True), "ANSWER")],
)
async def test_a_caller_who_goes_while_dialling(outcome: str | DialOutcome, status: str) -> None:
    found: list[str | None] = []

    async def handler(channel: Channel) -> None:
        with pytest.raises(AGIHangup):
            await channel.exec("Dial", "PJSIP/1", "30", "g")
        found.append(await channel.get_variable("DIALSTATUS"))

    with capture_logs():
        record = await FakeAsterisk(dial=outcome, hangup_mode="silent").run(handler)
    assert found == [status]
    assert record.status == "HANGUP"


# -- other commands ---------------------------------------------------------------------------


async def test_variables_start_set_and_are_read_in_every_way() -> None:
    fake = FakeAsterisk(variables={"X": "a)\nb", "LONG": "é" * 1000}, caller_id="1")
    assert await run_steps(
        fake,
        lambda c: c.read_variable("X"),
        lambda c: c.get_full_variable("${LEN(${X})}-${CALLERID(num)}-${NONE}"),
        lambda c: c.get_variable("UNIQUEID"),
        lambda c: c.set_callerid("5"),
        lambda c: c.get_variable("CALLERID(all)"),
    ) == ["a)\nb", "4-1-", "fake.1", None, '"" <5>']
    (long,) = await run_steps(fake, lambda c: c.get_variable("LONG"))
    assert isinstance(long, str)
    assert len(long.encode("utf-8", "surrogateescape")) == 1023


async def test_the_value_of_a_variable_is_not_evaluated() -> None:
    fake = FakeAsterisk(variables={"X": "${SECRET}", "SECRET": "s"})
    assert await run_steps(
        fake, lambda c: c.get_full_variable("${X}"), lambda c: c.read_variable("X")
    ) == ["${SECRET}", "${SECRET}"]


async def test_the_database_lives_as_long_as_the_call() -> None:
    assert await run_steps(
        FakeAsterisk(),
        lambda c: c.database_put("f", "a/1", "v"),
        lambda c: c.database_put("f", "b", "w"),
        lambda c: c.database_get("f", "a/1"),
        lambda c: c.database_delete_tree("f", "a"),
        lambda c: c.database_get("f", "a/1"),
        lambda c: c.database_delete("f", "b"),
        lambda c: c.database_delete("f", "b"),
        lambda c: c.database_delete_tree("f"),
    ) == [None, None, "v", None, None, True, True, None]


async def test_the_database_has_paths_of_family_and_key_as_the_recorded_one() -> None:
    assert await run_steps(
        FakeAsterisk(),
        lambda c: c.database_put("f/g", "h", "4"),
        lambda c: c.database_put("f", "ab", "kept"),
        lambda c: c.database_put("f", "a/1", "gone"),
        lambda c: c.database_put("f", "a", "gone"),
        lambda c: c.database_get("f", "g/h"),
        lambda c: c.database_delete_tree("f", "a"),
        lambda c: c.database_get("f", "ab"),
        lambda c: c.database_get("f", "a/1"),
        lambda c: c.database_get("f", "a"),
    ) == [None, None, None, None, "4", None, "kept", None, None]


async def test_variables_are_inherited_and_cut_as_the_dialplan_does() -> None:
    assert await run_steps(
        FakeAsterisk(variables={"X": "abcdef"}),
        lambda c: c.set_variable("__ORDER", "42"),
        lambda c: c.get_variable("ORDER"),
        lambda c: c.get_variable("__ORDER"),
        lambda c: c.get_full_variable("${X:2:2}${X:-2}${X:1:-4}${X:9}${NONE:1}."),
    ) == [None, "42", None, "cdefb."]


@pytest.mark.parametrize("text", ["$[1 + 2]", "${TOUPPER(x)}"])
async def test_what_the_fake_does_not_evaluate_is_named(text: str) -> None:
    async def handler(channel: Channel) -> None:
        await channel.get_full_variable(text)

    with pytest.raises(NotSimulatedError, match=r"lacks (the function|expressions)"):
        await FakeAsterisk().run(handler)


async def test_applications_read_numbers_as_c_does() -> None:
    assert await run_steps(
        FakeAsterisk(sounds={"beep": 100}, dial=DialOutcome("NOANSWER", ring_seconds=90)),
        lambda c: c.exec("Wait", "x"),
        lambda c: c.exec("Dial", "PJSIP/1", "30^2"),
        lambda c: c.get_variable("DIALSTATUS"),
        lambda c: c.exec("Read", "KEYS", "missing", "x", "", "", "y"),
        lambda c: c.get_variable("READSTATUS"),
        lambda c: c.exec("Playback", ""),
        lambda c: c.exec("Busy", "3"),
    ) == [0, 0, "NOANSWER", 0, "ERROR", -1, -1]


async def run_application(channel: Channel, name: str) -> None:
    await channel.exec(name, "sales")


async def test_applications_that_only_succeed_and_those_that_are_not_there() -> None:
    fake = FakeAsterisk(applications={"Queue": 1, "VoiceMail": -1})
    assert await run_steps(
        fake,
        lambda c: c.exec("Answer"),
        lambda c: c.exec("Progress"),
        lambda c: c.exec("Wait", "2"),
        lambda c: c.exec("Queue", "sales"),
        lambda c: c.get_variable("CONTEXT"),
        lambda c: c.exec("VoiceMail", "1"),
    ) == [0, 0, 0, 1, "from-trunk", -1]
    with pytest.raises(AGIAppError):
        await FakeAsterisk().run(
            lambda c: run_application(c, "Quebe"), applications=frozenset({"Quebe"})
        )


@pytest.mark.parametrize("name", ["Queue", "backGround", "VoiceMail"])
async def test_an_application_that_is_not_simulated_is_named_with_what_to_do(name: str) -> None:
    with pytest.raises(NotSimulatedError, match=f"lacks .* {name}; .*applications={{'{name}': 0}}"):
        await FakeAsterisk().run(lambda c: run_application(c, name), applications=frozenset({name}))


@pytest.mark.parametrize("step", [lambda c: c.exec("Hangup"), lambda c: c.hangup()])
async def test_exec_hangup_and_hangup_leave_a_dead_channel(step: Step) -> None:
    record = await FakeAsterisk(hangup_mode="silent").run(lambda c: _then_say(c, step))
    assert record.hung_up
    assert record.status == "HANGUP"


async def _then_say(channel: Channel, step: Step) -> None:
    with pytest.raises(AGIHangup):
        await _both(step(channel), channel)


async def _both(first: Awaitable[object], channel: Channel) -> None:
    await first
    await channel.say_digits("1")


async def test_places_to_go_on_are_recorded() -> None:
    fake = FakeAsterisk()

    async def handler(channel: Channel) -> None:
        await channel.set_context("c")
        await channel.set_extension("e")
        await channel.set_priority(3)
        await channel.set_music(on=True)
        await channel.set_autohangup(0)
        await channel.verbose("x")

    record = await fake.run(handler)
    assert record.continue_at == {"context": "c", "extension": "e", "priority": "3"}
    assert record.names[-1] == "VERBOSE"


async def test_a_refusal_is_recorded() -> None:
    record = await FakeAsterisk().run(lambda c: c.refuse("no such line"))
    assert (record.status, record.refused) == ("FAILURE", "no such line")


async def test_a_command_that_asterisk_does_not_know() -> None:
    async def handler(channel: Channel) -> None:
        with pytest.raises(AGIInvalidCommand):
            await channel._send("FOO BAR")

    record = await FakeAsterisk().run(handler)
    assert record.names == ["FOO BAR\n".strip()]
