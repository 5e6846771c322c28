"""`agi-bridge fake-hook`: answers the bridge's hook requests in place of Instaply."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read by typer
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from agi_bridge.cli.common import MISUSED, OK, report_start_errors, run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agi_bridge.hook.testing import FakeInstaplyApi

Scenario: TypeAlias = Literal[
    "dial",
    "say",
    "not-linked",
    "403",
    "400",
    "500",
    "slow",
    "reset",
    "garbage",
    "empty",
    "401",
    "410",
    "refuse",
]
"""The answers of the fake hook: the values of `agi_bridge.hook.testing`'s `Scenario`."""
ByNumber: TypeAlias = Literal["by-number"]


def fake_hook(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0 selects a free one.", min=0, max=65535)
    ] = 8080,
    scenario: Annotated[
        Literal[Scenario, ByNumber],
        typer.Option(
            help="The answer. by-number: the last two digits of `from` select it: 01 say, 02 "
            "not-linked, 03 403, 04 400, 05 500, 06 slow, 07 reset, 08 garbage, 09 empty (204), "
            "others dial."
        ),
    ] = "by-number",
    forward: Annotated[
        str, typer.Option(help="The number in the answer of the scenario dial.", metavar="NUMBER")
    ] = "+14155550199",
    key: Annotated[
        str | None, typer.Option(help="Answer 403 to any other key.", metavar="KEY")
    ] = None,
    signing_secret: Annotated[
        Path | None,
        typer.Option(
            help="A file with hook.signing_secret: answer 401 to a webhook that it did not sign.",
            metavar="FILE",
        ),
    ] = None,
    api_token: Annotated[
        str | None,
        typer.Option(help="Instaply's API answers 401 to any other key.", metavar="KEY"),
    ] = None,
    customer: Annotated[
        list[str] | None,
        typer.Option(
            help="A customer whose profile Instaply's API has; can be repeated.",
            metavar="ID=NUMBER",
        ),
    ] = None,
    show_numbers: Annotated[
        bool, typer.Option("--show-numbers", help="Show telephone numbers unmasked.")
    ] = False,
) -> None:
    """Answer hook requests in place of Instaply, and print each request.

    Answers webhooks too, in place of their receiver. Instaply's API (profiles, webhooks) is at the
    same address without the path.

    Sends no texts. Set hook.url to the address it prints. Ctrl-C stops it.
    """
    from agi_bridge.hook.testing import serve_fake_hook
    from agi_bridge.webhook_signature import InvalidSecret, read_secrets

    secrets = None
    if signing_secret is not None:
        try:
            secrets = signing_secret.read_text("utf-8").split()
            read_secrets(" ".join(secrets))
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) else str(error)
            if not isinstance(error, OSError | InvalidSecret):
                problem = "is not text"
            typer.echo(f"agi-bridge: --signing-secret: {problem}", err=True)
            raise typer.Exit(MISUSED) from None
    with report_start_errors():
        run(
            serve_fake_hook(
                host,
                port,
                scenario=None if scenario == "by-number" else scenario,
                forward=forward,
                key=key,
                secrets=secrets,
                api=_api(api_token, customer or ()),
                on_request=lambda got: typer.echo(got.describe(show_numbers=show_numbers)),
                on_start=lambda fake_hook: typer.echo(f"hook.url = {fake_hook.url}"),
            ),
            interrupted=OK,
        )


def _api(token: str | None, customers: Iterable[str]) -> FakeInstaplyApi:
    from agi_bridge.hook.testing import FakeInstaplyApi

    api = FakeInstaplyApi(token)
    for customer in customers:
        name, given, number = customer.partition("=")
        if not name or not given:
            typer.echo("agi-bridge: --customer: write ID=NUMBER", err=True)
            raise typer.Exit(MISUSED)
        api.add(name, number or None)
    return api
