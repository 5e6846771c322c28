"""Errors of the hook's client, each with a stable `code`. A failed submission is a result instead.

HookError
 +-- HookConfigError (ValueError)   an argument of the client is invalid
 +-- HookClosedError                a submission outside `async with`
"""


class HookError(Exception):
    """The hook's client was misused or misconfigured.

    Attributes:
        code: a stable name: `method`, `limits`, `url_invalid`, `url_scheme`, `url_parts`,
            `url_unencrypted`, `ca_file`, `signing_secret`, `agreement`, `breaker_limits`,
            `not_open`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class HookConfigError(HookError, ValueError):
    """An argument of the client is invalid. The text contains no URL and no key."""


class HookClosedError(HookError):
    """A submission through a client that is not open."""
