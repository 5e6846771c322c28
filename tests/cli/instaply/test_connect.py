"""`agi-bridge instaply connect` as a program, against a fake of Instaply's API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agi_bridge.cli.common import UsageError
from agi_bridge.cli.instaply.connect import whole
from agi_bridge.hook.testing import FakeHook
from tests.support.commands import config, invoke, running

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://consent.example.com"
WHOLE = f"{URL}/v1/instaply/messages"
TOKEN, KEY = "token-of-our-web-listener", "key-of-a-user"


def configured(folder: Path, api_url: str, *, token: bool = True) -> Path:
    path = config(folder)
    for name, secret in (("token", TOKEN), ("key", KEY)):
        (folder / name).write_text(secret)
    taken = f'instaply_token = {{file = "{folder}/token"}}\n' if token else ""
    web = (
        f'[web]\nport = 0\n{taken}instaply_api_token = {{file = "{folder}/key"}}\n'
        f'instaply_api_url = "{api_url}"\n'
    )
    path.write_text(f"{path.read_text()}{web}")
    return path


async def tells(*arguments: object) -> tuple[int, str, str]:
    async with running("instaply", "connect", *arguments) as program:
        out, err = await program.process.communicate()
        assert program.process.returncode is not None
        return program.process.returncode, out.decode(), err.decode()


@pytest.mark.programs
async def test_it_sets_the_webhook_up_once_and_shows_no_secret(tmp_path: Path) -> None:
    async with FakeHook() as vendor:
        vendor.api.token = KEY
        given = ("--url", URL, "--config", configured(tmp_path, vendor.api_url), "--json")
        dry = await tells(*given, "--dry-run")
        assert vendor.api.webhooks == {}
        first, again = await tells(*given), await tells(*given)
        assert [json.loads(each[1])["step"] for each in (dry, first, again)] == [
            *("create", "create", "keep")
        ]
        assert [each[0] for each in (dry, first, again)] == [0, 0, 0]
        assert [each["url"] for each in vendor.api.webhooks.values()] == [WHOLE]
        assert not any(secret in str((dry, first, again)) for secret in (TOKEN, KEY))
        vendor.api.token = "another"
        status, out, err = await tells(*given)
    assert (status, out) == (1, "")
    assert "token_refused" in err
    assert len(err.splitlines()) == 1


def test_both_tokens_are_needed(tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:9", token=False)
    status, _, err = invoke("instaply", "connect", "--url", URL, "--config", path)
    assert status == 2
    assert "web.instaply_token" in err


@pytest.mark.parametrize("url", [URL, f"{URL}/", WHOLE, f"{WHOLE}/"])
def test_the_path_is_added(url: str) -> None:
    assert whole(url) == WHOLE


@pytest.mark.parametrize(
    "url",
    [
        "consent.example.com",
        "http://consent.example.com",
        "https://",
        "https://user:secret@consent.example.com",
        f"{URL}/other",
        f"{URL}?a=b",
        "https://[",
        "https://a:99999999",
    ],
)
def test_what_instaply_cannot_post_to_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        whole(url)
    assert "secret" not in str(refused.value)
