"""`instaply connect`: sets up the webhook by which Instaply posts customers' messages here."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, ToolError, UsageError, answer, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from agi_bridge.app.instaply import Plan

_DONE: Final = {"create": "created", "update": "updated", "keep": "as it is"}
_TO_DO: Final = {"create": "would create", "update": "would update", "keep": "as it is"}


@dataclass(frozen=True, slots=True)
class Connected:
    """What was done, or with `dry_run` what would be."""

    plan: Plan
    dry_run: bool
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {
            "step": self.plan.step,
            "dry_run": self.dry_run,
            "url": self.plan.webhook.url,
            "events": [*self.plan.webhook.events],
            "other_hosts": [*self.plan.others],
            "duplicates": self.plan.duplicates,
            "token_hidden": self.plan.is_token_hidden,
        }

    def show(self, console: Console) -> None:
        """Print the webhook, and others that post to a bridge."""
        word = (_TO_DO if self.dry_run else _DONE)[self.plan.step]
        console.print(f"{word:<12} {self.plan.webhook.url}", soft_wrap=True, markup=False)
        for text in self._notes():
            console.print(f"{'note':<12} {text}", soft_wrap=True, markup=False)

    def _notes(self) -> Iterator[str]:
        for host in self.plan.others:
            yield f"another webhook posts messages to {host}: delete it if it is not a bridge"
        if self.plan.duplicates:
            yield f"{self.plan.duplicates} more with this URL: messages come twice; delete them"
        if self.plan.is_token_hidden:
            yield (
                "Instaply does not show the headers, so nobody sees whether the token is right; "
                "--replace-headers sends it, and removes all other headers of the webhook"
            )


def command(
    *,
    url: Annotated[
        str,
        typer.Option(
            help="This bridge as Instaply reaches it: https://HOST, or with the path "
            "/v1/instaply/messages.",
            metavar="URL",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look only, and say what would be done.")
    ] = False,
    replace_headers: Annotated[
        bool,
        typer.Option(
            "--replace-headers",
            help="Where Instaply does not show the webhook's headers: send the token, and remove "
            "all other headers.",
        ),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have Instaply post customers' messages to this bridge.

    The webhook sends web.instaply_token along. Looks at the webhooks that are there first: one with
    this URL is left as it is, or corrected; other headers of it stay.
    Needs web.instaply_api_token and web.instaply_token.
    """
    from agi_bridge.app.instaply import FIXES, client, connect
    from agi_bridge.hook import InstaplyApiError

    settings = load(config, prompts=False)

    async def work() -> Connected:
        api, token = client(settings), settings.web.instaply_secret()
        if api is None or token is None:
            missing = "instaply_api_token" if api is None else "instaply_token"
            raise UsageError(f"web.{missing} is not set; see docs/revocation.md")
        try:
            plan = await connect(
                api, whole(url), token, dry_run=dry_run, replace_headers=replace_headers
            )
        except InstaplyApiError as error:
            fix = FIXES.get(error.code, "try again later")
            raise ToolError(f"Instaply's API: {error.code}; {fix}") from None
        return Connected(plan, dry_run)

    answer(work(), as_json=as_json)


def whole(url: str) -> str:
    """Return the URL with the bridge's path.

    Raises:
        UsageError: it is not one that Instaply can post to.
    """
    from urllib.parse import urlsplit

    from agi_bridge.app.instaply import PATH

    problem = "--url: write https://HOST, as Instaply reaches it from outside"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError(problem) from None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise UsageError(problem)
    if parts.query or parts.fragment or parts.path.rstrip("/") not in {"", PATH}:
        raise UsageError(f"--url: must end with the host, or with {PATH}")
    return f"https://{parts.netloc}{PATH}"
