from __future__ import annotations

import asyncio
import hashlib
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import Act, BadCheckpoint, State, text_sha256
from agi_bridge.consent.errors import KeyMissing
from agi_bridge.consent.ledger import Ledger, checkpoints, engines
from agi_bridge.consent.signing import Checkpoint, Keys, PersonKey, generate_keys
from tests.support.consent_builders import HEARD, NUMBER, confirmed, submitting
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from pathlib import Path

WAV = b"RIFF\0\0\0\0WAVEfmt \xff"
WAV_SHA256 = hashlib.sha256(WAV).hexdigest()


# Disclosures and their recordings


async def test_a_disclosure_and_its_recording_are_kept_once(
    ledger: Ledger, where: Path | str
) -> None:
    for _ in range(2):
        assert await ledger.register_disclosure("en", HEARD.text, WAV_SHA256, WAV) == 1
    assert await ledger.audio(WAV_SHA256) == WAV
    kept = await ledger.disclosure(text_sha256(HEARD.text))
    assert kept is not None
    assert (kept.lang, kept.version, kept.text) == ("en", 1, HEARD.text)
    for table in ("disclosure", "audio"):
        assert execute(where, f"select count(*) from {table}") == [(1,)]  # noqa: S608 - ours


async def test_a_new_wording_gets_the_next_version_of_its_language(ledger: Ledger) -> None:
    wordings = [("en", "One."), ("en", "Two."), ("fr", "Un."), ("en", "One."), ("en", "Three.")]
    versions = [await ledger.register_disclosure(*wording, WAV_SHA256, WAV) for wording in wordings]
    assert versions == [1, 2, 1, 1, 3]


async def test_a_registered_wording_is_not_looked_up_again(
    ledger: Ledger, where: Path | str
) -> None:
    await ledger.register_disclosure("en", "Before.", WAV_SHA256, WAV)
    assert await ledger.register_disclosure("en", HEARD.text, WAV_SHA256, WAV) == 2
    record = confirmed()
    await ledger.append(record.take())
    assert (await ledger.events(record.id))[0].body["disclosure_version"] == 2
    assert execute(where, "select count(*) from disclosure") == [(2,)]


