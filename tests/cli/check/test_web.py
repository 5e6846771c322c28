"""What `check` says of the listener for revocations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.app.findings import Level, Report
from tests.support.checking import found, one, port, printed

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

TOKEN = "3f1c9e0a7b5d4826"
OTHER = "c2d0ab51e94f7736"
BOTH = 'token = {env = "WEB"}, instaply_token = {env = "HOOKS"}'
SECOND = """default = {kind = "hangup"}
[lines.other]
did = ["200"]
business_number = "+14155550112"
hook_key = {env = "SHOP_KEY"}
brand = "Corner Shop"
business_id = "8"
dial_template = "PJSIP/{number}@trunk"
default = {kind = "hangup"}
"""


def web(text: str) -> str:
    return f"web = {{port = 0, {text}}}"


def test_without_a_token_nothing_listens(checked: Callable[..., Report]) -> None:
    level, text = one(checked(), "web.token")
    assert level is Level.OK
    assert "does not listen" in text
    assert not found(checked(), "web.port")


def test_a_free_port_and_a_long_token_are_in_order(checked: Callable[..., Report]) -> None:
    report = checked(web('token = {env = "WEB"}'), WEB=TOKEN)
    assert one(report, "web.port")[0] is Level.OK
    assert found(report, "web.token") == [
        (Level.OK, "16 characters from the environment variable WEB")
    ]
    assert not found(report, "web.host")
    assert not found(report, "web.customers")
    assert TOKEN not in printed(report)


def test_a_port_in_use_is_a_fault(checked: Callable[..., Report], listener: socket.socket) -> None:
    table = f'web = {{port = {port(listener)}, token = {{env = "WEB"}}}}'
    level, text = one(checked(table, WEB=TOKEN), "web.port")
    assert level is Level.FAULT
    assert "set another web.port" in text


def test_a_listener_for_other_machines_needs_a_proxy_with_tls(
    checked: Callable[..., Report],
) -> None:
    report = checked(web('host = "0.0.0.0", token = {env = "WEB"}'), WEB=TOKEN)
    level, text = one(report, "web.host")
    assert level is Level.NOTE
    assert "a reverse proxy with TLS" in text
    assert report.faults == ()


def test_a_token_that_could_be_guessed_is_noted(checked: Callable[..., Report]) -> None:
    report = checked(web('token = {env = "WEB"}'), WEB=TOKEN[1:])
    assert found(report, "web.token")[1] == (
        Level.NOTE,
        "is short; make it 16 random characters or more: openssl rand -hex 32",
    )


def test_one_token_for_both_is_noted(checked: Callable[..., Report]) -> None:
    assert len(found(checked(web(BOTH), WEB=TOKEN, HOOKS=TOKEN), "web.instaply_token")) == 2
    assert len(found(checked(web(BOTH), WEB=TOKEN, HOOKS=OTHER), "web.instaply_token")) == 1


def test_customers_without_a_file_are_left_to_a_person(checked: Callable[..., Report]) -> None:
    level, text = one(checked(web(BOTH), WEB=TOKEN, HOOKS=OTHER), "web.customers")
    assert level is Level.NOTE
    assert "waits for a person" in text


def test_the_file_of_customers_must_be_readable(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    text = web(f'instaply_token = {{env = "WEB"}}, customers = "{tmp_path}/customers.csv"')
    assert one(checked(text, WEB=TOKEN), "web.customers") == (
        Level.FAULT,
        (
            f"{tmp_path}/customers.csv cannot be read (No such file or directory); "
            "put it where this account can read it"
        ),
    )
    file = tmp_path / "customers.csv"
    file.write_text("customer,number\n", encoding="utf-8")
    assert one(checked(text, WEB=TOKEN), "web.customers") == (
        Level.FAULT,
        f"{file}: line 1: has no column customer_id; docs/revocation.md shows one",
    )
    file.write_text("customer_id;number\nc;+14155550123\nd;4155\n", encoding="utf-16")
    assert one(checked(text, WEB=TOKEN), "web.customers") == (
        Level.NOTE,
        (
            f"{file}: line 3: number is no telephone number: "
            "a STOP by text of these customers waits for a person; correct these rows"
        ),
    )
    file.write_text("customer_id;number\nc;+14155550123\n", encoding="utf-16")
    assert one(checked(text, WEB=TOKEN), "web.customers") == (
        Level.OK,
        f"{file} names the numbers of customers: 1",
    )


def test_with_several_brands_each_needs_the_id_of_its_business(
    checked: Callable[..., Report],
) -> None:
    report = checked(web(BOTH), line=SECOND, WEB=TOKEN, HOOKS=OTHER)
    assert one(report, "lines.shop.business_id") == (
        Level.NOTE,
        (
            "is empty: a STOP by text to this business would revoke for every brand; "
            "write Instaply's id of the business"
        ),
    )
    assert not found(report, "lines.other.business_id")
    alone = checked(web(BOTH), WEB=TOKEN, HOOKS=OTHER)
    assert not found(alone, "lines.shop.business_id")
