"""The PBX's recordings and its account, where Asterisk runs on this machine."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PLACES: Final = (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
"""Where Debian and a build from source keep their data, unless asterisk.conf names a place."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a program runs as."""

    uid: int
    groups: frozenset[int]


def find_data_folder(
    host: str, asterisk_conf: Mapping[str, Sequence[tuple[str, str]]] | None
) -> Path | None:
    """Return the PBX's data folder if it is on this machine; None if not."""
    if not is_loopback(host):
        return None
    named = dict((asterisk_conf or {}).get("directories", ())).get("astdatadir")
    places = (Path(named),) if named else _PLACES
    return next((place for place in places if (place / "sounds").is_dir()), None)


def has_sound(data: Path, language: str, name: str) -> bool:
    """Return whether a recording exists in a language, in any format.

    Without the language itself Asterisk takes its main language: `fr` for `fr_CA` (main/file.c,
    fileexists_core). English in its place would be another language, and is not counted.
    """
    tag = language.replace("-", "_")
    for folder in dict.fromkeys((tag, tag.partition("_")[0])):
        path = data / "sounds" / folder / name
        with suppress(OSError, ValueError):  # ValueError: no name of a file
            # Not by a pattern: the name comes from the PBX.
            if any(each.startswith(f"{path.name}.") for each in os.listdir(path.parent)):  # noqa: PTH208 - names alone
                return True
    return False


def process_account(proc: Path = Path("/proc")) -> Account | None:
    """Return the account that Asterisk runs as; None if none runs here, or several differ."""
    found: set[Account] = set()
    for folder in proc.glob("[0-9]*"):
        try:
            if (folder / "comm").read_text() != "asterisk\n":
                continue
            status = dict(
                line.split(":\t", 1)
                for line in (folder / "status").read_text().splitlines()
                if ":\t" in line
            )
        except OSError:  # it has ended
            continue
        uid, gid = status["Uid"].split()[1], status["Gid"].split()[1]
        groups = frozenset(map(int, (gid, *status.get("Groups", "").split())))
        found.add(Account(int(uid), groups))
    return found.pop() if len(found) == 1 else None


def readable_by(account: Account, path: Path) -> bool:
    """Return whether an account may read a file, or list a folder, and reach it."""
    if account.uid == 0:
        return path.exists()
    try:
        way = all(_may(account, parent, stat.S_IXOTH) for parent in path.parents)
        wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        return way and _may(account, path, wanted)
    except OSError:
        return False


def _may(account: Account, path: Path, wanted: int) -> bool:
    status = os.stat(path)  # noqa: PTH116 - follows links, as the PBX does
    shift = 6 if status.st_uid == account.uid else 3 if status.st_gid in account.groups else 0
    return status.st_mode & (wanted << shift) == wanted << shift
