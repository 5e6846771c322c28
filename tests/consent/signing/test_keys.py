from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from agi_bridge.consent.errors import KeyMissing, KeyUnreadable
from agi_bridge.consent.signing import (
    Keys,
    backup_advice,
    generate_keys,
    key_files,
    ledger_id_of,
    rotate_vault_key,
    world_accessible_key_files,
)
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from pathlib import Path

ONE = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()


NAMES = ["lookup.key", "signing.key", "vault.key"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(one: Keys, other: Keys) -> bool:
    return (one.vault, one.lookup, one.public_key) == (other.vault, other.lookup, other.public_key)


def test_the_first_start_makes_three_keys_that_are_the_owners_alone(folder: Path) -> None:
    keys, made = Keys.load(folder, create=True)
    assert {path.name for path in made} == {"vault.key", "lookup.key", "signing.key"}
    assert names(folder) == NAMES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert len({*keys.vault, keys.lookup, keys.public_key}) == 3


def test_later_starts_find_the_same_keys_and_make_none(folder: Path) -> None:
    keys, _ = Keys.load(folder, create=True)
    again, made = Keys.load(folder, create=True)
    assert made == ()
    assert same(keys, again)
    assert same(keys, Keys.load(folder, create=False)[0])


def test_two_that_start_at_once_get_the_same_keys(folder: Path) -> None:
    ready = threading.Barrier(4)

    def start() -> tuple[Keys, tuple[Path, ...]]:
        ready.wait()
        return Keys.load(folder, create=True)

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(start) for _ in range(4)]]
    first = results[0][0]
    assert all(same(first, keys) for keys, _ in results)
    assert sum(len(made) for _, made in results) == 3
    assert names(folder) == NAMES


def test_a_key_that_another_process_made_first_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beaten(_: str, path: Path) -> None:
        path.write_text(ONE)
        raise FileExistsError

    monkeypatch.setattr(key_files, "link_unnamed", beaten)
    keys, made = Keys.load(folder, create=True)
    assert made == ()
    assert keys.vault == (bytes(range(32)),)
    assert names(folder) == NAMES


def test_a_first_start_that_was_cut_short_is_finished(folder: Path) -> None:
    keys, _ = Keys.load(folder, create=True)
    (folder / "signing.key").unlink()
    (folder / "lookup.key").unlink()
    again, made = Keys.load(folder, create=True)
    assert [path.name for path in made] == ["signing.key", "lookup.key"]
    assert again.vault == keys.vault


@pytest.mark.parametrize("name", ["vault.key", "signing.key"])
def test_a_key_that_was_lost_is_missed_and_not_replaced(folder: Path, name: str) -> None:
    Keys.load(folder, create=True)
    (folder / name).unlink()
    with pytest.raises(KeyMissing, check=coded("key_missing", name)):
        Keys.load(folder, create=True)
    assert not (folder / name).exists()


def test_nothing_is_made_unless_asked(folder: Path) -> None:
    with pytest.raises(KeyMissing, check=coded("key_missing", "vault.key")):
        Keys.load(folder, create=False)
    assert not folder.exists()


def test_keys_given_as_texts_need_no_folder(folder: Path) -> None:
    keys, made = Keys.load(
        folder, vault=f"{ONE},{OTHER}", lookup=f" {OTHER}\n", signing=ONE, create=True
    )
    assert made == ()
    assert keys.vault == (base64.b64decode(ONE), base64.b64decode(OTHER))
    assert keys.lookup == base64.b64decode(OTHER)
    assert keys.signing.private_bytes_raw() == base64.b64decode(ONE)
    assert not folder.exists()


def test_only_the_files_of_keys_that_are_not_given_are_made(folder: Path) -> None:
    keys, made = Keys.load(folder, vault=ONE, create=True)
    assert [path.name for path in made] == ["signing.key", "lookup.key"]
    assert keys.vault == (base64.b64decode(ONE),)


