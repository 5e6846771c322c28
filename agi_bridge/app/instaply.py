"""Instaply's side of a bridge: the webhook that posts customers' messages, seen and set up.

A webhook is known by its URL. The list of webhooks may not show their headers; then nobody can see
whether the token is right, and `connect` sends it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from agi_bridge.doctor import Id, fault, note, ok
from agi_bridge.hook import InstaplyApi, InstaplyApiError, Webhook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.doctor import Finding
    from agi_bridge.settings import Settings

PATH: Final = "/v1/instaply/messages"
"""Where the bridge takes messages: `agi_bridge.web.MESSAGES`, which costs the web to import."""

_AUTHORIZATION: Final = "authorization"
_EVENT: Final = "messages"

Step: TypeAlias = Literal["create", "update", "keep"]

FIXES: Final = {
    "token_refused": "put the key that Instaply gave you into web.instaply_api_token",
    "forbidden": "give the key's user the right to administer webhooks and to see all threads",
    "not_found": "compare web.instaply_api_url with Instaply's documentation",
    "unavailable": "try again later",
    "unreachable": "open the firewall for web.instaply_api_url, or correct it",
    "bad_answer": "compare web.instaply_api_url with Instaply's documentation",
}
"""What to do about each error of the API."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done so that Instaply posts messages to a URL.

    Attributes:
        step: create a webhook, change one, or leave it as it is.
        webhook: as it is to be; with its id, if it exists.
        others: hosts of other webhooks that post to a bridge's path.
    """

    step: Step
    webhook: Webhook
    others: tuple[str, ...] = ()


def client(settings: Settings) -> InstaplyApi | None:
    """The client of Instaply's API; None if its key is not set."""
    token, ca_file = settings.web.instaply_api_secret(), settings.hook.ca_file
    if token is None:
        return None
    ca = None if ca_file is None else str(ca_file)
    return InstaplyApi(token, settings.web.instaply_api_url, ca_file=ca)


def plan(found: Sequence[Webhook], url: str, token: str) -> Plan:
    """Decide what is to be done; pure."""
    headers = {"Authorization": f"Bearer {token}"}
    others = tuple(
        urlsplit(each.url).hostname or "" for each in found if _is_ours(each) and each.url != url
    )
    known = next((each for each in found if each.url == url), None)
    if known is None:
        return Plan("create", Webhook(url, headers=headers), others)
    events = tuple(dict.fromkeys((*known.events, _EVENT)))
    wanted = Webhook(url, events=events, headers={**_kept(known), **headers}, id=known.id)
    right = known.enabled and events == known.events and _has_token(known, token)
    return Plan("keep" if right else "update", wanted, others)


async def connect(api: InstaplyApi, url: str, token: str, *, dry_run: bool) -> Plan:
    """Set the webhook up, after a look at those that are there.

    Raises:
        InstaplyApiError: the API did not do it, or nobody knows.
    """
    async with api:
        made = plan(await api.webhooks(), url, token)
        if not dry_run and made.step == "create":
            await api.create(made.webhook)
        elif not dry_run and made.step == "update":
            await api.update(made.webhook)
    return made


async def examine(settings: Settings) -> list[Finding]:
    """Return the doctor's findings about Instaply's API and its webhook; none if no key is set."""
    api, token = client(settings), settings.web.instaply_secret()
    if api is None:
        return []
    host = urlsplit(settings.web.instaply_api_url).hostname or ""
    try:
        async with api:
            found = await api.webhooks()
    except InstaplyApiError as error:
        what = f"{host} does not list its webhooks ({error.code})"
        return [fault(Id.INSTAPLY_API, what, FIXES.get(error.code, ""))]
    findings = [ok(Id.INSTAPLY_API, f"{host} accepts the key")]
    ours = [each for each in found if _is_ours(each)]
    fix = "agi-bridge instaply connect --url https://YOUR-HOST"
    if token is None:
        what = "web.instaply_token is not set, so no message is taken"
        findings.append(fault(Id.INSTAPLY_WEBHOOK, what, f"set it, then run: {fix}"))
    elif not ours:
        what = f"no webhook posts to {PATH}"
        findings.append(fault(Id.INSTAPLY_WEBHOOK, what, f"run: {fix}"))
    else:
        findings += [_of_webhook(each, token, fix) for each in ours]
    return findings


def _of_webhook(webhook: Webhook, token: str, fix: str) -> Finding:
    host = urlsplit(webhook.url).hostname or ""
    again = f"run: {fix.replace('YOUR-HOST', host)}"
    if not webhook.enabled:
        return fault(Id.INSTAPLY_WEBHOOK, "is turned off", again, about=host)
    if _EVENT not in webhook.events:
        return fault(Id.INSTAPLY_WEBHOOK, "does not post messages", again, about=host)
    if webhook.headers is None:
        what = "posts messages; Instaply does not show whether with the right token"
        return note(Id.INSTAPLY_WEBHOOK, what, again, about=host)
    if not _has_token(webhook, token):
        what = "has another token than web.instaply_token"
        return fault(Id.INSTAPLY_WEBHOOK, what, again, about=host)
    return ok(Id.INSTAPLY_WEBHOOK, "posts messages with the right token", about=host)


def _is_ours(webhook: Webhook) -> bool:
    try:
        return urlsplit(webhook.url).path.rstrip("/") == PATH
    except ValueError:  # somebody else's, and no URL
        return False


def _has_token(webhook: Webhook, token: str) -> bool:
    return (webhook.headers or {}).get(_AUTHORIZATION) == f"Bearer {token}"


def _kept(webhook: Webhook) -> dict[str, str]:
    """The other headers of a webhook, which are not ours to drop."""
    headers = webhook.headers or {}
    return {name: value for name, value in headers.items() if name != _AUTHORIZATION}
