"""The fake hook answers as the vendor's page says, and fails as it is told to."""

import asyncio
import json

import pytest
import uvloop

from agi_bridge.hook import (
    Dial,
    HookClient,
    Instructions,
    Method,
    Outcome,
    Submission,
    SubmissionRequest,
)
from agi_bridge.hook.testing import (
    BY_NUMBER,
    PATH,
    FakeHook,
    Received,
    Scenario,
    serve_fake_hook,
)

FROM = "+14155550123"
TO = "+14155550111"
KEY = "a73d5034210f702515128ac61193cd21"


async def submit(
    fake_hook: FakeHook, from_: str = FROM, method: Method = "POST", **fields: str
) -> Submission:
    """A submission by the bridge's own client."""
    to, key = fields.pop("to", TO), fields.pop("key", KEY)
    async with HookClient(fake_hook.url, method=method) as client:
        return await client.submit(
            SubmissionRequest(from_=from_, to=to, key=key, context=fields.get("context"))
        )


async def raw(fake_hook: FakeHook, request: bytes) -> bytes:
    """The bytes that come back until the fake hook closes."""
    port = int(fake_hook.url.rsplit(":", 1)[1].removesuffix(PATH))
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
    async with FakeHook(scenario) as fake_hook:
        result = await submit(fake_hook, method=method)
    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize(("ending", "scenario"), BY_NUMBER.items())
async def test_the_answer_is_chosen_by_the_number_where_no_scenario_is_set(
    ending: str, scenario: Scenario
) -> None:
    async with FakeHook(slow_seconds=0) as fake_hook:
        await submit(fake_hook, FROM[:-2] + ending)
        await submit(fake_hook)
    assert [one.scenario for one in fake_hook.requests] == [scenario, Scenario.DIAL]


async def test_a_scenario_that_is_set_outweighs_the_number() -> None:
    async with FakeHook("dial") as fake_hook:
        assert (await submit(fake_hook, FROM[:-2] + "05")).reason == "dial"


async def test_the_number_to_forward_to_is_configurable_and_may_change() -> None:
    async with FakeHook(forward="+14155550188") as fake_hook:
        first = await submit(fake_hook)
        fake_hook.forward = "911"
        second = await submit(fake_hook)
    assert first.answer == Instructions((Dial(("+14155550188",)),), "dial")
    assert second.answer == Instructions((Dial(("911",)),), "dial")


async def test_slow_answers_when_it_is_let_go() -> None:
    async with FakeHook("slow") as fake_hook:
        pending = asyncio.create_task(submit(fake_hook))
        await fake_hook.received()
        assert not pending.done()
        fake_hook.hold.set()
        assert (await pending).reason == "dial"


async def test_slow_answers_by_itself_in_the_end() -> None:
    async with FakeHook("slow", slow_seconds=0.01) as fake_hook:
        assert (await submit(fake_hook)).reason == "dial"


async def test_leaving_ends_the_calls_that_are_held_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeHook("slow") as fake_hook:
        pending = asyncio.create_task(submit(fake_hook))
        await fake_hook.received()
    assert (await pending).outcome is Outcome.UNKNOWN
    assert caplog.records == []


async def test_a_scenario_can_be_changed_to_and_from_refuse_on_one_port() -> None:
    async with FakeHook() as fake_hook:
        url = fake_hook.url
        fake_hook.scenario = "refuse"
        await fake_hook.settled()
        assert (await submit(fake_hook)).outcome is Outcome.NOT_SENT
        fake_hook.scenario = Scenario.REFUSE
        fake_hook.scenario = "say"
        await fake_hook.settled()
        assert (await submit(fake_hook)).reason == "no_forwarding"
        assert fake_hook.url == url
        fake_hook.scenario = None
        assert fake_hook.scenario is None
        fake_hook.scenario = "refuse"
        fake_hook.scenario = "dial"
        await fake_hook.settled()
        assert (await submit(fake_hook)).reason == "dial"


def test_the_port_changes_hands_on_uvloop_too() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_a_scenario_can_be_changed_to_and_from_refuse_on_one_port())


