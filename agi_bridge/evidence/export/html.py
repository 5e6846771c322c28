"""Pages that open without a network: no script, style inside, every value escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from agi_bridge.evidence.export.labels import label, value
from agi_bridge.evidence.export.summary import personal_label

TEMPLATES: Final = Path(__file__).parent / "templates"


def page(template: str, folder: Path = TEMPLATES, /, **values: object) -> str:
    """Render a template of a folder. It may extend `page.html`, the frame of all pages.

    A value that the template needs and does not get is an error (jinja2.UndefinedError).
    """
    return _environment(folder).get_template(template).render(values)


@cache
def _environment(folder: Path) -> Environment:
    made = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        # A brand or a text of the database is never markup.
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals |= {"label": label, "value": value, "personal_label": personal_label}
    return made
