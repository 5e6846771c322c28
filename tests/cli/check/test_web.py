"""`agi-bridge check`: its findings about `[web]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.app.findings import Level, Report
from tests.support.checking import found, one, outcome, outcomes, port, printed

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
    assert outcome(checked(), "web.token") == (Level.OK, "web.token.ok")
    assert not found(checked(), "web.port")


def test_a_free_port_and_a_long_token_are_fine(checked: Callable[..., Report]) -> None:
    report = checked(web('token = {env = "WEB"}'), WEB=TOKEN)
    assert outcome(report, "web.port") == (Level.OK, "web.port.ok")
    assert outcome(report, "web.token") == (Level.OK, "web.token.ok")
    assert "16 characters" in one(report, "web.token").problem
    assert not found(report, "web.host")
    assert not found(report, "web.customers")
    assert TOKEN not in printed(report)


def test_a_port_in_use_is_a_fault(checked: Callable[..., Report], listener: socket.socket) -> None:
    table = f'web = {{port = {port(listener)}, token = {{env = "WEB"}}}}'
    finding = one(checked(table, WEB=TOKEN), "web.port")
    assert (finding.level, finding.code) == (Level.FAULT, "web.port.in_use")
    assert "web.port" in finding.fix


def test_a_listener_for_other_machines_needs_a_proxy_with_tls(
    checked: Callable[..., Report],
) -> None:
    report = checked(web('host = "0.0.0.0", token = {env = "WEB"}'), WEB=TOKEN)
    assert outcome(report, "web.host") == (Level.NOTE, "web.host.unencrypted")
    assert report.faults == ()


def test_a_short_token_is_noted(checked: Callable[..., Report]) -> None:
    report = checked(web('token = {env = "WEB"}'), WEB=TOKEN[1:])
    assert outcomes(report, "web.token")[1] == (Level.NOTE, "web.token.short")


def test_one_token_for_both_is_noted(checked: Callable[..., Report]) -> None:
    same = checked(web(BOTH), WEB=TOKEN, HOOKS=TOKEN)
    other = checked(web(BOTH), WEB=TOKEN, HOOKS=OTHER)
    fine = (Level.OK, "web.instaply_token.ok")
    noted = (Level.NOTE, "web.instaply_token.same")
    assert outcomes(same, "web.instaply_token") == [fine, noted]
    assert outcomes(other, "web.instaply_token") == [fine]


def test_a_missing_file_of_customers_is_noted(checked: Callable[..., Report]) -> None:
    report = checked(web(BOTH), WEB=TOKEN, HOOKS=OTHER)
    assert outcome(report, "web.customers") == (Level.NOTE, "web.customers.missing")


def test_the_file_of_customers_must_be_readable(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    text = web(f'instaply_token = {{env = "WEB"}}, customers = "{tmp_path}/customers.csv"')
    file = tmp_path / "customers.csv"
    finding = one(checked(text, WEB=TOKEN), "web.customers")
    assert (finding.level, finding.code) == (Level.FAULT, "web.customers.unreadable")
    assert str(file) in finding.problem
    file.write_text("customer,number\n", encoding="utf-8")
    finding = one(checked(text, WEB=TOKEN), "web.customers")
    assert (finding.level, finding.code) == (Level.FAULT, "web.customers.unusable")
    assert "customer_id" in finding.problem
    file.write_text("customer_id;number\nc;+14155550123\nd;4155\n", encoding="utf-16")
    finding = one(checked(text, WEB=TOKEN), "web.customers")
    assert (finding.level, finding.code) == (Level.NOTE, "web.customers.rows")
    assert "line 3" in finding.problem
    assert "4155" not in finding.problem.replace(str(file), "")
    file.write_text("customer_id;number\nc;+14155550123\n", encoding="utf-16")
    assert outcome(checked(text, WEB=TOKEN), "web.customers") == (Level.OK, "web.customers.ok")


def test_with_several_brands_each_needs_the_id_of_its_business(
    checked: Callable[..., Report],
) -> None:
    report = checked(web(BOTH), line=SECOND, WEB=TOKEN, HOOKS=OTHER)
    noted = (Level.NOTE, "line.business_id.missing")
    assert outcome(report, "lines.shop.business_id") == noted
    assert not found(report, "lines.other.business_id")
    alone = checked(web(BOTH), WEB=TOKEN, HOOKS=OTHER)
    assert not found(alone, "lines.shop.business_id")


QUERY = 'query = [{name = "crm", token = {env = "CRM"}}, {name = "shop", token = {env = "SHOP"}}]'


def test_each_system_that_asks_has_a_long_token_of_its_own(checked: Callable[..., Report]) -> None:
    report = checked(web(QUERY), CRM=TOKEN, SHOP=OTHER)
    assert outcome(report, "web.query.1.token") == (Level.OK, "web.query.token.ok")
    assert not found(report, "web.query")
    report = checked(web(QUERY), CRM=TOKEN, SHOP=TOKEN)
    assert outcome(report, "web.query") == (Level.FAULT, "web.query.same")
    report = checked(web(f'token = {{env = "WEB"}}, {QUERY}'), CRM=TOKEN, SHOP=OTHER, WEB=OTHER)
    assert outcome(report, "web.query") == (Level.FAULT, "web.query.same")
    report = checked(web(QUERY), CRM=TOKEN, SHOP="short")
    assert (Level.NOTE, "web.query.token.short") in outcomes(report, "web.query.2.token")
