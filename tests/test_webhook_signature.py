"""The signature of Standard Webhooks: its published example, rotation, and unusable secrets."""

from __future__ import annotations

import base64

import pytest

from agi_bridge.hook.testing.webhook_receiver import is_genuine
from agi_bridge.webhook_signature import (
    InvalidSecret,
    new_secret,
    read_secrets,
    signature_headers,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ID = "01a2175f-f135-737c-a412-0c8cd7030ff1"
BODY = b'{"type": "consent.given"}'


def test_the_published_example_has_its_signature() -> None:
    headers = signature_headers(
        read_secrets(SECRET),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("known", [[SECRET], [OLD], [OLD, SECRET]])
def test_while_a_secret_is_replaced_a_receiver_with_either_one_is_satisfied(
    known: list[str],
) -> None:
    headers = signature_headers(read_secrets(f"{SECRET}\n{OLD}\n"), ID, 1_000, BODY)
    assert headers["webhook-signature"].count("v1,") == 2
    assert is_genuine(headers, BODY, known, now=1_000)


@pytest.mark.parametrize("change", ["id", "time", "body", "secret", "late", "early", "no_time"])
def test_a_receiver_refuses_what_was_changed_or_sent_at_another_time(change: str) -> None:
    headers = signature_headers(read_secrets(SECRET), ID, 1_000, BODY)
    body, known, now = BODY, [SECRET], 1_000.0
    match change:
        case "id":
            headers["webhook-id"] = "another"
        case "time":
            headers["webhook-timestamp"] = "1001"
        case "no_time":
            headers["webhook-timestamp"] = "soon"
        case "body":
            body = BODY + b" "
        case "secret":
            known = [OLD]
        case "late":
            now = 1_301.0
        case _:
            now = 699.0
    assert not is_genuine(headers, body, known, now)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_!!!!",
        "whsec_" + base64.b64encode(b"short").decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        f"{SECRET}\nwhsec_",
        "\n".join([SECRET] * 5),
    ],
)
def test_what_is_not_a_secret_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        read_secrets(text)
    assert "MfKQ" not in str(refused.value)


def test_a_new_secret_can_be_read_and_is_another_each_time() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert [len(each) for each in read_secrets(f"{first}\n{second}")] == [32, 32]
