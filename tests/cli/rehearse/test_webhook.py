"""A rehearsal of a line whose hook is a webhook: its own endings, and nobody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.rehearse.test_rehearse import Rehearsed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_webhooks_endings_are_its_receivers_answers(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    done = Rehearsed(
        tmp_path,
        hook=f'kind = "webhook"\nsigning_secret = {{file = "{secret}"}}\nidempotent = true\n',
    )
    assert (done.status, done.err) == (0, "")
    found = {
        code: each["stored"][-1]
        for code, each in done.endings().items()
        if code.startswith("hook_")
    }
    assert found == {
        "hook_dial": "accepted",
        "hook_say": "accepted",
        "hook_empty": "accepted",
        "hook_401": "refused",
        "hook_400": "refused",
        "hook_500": "unknown",
        "hook_slow": "unknown",
        "hook_reset": "unknown",
        "hook_garbage": "unknown",
        "hook_refuse": "not_sent",
    }
    endings = done.endings()
    assert endings["hook_empty"]["goes_to"]["kind"] == "default"
    assert "accepted" in done.heard("hook_empty")
    assert endings["hook_reset"]["requests"] == 2, "an idempotent receiver is asked again at once"
