"""Who is measured, and how each is started."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.programs import GO_SERVER, NODE_SERVER, build_go, install_aiohttp, install_node
from bench.servers import flow
from bench.servers.tls_hook import CA_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PRODUCT_CONFIGURATION = """\
state_dir = "{state}"

[agi]
host = "127.0.0.1"
port = {port}
max_calls = {calls}

[status]
port = 0

[hook]
url = "{hook}"

[lines.bench]
did = ["{business}"]
business_number = "{business}"
hook_key = {{ file = "{key}" }}
brand = "Example Store"
legal_name = "Example Store, Inc."
policy_url = "https://example.com/text"
languages = ["en"]
dial_template = "PJSIP/{{number}}@trunk"
default = {{ kind = "dial", destination = "PJSIP/100" }}

[lines.bench.limits]
number_per_day = 0
caller_id_per_day = 0
line_per_hour = 0
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """A server's command; its port, where it does not announce one itself."""

    command: Sequence[str]
    port: int | None


@dataclass(frozen=True, slots=True)
class Subject:
    """One server under measurement.

    `without_hook` and `with_hook` say in which ways its throughput is measured; `keeps_consent`
    that it stores each call's consent in a ledger, which is then counted; `keepalive` that it
    reuses its connections to the hook; `tls` that it reaches the hook over TLS; `parks` that the
    memory of its parked calls is measured.
    """

    name: str
    title: str
    without_hook: bool = False
    with_hook: bool = False
    keeps_consent: bool = False
    keepalive: bool = False
    tls: bool = False
    parks: bool = True

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command that starts it, with its files in `folder`."""
        module = f"bench.servers.{self.name.removesuffix('_keepalive').removesuffix('_tls')}"
        command = [sys.executable, "-m", module, "--state", str(folder)]
        if self.keepalive:
            command.append("--keepalive")
        if self.tls:
            command += ["--ca-file", str(CA_FILE)]
        return Launch([*command, "--hook", hook] if hook else command, None)

    def load_options(self) -> list[str]:
        """The options of agiload for its flow."""
        return ["--script", flow.ROUTE, "--last", "GET VARIABLE DIALSTATUS"]


@dataclass(frozen=True, slots=True)
class Product(Subject):
    """`agi-bridge serve` itself: the full dialogue, a hundred different numbers."""

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command, with a configuration made for it."""
        port = free_port()
        key = folder / "hook.key"
        key.write_text(flow.HOOK_KEY, encoding="ascii")
        key.chmod(0o600)
        configuration = folder / "agi-bridge.toml"
        text = PRODUCT_CONFIGURATION.format(
            state=folder / "state",
            port=port,
            calls=flow.MOST_CALLS,
            hook=hook,
            business=flow.BUSINESS_NUMBER,
            key=key,
        )
        configuration.write_text(text, encoding="utf-8")
        program = Path(sys.executable).with_name("agi-bridge")
        return Launch([sys.executable, str(program), "serve", "--config", str(configuration)], port)

    def load_options(self) -> list[str]:
        """The number goes key by key; the result variable is the last thing the bridge sets."""
        number = flow.BUSINESS_NUMBER.replace("+", "%2B")
        last = "SET VARIABLE AGI_BRIDGE_RESULT"
        return ["--script", f"{flow.ROUTE}?to={number}", "--last", last, "--digits", "21255501NN"]


@dataclass(frozen=True, slots=True)
class Foreign(Subject):
    """A server in another language: the command that starts it, and what builds it."""

    command: tuple[str, ...] = ()
    build: Callable[[], str | None] = lambda: None

    def launch(self, folder: Path, hook: str | None) -> Launch:
        """The command."""
        command = [*self.command, "--state", str(folder)]
        if self.keepalive:
            command.append("--keepalive")
        return Launch([*command, "--hook", hook] if hook else command, None)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


SUBJECTS = (
    Subject("bare_protocol", "bare Protocol, uvloop, canned bytes (the limit)", without_hook=True),
    Foreign(
        "go",
        "Go, standard library",
        without_hook=True,
        with_hook=True,
        command=(str(GO_SERVER),),
        build=build_go,
    ),
    Foreign(
        "go_keepalive",
        "the same, kept connections to the hook",
        with_hook=True,
        keepalive=True,
        command=(str(GO_SERVER),),
        build=build_go,
    ),
    Foreign(
        "ding_dong",
        "Node, ding-dong",
        without_hook=True,
        with_hook=True,
        command=("node", str(NODE_SERVER)),
        build=install_node,
    ),
    Subject("pyst2_threads", "pyst2, a thread a call", without_hook=True, with_hook=True),
    Subject(
        "panoramisk_uvloop",
        "panoramisk, uvloop, our transport to the hook",
        without_hook=True,
        with_hook=True,
    ),
    Foreign(
        "panoramisk_aiohttp",
        "panoramisk, uvloop, aiohttp's kept connections",
        with_hook=True,
        parks=False,
        command=(sys.executable, "-m", "bench.servers.panoramisk_aiohttp"),
        build=install_aiohttp,
    ),
    Subject("ours_agi", "agi_bridge.agi, bare handler", without_hook=True),
    Subject(
        "ours_full",
        "agi_bridge: hook, durable consent, log line",
        with_hook=True,
        keeps_consent=True,
    ),
    Subject(
        "ours_full_keepalive",
        "the same with hook.keepalive",
        with_hook=True,
        keeps_consent=True,
        keepalive=True,
        parks=False,
    ),
    Subject(
        "ours_full_tls",
        "agi_bridge: the same over TLS, fresh connections",
        with_hook=True,
        keeps_consent=True,
        tls=True,
        parks=False,
    ),
    Subject(
        "ours_full_tls_keepalive",
        "the same over TLS with hook.keepalive",
        with_hook=True,
        keeps_consent=True,
        keepalive=True,
        tls=True,
        parks=False,
    ),
    Product(
        "ours_product",
        "agi-bridge serve, the full dialogue",
        with_hook=True,
        keeps_consent=True,
    ),
)
