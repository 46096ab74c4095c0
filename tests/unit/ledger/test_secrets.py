"""Keys, encryption, keyed hashes, signatures, masks and instants."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import digest, keys
from carloan_notify.ledger.keys import Cipher, Keyring
from carloan_notify.ledger.store import from_text, to_text
from carloan_notify.text import mask_digits, mask_phone

RING = Keyring.generate()
CIPHER = Cipher(RING)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_what_is_sealed_opens_only_in_its_place(text: str) -> None:
    sealed = CIPHER.seal("M1", "text", text)
    assert CIPHER.open("M1", "text", sealed) == text
    assert CIPHER.seal("M1", "text", text) != sealed
    for message_id, field in (("M2", "text"), ("M1", "phone")):
        with pytest.raises(LedgerError, match="changed or moved"):
            CIPHER.open(message_id, field, sealed)


@given(st.integers(0, 59), st.integers(0, 7))
def test_every_changed_bit_is_noticed(byte: int, bit: int) -> None:
    sealed = bytearray(CIPHER.seal("M1", "text", "x" * 24))
    sealed[byte] ^= 1 << bit
    with pytest.raises(LedgerError):
        CIPHER.open("M1", "text", bytes(sealed))


def test_erased_data_opens_as_nothing_and_other_keys_do_not_open() -> None:
    assert CIPHER.open("M1", "text", b"") == ""
    other = Cipher(Keyring.generate())
    sealed = other.seal("M1", "text", "x")
    assert CIPHER.holds_key_of(b"")
    assert not CIPHER.holds_key_of(sealed)
    with pytest.raises(LedgerError, match="the key file does not hold"):
        CIPHER.open("M1", "text", sealed)


def test_a_rotated_ring_opens_the_old_and_seals_with_the_new() -> None:
    fresh = Cipher(RING.with_new_key())
    assert fresh.open("M1", "text", CIPHER.seal("M1", "text", "x")) == "x"
    assert not CIPHER.holds_key_of(fresh.seal("M1", "text", "x"))
    assert fresh.phone_hash("+12025550100") == CIPHER.phone_hash("+12025550100")


def test_keyed_hashes_tell_purposes_and_rings_apart() -> None:
    hashes = {CIPHER.phone_hash("a"), CIPHER.customer_ref("a"), CIPHER.text_hash("a"), CIPHER.key_check()}
    assert len(hashes) == 4
    assert all(len(value) == 32 for value in hashes)
    assert Cipher(Keyring.generate()).phone_hash("a") not in hashes
    assert CIPHER.phone_hash("") == CIPHER.customer_ref("") == ""


def test_a_keyring_survives_its_file_and_never_shows(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "ledger.key"
    keys.write_private(path, RING.to_text().encode())
    assert keys.load_keyring(path, "") == RING
    assert path.stat().st_mode & 0o777 == 0o600
    assert RING.hash_key.hex() not in repr(RING)
    assert repr(RING) == f"Keyring(active='{RING.active}')"
    with pytest.raises(LedgerError, match="never overwritten"):
        keys.write_private(path, b"")
    path.chmod(0o640)
    with pytest.raises(LedgerError, match=f"chmod 600 {path}"):
        keys.load_keyring(path, "")


def broken(**changes: object) -> str:
    return json.dumps({**json.loads(RING.to_text()), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        broken(active="0" * 16),
        broken(format="other"),
        broken(hash_key="short"),
        broken(hash_key="AAAA"),
        broken(data_keys=[]),
        broken(data_keys={"0" * 16: "A" * 43 + "="}),
    ],
)
def test_a_spoiled_key_file_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    keys.write_private(tmp_path / "ledger.key", text.encode())
    with pytest.raises(LedgerError, match=r"ledger\.key: not a key file") as caught:
        keys.load_keyring(tmp_path / "ledger.key", "")
    assert RING.active not in str(caught.value)


def test_signatures_hold_for_their_content_only(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    digest.create(path)
    key = digest.load(path)
    signature = digest.sign(key, b"content")
    assert digest.is_signed(key.public_key(), signature, b"content")
    assert not digest.is_signed(key.public_key(), signature, b"contents")
    assert not digest.is_signed(key.public_key(), "no base64", b"content")
    digest.create(path, replace=True)
    trusted = digest.trusted(digest.public_file(path))
    assert list(trusted) == [
        digest.public_id(digest.load(path).public_key()),
        digest.public_id(key.public_key()),
    ]


def test_other_keys_are_refused(tmp_path: Path) -> None:
    strange = X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    keys.write_private(tmp_path / "x.key", strange)
    keys.write_private(tmp_path / "no.key", b"no key")
    with pytest.raises(LedgerError, match="not an Ed25519 key"):
        digest.load(tmp_path / "x.key")
    with pytest.raises(LedgerError, match="not a private key"):
        digest.load(tmp_path / "no.key")
    with pytest.raises(LedgerError, match="cannot read the public key"):
        digest.trusted(tmp_path / "none.pub")


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("+8613800138000", "+86138****8000"),
        ("+12025550100", "+120****0100"),
        ("10086", "****86"),
        ("", "(erased)"),
    ],
)
def test_a_masked_phone_is_nobodys(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown


def test_numbers_inside_foreign_texts_are_masked() -> None:
    assert mask_digits("to +12025550100 failed, code 123456") == "to +120****0100 failed, code 123456"


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_instants_sort_as_text(one: datetime, other: datetime) -> None:
    assert from_text(to_text(one)) == one
    assert (to_text(one) < to_text(other)) == (one < other)
    assert len(to_text(one)) == 27


def test_instants_are_kept_in_utc_and_need_a_zone() -> None:
    shanghai = timezone(timedelta(hours=8))
    assert to_text(datetime(2026, 11, 23, 10, tzinfo=shanghai)) == "2026-11-23T02:00:00.000000Z"
    with pytest.raises(ValueError, match="needs a time zone"):
        to_text(datetime(2026, 11, 23))  # noqa: DTZ001 - that is the point
