"""What `agi-bridge check` says of the ledger: its database, its keys, where its checkpoints go.

Nothing is written and nothing is made: not even SQLite's log files, which opening would make.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from agi_bridge.consent.errors import KeyFault
from agi_bridge.consent.keys import Keys
from agi_bridge.tools.check_findings import Finding, Level, folder, secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agi_bridge.settings import Settings
    from agi_bridge.settings.secret import Secret

LITTLE_SPACE: Final = 256 * 1024 * 1024
"""Bytes free on the ledger's disk under which it is time to look: a full one takes no consents."""

CONNECT_SECONDS: Final = 3
"""Longest wait for PostgreSQL."""

_SQLITE_HEADER: Final = b"SQLite format 3\0"
_MEGABYTE: Final = 1_000_000


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what there is to say of `[ledger]` and `[ledger.checkpoints]`."""
    place = settings.ledger_place
    if isinstance(place, Path):
        yield from _sqlite(place)
    else:
        yield from _postgresql(settings)
    if settings.ledger.password is not None:
        yield from secret("ledger.password", settings.ledger.password)
    begun = isinstance(place, Path) and _size(place) > 0
    yield from _keys(settings, begun=begun)
    yield from _checkpoints(settings, environ)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sqlite(path: Path) -> Iterator[Finding]:
    key = "ledger.url"
    if not _size(path):
        yield Finding(Level.OK, key, f"{path} will be made")
        return
    if not os.access(path, os.R_OK | os.W_OK):
        text = f"this account may not read and write {path}; run as the one that owns it"
        yield Finding(Level.FAULT, key, text)
        return
    with path.open("rb") as opened:
        if opened.read(len(_SQLITE_HEADER)) != _SQLITE_HEADER:
            text = f"{path} is no SQLite database; put the ledger back from its back-up"
            yield Finding(Level.FAULT, key, text)
            return
    free = shutil.disk_usage(path).free
    text = f"{path}, {_size(path) / _MEGABYTE:.1f} MB, {free // _MEGABYTE} MB free"
    yield Finding(Level.OK if free >= LITTLE_SPACE else Level.NOTE, key, text)
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield Finding(Level.NOTE, key, f"every account may open {path}; chmod 600 it")


def _postgresql(settings: Settings) -> Iterator[Finding]:
    key = "ledger.url"
    ledger = settings.ledger
    if ledger.travels_open:
        text = "nothing demands encryption on the way to the database; add ?sslmode=verify-full"
        yield Finding(Level.NOTE, key, text)
    password = None if ledger.password is None else ledger.password.reveal()
    try:
        with psycopg.connect(
            ledger.url,
            password=password,
            connect_timeout=CONNECT_SECONDS,
            options="-c default_transaction_read_only=on",
        ) as connection:
            row = connection.execute(
                "SELECT current_database(), current_setting('server_version'),"
                " pg_is_in_recovery(), current_setting('fsync')"
            ).fetchone()
    except psycopg.Error as error:
        said = str(error).partition("\n")[0]  # libpq quotes no password
        yield Finding(Level.FAULT, key, f"no connection to PostgreSQL ({said})")
        return
    name, version, standby, fsync = row or ("", "", False, "on")
    yield Finding(Level.OK, key, f"database {name} on PostgreSQL {version} answers")
    if standby:
        yield Finding(Level.FAULT, key, "is a standby, which takes no writes; name the primary")
    if fsync != "on":
        text = "the server runs with fsync off: its crash may lose consents; set fsync = on"
        yield Finding(Level.NOTE, key, text)


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
            text = f"{path} cannot be seen ({error.strerror}); run as the account of agi-bridge"
            found.append(Finding(Level.FAULT, key, text))
    yield from found
    if missing or any(finding.level is Level.FAULT for finding in found):
        return
    try:
        Keys.load(settings.keys_dir, **ledger.key_texts(), create=False)
    except KeyFault as error:
        yield Finding(Level.FAULT, "ledger", str(error))


def _key_file(key: str, path: Path, mode: int) -> Finding:
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return Finding(Level.NOTE, key, f"every account may open {path}; chmod 600 it")
    text = f"{path} (mode {stat.S_IMODE(mode):o}); keep a copy away from the database"
    return Finding(Level.OK, key, text)


def _no_key_file(key: str, path: Path, *, begun: bool) -> Finding:
    if begun:
        text = f"{path} is not there although the ledger is; put it back from its back-up"
        return Finding(Level.FAULT, key, text)
    return Finding(Level.OK, key, f"{path} will be made at the first start")


def _checkpoints(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    table = "ledger.checkpoints"
    checkpoints = settings.ledger.checkpoints
    file = settings.checkpoint_file
    if file.exists() and not os.access(file, os.W_OK):
        text = f"this account may not write {file}; give it to the one that runs agi-bridge"
        yield Finding(Level.FAULT, f"{table}.file", text)
    else:
        yield folder(f"{table}.file", file.parent)
    if checkpoints.command:
        name = checkpoints.command[0]
        program = shutil.which(name, path=environ.get("PATH", os.defpath))
        if program is None:
            text = f"the program {name!r} is not found; install it or name its full path"
            yield Finding(Level.FAULT, f"{table}.command", text)
        else:
            yield Finding(Level.OK, f"{table}.command", program)
    elif not checkpoints.syslog:
        text = (
            "checkpoints stay on this machine: an attacker here could take them too; "
            "set command, or syslog if it leaves this machine"
        )
        yield Finding(Level.NOTE, table, text)
