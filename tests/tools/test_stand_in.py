"""The stand-in answers as the vendor's page says, and fails as it is told to."""

import asyncio
import json

import pytest
import uvloop

from agi_bridge.hook import Dial, HookClient, Instructions, Method, Outcome, Submission
from agi_bridge.tools.stand_in import BY_NUMBER, PATH, Received, Scenario, StandIn, run

FROM = "+14155550123"
TO = "+14155550111"
KEY = "a73d5034210f702515128ac61193cd21"


async def submit(
    stand_in: StandIn, from_: str = FROM, method: Method = "POST", **fields: str
) -> Submission:
    """A submission by the bridge's own client."""
    to, key = fields.pop("to", TO), fields.pop("key", KEY)
    async with HookClient(stand_in.url, method=method) as client:
        return await client.submit(from_=from_, to=to, key=key, context=fields.get("context"))


async def raw(stand_in: StandIn, request: bytes) -> bytes:
    """The bytes that come back until the stand-in closes."""
    port = int(stand_in.url.rsplit(":", 1)[1].removesuffix(PATH))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    response = await reader.read()
    writer.close()
    return response


@pytest.mark.parametrize(
    ("scenario", "outcome", "reason"),
    [
        (Scenario.DIAL, Outcome.ACCEPTED, "dial"),
        (Scenario.SAY, Outcome.ACCEPTED, "no_forwarding"),
        (Scenario.NOT_LINKED, Outcome.REFUSED, "not_linked"),
        (Scenario.INVALID_KEY, Outcome.REFUSED, "invalid_key"),
        (Scenario.MISSING, Outcome.REFUSED, "missing_parameter"),
        (Scenario.ERROR, Outcome.UNKNOWN, "server_error"),
        (Scenario.RESET, Outcome.UNKNOWN, "connection_lost"),
        (Scenario.GARBAGE, Outcome.UNKNOWN, "not_xml"),
        (Scenario.REFUSE, Outcome.NOT_SENT, "connection_refused"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_each_scenario_is_the_outcome_it_is_named_after(
    scenario: Scenario, outcome: Outcome, reason: str, method: Method
) -> None:
    async with StandIn(scenario) as stand_in:
        result = await submit(stand_in, method=method)
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize(("ending", "scenario"), BY_NUMBER.items())
async def test_the_answer_is_chosen_by_the_number_where_no_scenario_is_set(
    ending: str, scenario: Scenario
) -> None:
    async with StandIn(slow_seconds=0) as stand_in:
        await submit(stand_in, FROM[:-2] + ending)
        await submit(stand_in)
    assert [one.scenario for one in stand_in.requests] == [scenario, Scenario.DIAL]


async def test_a_scenario_that_is_set_outweighs_the_number() -> None:
    async with StandIn("dial") as stand_in:
        assert (await submit(stand_in, FROM[:-2] + "05")).reason == "dial"


async def test_the_number_to_forward_to_is_configurable_and_may_change() -> None:
    async with StandIn(forward="+14155550188") as stand_in:
        first = await submit(stand_in)
        stand_in.forward = "911"
        second = await submit(stand_in)
    assert first.answer == Instructions((Dial(("+14155550188",)),), "dial")
    assert second.answer == Instructions((Dial(("911",)),), "dial")


async def test_slow_answers_when_it_is_let_go() -> None:
    async with StandIn("slow") as stand_in:
        pending = asyncio.create_task(submit(stand_in))
        await stand_in.received()
        assert not pending.done()
        stand_in.hold.set()
        assert (await pending).reason == "dial"


async def test_slow_answers_by_itself_in_the_end() -> None:
    async with StandIn("slow", slow_seconds=0.01) as stand_in:
        assert (await submit(stand_in)).reason == "dial"


async def test_leaving_ends_the_calls_that_are_held_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with StandIn("slow") as stand_in:
        pending = asyncio.create_task(submit(stand_in))
        await stand_in.received()
    assert (await pending).outcome is Outcome.UNKNOWN
    assert caplog.records == []


async def test_a_scenario_can_be_changed_to_and_from_refuse_on_one_port() -> None:
    async with StandIn() as stand_in:
        url = stand_in.url
        stand_in.scenario = "refuse"
        await stand_in.settled()
        assert (await submit(stand_in)).outcome is Outcome.NOT_SENT
        stand_in.scenario = Scenario.REFUSE
        stand_in.scenario = "say"
        await stand_in.settled()
        assert (await submit(stand_in)).reason == "no_forwarding"
        assert stand_in.url == url
        stand_in.scenario = None
        assert stand_in.scenario is None
        stand_in.scenario = "refuse"
        stand_in.scenario = "dial"
        await stand_in.settled()
        assert (await submit(stand_in)).reason == "dial"


def test_the_port_changes_hands_on_uvloop_too() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_a_scenario_can_be_changed_to_and_from_refuse_on_one_port())


async def test_a_port_lost_while_refusing_is_said_when_it_is_wanted_back() -> None:
    async with StandIn("refuse") as stand_in:
        assert stand_in._held is not None
        stand_in._held.listen()  # as another program would, had it taken the port
        thief, stand_in._held = stand_in._held, None
        stand_in._held = thief.dup()
        stand_in.scenario = "dial"
        with pytest.raises(OSError, match="in use"):
            await stand_in.settled()
        thief.close()
        stand_in._switch = None


async def test_a_scenario_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        StandIn("nonsense")


async def test_another_key_is_answered_with_403() -> None:
    async with StandIn(key=KEY) as stand_in:
        assert (await submit(stand_in)).reason == "dial"
        assert (await submit(stand_in, key="other é")).reason == "invalid_key"


@pytest.mark.parametrize("missing", ["key", "from", "to"])
async def test_a_missing_field_is_named(missing: str) -> None:
    fields = {"key": KEY, "from": FROM, "to": TO}
    del fields[missing]
    body = json.dumps(fields).encode()
    head = b"POST /v1/ivr HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with StandIn() as stand_in:
        response = await raw(stand_in, head + body)
    assert response.startswith(b"HTTP/1.1 400 ")
    assert f"“property”: “@.{missing}”" in response.decode()
    assert stand_in.requests[0].scenario is Scenario.MISSING


@pytest.mark.parametrize("body", [b"", b"[]", b'"key"', b"{", b'{"key": 1, "from": null}', b"\xff"])
async def test_a_body_that_is_no_object_of_texts_misses_everything(body: bytes) -> None:
    head = b"POST /v1/ivr HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with StandIn() as stand_in:
        assert (await raw(stand_in, head + body)).startswith(b"HTTP/1.1 400 ")
    assert stand_in.requests == [Received("POST", "", "", "", None, Scenario.MISSING)]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"PUT /v1/ivr HTTP/1.1\r\nConnection: Close\r\n\r\n", b"405"),
        (b"hello\r\n\r\n", b"400"),
        (b"GET / SMTP/1.1\r\n\r\n", b"400"),
        (b"GET //[ HTTP/1.1\r\n\r\n", b"400"),
        (b"POST /v1/ivr HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST /v1/ivr HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/ivr HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /v1/ivr HTT", b""),
    ],
)
async def test_what_the_hook_would_not_know_is_refused(request_: bytes, status: bytes) -> None:
    async with StandIn() as stand_in:
        response = await raw(stand_in, request_)
    assert response[9:12] == status
    assert stand_in.requests == []


