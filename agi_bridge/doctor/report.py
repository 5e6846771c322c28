"""The doctor's report, and the JSON document that programs read.

The models here are the document's schema. docs/doctor.schema.json is made from them, and a test
compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from agi_bridge.doctor.findings import Id, Level

if TYPE_CHECKING:
    from agi_bridge.doctor.call import CallStep
    from agi_bridge.doctor.findings import Finding

_ASKED_FOR: Final = frozenset({Id.CALL, Id.LOAD})
"""What is only looked at if the command line says so."""

SCHEMA_ID = "https://agi-bridge.example/doctor.schema.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FindingDocument(_Part):
    """One finding. The texts are for people and may change; `id` and `level` are stable."""

    id: Id
    level: Level
    about: str = Field(description="Which one: a setting, an endpoint; empty if there is only one.")
    what: str = Field(description="What is so.")
    why: str = Field(description="Why it matters; empty at levels ok and not_looked_at.")
    fix: str = Field(description="How to put it right; may be empty.")


class StepDocument(_Part):
    """One step of the test call."""

    name: Literal["arrival", "did", "bridge", "sound", "key", "result"]
    ok: bool
    milliseconds: Annotated[int, Field(ge=0)] | None = Field(
        description="From the start of the call; null if it did not happen."
    )
    what: str


class Document(_Part):
    """What `agi-bridge doctor --json` prints."""

    ok: bool = Field(
        description="Whether there is no fault, and the call that was asked for was placed."
    )
    faults: Annotated[int, Field(ge=0)]
    notes: Annotated[int, Field(ge=0)]
    not_looked_at: Annotated[int, Field(ge=0)]
    findings: list[FindingDocument]
    call: list[StepDocument] | None = Field(
        description="The steps of the test call; null without one."
    )


@dataclass(frozen=True, slots=True)
class Report:
    """All that the doctor found."""

    findings: tuple[Finding, ...]
    call: tuple[CallStep, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no fault, and the call that was asked for was placed."""
        return not self.count(Level.FAULT) and not any(
            finding.id in _ASKED_FOR and finding.level is Level.NOT_LOOKED_AT
            for finding in self.findings
        )

    def count(self, level: Level) -> int:
        """Return how many findings have a level."""
        return sum(finding.level is level for finding in self.findings)

    def document(self) -> Document:
        """Return the report for programs."""
        return Document(
            ok=self.ok,
            faults=self.count(Level.FAULT),
            notes=self.count(Level.NOTE),
            not_looked_at=self.count(Level.NOT_LOOKED_AT),
            findings=[
                FindingDocument(
                    id=each.id,
                    level=each.level,
                    about=each.about,
                    what=each.what,
                    why=each.why,
                    fix=each.fix,
                )
                for each in self.findings
            ],
            call=None
            if self.call is None
            else [
                StepDocument(
                    name=step.name,  # type: ignore[arg-type]  # the names that `call.steps` gives
                    ok=step.ok,
                    milliseconds=step.milliseconds,
                    what=step.what,
                )
                for step in self.call
            ],
        )
