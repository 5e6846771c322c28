from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.consent import ConsentError, VaultDamaged
from agi_bridge.consent.errors import KeyMissing
from agi_bridge.consent.signing import PersonKey, Vault, generate_keys
from tests.support.consent_texts import TEXTS

KEYS = generate_keys()
VAULT = Vault(KEYS)
PERSON = PersonKey.new()
OTHER_PERSON = PersonKey.new()
ID = "0190a0b0-0000-7000-8000-000000000001"
NUMBER = "+14155550123"
IDS = st.text(max_size=40)
PERSONAL = st.dictionaries(TEXTS, TEXTS)


@given(IDS, PERSONAL)
def test_what_is_sealed_opens_to_the_same(consent_id: str, personal: dict[str, str]) -> None:
    assert VAULT.open(PERSON, consent_id, VAULT.seal(PERSON, consent_id, personal)) == personal


@given(IDS, IDS, PERSONAL)
def test_what_is_sealed_for_one_consent_opens_under_no_other(
    one: str, other: str, personal: dict[str, str]
) -> None:
    sealed = VAULT.seal(PERSON, one, personal)
    if one != other:
        with pytest.raises(VaultDamaged):
            VAULT.open(PERSON, other, sealed)


def test_every_flipped_byte_is_refused() -> None:
    sealed = VAULT.seal(PERSON, ID, {"number": NUMBER, "salt": "0" * 64})
    for place in range(len(sealed)):
        for bits in (1, 0x80, 0xFF):
            changed = bytearray(sealed)
            changed[place] ^= bits
            with pytest.raises((VaultDamaged, KeyMissing)):
                VAULT.open(PERSON, ID, bytes(changed))


def test_whatever_is_cut_off_is_missed() -> None:
    sealed = VAULT.seal(PERSON, ID, {"number": NUMBER})
    for length in range(len(sealed)):
        with pytest.raises(VaultDamaged):
            VAULT.open(PERSON, ID, sealed[:length])
    with pytest.raises(VaultDamaged):
        VAULT.open(PERSON, ID, sealed + b"\0")


def test_the_same_is_never_sealed_the_same_way() -> None:
    assert len({VAULT.seal(PERSON, ID, {"number": NUMBER}) for _ in range(100)}) == 100


def test_nothing_of_it_shows() -> None:
    assert b"4155550123" not in VAULT.seal(PERSON, ID, {"number": NUMBER})


def test_another_persons_key_opens_nothing() -> None:
    sealed = VAULT.seal(PERSON, ID, {"number": NUMBER})
    with pytest.raises(VaultDamaged):
        VAULT.open(OTHER_PERSON, ID, sealed)


def test_a_person_opens_as_it_was_sealed_and_for_nobody_else() -> None:
    sealed = VAULT.seal_person("a" * 64, PERSON)
    assert VAULT.open_person("a" * 64, sealed) == PERSON
    with pytest.raises(VaultDamaged):
        VAULT.open_person("b" * 64, sealed)


@pytest.mark.parametrize("length", [0, 8, 9, 20, 36])
def test_a_person_that_was_cut_is_damaged(length: int) -> None:
    with pytest.raises(VaultDamaged):
        VAULT.open_person(ID, VAULT.seal_person(ID, PERSON)[:length])


def test_a_person_that_is_gone_is_damage_too() -> None:
    with pytest.raises(VaultDamaged):
        VAULT.open_person(ID, None)


def test_a_fresh_key_for_the_same_person_keeps_the_salt() -> None:
    fresh = PersonKey.new(PERSON.salt)
    assert fresh.salt == PERSON.salt
    assert fresh.key != PERSON.key


def test_a_vault_key_that_is_not_available_is_named_by_its_id_and_not_called_damage() -> None:
    sealed = VAULT.seal_person(ID, PERSON)
    with pytest.raises(KeyMissing) as caught:
        Vault(generate_keys()).open_person(ID, sealed)
    assert hashlib.sha256(KEYS.vault[0]).hexdigest()[:16] in str(caught.value)


def test_after_a_rotation_old_and_new_open_and_only_the_new_is_current() -> None:
    old = VAULT.seal_person(ID, PERSON)
    rotated = Vault(replace(KEYS, vault=(*generate_keys().vault, *KEYS.vault)))
    new = rotated.seal_person(ID, PERSON)
    assert rotated.open_person(ID, old) == rotated.open_person(ID, new) == PERSON
    assert (rotated.is_current(old), rotated.is_current(new)) == (False, True)
    with pytest.raises(KeyMissing):
        VAULT.open_person(ID, new)


def test_what_is_sealed_is_as_documented() -> None:
    sealed = VAULT.seal_person(ID, PERSON)
    header, nonce, rest = sealed[:9], sealed[9:21], sealed[21:]
    assert header == b"\x02" + hashlib.sha256(KEYS.vault[0]).digest()[:8]
    plain = AESGCM(KEYS.vault[0]).decrypt(nonce, rest, header + ID.encode())
    assert plain == PERSON.key + PERSON.salt
    sealed = VAULT.seal(PERSON, ID, {"number": NUMBER, "digits": "é"})
    assert sealed[:1] == b"\x03"
    plain = AESGCM(PERSON.key).decrypt(sealed[1:13], sealed[13:], b"\x03" + ID.encode())
    assert plain.decode() == f'{{"digits":"é","number":"{NUMBER}"}}'


def test_an_error_holds_no_personal_value() -> None:
    sealed = VAULT.seal(PERSON, ID, {"number": NUMBER})
    with pytest.raises(ConsentError) as caught:
        VAULT.open(PERSON, "another", sealed)
    assert NUMBER[1:] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_number_is_looked_up_by_an_hmac_with_the_key_outside_the_database() -> None:
    expected = hmac.digest(KEYS.lookup, NUMBER.encode(), "sha256").hex()
    assert VAULT.lookup(NUMBER) == expected
    assert Vault(generate_keys()).lookup(NUMBER) != expected


def test_a_database_knows_its_look_up_key() -> None:
    assert Vault(replace(generate_keys(), lookup=KEYS.lookup)).lookup_check == VAULT.lookup_check
    assert Vault(replace(KEYS, lookup=bytes(32))).lookup_check != VAULT.lookup_check
    assert len(VAULT.lookup_check) == 64
