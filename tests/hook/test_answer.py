"""Each answer of the vendor's page, word for word, and what comes back when things go wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.hook import Dial, Instructions, Refusal, Say, Unusable, read_answer
from agi_bridge.hook.answer import MAX_BYTES
from agi_bridge.hook.testing import VendorResponse

XML = "application/xml; charset=utf-8"
NUMBER = "+14155550123"


def test_200_with_a_number_means_dial_it() -> None:
    answer = read_answer(200, XML, VendorResponse.dial(NUMBER).encode())
    assert answer == Instructions((Dial((NUMBER,)),), "dial")


def test_200_without_forwarding_is_known_and_spoken_in_both_languages() -> None:
    assert read_answer(200, XML, VendorResponse.NO_FORWARDING.encode()) == Instructions(
        (
            Say("Sorry, this store did not define voice call forwarding", "en"),
            Say("Désolé, ce magasin n’a pas défini de numéro vocal", "fr"),
        ),
        "no_forwarding",
    )


def test_200_for_a_number_that_is_not_linked_is_known_and_spoken_in_both_languages() -> None:
    assert read_answer(200, XML, VendorResponse.NOT_LINKED.encode()) == Instructions(
        (
            Say("Sorry, this number is not linked to any store", "en"),
            Say("Désolé, ce numéro n’est lié à aucun magasin", "fr"),
        ),
        "not_linked",
    )


def test_403_is_an_invalid_key() -> None:
    body = VendorResponse.INVALID_KEY.encode()
    assert read_answer(403, "application/json", body) == Refusal(403, "invalid_key", "key")


def test_400_names_the_missing_parameter_though_the_page_omits_a_brace() -> None:
    body = VendorResponse.MISSING_PARAMETER.encode()
    assert read_answer(400, "application/json", body) == Refusal(400, "missing_parameter", "to")


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (403, '{"key": "Invalid API Key"}', Refusal(403, "invalid_key", "key")),
        (403, "", Refusal(403, "invalid_key", "key")),
        (403, "<html>Request blocked</html>", Refusal(403, "client_error")),
        (400, '{"query": [{"message": "is missing and not optional", "property": "@.from"}]}',
         Refusal(400, "missing_parameter", "from")),
        (400, '{"query": [{"message": "is not valid", "property": "@.from"}]}',
         Refusal(400, "client_error", "from")),
        (400, '{"query": [{"message": "is missing", "property": "@.x14155550123"}]}',
         Refusal(400, "client_error")),
        (400, "", Refusal(400, "client_error")),
        (404, "not found", Refusal(404, "client_error")),
        (429, "", Refusal(429, "client_error")),
    ],
)  # fmt: skip
def test_other_refusals_are_told_apart(status: int, body: str, refusal: Refusal) -> None:
    assert read_answer(status, None, body.encode()) == refusal


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"", "empty"),
        (200, b" \r\n", "empty"),
        (200, b"OK", "not_xml"),
        (200, b'{"status": "ok"}', "not_xml"),
        (200, b"<Response><Dial>+1415555", "not_xml"),
        (200, b"<Response/><Response/>", "not_xml"),
        (200, b"<x:Response/>", "not_response"),
        (200, b"\xff\xfe\x00", "not_xml"),
        (200, b"<html><body>Sorry</body></html>", "not_response"),
        (200, b"<response><Dial>1</Dial></response>", "not_response"),
        (200, b"<Responses/>", "not_response"),
        (200, b"<MyResponse/>", "not_response"),
        (200, b"<!DOCTYPE html><html></html>", "forbidden_xml"),
        (201, b"<Response/>", "unexpected_status"),
        (204, b"", "unexpected_status"),
        (101, b"", "unexpected_status"),
        (302, b"", "redirect"),
        (304, b"", "redirect"),
        (500, b"<Response><Dial>1</Dial></Response>", "server_error"),
        (503, b"", "server_error"),
        (999, b"", "server_error"),
    ],
)
def test_anything_else_is_unusable(status: int, body: bytes, reason: str) -> None:
    assert read_answer(status, None, body) == Unusable(status, reason)


def test_a_body_beyond_the_limit_is_not_read() -> None:
    full = b"<Response>" + b" " * (MAX_BYTES - 21) + b"</Response>"
    assert read_answer(200, XML, full) == Instructions((), "other")
    assert read_answer(200, XML, full + b" ") == Unusable(200, "too_large")
    assert read_answer(403, XML, full + b" ") == Refusal(403, "client_error")


BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(
        f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' if n else '<!ENTITY lol0 "&lol;">'
        for n in range(10)
    )
    + "]><Response><Dial>&lol9;</Dial></Response>"
)
EXTERNAL = (
    '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><Response><Say>&x;</Say></Response>'
)


@pytest.mark.parametrize("bomb", [BILLION_LAUGHS, EXTERNAL, "<!DOCTYPE Response><Response/>"])
def test_entities_and_document_types_are_forbidden(bomb: str) -> None:
    assert read_answer(200, XML, bomb.encode()) == Unusable(200, "forbidden_xml")


@pytest.mark.parametrize("head", ["", "<Response>"])
def test_deep_nesting_is_stopped_while_it_is_read(head: str) -> None:
    bomb = head + "<a>" * ((MAX_BYTES - 10) // 3)
    assert read_answer(200, XML, bomb.encode()) == Unusable(200, "too_deep")


def test_no_number_stands_in_the_repr_of_an_answer() -> None:
    answer = read_answer(
        200,
        XML,
        f'<Response><Say>Call {NUMBER}</Say><Dial callerId="{NUMBER}">{NUMBER}</Dial>'
        "<n14155550123/></Response>".encode(),
    )
    assert isinstance(answer, Instructions)
    assert len(answer.verbs) == 2
    assert "4155" not in repr(answer)


@pytest.mark.parametrize(
    "text",
    [
        "SORRY, THIS NUMBER IS NOT LINKED TO ANY STORE.",
        " Sorry,  this number\n is not linked to any store ",
        "Désolé, ce numéro n'est lié à aucun magasin",
        "De\u0301sole\u0301, ce nume\u0301ro n\u02bcest lie\u0301 a\u0300 aucun magasin !",
    ],
)
def test_a_documented_answer_is_known_whatever_its_case_blanks_and_apostrophes(text: str) -> None:
    answer = read_answer(200, XML, f"<Response><Say>{text}</Say></Response>".encode())
    assert isinstance(answer, Instructions)
    assert answer.kind == "not_linked"


def test_a_number_to_dial_outweighs_a_sentence() -> None:
    body = VendorResponse.NOT_LINKED.replace("</Response>", f"<Dial>{NUMBER}</Dial></Response>")
    answer = read_answer(200, XML, body.encode())
    assert isinstance(answer, Instructions)
    assert answer.kind == "dial"


def test_another_sentence_is_other() -> None:
    answer = read_answer(200, XML, b"<Response><Say>Hello</Say></Response>")
    assert answer == Instructions((Say("Hello"),), "other")


@pytest.mark.parametrize(
    ("encoding", "content_type", "declared"),
    [
        ("utf-8", None, ""),
        ("utf-8", "text/xml; charset=ISO-8859-1", ""),
        ("utf-8", None, '<?xml version="1.0" encoding="UTF-16"?>'),
        ("utf-8", None, '\n <?xml version="1.0" encoding="utf-8"?>\n'),
        ("utf-8-sig", None, '<?xml version="1.0" encoding="ISO-8859-1"?>'),
        ("utf-16", "text/xml", '<?xml version="1.0" encoding="UTF-16"?>'),
        ("utf-16-le", None, ""),
        ("utf-16-be", None, '<?xml version="1.0"?>'),
        ("utf-32", None, ""),
        ("cp1252", None, ""),
        ("cp1252", "text/xml; charset=utf-8", '<?xml version="1.0" encoding="utf-8"?>'),
        ("iso8859-15", 'text/xml; charset="ISO-8859-15"', ""),
        ("iso8859-15", "text/xml", "<?xml version='1.0' encoding='latin9'?>"),
        ("latin-1", "text/xml; charset=nonsense", ""),
    ],
)
def test_the_text_is_read_in_whatever_encoding_it_really_has(
    encoding: str, content_type: str | None, declared: str
) -> None:
    body = (declared + "<Response><Say>Désolé, ce numéro n'est lié</Say></Response>").encode(
        encoding
    )
    assert read_answer(200, content_type, body) == Instructions(
        (Say("Désolé, ce numéro n'est lié"),), "other"
    )


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("windows-1250", "cp1250", "Łódź"),
        ("windows-1251", "cp1251", "Привет"),
        ("windows-1253", "cp1253", "Καλημέρα"),
        ("iso-8859-2", "iso8859-2", "Łódź"),
        ("ISO-8859-5", "iso8859-5", "Привет"),
        ("iso-8859-9", "cp1254", "€ İyi günler"),
        ("koi8-r", "koi8-r", "Привет"),
        ("x-mac-cyrillic", "mac-cyrillic", "Привет"),
        ("ibm866", "cp866", "Привет"),
        ("windows-874", "cp874", "สวัสดี"),
        ("Shift_JIS", "cp932", "①こんにちは"),
        ("x-sjis", "cp932", "こんにちは"),
        ("euc-jp", "euc_jp", "こんにちは"),
        ("iso-2022-jp", "iso2022_jp", "こんにちは"),
        ("gb2312", "gb18030", "您好€"),
        ("big5", "big5hkscs", "你好"),
        ("euc-kr", "cp949", "안녕하세요"),
    ],
)
@pytest.mark.parametrize("declared_by", ["declaration", "header"])
def test_an_encoding_that_is_declared_is_read(
    charset: str, codec: str, text: str, declared_by: str
) -> None:
    declaration = f"<?xml version='1.0' encoding='{charset}'?>"
    document = f"<Response><Say>{text}</Say></Response>"
    if declared_by == "declaration":
        answer = read_answer(200, "text/xml", (declaration + document).encode(codec))
    else:
        answer = read_answer(200, f"text/xml; charset={charset}", document.encode(codec))
    assert answer == Instructions((Say(text),), "other")


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "utf-7", "unicode_escape", "rot13", "base64", "zlib", "undefined", "mbcs"],
)
def test_a_codec_that_is_not_an_encoding_of_documents_is_not_used(charset: str) -> None:
    body = "<Response><Say>d\\x41é</Say></Response>".encode("cp1252")
    answer = read_answer(200, f"text/xml; charset={charset}", body)
    assert answer == Instructions((Say("d\\x41é"),), "other")


def test_a_byte_that_the_declared_encoding_lacks_costs_that_byte_alone() -> None:
    body = "<Response><Say>Łódź ".encode("cp1250") + b"\x81</Say><Dial>1</Dial></Response>"
    answer = read_answer(200, "text/xml; charset=windows-1250", body)
    assert answer == Instructions((Say("Łódź \ufffd"), Dial(("1",))), "dial")


def test_what_is_over_the_limit_has_a_list_of_its_own() -> None:
    body = b"<Response><Dial action='x'>1</Dial>" + b"<Dial>1</Dial>" * 9 + b"</Response>"
    answer = read_answer(200, XML, body)
    assert isinstance(answer, Instructions)
    assert answer.skipped == ("Dial@action", "Response:too_many_dials")
    assert answer.over_limit == ("Response:too_many_dials",)


def test_bytes_that_no_western_encoding_defines_do_not_stop_the_reading() -> None:
    answer = read_answer(200, None, b"<Response><Say>\x81\xe9</Say><Dial>1</Dial></Response>")
    assert isinstance(answer, Instructions)
    assert answer.kind == "dial"


@given(
    st.integers(min_value=100, max_value=999),
    st.none() | st.text(max_size=30),
    st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
)
def test_no_bytes_make_the_reading_fail(status: int, content_type: str | None, body: bytes) -> None:
    assert isinstance(read_answer(status, content_type, body), Instructions | Refusal | Unusable)


@given(st.text(alphabet="<>/=\"'”&; RespondailSy0123", max_size=120))
def test_no_document_makes_the_reading_fail(inside: str) -> None:
    answer = read_answer(200, None, f"<Response>{inside}</Response>".encode())
    assert isinstance(answer, Instructions | Unusable)
