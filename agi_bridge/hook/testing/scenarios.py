"""What the fake hook answers: its scenarios, and the vendor's documented bodies."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Scenario(StrEnum):
    """What the fake hook does with a valid request."""

    DIAL = "dial"
    """200 with a number to forward to."""
    SAY = "say"
    """200, the store defined no forwarding number."""
    NOT_LINKED = "not-linked"
    """200, `to` is not known."""
    INVALID_KEY = "403"
    MISSING = "400"
    ERROR = "500"
    SLOW = "slow"
    """The answer of `dial`, once `hold` is set or `slow_seconds` are over."""
    RESET = "reset"
    """The connection is reset after the request was read."""
    GARBAGE = "garbage"
    """200 with bytes that mean nothing."""
    EMPTY = "empty"
    """204: a webhook's receiver that accepts and names nothing to do."""
    UNAUTHORISED = "401"
    """A webhook whose signature is wrong."""
    LATE = "410"
    """A webhook that asks after `text_before` about a consent that was not texted."""
    REFUSE = "refuse"
    """No connection is accepted; chosen by `scenario` alone, a number comes too late for it."""


BY_NUMBER: Final[Mapping[str, Scenario]] = {
    "01": Scenario.SAY,
    "02": Scenario.NOT_LINKED,
    "03": Scenario.INVALID_KEY,
    "04": Scenario.MISSING,
    "05": Scenario.ERROR,
    "06": Scenario.SLOW,
    "07": Scenario.RESET,
    "08": Scenario.GARBAGE,
    "09": Scenario.EMPTY,
}
"""Last two digits of `from` to scenario, where none is set."""

NO_TEXT: Final = frozenset(
    {
        Scenario.NOT_LINKED,
        Scenario.INVALID_KEY,
        Scenario.MISSING,
        Scenario.UNAUTHORISED,
        Scenario.LATE,
    }
)
"""The answers that refuse: nobody is texted."""

_XML: Final = "application/xml; charset=utf-8"
_JSON: Final = "application/json; charset=utf-8"


class VendorResponse(StrEnum):
    """The vendor's documented bodies (IVR integration, "Response"), word for word.

    Typographic quotes and the missing brace are the page's own.
    """

    DIAL = "<Response><Dial>[FWD_BUSINESS_PHONE]</Dial></Response>"
    NO_FORWARDING = (
        "<Response><Say language=”en”>Sorry, this store did not define voice call forwarding</Say>"
        "<Say language=”fr”>Désolé, ce magasin n’a pas défini de numéro vocal</Say></Response>"
    )
    NOT_LINKED = (
        "<Response><Say language=”en”>Sorry, this number is not linked to any store</Say>"
        "<Say language=”fr”>Désolé, ce numéro n’est lié à aucun magasin</Say></Response>"
    )
    INVALID_KEY = "{“key”: “Invalid API Key”}"
    MISSING_PARAMETER = """{“query”: [  {

      “message”: “is missing and not optional”,

      “property”: “@.to”

    }

]"""

    @classmethod
    def dial(cls, number: str) -> str:
        """Return `DIAL` with a number in its place."""
        return cls.DIAL.replace("[FWD_BUSINESS_PHONE]", number)


class FakeResponse(NamedTuple):
    """A response without its length."""

    status: str
    content_type: str
    text: str


_RESPONSES: Final[Mapping[Scenario, FakeResponse]] = {
    Scenario.SAY: FakeResponse("200 OK", _XML, VendorResponse.NO_FORWARDING),
    Scenario.NOT_LINKED: FakeResponse("200 OK", _XML, VendorResponse.NOT_LINKED),
    Scenario.INVALID_KEY: FakeResponse("403 Forbidden", _JSON, VendorResponse.INVALID_KEY),
    Scenario.EMPTY: FakeResponse("204 No Content", "", ""),
    Scenario.UNAUTHORISED: FakeResponse(
        "401 Unauthorized", _JSON, '{"error": "invalid signature"}'
    ),
    Scenario.LATE: FakeResponse("410 Gone", _JSON, '{"error": "too late, and not texted"}'),
    Scenario.ERROR: FakeResponse("500 Internal Server Error", "text/html", "<html>Error</html>"),
    Scenario.GARBAGE: FakeResponse(
        "200 OK", "application/octet-stream", "\0\a<Resp\ufffd</Dial>onse"
    ),
}


def response_for(scenario: Scenario, *, forward: str, missing: str = "to") -> FakeResponse:
    """The response of a scenario that has one.

    Args:
        scenario: `slow` answers, when it does, as `dial`.
        forward: what `<Dial>` holds.
        missing: the field that the 400 names.
    """
    if scenario is Scenario.MISSING:
        text = VendorResponse.MISSING_PARAMETER.replace("@.to", f"@.{missing}")
        return FakeResponse("400 Bad Request", _JSON, text)
    dial = FakeResponse("200 OK", _XML, VendorResponse.dial(forward))
    return _RESPONSES.get(scenario, dial)
