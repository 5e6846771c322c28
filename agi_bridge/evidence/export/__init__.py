"""Exports: cases from the ledger as a folder or zip file that can be verified on its own.

Whose export it is, who may have it and that it is put on record are for the caller. The frame of
all HTML pages of agi-bridge is here too.
"""

from agi_bridge.evidence.export.archive import create_archive
from agi_bridge.evidence.export.case import Case, read_case
from agi_bridge.evidence.export.collect import Collector
from agi_bridge.evidence.export.labels import language_name
from agi_bridge.evidence.export.pages import TEMPLATES, Contents, page
from agi_bridge.evidence.export.summary import CaseSummary, personal_label, summarise
from agi_bridge.evidence.export.verify import trusted_chain, verify_export
from agi_bridge.evidence.export.writer import ExportWriter

__all__ = [
    "TEMPLATES",
    "Case",
    "CaseSummary",
    "Collector",
    "Contents",
    "ExportWriter",
    "create_archive",
    "language_name",
    "page",
    "personal_label",
    "read_case",
    "summarise",
    "trusted_chain",
    "verify_export",
]
