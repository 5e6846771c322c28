"""`agi-bridge check`: its findings about `[[push]]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.app.findings import Level, Report
from tests.support.checking import found, outcome, outcomes, printed
from tests.support.push_receiver import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVERS = """push = [
    {name = "crm", url = "https://crm.example.com/events", signing_secret = {env = "CRM"}},
    {name = "shop", url = "https://shop.example.com/events", signing_secret = {env = "SHOP"}},
]"""


def test_each_receiver_has_an_address_and_a_secret_of_its_own(
    checked: Callable[..., Report],
) -> None:
    report = checked(RECEIVERS, CRM=SECRET, SHOP=OTHER)
    assert outcome(report, "push.1.url")[0] is Level.OK
    assert outcome(report, "push.2.signing_secret")[0] is Level.OK
    assert SECRET not in printed(report)
    shared = checked(RECEIVERS, CRM=SECRET, SHOP=SECRET)
    assert Level.NOTE in {level for level, _ in outcomes(shared, "push.2.signing_secret")}
    assert not found(checked(), "push.1.url")


def test_a_receiver_needs_a_secret_that_its_libraries_can_read(
    checked: Callable[..., Report],
) -> None:
    report = checked(RECEIVERS, CRM="a plain word", SHOP=OTHER)
    assert outcome(report, "push.1.signing_secret")[0] is Level.FAULT


def test_numbers_are_not_sent_over_plain_http_or_with_a_secret_in_the_address(
    checked: Callable[..., Report],
) -> None:
    for url, reason in (
        ("http://crm.example.com/events", "unencrypted"),
        ("https://crm.example.com/events?token=1", "extra_parts"),
    ):
        wrong = RECEIVERS.replace("https://crm.example.com/events", url)
        level, code = outcome(checked(wrong, CRM=SECRET, SHOP=OTHER), "push.1.url")
        assert level is Level.FAULT
        assert code.endswith(f".{reason}")


def test_two_receivers_have_two_names(checked: Callable[..., Report]) -> None:
    report = checked(RECEIVERS.replace('"shop"', '"crm"'), CRM=SECRET, SHOP=OTHER)
    assert outcome(report, "push") == (Level.FAULT, "push.duplicate")
