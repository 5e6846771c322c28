"""The HTTP routes: authorization, dispatch to the endpoints, and JSON answers.

Nothing of a body is ever logged or sent back: it holds a number, or what a person wrote.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agi_bridge.consent import Act, ConsentError, Reply, Revocation
from agi_bridge.observe import Metrics
from agi_bridge.web.customers import Customers
from agi_bridge.web.errors import ProblemResponse
from agi_bridge.web.instaply import brands_of, read_message, revocation
from agi_bridge.web.media import AUDIO
from agi_bridge.web.queries import (
    QUERIES,
    Hours,
    PermissionSource,
    QueryEndpoint,
    QueryRates,
    always_open,
)
from agi_bridge.web.request import demand_json, read_body, read_object
from agi_bridge.web.revocations import read_revocation
from agi_bridge.web.stop_words import Intent
from agi_bridge.web.tokens import FailedTokens, authorise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from starlette.requests import Request

    from agi_bridge.consent import CompletedConsent, RevocationResult
    from agi_bridge.settings import Settings
    from agi_bridge.web.instaply import CustomerMessage
    from agi_bridge.web.media import RecordingEndpoint

    Handler = Callable[[Request], Awaitable[Response]]

REVOCATIONS: Final = "/v1/revocations"
MESSAGES: Final = "/v1/instaply/messages"

OTHER_PATH: Final = "other"
"""What the metrics call every path that the web does not have."""

MAX_REQUESTS: Final = 32
"""Requests at the same time: each uses the ledger, whose time belongs to callers first."""

_TOO_OFTEN: Final = ProblemResponse(
    429,
    "too_many_wrong_tokens",
    "Authorization",
    "was wrong too often",
    "wait a minute, then send the token in [web]",
    headers={"Retry-After": "60"},
)


class RevocationStore(PermissionSource, Protocol):
    """What keeps revocations and replies, and knows who may be texted: the ledger."""

    async def revoke(self, request: Revocation) -> RevocationResult:
        """Store a request to revoke; it holds when this returns."""
        ...

    async def complete(self, reply: Reply) -> list[CompletedConsent]:
        """Complete the consents that wait for a YES by text."""
        ...

    async def record_message(
        self,
        customer_id: str,
        words: str,
        *,
        reference: str,
        business_id: str | None = None,
        received: str | None = None,
    ) -> str:
        """Put what a customer wrote on the list of a person; return its id."""
        ...


def build_app(
    settings: Settings,
    ledger: RevocationStore,
    media: RecordingEndpoint | None = None,
    metrics: Metrics | None = None,
    hours: Hours = always_open,
    *,
    rates: QueryRates | None = None,
    on_message: Callable[[str], None] | None = None,
) -> Starlette:
    """Make the application: the paths whose tokens are set, recordings if any, and no others.

    `rates` knows what systems have asked before. `on_message` is called when a customer's message
    was stored whose number is not known.
    """
    web = settings.web
    token, instaply, asking = web.secret(), web.instaply_secret(), web.query_secrets()
    every = {each for each in (token, instaply, *asking.values()) if each is not None}
    routes = []
    failed_tokens = FailedTokens()
    metrics = metrics or Metrics()
    served = RequestLimiter(failed_tokens, metrics)
    if token is not None:
        revocations = RevocationEndpoint(settings, ledger, token, every - {token}, metrics)
        routes.append(
            Route(REVOCATIONS, partial(served.answer, REVOCATIONS, revocations), methods=["POST"])
        )
    if instaply is not None:
        others = every - {instaply}
        messages = MessageEndpoint(
            settings, ledger, instaply, others, metrics, on_message=on_message
        )
        routes.append(Route(MESSAGES, partial(served.answer, MESSAGES, messages), methods=["POST"]))
    if asking:
        # Apart from the others: systems that ask must not hold up a revocation.
        others = every - set(asking.values())
        queries = QueryEndpoint(
            settings, ledger, others, metrics, hours, rates=rates or QueryRates()
        )
        ask = partial(RequestLimiter(failed_tokens, metrics).answer, QUERIES, queries)
        routes.append(Route(QUERIES, ask, methods=["POST"]))
    if media is not None:
        # Apart from the others: a PBX that fetches must not hold up a revocation, nor one it.
        recordings = partial(RequestLimiter(failed_tokens, metrics).answer, AUDIO, media)
        routes.append(Route(f"{AUDIO}{{name}}.wav", recordings, methods=["GET"]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: partial(_no_path, metrics)})
    app.router.redirect_slashes = False
    app.state.failed_tokens = failed_tokens
    return app


class RequestLimiter:
    """Runs handlers, at most `MAX_REQUESTS` at the same time, and turns errors into responses."""

    def __init__(self, failed_tokens: FailedTokens, metrics: Metrics) -> None:
        self._failed_tokens = failed_tokens
        self._metrics = metrics
        self._requests = 0

    async def answer(self, path: str, handler: Handler, request: Request) -> Response:
        """Run a handler; never raises. `path` is for the log: the requested one may be secret."""
        response = await self._answer(path, handler, request)
        self._metrics.web_requests.add(path.rstrip("/"), str(response.status_code))
        return response

    async def _answer(self, path: str, handler: Handler, request: Request) -> Response:
        if self._requests >= MAX_REQUESTS:
            return _refusal(
                _unavailable("too_many_requests", "has too many requests at the same time")
            )
        self._requests += 1
        try:
            return await handler(request)
        except ProblemResponse as refused:
            return _refusal(self._limited(refused, path, request))
        except ConsentError as error:
            structlog.get_logger().error("web.revocation_failed", path=path, exc_info=error)
            return _refusal(_unavailable("ledger_unavailable", "could not be stored"))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        # A response without details, and one log line instead of uvicorn's traceback.
        except Exception as error:  # noqa: BLE001 - one request must not end the others
            structlog.get_logger().error("web.request_failed", path=path, exc_info=error)
            fix = "report it to the administrator"
            return _refusal(ProblemResponse(500, "internal_error", "", "caused an error", fix))
        finally:
            self._requests -= 1

    def _limited(self, refused: ProblemResponse, path: str, request: Request) -> ProblemResponse:
        """Return the refusal, or 429 if its address has sent too many wrong tokens."""
        address = "" if request.client is None else request.client.host
        wrong = refused.status == 401  # noqa: PLR2004 - RFC 9110, 15.5.2
        return _TOO_OFTEN if wrong and self._failed_tokens.too_many(address, path) else refused


class RevocationEndpoint:
    """`POST /v1/revocations`."""

    def __init__(
        self,
        settings: Settings,
        ledger: RevocationStore,
        token: str,
        others: Collection[str],
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._lines = settings.lines
        self._ledger = ledger
        self._token = token
        self._others = others

    async def __call__(self, request: Request) -> Response:
        """Record a revocation."""
        authorise(request, self._token, self._others)
        demand_json(request)
        values = read_object(await read_body(request))
        key = request.headers.get("idempotency-key")
        revocation = read_revocation(values, key, self._lines, datetime.now(UTC))
        revoked = await self._ledger.revoke(revocation)
        if not revoked.already:
            self._metrics.revocations.add(revocation.channel)
        _log("web.number_revoked", revoked, channel=revocation.channel, actor=revocation.actor)
        return JSONResponse(_revocation_body(revoked), 200 if revoked.already else 201)


class MessageEndpoint:
    """`POST /v1/instaply/messages`."""

    def __init__(
        self,
        settings: Settings,
        ledger: RevocationStore,
        token: str,
        others: Collection[str],
        metrics: Metrics,
        *,
        on_message: Callable[[str], None] | None,
    ) -> None:
        self._on_message = on_message
        self._metrics = metrics
        self._lines = settings.lines
        self._ledger = ledger
        self._token = token
        self._others = others
        region = next(iter(settings.lines.values())).regions[0]
        self._customers = Customers(settings.web.customers, region=region)
        lines = self._lines.values()
        self._asking_brands = {each.brand for each in lines if each.consent.confirm_by_reply}
        self._looks_up = on_message is not None and settings.web.instaply_api_token is not None

    async def __call__(self, request: Request) -> Response:
        """Record a customer's message."""
        authorise(request, self._token, self._others)
        body = await read_body(request)
        message = read_message(read_object(body, strict=False), body, datetime.now(UTC))
        if message is None:
            return Response(status_code=204)
        if message.intent is Intent.YES:
            return await self._complete(message)
        numbers: tuple[str, ...] = ()
        if message.intent is Intent.STOP:
            numbers = await asyncio.to_thread(self._customers.numbers, message.customer_id)
        if not numbers:
            return await self._hand_over(message)
        return JSONResponse([await self._revoke(message, number) for number in numbers])

    async def _revoke(self, message: CustomerMessage, number: str) -> Mapping[str, str | int]:
        revoked = await self._ledger.revoke(revocation(message, number, self._lines.values()))
        if not revoked.already:
            self._metrics.revocations.add("instaply")
        _log("web.number_revoked", revoked, channel="instaply", actor="customer")
        return _revocation_body(revoked)

    async def _complete(self, message: CustomerMessage) -> Response:
        """Complete the consents that wait for this YES; 204 if there are none.

        People say YES to all sorts of questions, so nobody has to look at one that fits nothing.
        Where the number has to be looked up, the message is kept until it is known.
        """
        brands = brands_of(message.business_id, self._lines.values())
        if not self._asking_brands:
            return Response(status_code=204)
        completed: list[CompletedConsent] = []
        numbers = await asyncio.to_thread(self._customers.numbers, message.customer_id)
        if not numbers and self._looks_up and not self._asking_brands.isdisjoint(brands):
            return await self._hand_over(message)
        for number in numbers:
            reply = Reply(
                number=number,
                brands=brands,
                channel="instaply",
                words=message.words,
                reference=message.reference,
                received=message.received,
            )
            completed += await self._ledger.complete(reply)
        for each in completed:
            self._metrics.consents.add(each.line_id, Act.REPLIED.value)
            structlog.get_logger().info("web.consent_completed", consent=each.consent_id)
        if not completed:
            return Response(status_code=204)
        return JSONResponse({"completed": [each.consent_id for each in completed]})

    async def _hand_over(self, message: CustomerMessage) -> Response:
        id_ = await self._ledger.record_message(
            message.customer_id,
            message.words,
            reference=message.reference,
            business_id=message.business_id,
            received=message.received,
        )
        if message.intent in {Intent.STOP, Intent.YES} and self._on_message is not None:
            self._on_message(id_)
        structlog.get_logger().warning(
            "web.message_queued",
            consent=id_,
            intent=message.intent.value,
        )
        return JSONResponse({"message": id_}, 202)


