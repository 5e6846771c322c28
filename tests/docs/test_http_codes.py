"""The pages on the HTTP interface name every code that it answers with, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.routing import Route

from agi_bridge.consent import Reason
from agi_bridge.observe.metrics import WEB_PATHS
from agi_bridge.status.pages import build_app
from tests.support.statuses import Pretended

ROOT = Path(__file__).parents[2]
WEB = ROOT / "agi_bridge" / "web"
CODE = re.compile(r'(?:ProblemResponse\(\s*\d{3},|_unavailable\()\s*"(\w+)"')
CHOSEN = re.compile(r'"((?:missing|invalid)_purpose|missing_brand|brand_and_line)"')
ROW = re.compile(r"^\| [\d, ]+ \| (`.*`) \|", re.MULTILINE)
REASON = re.compile(r"^\| `(\w+)` \| (true|false) \|", re.MULTILINE)
OF_QUERIES = {"app", "queries", "request", "tokens"}
SHARED = {"missing_number", "invalid_number", "unknown_brand", "unknown_line", "unknown_field"}


PATH = re.compile(r"^\| .*? \| `[A-Z]+ (/[\w/]+)", re.MULTILINE)


def test_the_page_on_http_names_every_path() -> None:
    page = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
    web = {path for path in WEB_PATHS if path.startswith("/")}
    probes = {
        route.path
        for route in build_app(Pretended().status, None).routes
        if isinstance(route, Route)
    }
    assert {path.removesuffix("/NAME") for path in PATH.findall(page)} == web | probes


def raised(*modules: str) -> set[str]:
    found = set()
    for module in modules:
        text = (WEB / f"{module}.py").read_text(encoding="utf-8")
        found |= {*CODE.findall(text), *CHOSEN.findall(text)}
    return found


def named(page: str) -> set[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return {code for cell in ROW.findall(text) for code in re.findall(r"`(\w+)`", cell)}


def test_the_page_on_queries_names_every_code_of_them() -> None:
    assert named("queries.md") == raised(*OF_QUERIES) | SHARED


def test_every_code_of_the_web_is_on_one_of_the_pages() -> None:
    every = raised(*(file.stem for file in WEB.glob("*.py")))
    assert every <= named("queries.md") | named("revocation.md")


def test_the_page_on_queries_names_every_reason_and_what_it_allows() -> None:
    page = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    assert dict(REASON.findall(page)) == {
        reason.value: "true" if reason is Reason.CONSENT else "false" for reason in Reason
    }
