"""The pages of the status listener: `/healthz`, `/readyz` and `/metrics`.

Nothing that they show names a caller.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agi_bridge.status.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    from starlette.requests import Request

    from agi_bridge.status.status import Status

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="agi-bridge metrics"'}
_NO_STORE: Final = {"Cache-Control": "no-store"}


def build_app(status: Status, token: str | None) -> Starlette:
    """Make the application. `token` is what `/metrics` asks for, if anything."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_NO_STORE)

    async def readyz(_request: Request) -> Response:
        judged = status.readiness()
        body = {"status": judged.level.value, "checks": dict(judged.checks)}
        return JSONResponse(body, 200 if judged.is_ready else 503, headers=_NO_STORE)

    async def metrics(request: Request) -> Response:
        if token is not None and not _authorised(request, token):
            return PlainTextResponse("a bearer token is required\n", 401, headers=_CHALLENGE)
        return Response(status.metrics_text(), media_type=CONTENT_TYPE, headers=_NO_STORE)

    routes = [Route(f"/{each.__name__}", each) for each in (healthz, readyz, metrics)]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


def _authorised(request: Request, token: str) -> bool:
    """Whether a request carries the bearer token (RFC 6750, section 2.1)."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode("utf-8", "surrogateescape"), token.encode()
    )
