"""The verbs: order, nesting, bounds, names, and what is left aside."""

import pytest

from agi_bridge.hook.twiml import (
    MAX_DIALS,
    MAX_NUMBERS,
    MAX_SILENCE,
    MAX_SPOKEN,
    MAX_VERBS,
    Dial,
    Hangup,
    Pause,
    Reject,
    Say,
    Verb,
    read_response,
)
from agi_bridge.hook.xml_document import NotTwiml


def verbs(inside: str) -> tuple[Verb, ...]:
    return read_response(f"<Response>{inside}</Response>")[0]


def skipped(inside: str) -> tuple[str, ...]:
    return read_response(f"<Response>{inside}</Response>")[1]


def test_verbs_keep_the_order_of_the_document() -> None:
    assert verbs(
        "<Say>a</Say><Pause/><Dial>1</Dial><Say>b</Say><Reject/><Hangup/><Say>c</Say>"
    ) == (Say("a"), Pause(), Dial(("1",)), Say("b"), Reject(), Hangup(), Say("c"))


def test_names_are_case_sensitive() -> None:
    inside = "<say>a</say><DIAL>1</DIAL><hangup/><Dial Timeout='9'>2</Dial>"
    assert verbs(inside) == (Dial(("2",)),)
    assert skipped(inside) == ("say", "DIAL", "hangup", "Dial@Timeout")


def test_unknown_verbs_and_attributes_are_skipped_by_name_once_each() -> None:
    inside = (
        "<Gather><Say>a</Say></Gather><Gather/><Say voice='alice'>b</Say>"
        "<Dial action='/x' method='GET' record='true' hangupOnStar='true'>1</Dial>"
        "<Hangup why='x'><Say>c</Say></Hangup>"
    )
    assert verbs(inside) == (Say("b"), Dial(("1",)), Hangup())
    assert skipped(inside) == (
        "Gather",
        "Say@voice",
        "Dial@action",
        "Dial@method",
        "Dial@record",
        "Dial@hangupOnStar",
        "Hangup@why",
        "Hangup>Say",
    )


def test_text_outside_verbs_and_attributes_of_the_root_are_noted() -> None:
    noted = read_response("<Response version='2'>hello<Hangup/></Response>")[1]
    assert noted == ("Response@version", "Response:text")


def test_comments_instructions_and_character_data_are_read_as_xml_reads_them() -> None:
    assert verbs("<!-- <Dial>1</Dial> --><?x y?><Say><![CDATA[a < b]]> &amp; c</Say>") == (
        Say("a < b & c"),
    )


def test_names_for_the_log_hold_no_digits_and_are_short() -> None:
    noted = skipped(f"<n4155550123/><{'a' * 50}/><é/>")
    assert noted == ("n#", "a" * 32, "#")


def test_the_list_of_skipped_names_is_bounded() -> None:
    assert len(skipped("".join(f"<{c}{d}/>" for c in "abcdef" for d in "ghijkl"))) == 20


# Namespaces


def test_the_namespace_of_the_root_is_the_namespace_of_the_verbs() -> None:
    text = "<Response xmlns='urn:x'><Dial>1</Dial></Response>"
    assert read_response(text) == ((Dial(("1",)),), ())
    prefixed = "<r:Response xmlns:r='urn:x'><r:Dial>1</r:Dial></r:Response>"
    assert read_response(prefixed) == ((Dial(("1",)),), ())


@pytest.mark.parametrize(
    "text",
    [
        "<Response xmlns:x='urn:x'><x:Dial>1</x:Dial></Response>",
        "<r:Response xmlns:r='urn:x'><Dial>1</Dial></r:Response>",
        "<Response xmlns='urn:x'><Dial xmlns='urn:y'>1</Dial></Response>",
    ],
)
def test_an_element_of_another_namespace_is_not_a_verb(text: str) -> None:
    assert read_response(text) == ((), ("Dial",))


# Say


@pytest.mark.parametrize(
    ("loop", "times"), [("1", 1), ("2", 2), ("3", 3), ("99", 3), ("0", 3), ("-1", 3), ("x", 1)]
)
def test_a_loop_is_one_to_three_and_endless_is_three(loop: str, times: int) -> None:
    assert verbs(f"<Say loop='{loop}'>a</Say>") == (Say("a", None, times),)


@pytest.mark.parametrize(
    ("language", "read"), [("en", "en"), ("fr-CA", "fr-CA"), ("es_MX", "es-MX"), (" en ", "en")]
)
def test_a_language_is_read_as_a_tag(language: str, read: str) -> None:
    assert verbs(f"<Say language='{language}'>a</Say>") == (Say("a", read),)


@pytest.mark.parametrize("language", ["../../etc", "e", "english please", "en-" + "a" * 9])
def test_what_is_not_a_language_tag_is_left_to_the_line(language: str) -> None:
    assert verbs(f"<Say language='{language}'>a</Say>") == (Say("a"),)
    assert skipped(f"<Say language='{language}'>a</Say>") == ("Say@language",)


