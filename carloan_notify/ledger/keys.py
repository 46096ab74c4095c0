"""Key files: the ledger's keyring and the signing key.

Made with mode 0600, refused when others can read them.
"""

import base64
import binascii
import hashlib
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from carloan_notify.errors import LedgerError

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
