"""What `agi-bridge check` says of the ledger: its database, its keys, where its checkpoints go.

Nothing is written and nothing is made: not even SQLite's log files, which opening would make.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from sqlalchemy import URL, create_engine, make_url, select
from sqlalchemy import text as text_of
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from agi_bridge.consent import schema
from agi_bridge.consent.database import cause
from agi_bridge.consent.errors import KeyFault
from agi_bridge.consent.keys import Keys
from agi_bridge.tools.check_findings import Finding, Level, folder, secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection

    from agi_bridge.settings import Settings
    from agi_bridge.settings.secret import Secret

LITTLE_SPACE: Final = 256 * 1024 * 1024
"""Bytes free on the ledger's disk under which it is time to look: a full one takes no consents."""

CONNECT_SECONDS: Final = 3
"""Longest wait for PostgreSQL."""

KEY: Final = "ledger.url"
_MEGABYTE: Final = 1_000_000


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what there is to say of `[ledger]` and `[ledger.checkpoints]`."""
    place = settings.ledger_place
    if isinstance(place, Path):
        found, begun = _sqlite(place)
    else:
        found, begun = _postgresql(make_url(place), open_way=settings.ledger.travels_open)
    yield from found
    if settings.ledger.password is not None:
        yield from secret("ledger.password", settings.ledger.password)
    yield from _keys(settings, begun=begun)
    yield from _checkpoints(settings, environ)


def _sqlite(path: Path) -> tuple[list[Finding], bool]:
    """What there is to say of a file, and whether a ledger was begun in it."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return [Finding(Level.OK, KEY, f"{path} will be made")], False
    except OSError as error:
        return [_unseen(KEY, path, error)], True
    if not os.access(path, os.R_OK | os.W_OK):
        text = f"this account may not read and write {path}"
        fix = "run as the one that owns it"
        return [Finding(Level.FAULT, KEY, text, fix, "not_writable")], True
    # A log beside the file is read too. Without one the file is all there is, and SQLite is told
    # so, or it would make one.
    alone = not path.with_name(f"{path.name}-wal").exists()
    how = {"uri": "true", "mode": "ro", **({"immutable": "1"} if alone else {})}
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query=how)
    found, begun = _inside(url, _no_more, f"{path} cannot be read")
    free = shutil.disk_usage(path).free
    text = f"{path}, {status.st_size / _MEGABYTE:.1f} MB, {free // _MEGABYTE} MB free"
    if free >= LITTLE_SPACE:
        found.append(Finding(Level.OK, KEY, text))
    else:
        fix = "make room: a full disk takes no consents"
        found.append(Finding(Level.NOTE, KEY, text, fix, "little_space"))
    if status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        text = f"every account may open {path}"
        found.append(Finding(Level.NOTE, KEY, text, "chmod 600 it", "open"))
    return found, begun


def _postgresql(url: URL, *, open_way: bool) -> tuple[list[Finding], bool]:
    """What there is to say of a server and database, and whether a ledger was begun in it."""
    found, begun = _inside(
        url.set(drivername="postgresql+psycopg"),
        _server,
        "no connection to PostgreSQL",
        connect_timeout=CONNECT_SECONDS,
        options="-c default_transaction_read_only=on",
    )
    if open_way:
        text = "nothing demands encryption on the way to the database"
        found.append(Finding(Level.NOTE, KEY, text, "add ?sslmode=verify-full", "unencrypted"))
    return found, begun


def _inside(
    url: URL,
    more: Callable[[Connection], Iterator[Finding]],
    failure: str,
    **how: str | int,
) -> tuple[list[Finding], bool]:
    engine = create_engine(url, poolclass=NullPool, connect_args=how, hide_parameters=True)
    try:
        with engine.connect() as connection:
            version = schema.version(connection)
            found = [*more(connection), *_version(version)]
            begun = version == schema.VERSION and bool(
                connection.execute(select(schema.LEDGER.c.ledger_id)).first()
            )
    except SQLAlchemyError as error:
        text = f"{failure} ({cause(error)})"
        return [Finding(Level.FAULT, KEY, text, reason="unreachable")], True
    return found, begun


