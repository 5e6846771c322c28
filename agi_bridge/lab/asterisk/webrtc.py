"""What a private Asterisk needs for telephones in browsers: SIP over WebSocket and DTLS-SRTP.

SIP comes over the WebSocket of Asterisk's own web server (RFC 7118), sound over DTLS-SRTP with ICE
(RFC 8827). Both stay on the loopback address. There a browser allows a page that came over plain
HTTP to use the microphone and `ws:`, so no certificate has to be trusted; Asterisk makes the one of
DTLS at each start.
"""

import re
import socket
from dataclasses import dataclass
from typing import Final, Self

from agi_bridge.lab.errors import AsteriskError

HOST: Final = "127.0.0.1"

MODULES: Final = ("res_http_websocket.so", "res_pjsip_transport_websocket.so", "res_srtp.so")

LOADS: Final = "".join(f"load = {module}\n" for module in MODULES)
"""For `modules_local.conf`."""

RTP: Final = "icesupport = yes\n"
"""For the section `general` of `rtp_local.conf`; only endpoints with `webrtc` use ICE."""

TRANSPORT: Final = f"[transport-ws]\ntype = transport\nprotocol = ws\nbind = {HOST}\n"
"""For `pjsip_local.conf`. The web server's address and port count, not this one's."""

_CALL: Final = "BROWSER_CALL_"
"""Begins the names of the dialplan's variables that have the unique ids of calls."""
_CALL_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)

DIALPLAN: Final = f"""
; A page knows its call by the SIP Call-ID, and a bridge by the unique id.
[from-browser]
exten => _[+0-9]!,1,Set(call=${{FILTER(a-zA-Z0-9,${{CHANNEL(pjsip,call-id)}})}})
 same => n,Set(GLOBAL({_CALL}${{call}})=${{UNIQUEID}})
 same => n,Goto(from-softphone,${{EXTEN}},1)
"""

_GONE_SECONDS: Final = 30
"""After so long without sound the call ends: the page was closed without a word."""


@dataclass(frozen=True, slots=True)
class BrowserAccount:
    """An account for a telephone in a browser. It calls and is not called: it does not register.

    Attributes:
        name: its user name.
        caller_id: the number that it shows, in E.164.
    """

    name: str
    caller_id: str

    def pjsip(self) -> str:
        """Return what its endpoint has beyond those of other accounts."""
        return f"""transport = transport-ws
context = from-browser
webrtc = yes
dtls_auto_generate_cert = yes
media_address = {HOST}
bind_rtp_to_media_address = yes
rtp_timeout = {_GONE_SECONDS}
callerid = <{self.caller_id}>
"""


@dataclass(frozen=True, slots=True)
class WebServer:
    """Asterisk's web server, for WebSockets only.

    Attributes:
        port: its TCP port.
    """

    port: int

    @classmethod
    def on_free_port(cls) -> Self:
        """Choose a TCP port that no program uses now."""
        with socket.create_server((HOST, 0)) as probe:
            return cls(probe.getsockname()[1])

    @property
    def url(self) -> str:
        """Where a browser reaches SIP."""
        return f"ws://{HOST}:{self.port}/ws"

    def conf(self) -> str:
        """For `http_local.conf`."""
        return f"""[general](+)
enabled = yes
bindaddr = {HOST}
bindport = {self.port}
enable_status = no
"""

    def check(self, status: str) -> None:
        """Check the answer to `http show status`.

        Raises:
            AsteriskError: it does not listen: another program has taken the port.
        """
        if f"{HOST}:{self.port}" not in status:
            raise AsteriskError(
                "port_in_use", f"Asterisk cannot use TCP port {self.port} of {HOST}"
            )


def uniqueid_in(variables: str, call_id: str) -> str | None:
    """Return the unique id of a browser's call, of the answer to `dialplan show globals`.

    None: the PBX has no such call, or none yet.
    """
    if not _CALL_ID.fullmatch(call_id):
        return None
    found = re.search(rf"^\s*{_CALL}{call_id}=(\S+)", variables, re.MULTILINE)
    return found[1] if found else None
