"""SIP as text: reading, writing, proving who one is."""

import pytest

from agi_bridge.lab.sip.message import (
    SipMessage,
    address,
    authorization,
    media_address,
    parameter,
    parse,
    sdp,
    user_of,
)

INVITE = (
    b"INVITE sip:100@127.0.0.1 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKabc;rport\r\n"
    b'f: "Jane" <sip:5145550100@127.0.0.1>;tag=17\r\n'
    b"To: <sip:100@127.0.0.1>\r\n"
    b"i: call-1\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Subject: one line\r\n"
    b" and its fold\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


def test_a_request_is_read_with_short_names_and_folded_lines() -> None:
    message = parse(INVITE)
    assert message is not None
    assert (message.method, message.sequence, message.status) == ("INVITE", 7, None)
    assert message.uri == "sip:100@127.0.0.1"
    assert message.branch == "z9hG4bKabc"
    assert message.first("Call-ID") == "call-1"
    assert message.first("subject") == "one line and its fold"
    assert message.body == "v=0\n"


def test_a_response_knows_its_status_and_the_method_it_answers() -> None:
    message = parse(b"SIP/2.0 180 Ringing\r\nCall-ID: 1\r\nCSeq: 2 INVITE\r\n\r\n")
    assert message is not None
    assert (message.status, message.method) == (180, "INVITE")


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\xff\xfe",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",  # no Call-ID
        b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n",  # no CSeq
    ],
)
def test_noise_is_not_a_message(noise: bytes) -> None:
    assert parse(noise) is None


def test_numbers_that_are_none_do_no_harm() -> None:
    message = parse(b"SIP/2.0 two Hundred\r\nCall-ID: 1\r\nCSeq: x INVITE\r\n\r\n")
    assert message is not None
    assert (message.status, message.sequence) == (None, 0)


def test_what_is_written_is_read_back() -> None:
    message = SipMessage(
        "MESSAGE sip:a SIP/2.0", (("Call-ID", "1"), ("CSeq", "1 MESSAGE")), "body: é"
    )
    back = parse(message.encode())
    assert back is not None
    assert back.body == message.body
    assert back.first("Content-Length") == str(len(message.body.encode()))


def test_parts_of_a_header_are_found() -> None:
    value = '"Jane <x>" <sip:+1415@host:5060;transport=udp>;tag=abc;Expires=5'
    assert address("<sip:+1415@host:5060;transport=udp>;tag=abc") == (
        "sip:+1415@host:5060;transport=udp"
    )
    assert address("sip:a@b;tag=1") == "sip:a@b"
    assert parameter(value, "tag") == "abc"
    assert parameter(value, "expires") == "5"
    assert parameter(value, "branch") == ""
    assert user_of("sip:+1415@host:5060") == "+1415"


def test_the_proof_is_the_one_of_the_standard() -> None:
    # The figures of RFC 2617 section 3.5, without its qop.
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    proof = authorization(
        challenge, method="GET", uri="/dir/index.html", user="Mufasa", password="Circle Of Life"
    )
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in proof
    assert "qop" not in proof
    assert "opaque" not in proof


def test_with_quality_of_protection_the_proof_counts_and_salts() -> None:
    challenge = 'Digest realm="asterisk",nonce="n",opaque="o",algorithm=MD5,qop="auth"'
    first = authorization(challenge, method="INVITE", uri="sip:1@h", user="u", password="p")
    again = authorization(challenge, method="INVITE", uri="sip:1@h", user="u", password="p")
    assert "qop=auth, nc=00000001" in first
    assert first != again
    assert "p" not in [part.partition("=")[2].strip('"') for part in first.split(", ")]


def test_an_offer_names_where_sound_is_wanted() -> None:
    assert media_address(sdp("127.0.0.1", 4000)) == ("127.0.0.1", 4000)
    assert media_address("v=0\r\nm=audio 4000 RTP/AVP 0\r\n") is None
    assert media_address("") is None
