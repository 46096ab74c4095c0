"""The Ed25519 key (RFC 8032) that signs digests, and the public keys that verify them."""

import base64
import hashlib
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carloan_notify.errors import LedgerError
from carloan_notify.ledger.keys import read_private, write_durably, write_private

_PUBLIC_MODE: Final = 0o644
_END: Final = "-----END PUBLIC KEY-----"


def public_file(signing_key_file: Path) -> Path:
    """Where the public half lies: one PEM block for the key in use, and one for each retired key."""
    return signing_key_file.with_name(signing_key_file.name + ".pub")


def create(path: Path, *, replace: bool = False) -> None:
    """Make a signing key; its public half is added in front of those that `public_file` already holds."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    retired = public_file(path).read_bytes() if public_file(path).exists() else b""
    write_private(path, pem, replace=replace)
    write_durably(public_file(path), public_pem(private.public_key()).encode() + retired, _PUBLIC_MODE)


def load(path: Path) -> Ed25519PrivateKey:
    """The signing key. Anything else raises `LedgerError`."""
    content = read_private(path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as problem:
        raise LedgerError(f"{path}: not a private key in PEM; restore it from your safe copy") from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"{path}: not an Ed25519 key; restore the one that `init` made")
    return key


def trusted(path: Path) -> dict[str, Ed25519PublicKey]:
    """Every public key of a `.pub` file by its id. A missing or unreadable file raises `LedgerError`."""
    try:
        blocks = path.read_text(encoding="ascii").split(_END)
        keys = [serialization.load_pem_public_key((block + _END).encode()) for block in blocks[:-1]]
    except (OSError, ValueError) as problem:
        raise LedgerError(
            f"{path}: cannot read the public key; use the copy that the auditor holds"
        ) from problem
    return {public_id(key): key for key in keys if isinstance(key, Ed25519PublicKey)}


def public_pem(key: Ed25519PublicKey) -> str:
    """PEM text of a public key."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, spki).decode()


def public_id(key: Ed25519PublicKey) -> str:
    """16 hex digits that name a public key."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def sign(key: Ed25519PrivateKey, content: bytes) -> str:
    """Base64 signature."""
    return base64.b64encode(key.sign(content)).decode()


def is_signed(key: Ed25519PublicKey, signature: str, content: bytes) -> bool:
    """Does the signature belong to this content and key?"""
    try:
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True