def test_text_inside_speech_marks_is_spoken_without_them() -> None:
    inside = "<Say> one <emphasis>two</emphasis>\n three<break time='1s'/></Say>"
    assert verbs(inside) == (Say("one two three"),)
    assert skipped(inside) == ("Say>emphasis", "Say>break")


@pytest.mark.parametrize(
    ("inside", "spoken"),
    [
        ("<p>Your text is on its way.</p><p>Goodbye.</p>", "Your text is on its way. Goodbye."),
        ("<s>One moment.</s><s>We connect you.</s>", "One moment. We connect you."),
        ("Hello<br/>there", "Hello there"),
        ("Hello<break/>there", "Hello there"),
        ("<w>Hello</w><w>there</w>", "Hello there"),
        ("Hello<p>dear <b>ca</b>ller</p>there", "Hello dear caller there"),
        ("<ul><li>one</li><li>two</li></ul>three", "one two three"),
        ("un<emphasis>believ</emphasis>able", "unbelievable"),
        ("<say-as interpret-as='telephone'>415</say-as>-<B>555</B>", "415-555"),
        ("Hello<x:mark xmlns:x='urn:x' name='a'/>, there", "Hello, there"),
        ("Hello<!-- - -->there", "Hellothere"),
    ],
)
def test_elements_inside_a_text_part_words_or_leave_them_whole(inside: str, spoken: str) -> None:
    assert verbs(f"<Say>{inside}</Say>") == (Say(spoken),)


def test_a_say_with_nothing_to_say_is_skipped() -> None:
    assert read_response("<Response><Say> </Say></Response>") == ((), ("Say:empty",))


def test_an_endless_text_is_cut() -> None:
    (verb,) = verbs(f"<Say>{'a' * (MAX_SPOKEN + 1)}</Say>")
    assert verb == Say("a" * MAX_SPOKEN)


def test_all_texts_of_an_answer_together_have_one_limit() -> None:
    inside = f"<Say>{'a' * (MAX_SPOKEN - 3)}</Say><Say>four</Say><Say>more</Say><Hangup/>"
    assert verbs(inside) == (Say("a" * (MAX_SPOKEN - 3)), Say("fou"), Hangup())
    assert skipped(inside) == ("Say:too_long",)


# Dial


def test_nested_numbers_ring_together() -> None:
    inside = "<Dial> <Number>+1 415\n 555 0123</Number><Number>2</Number> </Dial>"
    assert verbs(inside) == (Dial(("+1 415 555 0123", "2")),)


def test_other_nouns_of_a_dial_are_skipped() -> None:
    inside = "<Dial><Sip>sip:a@b</Sip><Number url='x' sendDigits='1'>2</Number><Queue/></Dial>"
    assert verbs(inside) == (Dial(("2",)),)
    assert skipped(inside) == ("Number@url", "Number@sendDigits", "Dial>Sip", "Dial>Queue")


@pytest.mark.parametrize("inside", ["<Dial/>", "<Dial> </Dial>", "<Dial><Number/></Dial>"])
def test_a_dial_without_a_number_is_not_a_dial(inside: str) -> None:
    assert read_response(f"<Response>{inside}</Response>") == ((), ("Dial:empty",))


def test_a_text_too_long_for_a_number_is_skipped_and_never_cut() -> None:
    inside = f"<Dial><Number>{'1' * 65}</Number><Number>2</Number></Dial>"
    assert verbs(inside) == (Dial(("2",)),)
    assert skipped(inside) == ("Dial:too_long",)


def test_at_most_ten_numbers_ring_together() -> None:
    inside = "<Dial>" + "<Number>1</Number>" * (MAX_NUMBERS + 2) + "</Dial>"
    assert verbs(inside) == (Dial(("1",) * MAX_NUMBERS),)
    assert skipped(inside) == ("Dial:too_many_numbers",)


@pytest.mark.parametrize(
    ("attributes", "dial"),
    [
        ("timeout='10' timeLimit='60'", Dial(("1",), 10, 60)),
        ("timeout='1' timeLimit='1'", Dial(("1",), 5, 10)),
        ("timeout='-5'", Dial(("1",), 5)),
        ("timeout='999999999' timeLimit='999999'", Dial(("1",), 120, 14_400)),
        ("timeout='30s' timeLimit=''", Dial(("1",))),
        ("timeout='9999999999'", Dial(("1",))),
        ("timeout='٣'", Dial(("1",))),
        ("callerId=' +14155550123 '", Dial(("1",), caller_id="+14155550123")),
        ("callerId=''", Dial(("1",))),
        (f"callerId='{'1' * 65}'", Dial(("1",))),
    ],
)
def test_times_of_a_dial_are_clamped_and_nonsense_is_the_default(
    attributes: str, dial: Dial
) -> None:
    assert verbs(f"<Dial {attributes}>1</Dial>") == (dial,)


def test_the_repr_of_a_dial_shows_how_much_and_not_what() -> None:
    assert repr(Dial(("+14155550123",), caller_id="+14155550111")) == (
        "Dial(<1 numbers>, timeout=None, time_limit=None, caller_id=<set>)"
    )


# Pause, Reject, many


