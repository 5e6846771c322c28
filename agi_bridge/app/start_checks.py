"""Checks the ledger for `agi-bridge check` and `serve`: its database, keys, lease and checkpoints.

The checks write and create nothing, not even the log files that SQLite would create. `serve` runs
`check_start` before it creates anything, and refuses to start with the text of the first fault.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select
from sqlalchemy import text as text_of
from sqlalchemy.exc import SQLAlchemyError

from agi_bridge.app.database_checks import KEY, DatabasePlace, check_database, postgresql_place
from agi_bridge.app.findings import Finding, Level, folder, secret, unseen
from agi_bridge.consent import KeyFault, LedgerUnavailable
from agi_bridge.consent.ledger import (
    CHAIN_FILE,
    check_chain_goes_on,
    check_keys,
    holder,
    in_use,
    schema,
)
from agi_bridge.consent.signing import (
    LOOKUP_KEY_FILE,
    SIGNING_KEY_FILE,
    VAULT_KEY_FILE,
    Keys,
    Vault,
    replaced_signing_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agi_bridge.settings import Secret, Settings

LOCK_FILE: Final = "serve.lock"
"""Lock file in a state directory. The running service holds the lock."""

_ANY_KEY: Final = f"{'A' * 43}="
"""Placeholder for a key that does not exist yet, to read the other keys."""


def check_ledger(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about `[ledger]` and `[ledger.checkpoints]`."""
    found = [*check_start(settings)]
    yield from found
    if settings.ledger.url and not any(each.level is Level.FAULT for each in found):
        running = any(each.key == "state_dir" and each.reason == "in_use" for each in found)
        yield from _lease(settings, running=running)
    if settings.ledger.travels_open:
        text = "the connection to the database may be unencrypted"
        yield Finding(Level.NOTE, KEY, text, "add ?sslmode=verify-full", "unencrypted")
    if settings.ledger.password is not None:
        yield from secret("ledger.password", settings.ledger.password)
    yield from _checkpoints(settings, environ)


def check_start(settings: Settings) -> Iterator[Finding]:
    """Yield the findings that decide a start: state directory, database and keys.

    A fault keeps `serve` from starting. Blocks.
    """
    yield folder("state_dir", settings.state_dir)
    yield from _lock(settings.state_dir / LOCK_FILE)
    found, place, begun = check_database(settings.ledger_place)
    yield from found
    yield from _checkpoint_file(settings.checkpoint_file)
    keys = [*_keys(settings, begun=begun)]
    yield from keys
    if begun and place is not None and not any(each.level is Level.FAULT for each in keys):
        yield from _fit(settings, place)


