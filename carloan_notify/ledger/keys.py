"""Key files: the ledger's keyring and the signing key.

Made with mode 0600, refused when others can read them.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carloan_notify.errors import LedgerError
from carloan_notify.keyed import hmac_pads

KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
_FORMAT: Final = "carloan-notify-keys/1"
_PRIVATE_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def key_id(key: bytes) -> str:
    """16 hex digits that name a key without telling it."""
    return hashlib.sha256(b"carloan-notify key id" + key).hexdigest()[: 2 * KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Keyring:
    """`data_keys` maps key id to an AES-256 key; `active` encrypts, all decrypt. `hash_key` never rotates."""

    active: str
    data_keys: dict[str, bytes] = field(repr=False)
    hash_key: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> "Keyring":
        """Fresh random keys."""
        data_key = secrets.token_bytes(KEY_BYTES)
        return cls(key_id(data_key), {key_id(data_key): data_key}, secrets.token_bytes(KEY_BYTES))

    def with_new_key(self) -> "Keyring":
        """The same ring with one more data key, which becomes the active one."""
        fresh = secrets.token_bytes(KEY_BYTES)
        return Keyring(key_id(fresh), {**self.data_keys, key_id(fresh): fresh}, self.hash_key)

    def to_text(self) -> str:
        """The content of a key file."""
        body = {
            "format": _FORMAT,
            "active": self.active,
            "data_keys": {name: base64.b64encode(key).decode() for name, key in self.data_keys.items()},
            "hash_key": base64.b64encode(self.hash_key).decode(),
        }
        return json.dumps(body, indent=2) + "\n"

    @classmethod
    def from_text(cls, text: str, place: str) -> "Keyring":
        """Read what `to_text` wrote. Anything else raises `LedgerError` naming `place`, never the content."""
        try:
            body: dict[str, Any] = json.loads(text)
            ring = cls(
                body["active"],
                {name: _key(value) for name, value in body["data_keys"].items()},
                _key(body["hash_key"]),
            )
            sound = body["format"] == _FORMAT and all(
                key_id(key) == name for name, key in ring.data_keys.items()
            )
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            sound = False
        if not sound or ring.active not in ring.data_keys:
            raise LedgerError(f"{place}: not a key file of this tool; restore it from your own safe copy")
        return ring


def _key(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError("wrong key length")
    return key


def load_keyring(path: Path, variable: str) -> Keyring:
    """The keyring from the environment `variable` if it is set, else from `path`. Errors: `LedgerError`."""
    if from_environment(variable):
        return Keyring.from_text(os.environ[variable], f"environment variable {variable}")
    return Keyring.from_text(read_private(path).decode("utf-8", "replace"), str(path))


def from_environment(variable: str) -> bool:
    """Does the environment hold the keyring?"""
    return bool(variable and os.environ.get(variable))


def read_private(path: Path) -> bytes:
    """The bytes of a secret file; missing, or open to others, raises `LedgerError` with the cure."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as problem:
        raise LedgerError(
            f"{path}: cannot read the key ({problem.strerror}); restore it from your safe copy"
        ) from problem
    if mode & _OTHERS:
        raise LedgerError(f"{path}: readable by others; run: chmod 600 {path}")
    return content


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a secret durably with mode 0600. An existing file is an error unless `replace`."""
    if path.exists() and not replace:
        raise LedgerError(f"{path}: already there; a key is never overwritten")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, content, _PRIVATE_MODE)


def write_durably(path: Path, content: bytes, mode: int) -> None:
    """Replace `path` in one step: a crash leaves the old content or the new, never half of it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Encryption of personal data (AES-256-GCM, NIST SP 800-38D) and keyed hashes for look-ups (HMAC-SHA256).
#
# A sealed value is `key id (8 bytes) | nonce (12) | ciphertext and tag`; the message id and the field are
# authenticated with it, so a value moved to another row or column does not open. An empty value is erased data.

_NONCE_BYTES: Final = 12
_HEAD: Final = KEY_ID_BYTES + _NONCE_BYTES
_HASH_DIGITS: Final = 32
_COLUMN_KEY_LENGTH: Final = 16


class Cipher:
    """Seals and opens the personal fields of messages with one keyring."""

    def __init__(self, keyring: Keyring) -> None:
        """Prepare every key once; sealing uses the active one."""
        self.keyring = keyring
        self._hash_key = keyring.hash_key
        self._inner, self._outer = hmac_pads(keyring.hash_key)
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

    def opening(self, message_id: str) -> bytes:
        """32 bytes that open the seal of one message, and of no other: a stranger with them can recompute it."""
        return self._digest("told", message_id)

    def told(self, message_id: str, phone: str, text: str) -> str:
        """The seal that the audit keeps of what was told to whom, 64 hex digits: `seal(number_seal(…), text)`."""
        return seal(number_seal(self.opening(message_id), phone), text)

    def certificate_key(self, loan_id: str, issue: int) -> str:
        """32 hex digits from which the verification code of a loan's nth certificate is made."""
        return self._keyed("certificate", f"{issue}|{loan_id}")

    def key_check(self) -> str:
        """A value that tells whether two keyrings share their hash key."""
        return self._keyed("check", "")

    def column_key(self) -> str:
        """A key of 16 ASCII characters for hashing whole columns (`portfolio.hasher`)."""
        digest = hmac.digest(self._hash_key, b"columns\x00", "sha256")
        return base64.b64encode(digest).decode()[:_COLUMN_KEY_LENGTH]

    def _keyed(self, purpose: str, value: str) -> str:
        return self._digest(purpose, value).hex()[:_HASH_DIGITS]

    def _digest(self, purpose: str, value: str) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{purpose}\x00{value}".encode())
        outer.update(inner.digest())
        return outer.digest()


def number_seal(opening: bytes, phone: str) -> bytes:
    """SHA-256 over the message's opening and its number: shown without either, it tells nothing of the number."""
    return hashlib.sha256(opening + phone.encode()).digest()


def seal(number: bytes, text: str) -> str:
    """SHA-256 over the number's seal and the text, 64 hex digits: whoever has both can recompute it."""
    return hashlib.sha256(number + text.encode()).hexdigest()
