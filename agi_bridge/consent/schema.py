"""The three tables: events that are only ever added, personal data apart, each disclosure once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    DDL,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

METADATA = MetaData()

DISCLOSURE = Table(
    "disclosure",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("lang", String(35), nullable=False),
    Column("text", Text, nullable=False),
    comment="Every text that was ever disclosed, once, by the SHA-256 of its UTF-8 bytes",
)

EVENT = Table(
    "event",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("event_id", String(36), nullable=False),
    Column("consent_id", String(36), nullable=False),
    Column("type", String(16), nullable=False),
    Column("at", String(24), nullable=False),
    Column("body", Text, nullable=False),
    Index("event_by_consent", "consent_id", "seq"),
    comment="Append-only; canonical JSON bodies without personal data",
    sqlite_autoincrement=True,
)

PII = Table(
    "pii",
    METADATA,
    Column("consent_id", String(36), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("number", String(16), nullable=False),
    Column("caller_id", String(64)),
    Column("digits", String(32), nullable=False),
    Column("disclosure_sha256", ForeignKey(DISCLOSURE.c.sha256), nullable=False),
    comment="Erasable: a row may go, the events stay and still add up",
)

for _verb in ("UPDATE", "DELETE"):
    event.listen(
        EVENT,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy leaves this constructor untyped
            f"CREATE TRIGGER event_no_{_verb.lower()} BEFORE {_verb} ON event "
            "BEGIN SELECT RAISE(ABORT, 'events are never changed'); END"
        ).execute_if(dialect="sqlite"),
    )


def create(connection: Connection) -> None:
    """Create what is missing: tables, indexes and the triggers that guard the events."""
    METADATA.create_all(connection)
