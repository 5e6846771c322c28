"""The tables of the ledger: append-only events, sealed personal data, contents and indexes.

They are made and changed by `migrations`; here they are described for the statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    inspect,
    literal_column,
    select,
    text,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

METADATA: Final = MetaData()
_COUNTER = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up INTEGER keys only
_RARE: Final = (
    "not_sent", "unknown", "expired", "revoked", "revocation", "message", "resolved"
)  # fmt: skip
"""What people and the resubmission look for among millions of other events."""
_RARE_INDEX: Final = (
    f"CREATE INDEX event_rare ON event (type, id) WHERE type IN ({', '.join(map(repr, _RARE))})"
)
"""As text: told of a dialect's own words, SQLAlchemy loads all of PostgreSQL's for SQLite too."""

EVENT: Final = Table(
    "event",
    METADATA,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("ledger_id", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("consent_id", String(36), nullable=False),
    Column("type", String(16), nullable=False),
    Column("at", String(24), nullable=False),
    Column("tags", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("ledger_id", "seq", name="event_in_chain"),
    Index("event_by_consent", "consent_id", "id"),
    Index("event_rare", "type", "id").ddl_if(callable_=lambda *_, **__: False),  # `_complete` does
    comment="Append-only: canonical JSON without readable personal data, chained by hash",
    sqlite_autoincrement=True,
)

DISCLOSURE: Final = Table(
    "disclosure",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("lang", String(35), nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", Text, nullable=False),
    comment="Every text that was ever disclosed, once, by the SHA-256 of its UTF-8 bytes",
)

CONTENT: Final = Table(
    "content",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("text", Text, nullable=False),
    comment="Texts that events name by hash: prompts, configurations, samples of first texts",
)

AUDIO: Final = Table(
    "audio",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("wav", LargeBinary, nullable=False),
    comment="Every recording of the dialogue that was ever played, once",
)

PII: Final = Table(
    "pii",
    METADATA,
    Column("consent_id", String(36), primary_key=True),
    Column("person_id", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("line_id", String(64)),
    Column("brand", Text),
    Column("at", String(24), nullable=False),
    Column("number_hmac", String(64)),
    Column("caller_hmac", String(64)),
    Column("sealed", LargeBinary, nullable=False),
    Column("disclosure_sha256", ForeignKey(DISCLOSURE.c.sha256)),
    Column("trimmed", Boolean, nullable=False, server_default=false()),
    Column("restricted_until", String(24)),
    Index("pii_by_person", "person_id"),
    Index("pii_by_number", "number_hmac", "at"),
    Index("pii_by_caller", "caller_hmac", "at"),
    Index("pii_by_line", "line_id", "at"),
    comment="Erasable: a row may go, the events stay and still add up",
)

PERSON: Final = Table(
    "person",
    METADATA,
    Column("person_id", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    comment="A key for each person: personal data is sealed under it, and erased with it",
)

SUPPRESSION: Final = Table(
    "suppression",
    METADATA,
    Column("revocation_id", String(36), primary_key=True),
    Column("number_hmac", String(64), nullable=False),
    Column("scope", Text, nullable=False),
    Column("brand", Text),
    Index("suppression_by_number", "number_hmac"),
    comment="An index of the revocations: numbers that must not be texted, as keyed hashes",
)

LIFTING: Final = Table(
    "lifting",
    METADATA,
    Column("revocation_id", String(36), primary_key=True),
    Column("brand", Text, primary_key=True),
    comment="An index: revocations that a consent given since has lifted for a brand",
)

SUBMISSION: Final = Table(
    "submission",
    METADATA,
    Column("consent_id", String(36), primary_key=True),
    Column("ledger_id", String(32), nullable=False),
    Column("owner", String(32), nullable=False),
    Column("deadline", String(24), nullable=False),
    comment="An index: submissions under way, who sends each, and until when",
)

LEDGER: Final = Table(
    "ledger",
    METADATA,
    Column("ledger_id", String(32), primary_key=True),
    Column("public_key", String(44), nullable=False),
    Column("lookup_check", String(64), nullable=False),
    Column("at", String(24), nullable=False),
    comment="The chains in this database, one for each signing key",
)

COMPATIBILITY: Final = Table(
    "compatibility",
    METADATA,
    Column("oldest", String(32), primary_key=True),
    comment="The oldest revision of these tables whose programs may use them",
)

ENDED_CHAIN: Final = Table(
    "ended_chain",
    METADATA,
    Column("ledger_id", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("at", String(24), nullable=False),
    comment="Chains that end here because the ledger was restored from a backup",
)

CHECKPOINT: Final = Table(
    "checkpoint",
    METADATA,
    Column("ledger_id", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("line", Text, nullable=False),
    comment="Copies of the signed checkpoints; the ones that count are kept elsewhere",
)

DELIVERY: Final = Table(
    "delivery",
    METADATA,
    Column("ledger_id", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("sink", String(255), primary_key=True),
    comment="Checkpoints that have not got out yet, for each place that they are to go to",
)

OUTBOX: Final = Table(
    "outbox",
    METADATA,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("ledger_id", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("consent_id", String(36), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("type", String(16), nullable=False),
    Column("at", String(24), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", String(24), nullable=False, server_default=""),
    Column("reason", String(40)),
    Column("refused", Boolean, nullable=False, server_default=false()),
    Column("owner", String(32)),
    Column("deadline", String(24)),
    UniqueConstraint("ledger_id", "seq", "endpoint", name="outbox_once"),
    Index("outbox_due", "endpoint", "next_at"),
    Index("outbox_in_order", "endpoint", "subject", "id"),
    Index("outbox_by_consent", "consent_id"),
    comment="Messages to other systems that are not delivered yet: which event, to which endpoint",
    sqlite_autoincrement=True,
)

GONE_ENDPOINT: Final = Table(
    "gone_endpoint",
    METADATA,
    Column("endpoint", String(64), primary_key=True),
    Column("address", String(64), primary_key=True),
    comment="Endpoints that want no more messages, by the SHA-256 of the URL that said so",
)

FAILING_ENDPOINT: Final = Table(
    "failing_endpoint",
    METADATA,
    Column("endpoint", String(64), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_at", String(24), nullable=False),
    Column("owner", String(32)),
    comment="Endpoints that fail: how often in a row, when the next attempt is due, and who makes "
    "it now",
)

WITNESS: Final = Table(
    "witness",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("ledger_id", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("stamp", LargeBinary, nullable=False),
    comment="Time stamps of authorities on checkpoints, as they came (DER), by their SHA-256",
)


CHAIN_LEASE: Final = Table(
    "chain_lease",
    METADATA,
    Column("ledger_id", String(32), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("host", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("deadline", String(24), nullable=False),
    comment="The bridge that runs with each signing key, and until when, unless it renews",
)

CHECKPOINT_REQUEST: Final = Table(
    "checkpoint_request",
    METADATA,
    Column("ledger_id", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    comment="Chains whose bridge is asked for a checkpoint, at this event or a later one",
)


def is_rare(type_: ColumnElement[str]) -> ColumnElement[bool]:
    """That an event is in the index of the rare ones.

    A query says so in the index's own words: SQLite cannot tell it from the value it is given.
    """
    return type_.in_([literal_column(repr(name)) for name in _RARE])


EVERYTHING: Final = "*"
"""Stands in `suppression.scope` for every brand."""


def brand_key(brand: str) -> str:
    """A brand as it is compared: spelling counts, case and outer spaces do not."""
    return brand.strip().casefold()


def brand_scope(brand: str) -> str:
    """What `suppression.scope` holds of a revocation of one brand."""
    return f"brand:{brand_key(brand)}"


def seller_scope(seller: str) -> str:
    """The same of all brands of one seller."""
    return f"seller:{brand_key(seller)}"


def scope_key(scope: str, brand: str | None, seller: str | None) -> str:
    """The same of a revocation's body, from its three fields."""
    if scope == "brand":
        return brand_scope(brand or "")
    return seller_scope(seller or "") if scope == "seller" else EVERYTHING


