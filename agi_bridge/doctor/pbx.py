"""Typed questions to the PBX, each answered by one structured AMI action.

With the right `reporting` an account learns the version, the settings and the dialplan; `system`
adds modules, endpoints and configuration files. Without a right a question raises
`MissingRightError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agi_bridge.doctor.ami import AmiSession, Answer

_SAFE_VARIABLE: Final = re.compile(r"[A-Za-z0-9_]{1,80}")
_PLACE: Final = re.compile(r"[A-Za-z0-9_.*#+-]{1,79}")
"""A context or an extension that ends no argument of a function (`AST_MAX_CONTEXT`)."""
_PRIORITY: Final = re.compile(r"[0-9]{1,9}")
_SEPARATORS: Final = re.compile(r'[\\,"]')
_CODEC_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


class MissingRightError(Exception):
    """The AMI account lacks a right; `right` is its name in manager.conf."""

    def __init__(self, right: str) -> None:
        super().__init__(f"the AMI account lacks the right {right}")
        self.right = right


@dataclass(frozen=True, slots=True)
class Step:
    """A priority of an extension, as ShowDialPlan lists it."""

    extension: str
    priority: int
    application: str
    arguments: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """A context of the dialplan: its steps and what it includes, both in order."""

    name: str
    steps: tuple[Step, ...]
    includes: tuple[str, ...] = ()
    has_switches: bool = False
    """Whether it asks elsewhere too (`switch =>`): the list is then not all."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A PJSIP endpoint, with what the doctor judges."""

    name: str
    context: str
    dtmf_mode: str
    codecs: tuple[str, ...]
    direct_media: bool
    contacts: tuple[str, ...]
    """The status of each contact: `Reachable`, `NonQualified`, `Unreachable` …"""

    @property
    def reachable(self) -> bool:
        """Whether a call to it has somewhere to go."""
        return any(status not in {"Unreachable", "Removed"} for status in self.contacts)


class Pbx:
    """The PBX behind a session. Answers are kept: a question is asked once.

    Every method may raise `MissingRightError`, and `AmiError` if the session is lost.
    """

    def __init__(self, session: AmiSession) -> None:
        self._session = session
        self._contexts: dict[str, Context | None] = {}
        self._endpoints: dict[str, Endpoint | None] = {}
        self._values: dict[str, str] = {}
        self._settings: Mapping[str, str] | None = None
        self._files: dict[str, Mapping[str, Sequence[tuple[str, str]]] | None] = {}

    async def settings(self) -> Mapping[str, str]:
        """Return CoreSettings: `AsteriskVersion`, `CoreCDRenabled` and more."""
        if self._settings is None:
            self._settings = (await self._ask("CoreSettings", "reporting")).headers
        return self._settings

    async def clock(self) -> float | None:
        """Return the PBX's time in seconds since the epoch, if it says it."""
        answer = await self._session.ask("Ping")
        try:
            seconds = float(answer.headers.get("Timestamp", ""))
        except ValueError:
            return None
        return seconds if isfinite(seconds) else None

    async def has_module(self, name: str) -> bool:
        """Return whether a module is loaded; `name` is without `.so`."""
        answer = await self._ask("ModuleCheck", "system", Module=f"{name}.so")
        return answer.succeeded

    async def variable(self, name: str) -> str:
        """Return a global variable of the dialplan; empty if it is not set."""
        if not _SAFE_VARIABLE.fullmatch(name):
            raise ValueError(name)
        return await self._value(name)

    async def exists(self, context: str, extension: str = "s", priority: int | str = 1) -> bool:
        """Return whether a location of the dialplan exists, includes and patterns considered.

        `priority` may be a label.
        """
        if not all(_PLACE.fullmatch(each) for each in (context, extension, str(priority))):
            return False
        return await self._value(f"DIALPLAN_EXISTS({context},{extension},{priority})") == "1"

    async def context(self, name: str) -> Context | None:
        """Return a context of the dialplan; None if there is none of that name."""
        if not name.isprintable():  # from the PBX itself: it would be another header
            return None
        if name not in self._contexts:
            answer = await self._ask("ShowDialPlan", "reporting", Context=name)
            self._contexts[name] = _context(name, answer.items) if answer.succeeded else None
        return self._contexts[name]

    async def endpoint(self, name: str) -> Endpoint | None:
        """Return a PJSIP endpoint; None if there is none of that name."""
        if not name.isprintable():
            return None
        if name not in self._endpoints:
            answer = await self._ask("PJSIPShowEndpoint", "system", Endpoint=name)
            self._endpoints[name] = _endpoint(name, answer.items) if answer.succeeded else None
        return self._endpoints[name]

    async def file(self, name: str) -> Mapping[str, Sequence[tuple[str, str]]] | None:
        """Return a configuration file: lines by category; None if there is no such file."""
        if name not in self._files:
            answer = await self._ask("GetConfig", "system", Filename=name)
            self._files[name] = _file(answer.headers) if answer.succeeded else None
        return self._files[name]

    async def originate(
        self,
        channel: str,
        application: str,
        data: str,
        variables: Mapping[str, str],
        seconds: float,
    ) -> bool:
        """Place a call; return whether the PBX will try. Its answer says nothing about the call."""
        answer = await self._ask(
            "Originate",
            "originate and system",
            Channel=channel,
            Application=application,
            Data=data,
            Variable=[f"{name}={_escaped(value)}" for name, value in variables.items()],
            CallerID='"agi-bridge doctor" <>',
            Timeout=str(round(1000 * seconds)),
            Async="true",
        )
        return answer.succeeded

    def allow(self, seconds: float) -> None:
        """Give the session at least that much time from now on."""
        self._session.allow(seconds)

    async def _value(self, name: str) -> str:
        if name not in self._values:
            answer = await self._ask("Getvar", "reporting", Variable=name)
            self._values[name] = answer.headers.get("Value", "")
        return self._values[name]

    async def _ask(self, action: str, right: str, **headers: str | Sequence[str]) -> Answer:
        answer = await self._session.ask(action, **headers)
        if answer.denied:
            raise MissingRightError(right)
        return answer


