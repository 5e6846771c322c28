"""What a private Asterisk is given for telephones in browsers, and how it says what is missing."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.lab.asterisk import webrtc
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.asterisk.webrtc import BrowserAccount
from agi_bridge.lab.errors import AsteriskError
from tests.lab.asterisk.test_server import BOOTED, OPEN, URL, fake

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.programs

ACCOUNT = BrowserAccount("browser", "+14155550100")


def pbx(folder: Path, cli: str, **more: Any) -> Asterisk:
    program = fake(folder / "tree", pbx=f"{OPEN} exec sleep 60", cli=cli)
    return Asterisk(program, agi_url=URL, directory=folder / "pbx", **more)


def listening(port: int) -> str:
    bound = f"echo Server Enabled and Bound to 127.0.0.1:{port}"
    return f'case "$4" in *http*) {bound} ;; *) {BOOTED} ;; esac'


async def test_a_browser_reaches_it_over_loopback_only_with_a_password_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc.WebServer, "on_free_port", lambda: webrtc.WebServer(8123))
    files = {"modules_local.conf": "load = func_cdr.so\n"}
    async with pbx(tmp_path, listening(8123), browsers=[ACCOUNT], files=files) as running:
        assert running.web is not None
        assert running.web.url == "ws://127.0.0.1:8123/ws"
        assert len(running.accounts["browser"]) >= 24
    etc = tmp_path / "pbx" / "etc"
    sip = (etc / "pjsip_local.conf").read_text()
    account = sip.partition("[browser](account-endpoint)")[2].partition("\n[")[0].splitlines()
    assert {"transport = transport-ws", "webrtc = yes", "media_address = 127.0.0.1"} <= {*account}
    assert "bindaddr = 127.0.0.1" in (etc / "http_local.conf").read_text()
    assert (etc / "modules_local.conf").read_text().splitlines() == [
        "load = func_cdr.so",
        *(f"load = {module}" for module in webrtc.MODULES),
    ]


def test_a_call_is_found_by_what_the_browser_calls_it() -> None:
    shown = "   AGI_BRIDGE_URL=x\n   BROWSER_CALL_abc1=17.5\n   BROWSER_CALL_ABC1=17.6\n"
    assert webrtc.uniqueid_in(shown, "abc1") == "17.5"
    for call_id in ("abc", "abc12", "", ".*", "abc1=17.5\n"):
        assert webrtc.uniqueid_in(shown, call_id) is None


async def test_without_a_browser_there_is_no_web_server(tmp_path: Path) -> None:
    async with pbx(tmp_path, BOOTED) as running:
        assert running.web is None
    etc = tmp_path / "pbx" / "etc"
    assert not (etc / "http_local.conf").exists()
    assert "transport-ws" not in (etc / "pjsip_local.conf").read_text()
    assert "icesupport" not in (etc / "rtp_local.conf").read_text()


async def test_a_port_that_another_program_has_taken_is_named(tmp_path: Path) -> None:
    asterisk = pbx(tmp_path, BOOTED, browsers=[ACCOUNT])
    with pytest.raises(AsteriskError) as caught:
        await asterisk.__aenter__()
    assert caught.value.code == "port_in_use"
    assert asterisk.web is not None
    assert str(asterisk.web.port) in str(caught.value)


async def test_modules_that_an_asterisk_does_not_have_are_named(tmp_path: Path) -> None:
    cli = f'case "$4" in *module*) echo res_http_websocket.so ;; *) {BOOTED} ;; esac'
    async with pbx(tmp_path, cli) as running:
        assert await running.missing_for_browsers() == [*webrtc.MODULES[1:]]


def test_a_port_for_browsers_is_free() -> None:
    with socket.create_server(("127.0.0.1", webrtc.WebServer.on_free_port().port)):
        pass
