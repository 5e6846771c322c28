"""Reads a form that a browser posted, within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from agi_bridge.console.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BYTES: Final = 16 * 1024
MAX_FIELDS: Final = 32
BODY_SECONDS: Final = 10.0
_TYPE: Final = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of fields of one name, the last.

    Raises:
        Refusal: it is not a form, too long, or does not arrive in time.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != _TYPE:
        raise Refusal(415, "Not a form", f"Send the fields as {_TYPE}.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for some in request.stream():
                body += some
                if len(body) > MAX_BYTES:
                    raise Refusal(413, "Too long", f"A form has at most {MAX_BYTES} bytes.")
    except TimeoutError:
        raise Refusal(408, "Too slow", "The form did not arrive in time.") from None
    try:
        fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Refusal(400, "Not a form", "The fields cannot be read.") from None
    return dict(fields)