def _escaped(value: str) -> str:
    """Return a value of the header Variable, which Asterisk splits at commas (main/manager.c)."""
    return _SEPARATORS.sub(r"\\\g<0>", value)


def _context(name: str, items: Sequence[Mapping[str, str]]) -> Context:
    own = [item for item in items if item.get("Context") == name]
    return Context(
        name,
        tuple(
            Step(
                item["Extension"],
                int(item["Priority"]) if _PRIORITY.fullmatch(item.get("Priority", "")) else 0,
                item.get("Application", ""),
                item.get("AppData", ""),
                item.get("ExtensionLabel", ""),
            )
            for item in own
            if "Extension" in item
        ),
        tuple(item["IncludeContext"] for item in own if "IncludeContext" in item),
        any("Switch" in item for item in own),
    )


def _endpoint(name: str, items: Sequence[Mapping[str, str]]) -> Endpoint:
    detail = next((item for item in items if item.get("Event") == "EndpointDetail"), {})
    return Endpoint(
        name,
        detail.get("Context", ""),
        detail.get("DtmfMode", ""),
        tuple(filter(None, _CODEC_SEPARATORS.split(detail.get("Allow", "").lower()))),
        detail.get("DirectMedia") in {"true", "yes"},
        tuple(
            item.get("Status", "") for item in items if item.get("Event") == "ContactStatusDetail"
        ),
    )


def _file(headers: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Read GetConfig's headers: `Category-000001: NAME`, `Line-000001-000000: KEY=VALUE`."""
    found: dict[str, list[tuple[str, str]]] = {}
    names: dict[str, str] = {}
    for header, value in headers.items():
        kind, _, place = header.partition("-")
        if kind == "Category":
            names[place] = value
            found.setdefault(value, [])
        elif kind == "Line" and (category := names.get(place.partition("-")[0])) is not None:
            key, _, content = value.partition("=")
            found[category].append((key.strip(), content.removeprefix(">").strip()))
    return found
