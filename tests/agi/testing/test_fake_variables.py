"""What `FakeAsterisk` reads and writes as Asterisk 22 does: variables, functions, the AstDB."""

import time

import pytest

from agi_bridge.agi import Channel
from agi_bridge.agi.testing import FakeAsterisk, NotSimulatedError
from agi_bridge.agi.testing.caller_id import parse_caller
from tests.agi.testing.steps import run_steps


async def read(fake: FakeAsterisk, *names: str, answer: bool = False) -> list[object]:
    return await run_steps(
        fake, *(lambda c, name=name: c.get_variable(name) for name in names), answer=answer
    )


async def write_and_read(written: dict[str, str], *names: str) -> list[object]:
    found: list[object] = []

    async def handler(channel: Channel) -> None:
        for name, text in written.items():
            await channel.set_variable(name, text)
        found.extend([await channel.get_variable(name) for name in names])

    await FakeAsterisk(caller_id="+15145550100").run(handler)
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CALLERID(num)", "+15145550100"),
        ("CALLERID(number)", "+15145550100"),
        ("CALLERID(NUM)", "+15145550100"),
        ("CALLERID(ani)", "+15145550100"),
        ("CALLERID(all)", '"" <+15145550100>'),
        ("CALLERID(dnid)", "sales"),
        ("CALLERID(rdnis)", ""),
        ("CHANNEL(state)", "Ring"),
        ("CHANNEL(name)", "PJSIP/caller-fake.1"),
        ("LEN(abc)", "3"),
        ("REPLACE(EXTEN,sl,\\x58)", "XaXeX"),
        ("REPLACE(EXTEN,ae)", "sls"),
        ("URIENCODE(a b)", "a%20b"),
        ("DB(x/y)", ""),
        ("DB(x)", None),
        ("DB_EXISTS(x/y)", "0"),
        ("GLOBAL(NOPE)", ""),
        ("IF(1?a:b)", "a"),
        ("IF( 0 x ? a : b )", "b"),
        ("IF(x?a:b)", "a"),
        ("IF(?a:b)", None),
        ("TIMEOUT(digit)", "5.000"),
        ("TIMEOUT(response)", "10.000"),
        ("TIMEOUT(absolute)", "0"),
        ("PRIORITY", "1"),
        ("CALLINGPRES", "0"),
        ("SYSTEMNAME", ""),
        ("NOPE", None),
        ("EXTEN:1", None),
    ],
)
async def test_get_variable_gives_what_the_real_one_gave(name: str, text: str | None) -> None:
    fake = FakeAsterisk(caller_id="+15145550100", extension="sales")
    assert await read(fake, name) == [text]


async def test_the_state_is_that_of_the_channel() -> None:
    assert await read(FakeAsterisk(), "CHANNEL(state)", answer=True) == ["Up"]


async def test_epoch_is_the_time() -> None:
    before = int(time.time())
    (epoch,) = await read(FakeAsterisk(), "EPOCH")
    assert before <= int(str(epoch)) <= time.time()


@pytest.mark.parametrize("name", ["CDR(src)", "CALLERID(tag)", "CHANNEL(foo)", "ASTDATADIR"])
async def test_what_the_fake_cannot_know_names_itself(name: str) -> None:
    with pytest.raises(NotSimulatedError, match="lacks the"):
        await read(FakeAsterisk(), name)
    given = FakeAsterisk(variables={name: "1"})
    assert await read(given, name) == ["1"]


async def test_a_priority_label_is_not_a_number() -> None:
    with pytest.raises(NotSimulatedError, match="PRIORITY"):
        await run_steps(
            FakeAsterisk(labels=["start"]),
            lambda c: c.set_priority("start"),
            lambda c: c.get_variable("PRIORITY"),
        )


@pytest.mark.parametrize(
    ("written", "name", "text"),
    [
        ({"GLOBAL(X)": "7"}, "X", "7"),
        ({"GLOBAL(X)": "7", "X": "own"}, "X", "own"),
        ({"X": "own"}, "GLOBAL(X)", ""),
        ({"CALLERID(number)": "42"}, "CALLERID(num)", "42"),
        ({"CALLERID(num)": "42"}, "CALLERID(ani)", "+15145550100"),
        ({"CALLERID(all)": '"A" <4 2>'}, "CALLERID(all)", '"A" <42>'),
        ({"ARRAY(a,b)": '"1,2",3'}, "a", "1,2"),
        ({"ARRAY(a,b)": "1"}, "b", ""),
        ({"TIMEOUT(digit)": "2"}, "TIMEOUT(digit)", "2.000"),
        ({"TIMEOUT(absolute)": "9"}, "TIMEOUT(absolute)", "9.000"),
        ({"DB(f/k)": "v"}, "DB_EXISTS(f/k)", "1"),
        ({"CHANNEL(language)": "fr"}, "CHANNEL(language)", "fr"),
        ({"CHANNEL(state)": "Up"}, "CHANNEL(state)", "Ring"),
        ({"EXTEN": "5"}, "EXTEN", "s"),
        ({"CONTEXT": "5"}, "CONTEXT", "from-trunk"),
        ({"CHANNEL": "5"}, "CHANNEL", "PJSIP/caller-fake.1"),
        ({"UNIQUEID": "5"}, "UNIQUEID", "fake.1"),
        ({"HANGUPCAUSE": "5"}, "HANGUPCAUSE", "0"),
        ({"X:1": "abc"}, "X:1", "bc"),
    ],
)
async def test_what_is_written_reads_as_on_the_real_one(
    written: dict[str, str], name: str, text: str
) -> None:
    assert await write_and_read(written, name) == [text]


