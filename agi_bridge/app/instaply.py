"""Instaply's side of a bridge: the webhook that posts customers' messages, seen and set up.

A webhook is known by its URL. The list of webhooks may not show their headers. Then nobody can see
whether the token is right, and to send it would replace all headers that the webhook has: `connect`
does that only if it is told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from agi_bridge.doctor import Id, fault, note, ok
from agi_bridge.hook import InstaplyApi, InstaplyApiError, Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    "no_webhook_id": "Instaply lists the webhook without an id: change it by hand there",
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
        duplicates: how many more webhooks that are turned on have this URL.
        is_token_hidden: whether nobody can see if the webhook has our token.
    """

    step: Step
    webhook: Webhook
    others: tuple[str, ...] = ()
    duplicates: int = 0
    is_token_hidden: bool = False


def client(settings: Settings) -> InstaplyApi | None:
    """The client of Instaply's API; None if its key is not set."""
    token, ca_file = settings.web.instaply_api_secret(), settings.hook.ca_file
    if token is None:
        return None
    ca = None if ca_file is None else str(ca_file)
    return InstaplyApi(token, settings.web.instaply_api_url, ca_file=ca)


def plan(found: Sequence[Webhook], url: str, token: str, *, replace_headers: bool = False) -> Plan:
    """Decide what is to be done; pure."""
    ours = {"Authorization": f"Bearer {token}"}
    others = tuple(
        urlsplit(each.url).hostname or "" for each in found if _is_ours(each) and not _is(each, url)
    )
    same = [each for each in found if _is(each, url)]
    if not same:
        return Plan("create", Webhook(url, headers=ours), others)
    # Of several, the one with the least to change: a duplicate may be turned off on purpose.
    known = max(same, key=lambda each: (each.enabled, _has_token(each, token), bool(each.id)))
    headers: dict[str, str] | None = None
    if known.headers is not None:
        headers = {**_kept(known.headers), **ours}
    elif replace_headers:
        headers = ours
    events = tuple(dict.fromkeys((*known.events, _EVENT)))
    hidden = known.headers is None
    has_token = not replace_headers if hidden else _has_token(known, token)
    right = known.enabled and known.url == url and events == known.events and has_token
    return Plan(
        "keep" if right else "update",
        Webhook(url, events=events, headers=headers, id=known.id),
        others,
        sum(each.enabled for each in same if each is not known),
        hidden and not replace_headers,
    )


async def connect(
    api: InstaplyApi, url: str, token: str, *, dry_run: bool, replace_headers: bool = False
) -> Plan:
    """Set the webhook up, after a look at those that are there.

    Raises:
        InstaplyApiError: the API did not do it, or nobody knows.
    """
    async with api:
        made = plan(await api.webhooks(), url, token, replace_headers=replace_headers)
        if made.step == "update" and not made.webhook.id:
            raise InstaplyApiError("no_webhook_id", "the webhook to change is listed without an id")
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
    if webhook.url.endswith("/"):
        return fault(
            Id.INSTAPLY_WEBHOOK, "posts to a path with a slash at its end", again, about=host
        )
    if not webhook.enabled:
        return fault(Id.INSTAPLY_WEBHOOK, "is turned off", again, about=host)
    if _EVENT not in webhook.events:
        return fault(Id.INSTAPLY_WEBHOOK, "does not post messages", again, about=host)
    if webhook.headers is None:
        what = "posts messages; Instaply does not show whether with the right token"
        return note(Id.INSTAPLY_WEBHOOK, what, f"{again} --replace-headers", about=host)
    if not _has_token(webhook, token):
        what = "has another token than web.instaply_token"
        return fault(Id.INSTAPLY_WEBHOOK, what, again, about=host)
    return ok(Id.INSTAPLY_WEBHOOK, "posts messages with the right token", about=host)


def _is_ours(webhook: Webhook) -> bool:
    where = _place(webhook.url)
    return where is not None and where[1] == PATH


def _is(webhook: Webhook, url: str) -> bool:
    """Whether a webhook posts to a URL, however it is spelt."""
    where = _place(webhook.url)
    return where is not None and where == _place(url)


def _place(url: str) -> tuple[str, str] | None:
    """The host with its port, and the path; None for what is not a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return None
    return f"{parts.hostname}:{port}", parts.path.rstrip("/")


def _has_token(webhook: Webhook, token: str) -> bool:
    return (webhook.headers or {}).get(_AUTHORIZATION) == f"Bearer {token}"


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The other headers of a webhook, which are not ours to drop."""
    return {name: value for name, value in headers.items() if name != _AUTHORIZATION}
