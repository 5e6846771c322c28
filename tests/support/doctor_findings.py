"""What the doctor finds on a scripted PBX, for a configuration that fits it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from agi_bridge.doctor.examine import Situation, examine_pbx
from agi_bridge.doctor.findings import Finding, Id, Level
from agi_bridge.doctor.line_sounds import LineSounds, TestSound
from tests.support.call_env import settings as make_settings
from tests.support.scripted_pbx import DID, SHIPPED, ScriptedPbx

if TYPE_CHECKING:
    from agi_bridge.doctor.ami import AmiSession
    from agi_bridge.settings import Settings

LINE = LineSounds(
    "shop", (DID,), ("en",), frozenset({"en"}), (), TestSound("/prompts/en/goodbye", 1.0, 8000)
)

Faults: TypeAlias = dict[str, tuple[Callable[[ScriptedPbx], object], Id, Level]]
"""By name: what breaks the PBX, and the one finding that says so."""


def configured(tables: dict[str, dict[str, Any]] | None = None, **line: Any) -> Settings:
    agi = {"port": 4573, **(tables or {}).get("agi", {})}
    default = {"kind": "dial", "destination": "PJSIP/200"}
    given: dict[str, Any] = {"default": default, **line}
    return make_settings(tables={**(tables or {}), "agi": agi}, **given)


@cache
def plain() -> Settings:
    return configured()


async def looked(
    pbx: ScriptedPbx | None,
    settings: Settings | None = None,
    *,
    line: LineSounds = LINE,
    synchronised: bool = True,
) -> list[Finding]:
    situation = Situation(settings or plain(), [line], SHIPPED, lambda: synchronised)
    return [each async for each in examine_pbx(cast("AmiSession | None", pbx), situation)]


def wrong(findings: list[Finding]) -> dict[Id, Level]:
    return {each.id: each.level for each in findings if each.level is not Level.OK}


async def found_alone(
    pbx: ScriptedPbx, seed: Callable[[ScriptedPbx], object], which: Id, level: Level
) -> None:
    """A fault is found by its id and by no other, with its reason and its fix."""
    seed(pbx)
    findings = await looked(pbx)
    assert wrong(findings) == {which: level}
    (found,) = (each for each in findings if each.level is not Level.OK)
    assert found.why or level is Level.NOT_LOOKED_AT
    assert found.fix
