"""The answers of `agi-bridge init`, and the texts that they make: configuration and dialplan."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.lab.asterisk import share_path
from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB_PORT: Final = 4580
"""Of [web]: where a PBX on another machine fetches recordings."""

_HERE: Final = "127.0.0.1"
"""Where the PBX is unless another address is given; also the default of ami.host."""

_SITE: Final = re.compile(
    r" same => n,Set\(AGI_BRIDGE_URL=.*\)\n"
    r"(?P<guard>.*\n)"
    r"; same => n,Set\(AGI_BRIDGE_FALLBACK=.*\)\n"
)
"""What `agi-bridge-site` has to be told, in the shipped dialplan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is known of the PBX and the line. An answer is empty until it is given.

    Attributes:
        did, brand, languages, business_number, hook_key, dial_template, default, port: the answers
            to the questions, as text.
        freepbx: the PBX is a FreePBX.
        pbx: the PBX's address; loopback if it is this machine.
        line: the line's name.
        policy_url: terms and privacy; may stay empty.
        timezone: the business's time zone; may stay empty.
        directory: where configuration and key are.
        state_dir: where the service writes.
        port_in_force: the port in the configuration that is there already.
        webhook: the address of a receiver that texts in place of Instaply; `hook_key` is then what
            signs the requests to it.
    """

    did: str = ""
    brand: str = ""
    languages: str = ""
    business_number: str = ""
    hook_key: str = ""
    dial_template: str = ""
    default: str = ""
    port: str = ""
    freepbx: bool = False
    pbx: str = _HERE
    line: str = "main"
    policy_url: str = ""
    timezone: str = ""
    directory: Path = Path("/etc/agi-bridge")
    state_dir: Path = Path("/var/lib/agi-bridge")
    port_in_force: str = ""
    webhook: str = ""

    def answered(self, name: str, text: str) -> Answers:
        """Return these answers with another one."""
        change: dict[str, Any] = {name: text}
        return replace(self, **change)

    @property
    def remote(self) -> bool:
        """Whether the PBX is another machine."""
        return not is_loopback(self.pbx)

    @property
    def host(self) -> str:
        """The address to listen on: the one from which this machine reaches the PBX."""
        if not self.remote:
            return _HERE
        family = socket.AF_INET6 if ":" in self.pbx else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing
            probe.connect((self.pbx, 9))
            return str(probe.getsockname()[0])

    @property
    def url(self) -> str:
        """The AGI URL for the dialplan."""
        host = self.host
        return f"agi://{f'[{host}]' if ':' in host else host}:{self.port}/consent"

    @property
    def key_file(self) -> Path:
        """The file of the hook's key."""
        return self.directory / f"{self.line}.key"

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self.directory / "agi-bridge.toml"


def listed(text: str) -> list[str]:
    """Return the parts of a list written with commas."""
    return [part for each in text.split(",") if (part := each.strip())]


def configuration(answers: Answers) -> str:
    """Return the text of the configuration file."""
    return "\n".join(_configuration(answers)) + "\n"


def _configuration(answers: Answers) -> Iterator[str]:
    yield "# Written by `agi-bridge init`. agi-bridge.example.toml describes every setting; what is"
    yield "# not here has its default. `agi-bridge check` says what is wrong after a change."
    yield ""
    yield f"state_dir = {_text(str(answers.state_dir))}"
    yield ""
    yield "[agi]"
    yield f"host = {_text(answers.host)}"
    yield f"port = {answers.port if answers.port.isdecimal() else _text(answers.port)}"
    if answers.remote:
        bits = ip_address(answers.pbx).max_prefixlen
        yield f'allow = ["{answers.pbx}/{bits}"] # FastAGI has no password: the PBX alone'
        host = answers.host
        place = f"[{host}]" if ":" in host else host
        yield ""
        yield "[speech] # the PBX shares no folder with this machine: it fetches the recordings"
        yield 'delivery = "http"'
        yield f'url = "http://{place}:{WEB_PORT}"'
        yield ""
        yield "[web]"
        yield f"host = {_text(host)}"
        yield f"port = {WEB_PORT}"
    if answers.webhook:
        yield ""
        yield "[hook] # signed requests to a program of your own (docs/webhook.md)"
        yield 'kind = "webhook"'
        yield f"url = {_text(answers.webhook)}"
        yield f"signing_secret = {{file = {_text(str(answers.key_file))}}}"
    if answers.pbx != _HERE:
        yield ""
        yield "[ami] # the PBX's manager interface, which `agi-bridge doctor` asks (docs/doctor.md)"
        yield f"host = {_text(answers.pbx)}"
    yield ""
    yield f"[lines.{answers.line}]"
    yield f"did = {json.dumps(listed(answers.did), ensure_ascii=False)}"
    yield f"business_number = {_text(answers.business_number)}"
    if not answers.webhook:
        yield f"hook_key = {{file = {_text(str(answers.key_file))}}}"
    yield f"brand = {_text(answers.brand)}"
    if answers.policy_url:
        yield f"policy_url = {_text(answers.policy_url)}"
    else:
        yield '#policy_url = "https://example.com/text" # for the disclosure with your brand'
    yield f"languages = {json.dumps(listed(answers.languages), ensure_ascii=False)}"
    if answers.timezone:
        yield f"timezone = {_text(answers.timezone)}"
    yield f"dial_template = {_text(answers.dial_template)}"
    if answers.freepbx:
        yield 'dial = "dialplan" # FreePBX\'s outbound routes dial, after the bridge'
        yield 'number_format = "digits" # outbound routes match digits, without a +'
    yield f"default = {_default(answers.default)}"


def dialplan(answers: Answers) -> str:
    """Return the shipped dialplan, with this bridge's URL and the fallback in `agi-bridge-site`."""
    shipped = (share_path("dialplan") / "agi-bridge.conf").read_text(encoding="utf-8")
    fallback = ""
    if not answers.freepbx:  # there, the GUI has it
        name = "AGI_BRIDGE_FALLBACK" if "/" in answers.default else "AGI_BRIDGE_FALLBACK_GOTO"
        fallback = f" same => n,Set({name}={','.join(_place(answers.default))})\n"

    def filled(found: re.Match[str]) -> str:
        return f" same => n,Set(AGI_BRIDGE_URL={answers.url})\n{found['guard']}{fallback}"

    text, count = _SITE.subn(filled, shipped)
    assert count == 1, "the dialplan has another form"  # noqa: S101 - shipped with this module
    return text


def freepbx_dialplan() -> str:
    """Return the shipped dialplan for FreePBX."""
    return (share_path("dialplan") / "agi-bridge-freepbx.conf").read_text(encoding="utf-8")


def _place(destination: str) -> list[str]:
    """Return context, extension and priority, or a telephone alone."""
    if "/" in destination:
        return [destination]
    context, extension, *priority = (part.strip() for part in destination.split(","))
    return [context, extension, *(priority or ["1"])]


def _default(destination: str) -> str:
    if "/" in destination or "," not in destination:
        return f'{{kind = "dial", destination = {_text(destination)}}}'
    context, extension, priority = _place(destination)
    number = priority if priority.isdecimal() else _text(priority)
    return (
        f'{{kind = "dialplan", context = {_text(context)}, extension = {_text(extension)}, '
        f"priority = {number}}}"
    )


def _text(value: str) -> str:
    """Return a TOML string: JSON's is one, but for DEL, which JSON leaves as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
