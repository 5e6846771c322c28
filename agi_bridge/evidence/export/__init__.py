"""Exports: the proof of consents as a folder or archive that stands alone."""
