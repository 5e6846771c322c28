"""Ledgers, on SQLite and on PostgreSQL."""

from tests.support.ledgers import *  # noqa: F403 - fixtures, which pytest finds by name
