"""The telephone in the browser, as the demonstration offers it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from agi_bridge.hook.testing import BY_NUMBER, Scenario
from agi_bridge.lab import PackageUnavailableError
from agi_bridge.lab.asterisk.webrtc import WebServer
from agi_bridge.lab.demo import browser_phone
from agi_bridge.lab.demo.browser_phone import fetch_library, phone_page

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.lab.asterisk import Asterisk


def asterisk(*missing: str) -> Asterisk:
    async def missing_for_browsers() -> list[str]:
        return [*missing]

    return cast(
        "Asterisk",
        SimpleNamespace(
            web=WebServer(8088),
            accounts={"browser": "secret"},
            missing_for_browsers=missing_for_browsers,
            uniqueid_of=None,
        ),
    )


async def settings_of(scenario: Scenario | None, folder: Path) -> dict[str, Any]:
    page = await phone_page(asterisk(), {}, folder / "consents.db", scenario)
    return page._phone


async def test_the_page_says_which_number_selects_which_answer(tmp_path: Path) -> None:
    told = await settings_of(None, tmp_path)
    assert [each["digits"] for each in told["answers"]] == [
        "4155550123",
        *(f"41555501{last}" for last in BY_NUMBER),
    ]


@pytest.mark.parametrize("scenario", Scenario)
async def test_one_answer_for_all_numbers_is_the_only_one_shown(
    scenario: Scenario, tmp_path: Path
) -> None:
    (answer,) = (await settings_of(scenario, tmp_path))["answers"]
    assert answer["text"]


async def test_an_asterisk_without_dtls_is_no_reason_to_fail_later(tmp_path: Path) -> None:
    with pytest.raises(PackageUnavailableError) as caught:
        await phone_page(asterisk("res_srtp.so"), {}, tmp_path / "consents.db", None)
    assert caught.value.code == "no_module"
    assert "res_srtp.so" in str(caught.value)


async def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(browser_phone, "default_tree", lambda: tmp_path / "file" / "22")
    with pytest.raises(PackageUnavailableError) as caught:
        await fetch_library()
    assert caught.value.code == "no_folder"