def test_a_file_of_ours_is_one_word_that_may_be_given_as_it_is(folder: Path) -> None:
    keys, made = Keys.load(folder, create=True)
    rotate_vault_key(folder / "vault.key")
    texts = {path.stem: path.read_text() for path in made}
    assert all(len(text.split()) == 1 for text in texts.values())
    given, _ = Keys.load(folder / "elsewhere", **texts, create=False)
    assert given.public_key == keys.public_key


def test_a_signing_key_may_be_pem(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    keys, _ = Keys.load(folder, vault=ONE, lookup=ONE, signing=pem, create=False)
    assert keys.signing.private_bytes_raw() == key.private_bytes_raw()


def test_the_ledgers_id_is_of_its_public_key() -> None:
    keys = generate_keys()
    assert keys.ledger_id == hashlib.sha256(keys.public_key).digest()[:16].hex()
    assert ledger_id_of(keys.public_key) == keys.ledger_id != generate_keys().ledger_id


def test_no_key_shows_in_a_repr() -> None:
    assert repr(generate_keys()) == "Keys()"


def pem_of(key: Ed448PrivateKey | Ed25519PrivateKey, password: bytes | None = None) -> str:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


SHORT = base64.b64encode(bytes(31)).decode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vault", ""),
        ("vault", "never a key"),
        ("vault", f"{ONE},{SHORT}"),
        ("vault", "clé"),
        ("lookup", f"{ONE} {OTHER}"),
        ("lookup", SHORT),
        ("signing", SHORT),
        ("signing", "-----BEGIN PRIVATE KEY-----\nnever a key\n-----END PRIVATE KEY-----"),
        ("signing", "-----BEGIN clé-----"),
        pytest.param("signing", pem_of(Ed448PrivateKey.generate()), id="Ed448"),
        pytest.param("signing", pem_of(Ed25519PrivateKey.generate(), b"password"), id="encrypted"),
    ],
)
@pytest.mark.parametrize("where", ["file", "setting"])
def test_what_is_not_a_key_is_named_and_never_quoted(
    folder: Path, name: str, text: str, where: str
) -> None:
    Keys.load(folder, create=True)
    place = f"ledger.{name}_key"
    given: dict[str, str] = {name: text}
    if where == "file":
        (folder / f"{name}.key").write_text(text)
        place, given = str(folder / f"{name}.key"), {}
    with pytest.raises(KeyUnreadable) as caught:
        Keys.load(folder, **given, create=False)
    message = str(caught.value)
    assert message.startswith(f"{place}: does not hold ")
    assert message.endswith("; put the right one back from its back-up")
    assert "never a key" not in message
    assert caught.value.__cause__ is None


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    Keys.load(folder, create=True)
    (folder / "vault.key").unlink()
    (folder / "vault.key").mkdir()
    with pytest.raises(KeyUnreadable, check=coded("key_unreadable", "vault.key")):
        Keys.load(folder, create=True)


def test_a_fifo_in_a_keys_place_does_not_hold_up_the_start(folder: Path) -> None:
    Keys.load(folder, create=True)
    (folder / "vault.key").unlink()
    os.mkfifo(folder / "vault.key")
    with pytest.raises(KeyUnreadable, check=coded("key_invalid", "vault.key")):
        Keys.load(folder, create=False)


def test_a_path_through_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KeyUnreadable, check=coded("key_unwritable", "file/keys")):
        Keys.load(tmp_path / "file" / "keys", create=True)
    with pytest.raises(KeyUnreadable, check=coded("key_unreadable", "vault.key")):
        Keys.load(tmp_path / "file" / "keys", create=False)