async def test_a_function_that_is_only_written_is_no_error_unless_it_sets_variables() -> None:
    await write_and_read({"CDR(userfield)": "x", "TIMEOUT(foo)": "1", "DB(x)": "1"})
    with pytest.raises(NotSimulatedError, match="PUSH"):
        await write_and_read({"PUSH(list)": "x"})


async def test_a_function_of_the_scenario_keeps_what_is_written() -> None:
    fake = FakeAsterisk(variables={"CDR(userfield)": ""})
    assert await run_steps(
        fake,
        lambda c: c.set_variable("CDR(userfield)", "x"),
        lambda c: c.get_variable("CDR(userfield)"),
    ) == [None, "x"]


async def test_the_database_function_and_the_commands_see_the_same() -> None:
    assert await run_steps(
        FakeAsterisk(),
        lambda c: c.set_variable("DB(fam/key)", "v"),
        lambda c: c.database_get("fam", "key"),
        lambda c: c.read_variable("DB(fam/key)"),
        lambda c: c.get_variable("DB_RESULT"),
    ) == [None, "v", "v", "v"]


@pytest.mark.parametrize("text", ["a):1", ":)", "x)y:0:1", "((:))):", "100 %3A:"])
async def test_a_value_that_would_end_the_function_is_read_as_it_is(text: str) -> None:
    assert await run_steps(FakeAsterisk(variables={"X": text}), lambda c: c.read_variable("X")) == [
        text
    ]


async def test_a_tree_is_deleted_as_sqlite_matches_it() -> None:
    assert await run_steps(
        FakeAsterisk(),
        lambda c: c.database_put("call_back", "1", "x"),
        lambda c: c.database_put("callXback", "1", "gone too"),
        lambda c: c.database_put("CALL_BACK", "2", "and this"),
        lambda c: c.database_put("call_backs", "1", "kept"),
        lambda c: c.database_delete_tree("call_back"),
        lambda c: c.database_get("call_back", "1"),
        lambda c: c.database_get("callXback", "1"),
        lambda c: c.database_get("CALL_BACK", "2"),
        lambda c: c.database_get("call_backs", "1"),
    ) == [*[None] * 8, "kept"]


async def test_where_the_dialplan_continues_is_where_the_channel_is() -> None:
    assert await run_steps(
        FakeAsterisk(),
        lambda c: c.set_context("c"),
        lambda c: c.set_extension("e"),
        lambda c: c.set_priority(99),
        lambda c: c.set_priority(-3),
        lambda c: c.get_full_variable("${CONTEXT} ${EXTEN} ${PRIORITY}"),
    ) == [None, None, None, None, "c e 98"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${CALLERID(num):1}", "5145550100"),
        ("${LEN(${VAR}:1)}", "8"),
        ("${IF(1?${VAR}:b)}", "abcdef"),
        ("${VAR:x}", "abcdef"),
        ("${VAR: 1}", "bcdef"),
        ("${VAR", "abcdef"),
        ("${VAR${", "abcdef"),
        ("{${VAR}}", "{abcdef}"),
        ("${VA${NOPE}R}", "abcdef"),
        ("${LEN(ab}", "2"),
        ("}{ $ ${}", "}{ $ "),
    ],
)
async def test_texts_are_evaluated_as_the_real_one_did(text: str, value: str) -> None:
    fake = FakeAsterisk(caller_id="15145550100", variables={"VAR": "abcdef"})
    assert await run_steps(fake, lambda c: c.get_full_variable(text)) == [value]


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        ('"Example Store" <+14155550111>', "Example Store", "+14155550111"),
        ('"Bob"', "Bob", ""),
        ('"Bob" 123', '"Bob" 123', ""),
        ("(514) 555-0100", "", "5145550100"),
        ("Bob<1-2 3>", "Bob", "123"),
        ("555.0100", "", "5550100"),
        ('"A \\"q\\" B" <1>', 'A "q" B', "1"),
        ('"Name" <sip:bob@x>', "Name", "sip:bob@x"),
        ("<[1-2]>", "", "[1-2]"),
        ("12ab", "12ab", ""),
        ("", "", ""),
    ],
)
def test_a_caller_is_taken_apart_as_the_real_one_does(text: str, name: str, number: str) -> None:
    assert parse_caller(text) == (name, number)