async def test_a_wording_whose_transaction_failed_is_not_taken_for_known(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ledger._writer, "_insert", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await ledger.append(confirmed().take())
    assert await ledger.disclosure(text_sha256(HEARD.text)) is None
    await ledger.append(confirmed().take())
    assert await ledger.disclosure(text_sha256(HEARD.text)) is not None


async def test_what_was_never_heard_is_not_there(ledger: Ledger) -> None:
    assert await ledger.audio(WAV_SHA256) is None
    assert await ledger.disclosure(text_sha256("never said")) is None


# Checkpoints


async def test_a_checkpoint_signs_the_head_of_our_chain(ledger: Ledger, other: Ledger) -> None:
    await other.append(confirmed().take())
    await ledger.append(confirmed().take())
    made = await ledger.checkpoint()
    assert made is not None
    assert made.is_genuine
    head = (await ledger.rows())[-1]
    assert (made.ledger_id, made.seq, made.hash) == (ledger.ledger_id, head.seq, head.hash)


async def test_there_is_no_checkpoint_if_nothing_is_new(ledger: Ledger) -> None:
    first = await ledger.checkpoint()
    assert first is not None  # of the chain's beginning
    assert await ledger.checkpoint() is None
    await ledger.append(confirmed().take())
    second = await ledger.checkpoint()
    assert second is not None
    assert second.seq == first.seq + 3
    assert await ledger.checkpoint() is None


async def test_copies_of_all_checkpoints_are_kept_chain_by_chain(
    ledger: Ledger, other: Ledger
) -> None:
    made = [await bridge.checkpoint() for bridge in (ledger, other)]
    await ledger.append(confirmed().take())
    made.append(await ledger.checkpoint())
    kept = await other.checkpoints()
    assert kept == sorted((c for c in made if c), key=lambda c: (c.ledger_id, c.seq))
    assert len(kept) == 3


async def test_a_checkpoint_that_was_overwritten_is_told_of(
    ledger: Ledger, where: Path | str
) -> None:
    await ledger.checkpoint()
    execute(where, "update checkpoint set line = 'nothing'")
    with pytest.raises(BadCheckpoint):
        await ledger.checkpoints()


async def test_a_checkpoint_can_be_read_from_its_copy(ledger: Ledger, where: Path | str) -> None:
    made = await ledger.checkpoint()
    [(line,)] = execute(where, "select line from checkpoint")
    assert Checkpoint.parse(line) == made


async def test_a_chain_without_events_has_nothing_to_sign(
    where: Path | str, ledger: Ledger, other_keys: Keys
) -> None:
    async with await Ledger.open(where, other_keys, read_only=True) as looking:
        assert await looking.checkpoint() is None
    assert await ledger.checkpoints() == []


# Keys renewed


async def sealed_under(where: Path | str, old: Keys, count: int) -> list[str]:
    """Consents that were stored while `old` were the keys."""
    records = [confirmed(f"+1415555017{number}") for number in range(count)]
    async with await Ledger.open(where, old) as ledger:
        await asyncio.gather(*(ledger.append(record.take()) for record in records))
    return [record.id for record in records]


@pytest.fixture
def renewed(keys: Keys) -> Keys:
    """The same keys after a rotation of the vault's."""
    return Keys((*generate_keys().vault, *keys.vault), keys.lookup, keys.signing)


async def test_after_rekeying_the_old_key_may_go(
    where: Path | str, keys: Keys, renewed: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAGE", 2)
    ids = await sealed_under(where, keys, 4)
    async with await Ledger.open(where, renewed) as ledger:
        await ledger.append(confirmed("+14155550180").take())
        before = [await ledger.personal_data(id_) for id_ in ids]  # the old key opens them
        assert await ledger.rekey("admin") == 4
        assert await ledger.rekey("admin") == 0
    only_new = Keys(renewed.vault[:1], keys.lookup, keys.signing)
    async with await Ledger.open(where, only_new) as ledger:
        assert [await ledger.personal_data(id_) for id_ in ids] == before
        assert all(known and known["number"].startswith("+1415555017") for known in before)
        acts = [row.fields for row in await ledger.rows() if row.type == Act.RESEALED]
    assert sum(act["count"] for act in acts) == 4
    assert {act["actor"] for act in acts} == {"admin"}
    assert all(act["count"] <= 2 for act in acts)


async def test_without_the_old_key_nothing_is_sealed_again_and_nothing_is_lost(
    where: Path | str, keys: Keys, renewed: Keys
) -> None:
    [id_] = await sealed_under(where, keys, 1)
    async with await Ledger.open(where, renewed) as ledger:
        newest = confirmed()
        await ledger.append(newest.take())
        execute(  # the newest is what is looked at at the start
            where,
            f"update pii set at = '9999-01-01T00:00:00.000Z' where consent_id = '{newest.id}'",  # noqa: S608 - ours
        )
    only_new = Keys(renewed.vault[:1], keys.lookup, keys.signing)
    async with await Ledger.open(where, only_new) as ledger:
        with pytest.raises(KeyMissing, check=coded("vault_key_missing")):
            await ledger.rekey("admin")
        with pytest.raises(KeyMissing, check=coded("vault_key_missing")):
            await ledger.personal_data(id_)
        assert await ledger.number(newest.id) == NUMBER
    async with await Ledger.open(where, renewed) as ledger:
        assert await ledger.number(id_) == "+14155550170"


async def test_nothing_of_the_old_seal_is_left_in_the_files(
    file: Path, keys: Keys, renewed: Keys
) -> None:
    await sealed_under(file, keys, 1)
    [(old,)] = execute(file, "select sealed from person")
    async with await Ledger.open(file, renewed) as ledger:
        await ledger.rekey("admin")
        assert not any(old in each.read_bytes() for each in file.parent.iterdir())


async def test_what_is_learned_while_persons_are_sealed_again_is_kept(
    emptied_url: str, renewed: Keys, other_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Keys(renewed.vault[::-1], other_keys.lookup, other_keys.signing)
    options = f"{engines._POSTGRESQL_OPTIONS} -c lock_timeout=1"
    async with await Ledger.open(emptied_url, renewed) as ledger:
        monkeypatch.setattr(engines, "_POSTGRESQL_OPTIONS", options)
        async with await Ledger.open(emptied_url, theirs) as calls:
            record = submitting()
            await calls.append(record.take())
            record.submission_ended(
                State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32
            )
            batch = record.take()
            loop, opened = asyncio.get_running_loop(), ledger._writer.vault.open_person

            def meanwhile(person_id: str, sealed: bytes) -> PersonKey:
                asyncio.run_coroutine_threadsafe(calls.append(batch), loop).result()
                return opened(person_id, sealed)

            vault = SimpleNamespace(
                open_person=meanwhile, seal_person=ledger._writer.vault.seal_person,
                is_current=ledger._writer.vault.is_current,
            )  # fmt: skip
            with monkeypatch.context() as patched:
                patched.setattr(ledger._writer, "vault", vault)
                assert await ledger.rekey("admin") == 1
            assert (await ledger.personal_data(record.id) or {})["answer"] == "ab" * 32
