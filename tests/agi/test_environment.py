import pytest

from agi_bridge.agi import AGIProtocolError, Environment, StreamParser
from agi_bridge.agi.environment import parse_environment
from tests.support.recorded import from_asterisk


def recorded(case: str) -> Environment:
    reader = StreamParser()
    events = [event for data in from_asterisk(case) for event in reader.feed(data)]
    assert isinstance(events[0], Environment)
    return events[0]


def test_a_plain_call_is_introduced() -> None:
    found = recorded("env_plain")
    assert found.caller_id == "15145550100"
    assert found.caller_name == "env_plain"
    assert found.dnid == "plain"
    assert found.extension == "plain"
    assert found.context == "from-sip"
    assert found.language == "en"
    assert found.script == "env_plain"
    assert found.request == "agi://127.0.0.1:20010/env_plain"
    assert found.channel is not None
    assert found.channel.startswith("PJSIP/caller-")
    assert found.unique_id is not None
    assert found.unique_id.startswith("lab-")


def test_what_is_unknown_is_none_but_stays_in_the_values() -> None:
    found = recorded("env_anonymous")
    assert found.rdnis is None
    assert found.values["rdnis"] == "unknown"


def test_without_a_path_there_is_no_script() -> None:
    found = recorded("env_no_path")
    assert found.script is None
    assert found.query == {}


def test_query_and_arguments_are_taken_apart() -> None:
    found = recorded("env_query_args")
    assert found.query == {"x": "y", "n": "+1514"}
    assert found.arguments == ("arg one", "two", "three, quoted", "")


def test_an_ipv6_address_does_not_confuse_the_request() -> None:
    assert recorded("env_ipv6").request is not None


@pytest.mark.parametrize(
    ("request_url", "query"),
    [
        ("agi://h/s?to=%2B14155550123&to=2", {"to": "+14155550123"}),
        ("agi://h/s?to=+14155550123", {"to": "+14155550123"}),
        ("agi://h/s?a=&b&=c&d=1=2", {"a": "", "b": "", "d": "1=2"}),
        ("agi://h/s?a%20b=%C3%A9", {"a b": "é"}),
        ("agi://h/s", {}),
        ("", {}),
    ],
)
def test_the_query_is_decoded_and_the_first_of_several_wins(
    request_url: str, query: dict[str, str]
) -> None:
    assert parse_environment(f"agi_request: {request_url}\n").query == query


def test_bytes_that_are_no_text_come_back_as_they_were() -> None:
    reader = StreamParser()
    (found,) = reader.feed(b"agi_calleridname: Zo\xeb\n\n")
    assert isinstance(found, Environment)
    assert found.caller_name is not None
    assert found.caller_name.encode("utf-8", "surrogateescape") == b"Zo\xeb"


def test_values_may_hold_colons_and_unknown_names_are_kept() -> None:
    found = parse_environment("agi_request: agi://h:1/s: x\nagi_new: 1\nnoise\nother: 2\nagi_x")
    assert found.request == "agi://h:1/s: x"
    assert dict(found.values) == {"request": "agi://h:1/s: x", "new": "1"}


def test_a_value_that_names_another_is_not_taken_for_it() -> None:
    found = parse_environment("agi_calleridname: agi_callerid: 911\nagi_callerid: 15145550100\n")
    assert found.caller_id == "15145550100"
    assert found.caller_name == "agi_callerid: 911"


def test_an_argument_that_looks_like_a_name_is_an_argument() -> None:
    found = parse_environment("agi_arg_1: agi_callerid: 911\nagi_arg_2: unknown\n")
    assert found.arguments == ("agi_callerid: 911", "unknown")
    assert found.caller_id is None
    assert found.values == {}


def test_a_forged_line_inside_a_value_is_refused() -> None:
    with pytest.raises(AGIProtocolError) as raised:
        parse_environment("agi_calleridname: x\nagi_extension: 666\nagi_extension: 100\n")
    assert raised.value.code == "duplicate_environment_name"


def test_its_representation_shows_no_number() -> None:
    found = recorded("env_plain")
    assert "1514" not in repr(found)
    assert found.unique_id is not None
    assert found.unique_id in repr(found)
