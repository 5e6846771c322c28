"""What the hook may have dialled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.phone import ForwardPolicy, InvalidNumber, forward

POLICY = ForwardPolicy(
    regions=frozenset({"US", "CA", "FR", "GB"}),
    region="US",
    own_numbers=frozenset({"+14155550111"}),
)


def refusal(text: str, policy: ForwardPolicy = POLICY) -> str:
    with pytest.raises(InvalidNumber) as caught:
        forward(text, policy)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "e164", "kind"),
    [
        ("+14155550123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("(415) 555-0123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("tel:+1-415-555-0123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("415.555.0123\n", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("415\u2011555\u20110123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("18005550199", "+18005550199", "TOLL_FREE"),
        ("+33 (0)1 23 45 67 89", "+33123456789", "FIXED_LINE"),
        ("011 33 9 12 34 56 78", "+33912345678", "VOIP"),
        ("+44 7400 123456", "+447400123456", "MOBILE"),
    ],
)
def test_an_ordinary_number_may_be_forwarded_to_however_it_is_written(
    text: str, e164: str, kind: str
) -> None:
    number = forward(text, POLICY)
    assert (number.e164, number.type) == (e164, kind)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("PJSIP/100", "characters"),
        ("+14155550123&PJSIP/100", "characters"),
        ("+14155550123,30,gT", "characters"),
        ("+14155550123@evil", "characters"),
        ("${EXTEN}", "characters"),
        ("1-800-FLOWERS", "characters"),
        ("+1 415 555 0123 x5", "characters"),
        ("tel:+14155550123;ext=5", "characters"),
        ("+1415555\r\n0123", "characters"),
        ("911", "emergency"),
        ("9111234567", "emergency"),
        ("112", "emergency"),
        ("+1911", "short_number"),
        ("988", "short_number"),
        ("+33 36 10", "short_number"),
        ("100", "too_short"),
        ("5550123", "too_short"),
        ("+1415555012345", "too_long"),
        ("+12345678901234567890", "too_long"),
        ("+999123456789", "not_valid"),
        ("(415) 123-4567", "not_valid"),
        ("+1 900 555 0123", "premium"),
        ("+1 415 976 0123", "premium"),
        ("+1 976 234 5678", "premium"),
        ("415 555 1212", "premium"),
        ("+33 8 99 12 34 56", "premium"),
        ("+1 415 411 0123", "service_code"),
        ("+1 500 555 0123", "personal"),
        ("+44 70 1234 5678", "personal"),
        ("+44 76 0012 3456", "pager"),
        ("+44 845 123 4567", "premium"),
        ("+44 3069 990123", "type"),  # universal access
        ("+870 773 111 632", "satellite"),
        ("+881 6 1234 5678", "satellite"),
        ("+883 5100 0123 4567", "satellite"),
        ("+1 600 555 0123", "satellite"),
        ("+1 876 555 0123", "region"),
        ("+49 30 123456", "region"),
        ("+1 (415) 555-0111", "own_number"),
        ("415 555 0111", "own_number"),
    ],
)
def test_a_number_that_fails_the_policy_is_never_dialled(text: str, reason: str) -> None:
    assert refusal(text) == reason


def test_a_number_that_a_local_phone_would_turn_into_an_emergency_call_is_refused() -> None:
    denmark = ForwardPolicy(regions=frozenset({"DK"}), region="DK")
    assert refusal("+45 11 21 23 45", denmark) in {"emergency", "not_valid"}


def test_bare_digits_that_begin_like_the_trunks_emergency_number_are_refused() -> None:
    delhi = "+91 11 2345 6789"
    india = frozenset({"IN"})
    assert forward(delhi, ForwardPolicy(regions=india, region="US")).region == "IN"
    assert refusal(delhi, ForwardPolicy(india, "US", bare_digits=True)) == "emergency"


@given(st.text(max_size=60))
def test_whatever_the_hook_writes_only_a_plus_and_digits_come_out(text: str) -> None:
    try:
        number = forward(text, POLICY)
    except InvalidNumber as error:
        refused = error
        assert str(refused) == refused.reason
    else:
        assert number.e164[0] == "+"
        assert number.e164[1:].isdecimal()
        assert number.region in POLICY.regions or number.region == "ZZ"


@given(st.from_regex(r"\A[+]?[0-9 ().&,/@-]{0,20}\Z"))
def test_whatever_looks_like_a_number_is_checked_all_the_same(text: str) -> None:
    try:
        number = forward(text, POLICY)
    except InvalidNumber:
        return
    assert not set(text) & set("&,@")
    assert number.e164 not in POLICY.own_numbers


def test_a_valid_number_that_is_also_a_short_number_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agi_bridge.phone.forwarding.is_short", lambda _number: True)
    assert refusal("+14155550124") == "short_number"


def test_a_policy_shows_none_of_its_numbers() -> None:
    assert "4155550111" not in repr(POLICY)