@pytest.mark.parametrize(
    ("length", "seconds"), [("0", 0), ("5", 5), ("-1", 0), ("99", 30), ("a", 1), ("1.5", 1)]
)
def test_a_pause_is_at_most_half_a_minute(length: str, seconds: int) -> None:
    assert verbs(f"<Pause length='{length}'/>") == (Pause(seconds),)


def test_a_reject_has_one_of_two_reasons() -> None:
    inside = "<Reject reason='busy'/><Reject reason='rejected'/><Reject reason='rude'/>"
    assert verbs(inside) == (Reject("busy"), Reject(), Reject())
    assert skipped(inside) == ("Reject@reason",)


def test_more_verbs_than_a_caller_waits_for_are_skipped() -> None:
    inside = "<Pause/>" * (MAX_VERBS + 5)
    assert verbs(inside) == (Pause(),) * MAX_VERBS
    assert skipped(inside) == ("Response:too_many_verbs",)


def test_an_answer_dials_a_few_times_and_no_more() -> None:
    inside = "".join(f"<Dial>{n}</Dial>" for n in range(50)) + "<Say>Bye</Say>"
    assert verbs(inside) == (*(Dial((str(n),)) for n in range(MAX_DIALS)), Say("Bye"))
    assert skipped(inside) == ("Response:too_many_dials",)


def test_all_pauses_of_an_answer_together_are_bounded() -> None:
    inside = "<Pause length='25'/>" * 4
    assert verbs(inside) == (Pause(25), Pause(25), Pause(MAX_SILENCE - 50), Pause(0))
    assert skipped(inside) == ("Pause:too_long",)


# Quotes


@pytest.mark.parametrize(
    "tag",
    [
        "language=”en”",
        "language=“en”",
        'language="en”',
        "language=„en“",
        "language=‘en’",  # noqa: RUF001 - as above
        "language = ″en″ loop='1'",
    ],
)
def test_typographic_quotes_round_an_attribute_are_read(tag: str) -> None:
    assert verbs(f"<Say {tag}>c’est «bon»</Say>") == (Say("c’est «bon»", "en"),)


def test_a_value_keeps_the_other_kind_of_quote() -> None:
    inside = '<Say language=”en” voice=”l’autre” x=‘a "b"’>a</Say>'  # noqa: RUF001 - as above
    assert verbs(inside) == (Say("a", "en"),)


def test_well_formed_text_is_never_mended() -> None:
    assert verbs("<Say language='en' voice='=”x”'>a = ”b”</Say>") == (Say("a = ”b”", "en"),)


def test_the_reason_is_the_text_of_the_error() -> None:
    with pytest.raises(NotTwiml, match=r"\Anot_xml\Z") as caught:
        read_response("<Response>+14155550123")
    assert caught.value.reason == "not_xml"


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ('Hi <amazon:effect name="whispered">you</amazon:effect> now', "Hi you now"),
        ("caf&eacute;&nbsp;bar", "café bar"),
        ("Tom & Jerry", "Tom & Jerry"),
        ("a &bogus; b", "a &bogus; b"),
        ("a<br>b", "a b"),
        ("a\x01b", "ab"),
        ("a &#0;b &#xD800;c", "a b c"),
        ("<![CDATA[a & b &eacute; <c>]]> & d", "a & b &eacute; <c> & d"),
        ("wo<wbr/>rd", "word"),
        ("<q>hello</q>, he said", "hello, he said"),
        ("<x:Dial>+19005550123</x:Dial> &", "+19005550123 &"),
    ],
)
def test_a_text_that_is_nearly_xml_is_repaired_where_its_meaning_is_certain(
    text: str, spoken: str
) -> None:
    verbs, _ = read_response(f"<Response><Say>{text}</Say><Dial>+14155550199</Dial></Response>\0")
    assert verbs == (Say(spoken), Dial(("+14155550199",)))


def test_an_element_with_an_unbound_prefix_is_not_a_verb() -> None:
    verbs, skipped = read_response("<Response><x:Dial>+19005550123</x:Dial><Hangup/></Response>")
    assert (verbs, skipped) == ((Hangup(),), ("x.Dial",))


def test_values_without_quotes_are_read() -> None:
    verbs, _ = read_response("<Response><Say language=en loop=2>Hi</Say></Response>")
    assert verbs == (Say("Hi", "en", 2),)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_long_namespace_costs_nothing(quote: str) -> None:
    elements = "".join(f"<a{n}/>" for n in range(4200))
    text = f"<Response xmlns={quote}{'u' * 32_000}{quote}>{elements}</Response>"
    with pytest.raises(NotTwiml) as refused:
        read_response(text)
    assert refused.value.reason == "too_large"


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text",
    [
        "<" * 65_000,
        "&" * 65_000,
        "<a " + "b:" * 30_000,
        "<br " * 16_000,
        "<a " + '="' * 30_000,
        "<Response>" + "<![CDATA[" * 7000,
        "xmlns " * 10_000,
        "<a " + "=”" * 15_000,
    ],
)
def test_repairing_takes_no_longer_than_reading(text: str) -> None:
    with pytest.raises(NotTwiml):
        read_response(text)
