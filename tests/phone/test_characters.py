"""What is folded before anything looks at a number, and what is left to be refused."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.phone import InvalidNumber, caller_id, compact, fold, forward
from agi_bridge.phone.characters import LONGEST_TEXT
from tests.phone.test_forwarding import POLICY

EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1)]


def refusal(text: str) -> str:
    with pytest.raises(InvalidNumber) as caught:
        compact(text)
    return caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "\u202d+1 415 555 0199\u202c",  # Apple's contacts
        "\u202a+14155550199\u202c",  # Windows
        "\u2066+14155550199\u2069",
        "\u200e+14155550199",
        "+1\u200b4155550199",
        "\ufeff+14155550199",
        "+1\u20604155550199",
        "+1415\u00ad555\u00ad0199",
        "4\ufe0f155550199",
        "+1\u2011415\u2011555\u20110199",
        "415\u2013555\u20140199",
        "415\u2212555\uff0d0199",
        "415\u30fc555\u30fc0199",
        "415\u2022555\u20220199",
        "+1\u00a0415\u202f555\u30000199",
        "+1\t415\t555\t0199",
        "\uff08415\uff09555\uff0e0199",
        "\uff0b\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff19\uff19",
        "+\u0661\u0664\u0661\u0665\u0665\u0665\u0665\u0660\u0661\u0669\u0669",
        "+\u0967\u096a\u0967\u096b\u096b\u096b\u096b\u0966\u0967\u096f\u096f",
        "tel:+1-415-555-0199",
        "(+1) 415 555 0199",
    ],
)
def test_a_number_is_the_same_from_wherever_it_was_copied(text: str) -> None:
    assert forward(text, POLICY).e164 == "+14155550199"
    number = caller_id(text, region="US")
    assert number is not None
    assert number.e164 == "+14155550199"


@pytest.mark.parametrize("category", ["Cf", "Zs", "Pd", "Nd"])
def test_every_character_of_the_kind_is_folded(category: str) -> None:
    kind = [c for c in EVERY_CHARACTER if unicodedata.category(c) == category]
    assert len(kind) > 10
    assert {fold(f"x{c}x") for c in kind} <= (
        {"xx", "x x", "x-x"} | {f"x{digit}x" for digit in range(10)}
    )


@pytest.mark.parametrize(
    "odd", ["²", "①", "½", "A", "\u0430", "&", ",", "@", "\r\n", "\n", "\x00", "+"]
)
def test_characters_outside_a_number_are_kept_to_be_refused(odd: str) -> None:
    assert fold(f"4{odd}1") == f"4{odd}1"
    assert refusal(f"415555{odd}0123") == "characters"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("\u200b \u2060", "empty"),
        ("+", "characters"),
        ("++14155550123", "characters"),
        ("1" * 21, "too_long"),
        (" " * 12_000 + "4" + " " * 12_000, "characters"),
        ("4" + " " * 12_000 + "1", "too_long"),
        ("\u200b" * 12_000 + "4155550123", "too_long"),
        ("1-" * LONGEST_TEXT, "too_long"),
    ],
)
def test_a_text_that_is_not_a_number_is_refused_with_a_stable_reason(
    text: str, reason: str
) -> None:
    assert refusal(text) == reason


@given(st.text(max_size=60))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