def _lock(path: Path) -> Iterator[Finding]:
    """Report whether a service is running, and whether this account could run it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield unseen("state_dir", path, error)
        return
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode) or not os.access(path, os.W_OK):
            text, fix = (
                f"this account cannot write {path}",
                "give the file to the account that runs agi-bridge",
            )
            yield Finding(Level.FAULT, "state_dir", text, fix, "not_writable")
            return
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = f"{path}: agi-bridge is running with this state_dir"
        yield Finding(Level.NOTE, "state_dir", text, reason="in_use")
    finally:
        os.close(handle)


def _keys(settings: Settings, *, begun: bool | None) -> Iterator[Finding]:
    """Yield the findings about the keys.

    A missing key is not reported if it is unknown whether a ledger exists (`begun` is None).
    """
    ledger = settings.ledger
    found: list[Finding] = []
    places: dict[str, Secret | None] = {
        VAULT_KEY_FILE: ledger.vault_key,
        SIGNING_KEY_FILE: ledger.signing_key,
        LOOKUP_KEY_FILE: ledger.lookup_key,
    }
    files = [settings.keys_dir / name for name, place in places.items() if place is None]
    missing = [path for path in files if not _is_there(path)]
    # As `Keys.load`: only a first start creates keys.
    made = files and files[-1] in missing and (not begun or shared_keys_are_set(settings))
    for name, place in places.items():
        key, path = f"ledger.{name.replace('.', '_')}", settings.keys_dir / name
        if place is not None:
            found += secret(key, place)
        elif path in missing:
            replaced = name == SIGNING_KEY_FILE and signing_key_is_replaced(settings)
            found += _no_key_file(key, path, made=bool(made or replaced), begun=begun)
        else:
            found.append(_key_file(key, path))
    yield from found
    if missing:
        yield from _place_of_keys(settings.keys_dir)
    if not any(finding.level is Level.FAULT for finding in found):
        texts = ledger.key_texts()
        if settings.keys_dir / VAULT_KEY_FILE in missing:
            texts["vault"] = _ANY_KEY
        if settings.keys_dir / SIGNING_KEY_FILE in missing:
            texts["signing"] = _ANY_KEY
        if settings.keys_dir / LOOKUP_KEY_FILE in missing:
            texts["lookup"] = _ANY_KEY
        try:
            Keys.load(settings.keys_dir, **texts, create=False)
        except KeyFault as error:
            yield Finding(Level.FAULT, "ledger", str(error), reason="keys")


def shared_keys_are_set(settings: Settings) -> bool:
    """Return whether the configuration names all keys that bridges on one database share.

    Each bridge has its own signing key, so a start may create it. New vault or lookup keys would be
    wrong for an existing ledger.
    """
    texts = settings.ledger.key_texts()
    return texts["vault"] is not None and texts["lookup"] is not None


def signing_key_is_replaced(settings: Settings) -> bool:
    """Return whether a person has renamed the signing key so that a start makes a new one.

    The old key is still beside it, and it is that of the chain which this bridge wrote last: a key
    that was lost is not taken for one that was renamed.
    """
    if settings.ledger.signing_key is not None or _is_there(settings.keys_dir / SIGNING_KEY_FILE):
        return False
    try:
        last = (settings.state_dir / CHAIN_FILE).read_text("ascii", "replace").strip()
    except OSError:
        return False
    return replaced_signing_key(settings.keys_dir, last) is not None


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # but cannot be examined: `_key_file` reports it
    return True


def _key_file(key: str, path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return unseen(key, path, error)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        text = f"every account can open {path}"
        return Finding(Level.NOTE, key, text, "run chmod 600 on it", "open")
    text = f"{path} (mode {stat.S_IMODE(mode):o}); keep a backup elsewhere"
    return Finding(Level.OK, key, text)


def _no_key_file(key: str, path: Path, *, made: bool, begun: bool | None) -> Iterator[Finding]:
    if begun is None:
        return
    if made:
        yield Finding(Level.OK, key, f"{path} will be created at the first start")
        return
    what = "the ledger exists" if begun else "the other keys exist"
    text = f"{path} is missing although {what}"
    yield Finding(Level.FAULT, key, text, "restore it from its backup", "missing")


def _place_of_keys(path: Path) -> Iterator[Finding]:
    """Report a fault if the keys folder cannot be written or created."""
    found = folder("ledger", path)
    if found.level is Level.FAULT:
        yield found


def _fit(settings: Settings, place: DatabasePlace) -> Iterator[Finding]:
    """Report a fault if the ledger was written with other keys."""
    missing = (
        not _is_there(settings.keys_dir / SIGNING_KEY_FILE) and settings.ledger.signing_key is None
    )
    if missing:  # a start creates it; the other keys are configured
        return
    keys, _ = Keys.load(settings.keys_dir, **settings.ledger.key_texts(), create=False)
    try:
        with place.engine().connect() as connection:
            if not place.is_sqlite:
                connection.execute(text_of("SET TRANSACTION READ ONLY"))
            chains = check_keys(connection, Vault(keys))
            check_chain_goes_on(connection, keys.ledger_id)
    except KeyFault as error:
        yield Finding(Level.FAULT, "ledger", str(error), reason="keys")
        return
    except (SQLAlchemyError, LedgerUnavailable) as error:
        yield place.unreachable(error)
        return
    if keys.ledger_id not in chains:
        text = "no chain in the ledger has this key: a start adds a new chain"
        fix = "if this is not intended, restore the old key"
        yield Finding(Level.NOTE, "ledger.signing_key", text, fix, "new_chain")


def _lease(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Report another bridge that runs with the same signing key; ours is `running` or not."""
    try:
        keys, _ = Keys.load(settings.keys_dir, **settings.ledger.key_texts(), create=False)
    except KeyFault:  # the first start makes them
        return
    place = postgresql_place(str(settings.ledger_place))
    try:
        with place.engine().connect() as connection:
            connection.execute(text_of("SET TRANSACTION READ ONLY"))
            if not schema.is_usable(connection, schema.version(connection)):
                return
            found = holder(connection, keys.ledger_id)
            now = float(connection.execute(select(func.extract("epoch", func.now()))).scalar_one())
    except (SQLAlchemyError, LedgerUnavailable) as error:
        yield place.unreachable(error)
        return
    if found is None or found.is_over(now) or found.is_gone():
        return
    if running and found.is_here():
        return  # our own service
    yield Finding(Level.FAULT, "ledger.signing_key", *in_use(found), reason="in_use")


def _checkpoint_file(file: Path) -> Iterator[Finding]:
    key = "ledger.checkpoints.file"
    if file.is_dir():
        yield Finding(Level.FAULT, key, f"{file} is a folder", "name a file", "no_file")
    elif file.exists() and not os.access(file, os.W_OK):
        text = f"this account cannot write {file}"
        fix = "give the file to the account that runs agi-bridge"
        yield Finding(Level.FAULT, key, text, fix, "not_writable")
    else:
        yield folder(key, file.parent)


def _checkpoints(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    table = "ledger.checkpoints"
    checkpoints = settings.ledger.checkpoints
    if checkpoints.command:
        name = checkpoints.command[0]
        program = shutil.which(name, path=environ.get("PATH", os.defpath))
        if program is None:
            text, fix = f"the program {name!r} was not found", "install it or write its full path"
            yield Finding(Level.FAULT, f"{table}.command", text, fix, "not_found")
        else:
            yield Finding(Level.OK, f"{table}.command", program)
    elif not checkpoints.syslog:
        text = "checkpoints stay on this machine, where an attacker could replace them too"
        fix = "set command, or syslog if syslog sends to another machine"
        yield Finding(Level.NOTE, table, text, fix, "local")
    if not checkpoints.timestamp_url:
        text = "no time stamping authority: only your own clock and key date a consent"
        fix = "set timestamp_url"
        yield Finding(Level.NOTE, f"{table}.timestamp_url", text, fix, "unwitnessed")
