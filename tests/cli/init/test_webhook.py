"""`agi-bridge init` for a hook that is a receiver of webhooks: a secret in place of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.commands import invoke
from tests.support.init_command import mode

if TYPE_CHECKING:
    from tests.support.init_command import Init


def test_a_receiver_of_webhooks_gets_its_own_secret_and_no_key(init: Init) -> None:
    given = {"webhook": "http://127.0.0.1:8081/consents"}
    status, out, err = init("--yes", without=["--hook-key-file"], **given)
    assert (status, err) == (0, "")
    settings = init.settings()
    assert settings.hook.kind == "webhook"
    assert settings.hook.signing_secret is not None
    secret = settings.hook.signing_secret.reveal()
    assert secret.startswith("whsec_")
    assert secret not in out + init.config.read_text()
    assert mode(init.folder / "main.key") == 0o600
    checked, findings, _ = invoke("check", "--config", init.config)
    assert checked == 0, findings
    init("--yes", without=["--hook-key-file"], **given)  # the secret of the first run stays
    assert (init.folder / "main.key").read_text().strip() == secret


@pytest.mark.parametrize("url", ["http://x.example.com/", "ftp://x.example.com/", "x.example.com"])
def test_an_address_that_gets_no_numbers_is_refused(init: Init, url: str) -> None:
    status, _, err = init("--yes", without=["--hook-key-file"], webhook=url)
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith("agi-bridge: --webhook: ")
    assert not init.folder.exists()


def test_a_key_of_instaply_signs_no_webhooks(init: Init) -> None:
    status, _, err = init("--yes", webhook="https://x.example.com/")
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith("agi-bridge: --hook-key-file: must be whsec_")
    assert not init.folder.exists()