def _revocation_body(revoked: RevocationResult) -> Mapping[str, str | int]:
    """The answer. A text that is under way may still arrive, if its request has left already."""
    return {
        "revocation": revoked.revocation_id,
        "consents": revoked.consents,
        "under_way": revoked.under_way,
    }


def _log(event: str, revoked: RevocationResult, **facts: str) -> None:
    structlog.get_logger().info(
        event,
        consent=revoked.revocation_id,
        consents=revoked.consents,
        under_way=revoked.under_way,
        already=revoked.already,
        **facts,
    )


def _unavailable(code: str, problem: str) -> ProblemResponse:
    fix = "send it again in a few seconds"
    return ProblemResponse(503, code, "", problem, fix, headers={"Retry-After": "5"})


def _refusal(refused: ProblemResponse) -> JSONResponse:
    """Make the response, and close the connection after it."""
    error = {
        "code": refused.code,
        "field": refused.field,
        "problem": refused.problem,
        "fix": refused.fix,
    }
    headers = {**(refused.headers or {}), "Connection": "close"}
    return JSONResponse({"error": error}, refused.status, headers)


async def _no_path(metrics: Metrics, _: Request, error: Exception) -> Response:
    """Answer an unknown path, or a method that the path does not support."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    metrics.web_requests.add(OTHER_PATH, str(status))
    headers = error.headers if isinstance(error, HTTPException) else None
    if status == 405:  # noqa: PLR2004 - RFC 9110, 15.5.6
        fix = f"use {(headers or {}).get('Allow', 'POST')}"
        problem = "does not support this method"
        return _refusal(ProblemResponse(405, "wrong_method", "", problem, fix, headers=headers))
    fix = (
        f"use {REVOCATIONS}, {MESSAGES} or {QUERIES}; each exists only if its token is set in [web]"
    )
    return _refusal(ProblemResponse(404, "unknown_path", "", "is not a path of this bridge", fix))