async def test_a_connection_can_be_kept() -> None:
    async with StandIn() as stand_in, HookClient(stand_in.url, keepalive=True) as client:
        for _ in range(3):
            result = await client.submit(from_=FROM, to=TO, key=KEY)
            assert result.outcome is Outcome.ACCEPTED
        assert len(stand_in._calls) == 1
        assert (await stand_in.received(3)).from_ == FROM


async def test_what_was_received_is_told_with_everything_private_masked() -> None:
    told: list[Received] = []
    async with StandIn(on_request=told.append) as stand_in:
        await submit(stand_in, context="OPT_IN")
    assert told == stand_in.requests
    assert told[0] == Received("POST", FROM, TO, KEY, "OPT_IN", Scenario.DIAL)
    line = told[0].describe()
    assert line == "POST from=+1***23 to=+1***11 key=given context='OPT_IN' -> dial"
    assert "4155" not in repr(told[0]) + line
    assert KEY not in repr(told[0])
    assert FROM in told[0].describe(show_numbers=True)
    missing = Received("GET", "", "", "", None, Scenario.MISSING)
    assert missing.describe() == "GET from=*** to=*** key=missing -> 400"


async def test_it_listens_on_ipv6_too() -> None:
    async with StandIn(host="::1") as stand_in:
        assert stand_in.url.startswith("http://[::1]:")
        assert (await submit(stand_in)).outcome is Outcome.ACCEPTED


async def test_an_address_that_is_taken_is_said_at_once() -> None:
    async with StandIn() as first:
        port = int(first.url.rsplit(":", 1)[1].removesuffix(PATH))
        with pytest.raises(OSError, match="in use"):
            await StandIn(port=port).__aenter__()


async def test_run_serves_until_it_is_cancelled() -> None:
    started: asyncio.Future[StandIn] = asyncio.get_running_loop().create_future()
    told: list[Received] = []
    task = asyncio.create_task(
        run(scenario="say", key=KEY, on_request=told.append, on_start=started.set_result)
    )
    stand_in = await started
    assert (await submit(stand_in)).reason == "no_forwarding"
    assert len(told) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await submit(stand_in)).outcome is Outcome.NOT_SENT


async def test_run_needs_nobody_to_tell() -> None:
    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