VERSION: Final = "0007"
"""The newest revision: what `create` makes, and what a ledger must be at, or a later one."""
OLDEST: Final = "0006"
"""What the newest revision says: the oldest one whose programs may use its tables."""
UNVERSIONED: Final = "0000"
"""Stands for tables without a revision: they are not a ledger that can be used or upgraded."""


def create(connection: Connection) -> None:
    """Make all tables, indexes and the triggers that guard the events, in an empty database."""
    METADATA.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": VERSION})
    mark(connection, OLDEST)


def mark(connection: Connection, oldest: str) -> None:
    """Write down the oldest revision whose programs may use the tables."""
    connection.execute(COMPATIBILITY.delete())
    connection.execute(COMPATIBILITY.insert().values(oldest=oldest))


def is_usable(connection: Connection, version: str | None) -> bool:
    """Whether this program may use tables of a revision: its own, or a later one that allows it.

    So a bridge of the release before starts on upgraded tables, until it is its turn.
    """
    if version is None or version <= VERSION:
        return version == VERSION
    if not inspect(connection).has_table(COMPATIBILITY.name):
        return False
    oldest = connection.execute(select(COMPATIBILITY.c.oldest)).scalar()
    return oldest is not None and oldest <= VERSION


def version(connection: Connection) -> str | None:
    """The revision of a database's tables, or `UNVERSIONED`; None if it is empty."""
    inspector = inspect(connection)
    if inspector.has_table("alembic_version"):
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return UNVERSIONED if inspector.has_table("event") else None


def guards(dialect: str) -> tuple[str, ...]:
    """The statements that make a database refuse to change or delete an event."""
    if dialect == "sqlite":
        return tuple(
            f"CREATE TRIGGER event_no_{verb.lower()} BEFORE {verb} ON event "
            "BEGIN SELECT RAISE(ABORT, 'events are never changed'); END"
            for verb in ("UPDATE", "DELETE")
        )
    return (
        """CREATE FUNCTION event_unchanged() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'events are never changed'; END $$""",
        """CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE ON event
            FOR EACH ROW EXECUTE FUNCTION event_unchanged()""",
        """CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event
            FOR EACH STATEMENT EXECUTE FUNCTION event_unchanged()""",
    )


@event.listens_for(EVENT, "after_create")
def _complete(_: Table, connection: Connection, **_facts: object) -> None:
    connection.execute(text(_RARE_INDEX))
    for statement in guards(connection.dialect.name):
        connection.execute(text(statement))
