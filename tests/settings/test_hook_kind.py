"""`hook.kind`: what a webhook needs, and what Instaply's hook needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.settings_texts import SHOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = '[hook]\nkind = "webhook"\nurl = "https://texts.example.com/consents"\n'
SIGNED = f'{WEBHOOK}signing_secret = {{env = "SIGNING"}}\n'
KEYLESS = SHOP.replace("hook_key", "#hook_key")


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (WEBHOOK, ["hook.signing_secret.missing"]),
        (SIGNED.replace("url", "#"), ["hook.url.missing"]),
        (SIGNED.replace("https:", "http:"), ["hook.url.unencrypted"]),
        (f'{SIGNED}method = "GET"', ["hook.method.kind"]),
        ("[hook]\nidempotent = true", ["hook.idempotent.kind"]),
        (f'{WEBHOOK}signing_secret = {{env = "BAD"}}', ["hook.signing_secret.unavailable"]),
        (f'{WEBHOOK}signing_secret = "{SECRET}"', ["hook.signing_secret.plain_secret"]),
    ],
)
def test_a_webhook_needs_its_own_address_and_a_secret(
    codes: Callable[..., list[str]], table: str, found: list[str]
) -> None:
    assert codes(f"{SHOP}{table}", SIGNING=SECRET, BAD="whsec_abc") == found


@pytest.mark.parametrize("secret", [SECRET, f"{SECRET}\n{SECRET}\n"])
def test_a_webhook_needs_no_key_and_takes_two_secrets(
    load: Callable[..., Settings], secret: str
) -> None:
    settings = load(f"{KEYLESS}{SIGNED}idempotent = true", SIGNING=secret)
    assert (settings.hook.kind, settings.hook.idempotent) == ("webhook", True)
    assert settings.hook.signing_secret is not None
    assert settings.hook.signing_secret.reveal() == secret.strip()
    assert SECRET not in settings.public_text
    assert settings.lines["shop"].secret() == ""


def test_instaplys_hook_needs_a_key_on_each_line(codes: Callable[..., list[str]]) -> None:
    assert codes(KEYLESS) == ["line.hook_key.missing"]
    assert codes(KEYLESS, AGI_BRIDGE_HOOK__KIND="sms") == [
        "hook.kind.choice",
        "line.hook_key.missing",
    ]
