"""Checks before calls are taken what the disclosures of lines whose texts advertise must say.

A wording that names neither the brand nor that texts advertise can make no consent to advertising:
such a line does not start. What Canada's law asks for besides is a finding of `check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.consent import lacks_for_canada, names_purpose
from agi_bridge.settings import Fault, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Library

_FIX = 'set disclosure = "disclosure-marketing" and render it, or record one that says both'


def check_disclosures(settings: Settings, prompts: Mapping[str, Library]) -> None:
    """See that the wordings fit what is asked for; `prompts` are the lines' own, by name.

    Raises:
        SettingsError: one does not.
    """
    faults = [
        fault for line in settings.lines.values() for fault in unfit(line, prompts[line.name])
    ]
    if faults:
        raise SettingsError(faults)


def unfit(line: Line, prompts: Library) -> Iterator[Fault]:
    """Yield a fault for each language in which a line's disclosure does not fit its purpose."""
    for language in line.languages:
        text = prompts.prompt(line.disclosure, language).text
        if not names_purpose(text, language=language, brand=line.brand, purpose=line.purpose):
            what = f"{language}: does not say that {line.brand!r} texts advertising"
            yield Fault(f"lines.{line.name}.disclosure", what, _FIX, "disclosure")


def unfit_for_canada(line: Line, prompts: Library) -> Iterator[tuple[str, str]]:
    """Yield each language, and what its disclosure lacks for texts that advertise in Canada."""
    if line.purpose != "marketing" or "CA" not in line.regions:
        return
    for language in line.languages:
        text = prompts.prompt(line.disclosure, language).text
        for lack in lacks_for_canada(text, language=language, address=line.mailing_address):
            yield language, lack
