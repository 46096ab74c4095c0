"""HMAC-SHA256 (RFC 2104) many times with one key: the key is taken in once, which is half of the work."""

import hashlib
from collections.abc import Callable

_BLOCK_BYTES = 64
"""SHA-256 takes blocks of so many bytes."""


def hmac_pads(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """Both halves of the HMAC with the key taken in; copy them for each message."""
    padded = (key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(_BLOCK_BYTES, b"\x00")
    inner, outer = (bytes(byte ^ pad for byte in padded) for pad in (0x36, 0x5C))
    return hashlib.sha256(inner), hashlib.sha256(outer)


def hmac_maker(key: bytes) -> Callable[[bytes], bytes]:
    """A function from a message to its HMAC-SHA256 (32 bytes) with this key."""
    inner, outer = hmac_pads(key)
    half, other_half = inner.copy, outer.copy

    def digest(message: bytes) -> bytes:
        first, second = half(), other_half()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return digest
