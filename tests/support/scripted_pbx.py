"""A PBX that answers the doctor's questions from plain values, as sound as a test leaves it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agi_bridge.doctor.ami import AmiError, Answer, _checked
from agi_bridge.doctor.dialplan import best_match, read_shipped
from agi_bridge.doctor.pbx import Context, Step
from agi_bridge.shipped_files import share_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DID = "+14155550111"
SHIPPED = {
    name: context
    for file in ("agi-bridge-freepbx.conf", "agi-bridge.conf")
    for name, context in read_shipped((share_path("dialplan") / file).read_text()).items()
}
VERSION_2 = Path(__file__).with_name("dialplan_2.conf")
"""The dialplan that did not know test calls."""
DENIED = Answer({"Response": "Error", "Message": "Permission denied"})
_NEEDS = {
    "CoreSettings": "reporting",
    "Getvar": "reporting",
    "ShowDialPlan": "reporting",
    "ModuleCheck": "system",
    "PJSIPShowEndpoint": "system",
    "GetConfig": "system",
    "Originate": "originate",
}


def endpoint(**changes: str) -> dict[str, str]:
    """A sound endpoint; `contact` is the status of its contact, empty for none."""
    return {
        "Context": "from-trunk",
        "DtmfMode": "rfc4733",
        "Allow": "(ulaw|alaw)",
        "DirectMedia": "false",
        "contact": "NonQualified",
        **changes,
    }


@dataclass
class ScriptedPbx:
    """In place of an `AmiSession`."""

    rights: set[str] = field(default_factory=lambda: {"reporting", "system", "originate"})
    version: str = "22.10.1"
    cdr: str = "No"
    now: float | None = None
    missing_modules: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(
        default_factory=lambda: {
            "AGI_BRIDGE_URL": "agi://127.0.0.1:4573/consent",
            "AGI_BRIDGE_FALLBACK": "PJSIP/100",
        }
    )
    contexts: dict[str, Context] = field(
        default_factory=lambda: {
            **{name: each for name, each in SHIPPED.items() if "freepbx" not in name},
            "from-trunk": Context("from-trunk", (), ("agi-bridge",)),
        }
    )
    endpoints: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"trunk": endpoint(), "100": endpoint(), "200": endpoint()}
    )
    files: dict[str, dict[str, list[tuple[str, str]]]] = field(
        default_factory=lambda: {
            "asterisk.conf": {"options": []},
            "logger.conf": {"logfiles": [("messages.log", "notice,warning,error")]},
        }
    )
    fails_at: str = ""
    """The action at which the session is lost."""
    lost: AmiError | None = None
    asked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    seconds: float = 0.0
    """What the answers have taken so far."""
    seconds_each: float = 0.0

    async def ask(self, action: str, **headers: str | Sequence[str]) -> Answer:
        _checked(action, headers)  # as a session does
        self.asked.append((action, headers))
        self.seconds += self.seconds_each
        if action == self.fails_at:
            self.lost = AmiError("slow", "the PBX does not answer in time: given up")
        if self.lost is not None:
            raise self.lost
        if action in _NEEDS and _NEEDS[action] not in self.rights:
            return DENIED
        answers: dict[str, Callable[..., Answer]] = {
            "CoreSettings": self._settings,
            "Ping": self._ping,
            "ModuleCheck": self._module,
            "Getvar": self._variable,
            "ShowDialPlan": self._dialplan,
            "PJSIPShowEndpoint": self._endpoint,
            "GetConfig": self._file,
            "Originate": lambda *_: _good(),
        }
        return answers[action](*map(str, headers.values()))

    def time(self) -> float:
        return self.seconds

    def allow(self, seconds: float) -> None:
        del seconds

    async def close(self) -> None:
        pass

    def _settings(self) -> Answer:
        return _good(AsteriskVersion=self.version, CoreCDRenabled=self.cdr)

    def _ping(self) -> Answer:
        return _good(**({} if self.now is None else {"Timestamp": str(self.now)}))

    def _module(self, name: str) -> Answer:
        missing = name.removesuffix(".so") in self.missing_modules
        return _bad("Module not loaded") if missing else _good()

    def _variable(self, name: str) -> Answer:
        return _good(Value=self._value(name))

    def _value(self, name: str) -> str:
        place = re.fullmatch(r"DIALPLAN_EXISTS\(([^,]+),([^,]+),(\w+)\)", name)
        if place is None:
            return self.variables.get(name, "")
        return str(int(self._exists(place[1], place[2], place[3])))

    def _exists(self, context: str, extension: str, priority: str) -> bool:
        found = self.contexts.get(context)
        if found is None:
            return False
        best = best_match((step.extension for step in found.steps), extension)
        own = any(
            step.extension == best and priority in {str(step.priority), step.label}
            for step in found.steps
        )
        return own or any(self._exists(each, extension, priority) for each in found.includes)

    def _dialplan(self, name: str) -> Answer:
        found = self.contexts.get(name)
        if found is None:
            return _bad(f"Did not find context {name}")
        items = [
            *({"Context": name, "IncludeContext": each} for each in found.includes),
            *(
                {
                    "Context": name,
                    "Extension": step.extension,
                    "ExtensionLabel": step.label,
                    "Priority": str(step.priority),
                    "Application": step.application,
                    "AppData": step.arguments,
                }
                for step in found.steps
            ),
        ]
        return Answer({"Response": "Success"}, tuple(items))

    def _endpoint(self, name: str) -> Answer:
        found = self.endpoints.get(name)
        if found is None:
            return _bad(f"Unable to retrieve endpoint {name}")
        items: list[dict[str, str]] = [{"Event": "EndpointDetail", **found}]
        items.append({"Event": "AuthDetail", "Password": "an endpoint's password"})
        if found["contact"]:
            items.append({"Event": "ContactStatusDetail", "Status": found["contact"]})
        return Answer({"Response": "Success"}, tuple(items))

    def _file(self, name: str) -> Answer:
        found = self.files.get(name)
        if found is None:
            return _bad("Config file not found")
        return Answer({"Response": "Success", **dict(_lines(found))})


def steps(extension: str, *commands: str) -> tuple[Step, ...]:
    """The steps of an extension, each as `Application(arguments)`."""
    parted = (command.partition("(") for command in commands)
    return tuple(
        Step(extension, place, name, rest.removesuffix(")"))
        for place, (name, _, rest) in enumerate(parted, start=1)
    )


def _lines(file: Mapping[str, Sequence[tuple[str, str]]]) -> Iterator[tuple[str, str]]:
    for category, (name, pairs) in enumerate(file.items()):
        yield f"Category-{category:06}", name
        for line, (key, value) in enumerate(pairs):
            yield f"Line-{category:06}-{line:06}", f"{key}={value}"


def _good(**headers: str) -> Answer:
    return Answer({"Response": "Success", **headers})


def _bad(message: str) -> Answer:
    return Answer({"Response": "Error", "Message": message})