async def test_a_port_lost_while_refusing_is_said_when_it_is_wanted_back() -> None:
    async with FakeHook("refuse") as fake_hook:
        assert fake_hook._held is not None
        fake_hook._held.listen()  # as another program would, had it taken the port
        thief, fake_hook._held = fake_hook._held, None
        fake_hook._held = thief.dup()
        fake_hook.scenario = "dial"
        with pytest.raises(OSError, match="in use"):
            await fake_hook.settled()
        thief.close()
        fake_hook._switch = None


async def test_a_scenario_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        FakeHook("nonsense")


async def test_another_key_is_answered_with_403() -> None:
    async with FakeHook(key=KEY) as fake_hook:
        assert (await submit(fake_hook)).reason == "dial"
        assert (await submit(fake_hook, key="other é")).reason == "invalid_key"


@pytest.mark.parametrize("missing", ["key", "from", "to"])
async def test_a_missing_field_is_named(missing: str) -> None:
    fields = {"key": KEY, "from": FROM, "to": TO}
    del fields[missing]
    body = json.dumps(fields).encode()
    head = b"POST /v1/ivr HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with FakeHook() as fake_hook:
        response = await raw(fake_hook, head + body)
    assert response.startswith(b"HTTP/1.1 400 ")
    assert f"“property”: “@.{missing}”" in response.decode()
    assert fake_hook.requests[0].scenario is Scenario.MISSING


@pytest.mark.parametrize("body", [b"", b"[]", b'"key"', b"{", b'{"key": 1, "from": null}', b"\xff"])
async def test_a_body_that_is_not_an_object_of_texts_misses_everything(body: bytes) -> None:
    head = b"POST /v1/ivr HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with FakeHook() as fake_hook:
        assert (await raw(fake_hook, head + body)).startswith(b"HTTP/1.1 400 ")
    assert fake_hook.requests == [Received("POST", "", "", "", None, Scenario.MISSING)]


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
    async with FakeHook() as fake_hook:
        response = await raw(fake_hook, request_)
    assert response[9:12] == status
    assert fake_hook.requests == []


async def test_a_connection_can_be_kept() -> None:
    async with FakeHook() as fake_hook, HookClient(fake_hook.url, keepalive=True) as client:
        for _ in range(3):
            result = await client.submit(SubmissionRequest(from_=FROM, to=TO, key=KEY))
            assert result.outcome is Outcome.ACCEPTED
        assert len(fake_hook._calls) == 1
        assert (await fake_hook.received(3)).from_ == FROM


async def test_what_was_received_is_told_with_everything_private_masked() -> None:
    received: list[Received] = []
    async with FakeHook(on_request=received.append) as fake_hook:
        await submit(fake_hook, context="OPT_IN")
    assert received == fake_hook.requests
    assert received[0] == Received("POST", FROM, TO, KEY, "OPT_IN", Scenario.DIAL)
    line = received[0].describe()
    assert line == "POST from=+1***23 to=+1***11 key=given context='OPT_IN' -> dial"
    assert "4155" not in repr(received[0]) + line
    assert KEY not in repr(received[0])
    assert FROM in received[0].describe(show_numbers=True)
    missing = Received("GET", "", "", "", None, Scenario.MISSING)
    assert missing.describe() == "GET from=*** to=*** key=missing -> 400"


async def test_it_listens_on_ipv6_too() -> None:
    async with FakeHook(host="::1") as fake_hook:
        assert fake_hook.url.startswith("http://[::1]:")
        assert (await submit(fake_hook)).outcome is Outcome.ACCEPTED


async def test_an_address_that_is_taken_is_said_at_once() -> None:
    async with FakeHook() as first:
        port = int(first.url.rsplit(":", 1)[1].removesuffix(PATH))
        with pytest.raises(OSError, match="in use"):
            await FakeHook(port=port).__aenter__()


async def test_run_serves_until_it_is_cancelled() -> None:
    started: asyncio.Future[FakeHook] = asyncio.get_running_loop().create_future()
    received: list[Received] = []
    task = asyncio.create_task(
        serve_fake_hook(
            scenario="say", key=KEY, on_request=received.append, on_start=started.set_result
        )
    )
    fake_hook = await started
    assert (await submit(fake_hook)).reason == "no_forwarding"
    assert len(received) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await submit(fake_hook)).outcome is Outcome.NOT_SENT


async def test_run_needs_nobody_to_tell() -> None:
    task = asyncio.create_task(serve_fake_hook())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
