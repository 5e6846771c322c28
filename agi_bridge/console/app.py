"""The console's routes, and what becomes of a request that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from agi_bridge.consent import ConsentError
from agi_bridge.console.access import SIGN_IN, Access
from agi_bridge.console.calls import CallPages
from agi_bridge.console.day import DayPage
from agi_bridge.console.exports import Exports
from agi_bridge.console.live import LivePages
from agi_bridge.console.now import NowPage
from agi_bridge.console.pages import FOLDER, page
from agi_bridge.console.prompts_page import PromptsPage
from agi_bridge.console.records import RecordPages
from agi_bridge.console.refusal import Refusal
from agi_bridge.console.sessions import Sessions
from agi_bridge.console.settings_page import SettingsPage
from agi_bridge.console.sign_in import SignInEndpoint
from agi_bridge.console.to_do import ToDoPage
from agi_bridge.history import HistoryError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from agi_bridge.console.passwords import PasswordCheck
    from agi_bridge.console.service import Service
    from agi_bridge.settings import ConsoleSettings


class Console:
    """The console as an application, and what has to be closed with it.

    Args:
        service: what the pages show.
        check: checks the passwords of those who sign in.
    """

    def __init__(self, service: Service, check: PasswordCheck | None = None) -> None:
        self._service = service
        self.live = LivePages(service)
        self._exports = Exports(service)
        sessions = Sessions()
        self._sign_in = SignInEndpoint(self._settings, sessions, check)
        self.app: ASGIApp = Access(self._routes(), self._settings, sessions)

    async def close(self) -> None:
        """End all streams, and write what is still counted."""
        await self.live.close()
        await self._exports.close()
        self._sign_in.close()

    def _settings(self) -> ConsoleSettings:
        return self._service.settings.console

    def _routes(self) -> Starlette:
        now, calls = NowPage(self._service, self.live), CallPages(self._service, self.live)
        records, to_do = RecordPages(self._service), ToDoPage(self._service)
        settings = SettingsPage(self._service)
        routes = [
            Route("/", now.show, name="now"),
            Route("/live", now.stream),
            Route("/calls", calls.find),
            Route("/calls", calls.find_number, methods=["POST"]),
            Route("/calls/day", DayPage(self._service).show),
            Route("/calls/{call}", calls.show),
            Route("/calls/{call}/live", calls.stream),
            Route("/recordings/{line}/{language}/{name}.wav", calls.recording),
            Route("/consents", records.find),
            Route("/consents", records.find_number, methods=["POST"]),
            Route("/consents/{record}", records.show),
            Route("/consents/{record}/reveal", records.reveal, methods=["POST"]),
            Route("/consents/{record}/resolve", records.resolve, methods=["POST"]),
            Route("/consents/{record}/recordings/{sha256}.wav", records.recording),
            Route("/revoke", records.ask_to_revoke, methods=["POST"]),
            Route("/revoke/confirm", records.revoke, methods=["POST"]),
            Route("/revoke/{key}", records.show_revocation),
            Route("/consents/{record}/export", self._exports.begin, methods=["POST"]),
            Route("/exports/{key}", self._exports.show),
            Route("/exports/{key}/file", self._exports.fetch),
            Route("/prompts", PromptsPage(self._service).show),
            Route("/settings", settings.show),
            Route("/settings/reload", settings.reload, methods=["POST"]),
            Route("/to-do", to_do.show),
            Route("/to-do/retry", to_do.retry, methods=["POST"]),
            Route(SIGN_IN, self._sign_in.show),
            Route(SIGN_IN, self._sign_in.sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_in.sign_out, methods=["POST"]),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={
                Refusal: _refused,
                HTTPException: _no_page,
                HistoryError: _not_readable,
                ConsentError: _not_readable,
            },
        )
        app.router.redirect_slashes = False
        return app


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)  # noqa: S101 - for the type checker: it is registered so
    return page(request, "refused.html", refusal.status, refusal=refusal)


async def _no_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker, as above
    if error.status_code == 405:  # noqa: PLR2004 - Method Not Allowed
        refusal = Refusal(405, "Not this way", "The page does not take this kind of request.")
    else:
        refusal = Refusal(404, "No such page", "Go on with one of the pages above.")
    return page(request, "refused.html", refusal.status, refusal=refusal)


async def _not_readable(request: Request, error: Exception) -> Response:
    """The history or the ledger cannot be read: calls may be well all the same."""
    code = getattr(error, "code", "")
    if code in {"no_call", "no_history", "not_on_record"}:
        refusal = Refusal(404, "Not on record", "It was deleted, or has not been written yet.")
    elif code == "not_waiting":
        refusal = Refusal(409, "Not open", "Somebody settled it. Nothing was changed.")
    elif code == "several_calls":
        refusal = Refusal(404, "Several calls", f"{str(error).splitlines()[0]}.")
    elif request.method == "POST":
        text = f"{str(error).splitlines()[0]}. See whether it was stored before you try again."
        refusal = Refusal(503, "Not done, as far as known", text)
    else:
        refusal = Refusal(503, "Not readable now", f"{str(error).splitlines()[0]}.")
    return page(request, "refused.html", refusal.status, refusal=refusal)
