"""The demonstration's telephone in the browser: what it needs, and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge.hook.testing import BY_NUMBER, Scenario
from agi_bridge.lab.asterisk import BrowserAccount, default_tree
from agi_bridge.lab.browser import SIP_JS, CallFeed, PhonePage
from agi_bridge.lab.demo.environment import CALLER, DID, MENU_DID, MOBILE, SHOP
from agi_bridge.lab.errors import PackageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agi_bridge.lab.asterisk import Asterisk

ACCOUNT: Final = BrowserAccount("browser", CALLER)

_DESTINATIONS: Final = (
    (DID, "the shop, in English"),
    (MENU_DID, "the shop, in three languages"),
    (SHOP, "the shop's own phone"),
    ("600", "echo test"),
)
_ANSWERS: Final = {
    Scenario.DIAL: "a number to dial: the far end",
    Scenario.SAY: "a text to say, and no number",
    Scenario.NOT_LINKED: "the number called is not linked to a store",
    Scenario.INVALID_KEY: "403, the key is wrong",
    Scenario.MISSING: "400, a parameter is missing",
    Scenario.ERROR: "500, an error",
    Scenario.SLOW: "none in time",
    Scenario.RESET: "none, the connection is reset",
    Scenario.GARBAGE: "bytes that mean nothing",
    Scenario.EMPTY: "204, nothing to do",
    Scenario.UNAUTHORISED: "401, the signature is wrong",
    Scenario.LATE: "410, too late for a text",
    Scenario.REFUSE: "none, the connection is refused",
}
_NATIONAL: Final = MOBILE.removeprefix("+1")


async def fetch_library() -> dict[str, bytes]:
    """Return the files of the page's SIP library; it is fetched the first time.

    Raises:
        PackageUnavailableError: it cannot be fetched.
    """
    try:
        return await SIP_JS.fetch(default_tree().parent)
    except OSError as error:  # the folder belongs to another account
        raise PackageUnavailableError("no_folder", f"{SIP_JS}: {error.strerror}") from error


async def phone_page(
    asterisk: Asterisk, library: Mapping[str, bytes], ledger: Path, scenario: Scenario | None
) -> PhonePage:
    """Return the page; it is served during its `async with` block.

    Args:
        asterisk: the PBX, with an account for a browser.
        library: the files of the page's SIP library.
        ledger: the bridge's ledger.
        scenario: the hook's answer; None if the keyed number selects it.

    Raises:
        PackageUnavailableError: this Asterisk lacks a module.
    """
    if asterisk.web is None or (missing := await asterisk.missing_for_browsers()):
        lacks = "an account" if asterisk.web is None else ", ".join(missing)
        raise PackageUnavailableError("no_module", f"this Asterisk lacks {lacks}")
    return PhonePage(
        websocket=asterisk.web.url,
        account=(ACCOUNT.name, asterisk.accounts[ACCOUNT.name]),
        destinations=_DESTINATIONS,
        answers=_answers(scenario),
        sip_js=library,
        feed=CallFeed(ledger),
        uniqueid_of=asterisk.uniqueid_of,
    )


def _answers(scenario: Scenario | None) -> dict[str, str]:
    """Return what the hook answers, by the number that is keyed."""
    if scenario is not None:
        return {_NATIONAL: _ANSWERS[scenario]}
    others = {f"{_NATIONAL[:-2]}{last}": _ANSWERS[each] for last, each in BY_NUMBER.items()}
    return {_NATIONAL: _ANSWERS[Scenario.DIAL], **others}
