"""A backup on disk: a readable header, then gzip in AES-256-GCM chunks that nobody can cut, swap or change.

Chunks follow the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): the nonce is a random
prefix, a counter and a last-chunk flag. A `.sha256` file lies beside it for `sha256sum --check`.
"""

import gzip
import hashlib
import io
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carloan_notify.errors import LedgerError
from carloan_notify.ledger.canonical import canonical
from carloan_notify.ledger.keys import Keyring, sync_folder

FORMAT: Final = "carloan-notify-backup/1"
PATTERN: Final = "ledger-*.backup"
_CHUNK: Final = 1 << 20
_PREFIX: Final = 7
_TAG: Final = 16
_SIZE: Final = struct.Struct(">I")
_NONCE_TAIL: Final = struct.Struct(">IB")
_HEADER_LIMIT: Final = 1 << 16
_MODE: Final = 0o600


class _Sealer:
    """Takes plain bytes, writes encrypted chunks."""

    def __init__(self, file: BinaryIO, key: AESGCM, bound_to: bytes, prefix: bytes) -> None:
        self._file, self._key, self._bound_to, self._prefix = file, key, bound_to, prefix
        self._waiting, self._number = bytearray(), 0

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._waiting += data
        while len(self._waiting) > _CHUNK:
            self._put(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]
        return len(data)

    def flush(self) -> None:
        """Nothing: a chunk goes when it is full."""

    def finish(self) -> None:
        self._put(bytes(self._waiting), last=True)

    def _put(self, plain: bytes, *, last: bool) -> None:
        nonce = self._prefix + _NONCE_TAIL.pack(self._number, last)
        self._file.write(self._key.encrypt(nonce, plain, self._bound_to))
        self._number += 1


def write(path: Path, keyring: Keyring, about: Mapping[str, Any], lines: Iterable[str]) -> str:
    """Write a backup of `lines`.

    Returns its SHA-256. The file appears under its name only when it is complete.
    """
    header = canonical({"format": FORMAT, "key_id": keyring.active, **about}).encode()
    prefix = os.urandom(_PREFIX)
    draft = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_SIZE.pack(len(header)) + header + prefix)
        sealer = _Sealer(file, AESGCM(keyring.data_keys[keyring.active]), header, prefix)
        with gzip.GzipFile(fileobj=sealer, mode="wb", compresslevel=1, mtime=0) as packed:
            for line in lines:
                packed.write(line.encode() + b"\n")
        sealer.finish()
        file.flush()
        os.fsync(file.fileno())
    checksum = sha256(draft)
    _side_file(path).write_text(f"{checksum}  {path.name}\n", "ascii")
    draft.replace(path)
    sync_folder(path.parent)
    return checksum


def read_header(path: Path) -> dict[str, Any]:
    """What a backup says about itself. No backup raises `LedgerError`."""
    try:
        with path.open("rb") as file:
            header: dict[str, Any] = json.loads(_header(file))
        sound = header["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        sound = False
    if not sound:
        raise LedgerError(f"{path}: not a backup of this tool, or not readable")
    return header


def read(path: Path, keyring: Keyring) -> Iterator[str]:
    """The lines of a backup, each chunk authenticated before any of it is handed out.

    Errors: `LedgerError`.
    """
    about = read_header(path)
    key = keyring.data_keys.get(about["key_id"])
    if key is None:
        raise LedgerError(
            f"{path}: encrypted with key {about['key_id']}; restore the key file of that time first"
        )
    try:
        with path.open("rb") as file:
            header = _header(file)
            plain = _Opener(file, AESGCM(key), header, file.read(_PREFIX))
            with gzip.GzipFile(fileobj=io.BufferedReader(plain, _CHUNK), mode="rb") as packed:
                for line in packed:
                    yield line.decode().rstrip("\n")
    except (InvalidTag, EOFError, gzip.BadGzipFile) as problem:
        raise LedgerError(f"{path}: damaged or cut off; use another backup") from problem


class _Opener(io.RawIOBase):
    """Reads encrypted chunks, gives plain bytes."""

    def __init__(self, file: BinaryIO, key: AESGCM, bound_to: bytes, prefix: bytes) -> None:
        self._file, self._key, self._bound_to, self._prefix = file, key, bound_to, prefix
        self._ready, self._number = b"", 0
        self._next: bytes | None = file.read(_CHUNK + _TAG)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        while not self._ready and self._next is not None:
            self._ready = self._open_next(self._next)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _open_next(self, sealed: bytes) -> bytes:
        following = self._file.read(_CHUNK + _TAG)
        nonce = self._prefix + _NONCE_TAIL.pack(self._number, not following)
        self._number += 1
        self._next = following or None
        return self._key.decrypt(nonce, sealed, self._bound_to)


def _header(file: BinaryIO) -> bytes:
    (size,) = _SIZE.unpack(file.read(_SIZE.size))
    if size > _HEADER_LIMIT:
        raise ValueError("no header")
    return file.read(size)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sum(path: Path) -> None:
    """Compare with the `.sha256` beside it, if there is one. A difference raises `LedgerError`."""
    side = _side_file(path)
    if side.exists() and side.read_text("ascii").split()[0] != sha256(path):
        raise LedgerError(f"{path}: its checksum differs from {side.name}; use another backup")


def delete_old(folder: Path, ledger_id: str, keep: int) -> list[str]:
    """Delete all but the newest `keep` backups of one ledger; returns the names deleted.

    Whose a file is, and when it was written, is what its header says: a folder may hold several ledgers'.
    """
    ours = sorted(
        (about["written_at"], path)
        for path in folder.glob(PATTERN)
        if (about := _about(path)).get("ledger_id") == ledger_id
    )
    for _, path in ours[:-keep]:
        path.unlink()
        _side_file(path).unlink(missing_ok=True)
    return [path.name for _, path in ours[:-keep]]


def _about(path: Path) -> dict[str, Any]:
    """The header of a file that may be no backup: then nothing."""
    try:
        return read_header(path)
    except LedgerError:
        return {}


def _side_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
