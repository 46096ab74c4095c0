"""Encryption of personal data (AES-256-GCM, NIST SP 800-38D) and keyed hashes for look-ups (HMAC-SHA256).

A sealed value is `key id (8 bytes) | nonce (12) | ciphertext and tag`; the message id and the field are
authenticated with it, so a value moved to another row or column does not open. An empty value is erased data.
"""

import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carloan_notify.errors import LedgerError
from carloan_notify.ledger.keys import KEY_ID_BYTES, Keyring

_NONCE_BYTES: Final = 12
_HEAD: Final = KEY_ID_BYTES + _NONCE_BYTES
_HASH_DIGITS: Final = 32


class Cipher:
    """Seals and opens the personal fields of messages with one keyring."""

    def __init__(self, keyring: Keyring) -> None:
        """Prepare every key once; sealing uses the active one."""
        self.keyring = keyring
        self._hash_key = keyring.hash_key
        self._openers = {bytes.fromhex(name): AESGCM(key) for name, key in keyring.data_keys.items()}
        self._active = bytes.fromhex(keyring.active)
        self._seal = self._openers[self._active].encrypt

    def seal(self, message_id: str, field: str, text: str) -> bytes:
        """`text` encrypted for this message and field."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._active + nonce + self._seal(nonce, text.encode(), f"{message_id}|{field}".encode())

    def open(self, message_id: str, field: str, sealed: bytes) -> str:
        """The text again; `""` for erased data. A wrong key or a changed value raises `LedgerError`."""
        if not sealed:
            return ""
        opener = self._openers.get(sealed[:KEY_ID_BYTES])
        if opener is None:
            raise LedgerError(
                f"message {message_id}, {field}: encrypted with key {sealed[:KEY_ID_BYTES].hex()}, "
                "which the key file does not hold; restore the key file that belongs to this ledger"
            )
        try:
            nonce, bound = sealed[KEY_ID_BYTES:_HEAD], f"{message_id}|{field}".encode()
            return opener.decrypt(nonce, sealed[_HEAD:], bound).decode()
        except InvalidTag as problem:
            raise LedgerError(
                f"message {message_id}, {field}: the encrypted value was changed or moved; run: ledger doctor"
            ) from problem

    def holds_key_of(self, sealed: bytes) -> bool:
        """Is the key of this sealed value at hand? True for erased data."""
        return not sealed or sealed[:KEY_ID_BYTES] in self._openers

    def phone_hash(self, e164: str) -> str:
        """32 hex digits that stand for a phone number; `""` for none."""
        return self._keyed("phone", e164) if e164 else ""

    def customer_ref(self, customer_id: str) -> str:
        """32 hex digits that stand for a customer; `""` for none."""
        return self._keyed("customer", customer_id) if customer_id else ""

    def text_hash(self, text: str) -> str:
        """Keyed hash of a message text: proves the wording in the audit, tells nothing without the key."""
        return self._keyed("text", text)

    def key_check(self) -> str:
        """A value that tells whether two keyrings share their hash key."""
        return self._keyed("check", "")

    def _keyed(self, purpose: str, value: str) -> str:
        return hmac.digest(self._hash_key, f"{purpose}\x00{value}".encode(), "sha256").hex()[:_HASH_DIGITS]
