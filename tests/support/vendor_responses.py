"""The vendor's answers, word for word from its page (IVR integration, "Response").

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


def dial(number: str) -> bytes:
    """The first answer with its placeholder filled."""
    return DIAL.replace("[FWD_BUSINESS_PHONE]", number).encode()
