"""Keyed hashes are HMAC-SHA256, whatever is done to make them quick."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.ledger.keys import Cipher, Keyring


@given(st.binary(min_size=1, max_size=100), st.text(alphabet=st.characters(codec="utf-8")))
def test_a_keyed_hash_is_an_hmac(key: bytes, text: str) -> None:
    keyring = Keyring.generate()
    cipher = Cipher(Keyring(keyring.active, keyring.data_keys, key))
    expected = hmac.digest(key, f"text\x00{text}".encode(), "sha256").hex()[:32]
    assert cipher.text_hash(text) == expected
