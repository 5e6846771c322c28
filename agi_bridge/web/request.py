"""Reads a request's body as JSON, within limits of size and time."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.http_server import MAX_BODY_BYTES
from agi_bridge.web.errors import ProblemResponse

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_SECONDS: Final = 10.0
"""Longest wait for a body, so that a slow client does not hold a place."""


async def read_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        ProblemResponse: 413 if it is too long, 408 if it arrives too slowly.
    """
    too_long = ProblemResponse(
        413, "body_too_long", "", "is too long", f"send at most {MAX_BODY_BYTES} bytes"
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise too_long
    except TimeoutError:
        fix = f"send it within {BODY_SECONDS:g} seconds"
        raise ProblemResponse(408, "body_too_slow", "", "arrived too slowly", fix) from None
    return bytes(body)


def read_object(body: bytes, *, strict: bool = True) -> dict[str, Any]:
    """Return the JSON object in a body of UTF-8.

    `strict`: a field that appears twice is refused, because either value could be meant (RFC 8259,
    section 4); otherwise the last one counts.

    Raises:
        ProblemResponse: 400 if the body is not a JSON object.
    """
    try:
        value = json.loads(body, object_pairs_hook=_once if strict else None)
    # RecursionError: a body of brackets. ValueError also: not UTF-8, or too many digits.
    except (ValueError, RecursionError):
        raise ProblemResponse(
            400, "not_json", "", "is not JSON", 'send a JSON object like {"number": "+1…"}'
        ) from None
    if not isinstance(value, dict):
        raise ProblemResponse(
            400, "not_an_object", "", "is not a JSON object", 'send one like {"number": "+1…"}'
        )
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ProblemResponse(
            400, "duplicate_field", "", "contains a field twice", "send each field once"
        )
    return names


def demand_json(request: Request) -> None:
    """Check that a request declares JSON.

    Raises:
        ProblemResponse: 415 if it declares another type, or none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        fix = "send JSON with the header Content-Type: application/json"
        raise ProblemResponse(415, "content_type", "Content-Type", "is not application/json", fix)
