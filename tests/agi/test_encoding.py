import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agi_bridge.agi import AGIArgumentError, AGIUsageError, app_arguments, encode, split_command
from agi_bridge.agi.encoding import separate_arguments
from tests.support.recorded import load

BREAKS = "\n\r\0"
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=BREAKS), max_size=60)
# What came from Asterisk as bytes that are not UTF-8 stands as surrogates, and goes back.
foreign = st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
safe_foreign = foreign.filter(lambda text: not set(text) & set(BREAKS))


@given(st.lists(texts | safe_foreign, max_size=20))
@example(['"', "\\", '\\"', "", " ", "\t", 'a\\" b'])
def test_asterisk_reads_back_the_very_arguments(arguments: list[str]) -> None:
    line = encode("SET VARIABLE", *arguments).decode("utf-8", "surrogateescape")
    assert split_command(line) == ["SET", "VARIABLE", *arguments]


@given(st.lists(st.text(max_size=20) | foreign, max_size=8))
def test_no_argument_can_make_a_second_command(arguments: list[str]) -> None:
    try:
        line = encode("NOOP", *arguments)
    except AGIArgumentError:
        return
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert b"\r" not in line
    assert b"\0" not in line
    assert split_command(line.decode("utf-8", "surrogateescape"))[0] == "NOOP"


@pytest.mark.parametrize("text", ["a\nEXEC System x", "a\rb", "a\0b", "\n"])
def test_line_breaks_and_nul_are_refused(text: str) -> None:
    with pytest.raises(AGIArgumentError, match="line break"):
        encode("SET VARIABLE", "X", text)


def test_a_refusal_can_be_caught_as_a_value_error_or_a_usage_error() -> None:
    for kind in (ValueError, AGIUsageError):
        with pytest.raises(kind):
            encode("NOOP", "\n")


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(AGIArgumentError, match="Unicode"):
        encode("NOOP", "\ud800")


def test_a_line_of_2047_bytes_is_the_longest() -> None:
    overhead = len(encode("NOOP", ""))
    assert len(encode("NOOP", "x" * (2047 - overhead))) == 2047
    with pytest.raises(AGIArgumentError, match="2048 bytes"):
        encode("NOOP", "x" * (2048 - overhead))
    assert encode("NOOP", "x" * 3000, line_bytes=8191)


def test_the_length_is_counted_in_bytes_not_characters() -> None:
    with pytest.raises(AGIArgumentError):
        encode("NOOP", "é" * 1023)


def test_127_words_are_the_most() -> None:
    line = encode("GET VARIABLE", *["x"] * 125)
    assert len(split_command(line.decode())) == 127
    with pytest.raises(AGIArgumentError, match="127 words"):
        encode("GET VARIABLE", *["x"] * 126)


def test_a_128th_word_is_dropped_by_asterisk() -> None:
    assert len(split_command("a " * 140)) == 127


def test_numbers_stand_without_quotes() -> None:
    assert encode("WAIT FOR DIGIT", 5000) == b"WAIT FOR DIGIT 5000\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('SET VARIABLE V "say \\"hi\\""', ["SET", "VARIABLE", "V", 'say "hi"']),
        ('SET VARIABLE V "nl\\nx"', ["SET", "VARIABLE", "V", "nlnx"]),
        ("SET VARIABLE V a\\ b", ["SET", "VARIABLE", "V", "a b"]),
        ('SET VARIABLE V mid"dle', ["SET", "VARIABLE", "V", "middle"]),
        ('SET VARIABLE V "unterminated', ["SET", "VARIABLE", "V", "unterminated"]),
        ("SET VARIABLE V trail\\", ["SET", "VARIABLE", "V", "trail"]),
        ('SET VARIABLE V ""', ["SET", "VARIABLE", "V", ""]),
        ("  NOOP \t a", ["NOOP", "a"]),
        ("", []),
    ],
)
def test_lines_are_split_as_the_recorded_asterisk_did(line: str, words: list[str]) -> None:
    assert split_command(line) == words


def test_the_recorded_values_follow_from_the_recorded_lines() -> None:
    """SET VARIABLE then GET VARIABLE: the value is the word that `split_command` finds."""
    entries = [entry for entry in load("variables_set") if entry.who != "note"]
    checked = 0
    for asked, replied, read in zip(entries, entries[1:], entries[3:], strict=False):
        words = split_command(asked.data.decode()) if asked.who == "server" else []
        if words[:2] == ["SET", "VARIABLE"] and replied.data == b"200 result=1\n":
            assert read.data.decode() == f"200 result=1 ({words[3]})\n"
            checked += 1
    assert checked > 10


@given(st.lists(st.text(st.sampled_from(',"\\()[]ab 1'), max_size=8), min_size=1, max_size=5))
@example(["a", ""])
@example([")("])
@example(["gS(7200)"])
@example(["((", "))"])
def test_an_application_gets_each_argument_literally(arguments: list[str]) -> None:
    expected = [] if arguments == [""] else arguments
    assert separate_arguments(app_arguments(*arguments)) == expected


def test_what_needs_no_escape_is_left_alone() -> None:
    arguments = ("PJSIP/+14155550199@trunk", "30", "gS(7200)")
    assert app_arguments(*arguments) == "PJSIP/+14155550199@trunk,30,gS(7200)"


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("a,b", ["a", "b"]),
        ("a(b,c),d", ["a(b,c)", "d"]),
        ("a[b,c],d", ["a[b,c]", "d"]),
        ('"a,b",c', ["a,b", "c"]),
        ("a\\,b,c", ["a,b", "c"]),
        ("a),b", ["a)", "b"]),
        ("a,", ["a", ""]),
        ("a\\", ["a"]),
        ("", []),
    ],
)
def test_arguments_are_separated_by_asterisks_rules(text: str, arguments: list[str]) -> None:
    assert separate_arguments(text) == arguments
