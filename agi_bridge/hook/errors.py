"""Errors of the hook. The network is no error: a submission that fails is a `Submission` value.

HookError
 +-- HookConfigError (ValueError)   the client cannot be built as it is configured
 +-- HookClosedError                a submission outside `async with`
"""


class HookError(Exception):
    """The hook's client was misused or misconfigured."""


class HookConfigError(HookError, ValueError):
    """The URL, method, limits or certificate file cannot work. The text holds no URL and no key."""


class HookClosedError(HookError):
    """A submission was asked of a client that is not open."""