def test_files_that_others_may_read_or_change_are_found(folder: Path) -> None:
    Keys.load(folder, create=True)
    assert world_accessible_key_files(folder) == ()
    (folder / "vault.key").chmod(0o604)
    (folder / "lookup.key").chmod(0o602)
    (folder / "signing.key").chmod(0o660)
    assert world_accessible_key_files(folder) == (folder / "vault.key", folder / "lookup.key")
    (folder / "vault.key").unlink()
    assert world_accessible_key_files(folder) == (folder / "lookup.key",)


def test_the_advice_says_what_each_loss_costs(folder: Path) -> None:
    _, made = Keys.load(folder, create=True)
    advice = backup_advice(made)
    assert "\n" not in advice
    for words in (
        str(folder / "vault.key"),
        "away from the database",
        "ledger.vault_key, ledger.signing_key, ledger.lookup_key",
        "without vault.key no personal data can be read",
        "without signing.key the chain of events cannot go on",
        "without lookup.key revoked numbers are no longer recognised",
    ):
        assert words in advice


def test_a_rotation_puts_a_fresh_key_first_and_keeps_the_others(folder: Path) -> None:
    keys, _ = Keys.load(folder, create=True)
    path = folder / "vault.key"
    path.chmod(0o640)
    rotate_vault_key(path)
    rotate_vault_key(path)
    rotated, _ = Keys.load(folder, create=False)
    assert len(set(rotated.vault)) == 3
    assert rotated.vault[2] == keys.vault[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(folder) == NAMES


def test_rotations_at_once_lose_no_key(folder: Path) -> None:
    Keys.load(folder, create=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rotate_vault_key, [folder / "vault.key"] * 8))
    assert len(set(Keys.load(folder, create=False)[0].vault)) == 9


def test_a_rotation_of_a_link_replaces_what_it_points_to(folder: Path, tmp_path: Path) -> None:
    Keys.load(folder, create=True)
    (tmp_path / "link.key").symlink_to(folder / "vault.key")
    rotate_vault_key(tmp_path / "link.key")
    assert (tmp_path / "link.key").is_symlink()
    assert len(Keys.load(folder, create=False)[0].vault) == 2


def test_a_rotation_that_cannot_be_written_leaves_the_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Keys.load(folder, create=True)
    before = (folder / "vault.key").read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyUnreadable, check=coded("key_unwritable", "vault.key")):
        rotate_vault_key(folder / "vault.key")
    assert (folder / "vault.key").read_text() == before
    assert names(folder) == NAMES


def test_a_rotation_of_what_is_not_there_or_no_key_is_refused(folder: Path) -> None:
    with pytest.raises(KeyMissing, check=coded("key_missing", "vault.key")):
        rotate_vault_key(folder / "vault.key")
    Keys.load(folder, create=True)
    (folder / "vault.key").write_text("never a key")
    with pytest.raises(KeyUnreadable, check=coded("key_invalid")):
        rotate_vault_key(folder / "vault.key")
    assert (folder / "vault.key").read_text() == "never a key"


def test_a_file_that_goes_while_a_rotation_waits_is_missed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Keys.load(folder, create=True)
    monkeypatch.setattr(fcntl, "flock", lambda *_: (folder / "vault.key").unlink(missing_ok=True))
    with pytest.raises(KeyMissing):
        rotate_vault_key(folder / "vault.key")


KILLED = """
import os, signal, sys
from pathlib import Path
from agi_bridge.consent.signing import Keys
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
Keys.load(Path(sys.argv[1]), create=True)
"""


@pytest.mark.programs
def test_a_process_that_is_killed_leaves_no_draft_of_a_key(folder: Path) -> None:
    killed = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", KILLED, str(folder)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert list(folder.iterdir()) == []


def test_a_rotation_replaces_the_draft_of_one_that_was_killed(folder: Path) -> None:
    Keys.load(folder, create=True)
    draft = folder / ".vault.key.new"
    draft.write_text("left")
    rotate_vault_key(folder / "vault.key")
    assert not draft.exists()
    assert len((folder / "vault.key").read_text().split(",")) == 2
