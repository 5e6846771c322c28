"""A fake Instaply hook for tests and trials: the twin of `agi_bridge.agi.testing.FakeAsterisk`.

`FakeHook` is an HTTP server on loopback. It answers as the vendor's page says, fails on demand, and
records every request. It never sends a text message.

    async with FakeHook() as hook, HookClient(hook.url) as client:
        await client.submit(SubmissionRequest(from_="+14155550123", to="+14155550111", key="k"))
        assert hook.requests[0].from_ == "+14155550123"
        hook.scenario = Scenario.ERROR  # from now on: 500
"""

from agi_bridge.hook.testing.fake_api import FakeInstaplyApi
from agi_bridge.hook.testing.fake_hook import (
    DEFAULT_FORWARD,
    PATH,
    FakeHook,
    Received,
    serve_fake_hook,
)
from agi_bridge.hook.testing.scenarios import (
    BY_NUMBER,
    FakeResponse,
    Scenario,
    VendorResponse,
    response_for,
)

__all__ = [
    "BY_NUMBER",
    "DEFAULT_FORWARD",
    "PATH",
    "FakeHook",
    "FakeInstaplyApi",
    "FakeResponse",
    "Received",
    "Scenario",
    "VendorResponse",
    "response_for",
    "serve_fake_hook",
]