def _version(version: str | None) -> Iterator[Finding]:
    if version is not None and version < schema.VERSION:
        fix = (
            "make a backup, stop every bridge that uses it, then run `agi-bridge consents upgrade`"
        )
        yield Finding(Level.FAULT, KEY, "its tables are of an older version", fix, "older")
    elif version is not None and version > schema.VERSION:
        fix = "install the agi-bridge that made them"
        yield Finding(Level.FAULT, KEY, "its tables are of a newer version", fix, "newer")


def _no_more(_: Connection) -> Iterator[Finding]:
    yield from ()


def _server(connection: Connection) -> Iterator[Finding]:
    name, version, standby, fsync = connection.execute(
        text_of(
            "SELECT current_database(), current_setting('server_version'),"
            " pg_is_in_recovery(), current_setting('fsync')"
        )
    ).one()
    yield Finding(Level.OK, KEY, f"database {name} on PostgreSQL {version} answers")
    if standby:
        text = "is a standby, which takes no writes"
        yield Finding(Level.FAULT, KEY, text, "name the primary", "standby")
    if fsync != "on":
        text = "the server runs with fsync off: its crash may lose consents"
        yield Finding(Level.NOTE, KEY, text, "set fsync = on", "fsync")


def _keys(settings: Settings, *, begun: bool) -> Iterator[Finding]:
    ledger = settings.ledger
    found: list[Finding] = []
    places: tuple[tuple[str, Secret | None], ...] = (
        ("vault_key", ledger.vault_key),
        ("lookup_key", ledger.lookup_key),
        ("signing_key", ledger.signing_key),
    )
    missing = False
    for name, place in places:
        key = f"ledger.{name}"
        if place is not None:
            found += secret(key, place)
            continue
        path = settings.keys_dir / f"{name.removesuffix('_key')}.key"
        try:
            found.append(_key_file(key, path, path.stat().st_mode))
        except (FileNotFoundError, NotADirectoryError):
            missing = True
            found.append(_no_key_file(key, path, begun=begun))
        except OSError as error:
            found.append(_unseen(key, path, error))
    yield from found
    if missing or any(finding.level is Level.FAULT for finding in found):
        return
    try:
        Keys.load(settings.keys_dir, **ledger.key_texts(), create=False)
    except KeyFault as error:
        yield Finding(Level.FAULT, "ledger", str(error), reason="keys")


def _unseen(key: str, path: Path, error: OSError) -> Finding:
    text = f"{path} cannot be seen ({error.strerror})"
    return Finding(Level.FAULT, key, text, "run as the account of agi-bridge", "unreadable")


def _key_file(key: str, path: Path, mode: int) -> Finding:
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        text = f"every account may open {path}"
        return Finding(Level.NOTE, key, text, "chmod 600 it", "open")
    text = f"{path} (mode {stat.S_IMODE(mode):o}); keep a copy away from the database"
    return Finding(Level.OK, key, text)


def _no_key_file(key: str, path: Path, *, begun: bool) -> Finding:
    if begun:
        text = f"{path} is not there although the ledger is"
        return Finding(Level.FAULT, key, text, "put it back from its back-up", "missing")
    return Finding(Level.OK, key, f"{path} will be made at the first start")


def _checkpoints(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    table = "ledger.checkpoints"
    checkpoints = settings.ledger.checkpoints
    file = settings.checkpoint_file
    if file.exists() and not os.access(file, os.W_OK):
        text = f"this account may not write {file}"
        fix = "give it to the one that runs agi-bridge"
        yield Finding(Level.FAULT, f"{table}.file", text, fix, "not_writable")
    else:
        yield folder(f"{table}.file", file.parent)
    if checkpoints.command:
        name = checkpoints.command[0]
        program = shutil.which(name, path=environ.get("PATH", os.defpath))
        if program is None:
            text, fix = f"the program {name!r} is not found", "install it or name its full path"
            yield Finding(Level.FAULT, f"{table}.command", text, fix, "not_found")
        else:
            yield Finding(Level.OK, f"{table}.command", program)
    elif not checkpoints.syslog:
        text = "checkpoints stay on this machine: an attacker here could take them too"
        fix = "set command, or syslog if it leaves this machine"
        yield Finding(Level.NOTE, table, text, fix, "local")
