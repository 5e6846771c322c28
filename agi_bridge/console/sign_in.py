"""Sign in and sign out: a page with a form, and the session that it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from starlette.responses import RedirectResponse, Response

from agi_bridge.console.access import SIGN_IN, client_address
from agi_bridge.console.forms import read_form
from agi_bridge.console.pages import page
from agi_bridge.console.passwords import PasswordCheck, TooManySignIns
from agi_bridge.console.sessions import cookie_name
from agi_bridge.diagnostics import RateLimitedEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from agi_bridge.console.sessions import Sessions
    from agi_bridge.settings import ConsoleSettings


class SignInEndpoint:
    """Begins and ends sessions.

    Args:
        settings: gives `[console]` as it is in force.
        sessions: the sessions that it begins and ends.
        check: checks the passwords.
    """

    def __init__(
        self,
        settings: Callable[[], ConsoleSettings],
        sessions: Sessions,
        check: PasswordCheck | None = None,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._check = check or PasswordCheck()
        self._failed = RateLimitedEvent("console.sign_in_refused")

    def close(self) -> None:
        """Write what is still counted."""
        self._failed.close()

    async def show(self, request: Request) -> Response:
        """Show the form; to the first page if there is nothing to sign in to."""
        wanted = _path(request.query_params.get("next", ""))
        if request.state.visitor is not None:
            return RedirectResponse(wanted, 303)
        return page(request, "sign-in.html", wanted=wanted, problem="")

    async def sign_in(self, request: Request) -> Response:
        """Check the name and the password that were posted."""
        form = await read_form(request)
        console = self._settings()
        wanted = _path(form.get("next", ""))
        user = console.user(form.get("name", "").strip()) if console.by_password else None
        peer = client_address(request, console)
        try:
            right = await self._check.matches(user, form.get("password", ""), peer)
        except TooManySignIns:
            self._failed.log(peer=peer)
            problem = "Too many people are signing in. Try again in a few seconds."
            return page(request, "sign-in.html", 429, wanted=wanted, problem=problem)
        if user is None or not right:
            self._failed.log(peer=peer)
            problem = "No person of this name has this password."
            return page(request, "sign-in.html", 403, wanted=wanted, problem=problem)
        structlog.get_logger().info("console.signed_in", name=user.name, role=user.role, peer=peer)
        answer = RedirectResponse(wanted, 303)
        answer.set_cookie(
            cookie_name(console),
            self._sessions.open(user, console.session_hours),
            max_age=console.session_hours * 3600,
            httponly=True,
            samesite="strict",
            # What the browser sees: a reverse proxy may have added the TLS.
            secure=request.headers.get("origin", "").startswith("https:"),
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        cookie = cookie_name(self._settings())
        if token := request.cookies.get(cookie):
            self._sessions.close(token)
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(cookie, httponly=True, samesite="strict")
        return answer


def _path(wanted: str) -> str:
    """A path of this console to go on to; a link must not lead to another site."""
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or not wanted.isprintable():
        return "/"
    return wanted
