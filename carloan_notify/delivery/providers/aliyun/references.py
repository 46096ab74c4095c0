"""Our references in the vendor's OutId, and how a message is told from others that share one.

A request carries a single OutId of at most 255 characters. A message of its own has its id there. A batch has
a reference, a dot, and a Bloom filter of its ids: so a message whose answer was lost, even to a power cut,
is found again by number and filter. The chance that the filter of another batch to the same number claims a
message is at most 0.0012 (B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970).
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

_BITS: Final = 1416
_BYTES: Final = _BITS // 8
_HASHES: Final = 10
_MESSAGE_ID: Final = re.compile(r"[A-Z0-9]{26}")
_BATCH: Final = re.compile(r"([0-9a-f]{16})\.([A-Za-z0-9_-]{236})")


def batch_out_id(message_ids: Sequence[str]) -> str:
    """The OutId of a batch of 1 to 100 messages: 253 characters, the same whenever the same ones go together."""
    reference = hashlib.sha256("\n".join(message_ids).encode()).hexdigest()[:16]
    bits = 0
    for message_id in message_ids:
        for bit in _places(message_id):
            bits |= 1 << bit
    return f"{reference}.{base64.urlsafe_b64encode(bits.to_bytes(_BYTES, 'big')).decode()}"


def message_id_in(out_id: str) -> str:
    """Our message id when the OutId is one, else ""."""
    return out_id if _MESSAGE_ID.fullmatch(out_id) else ""


def batch_reference_in(out_id: str) -> str:
    """The reference of a batch when the OutId is a batch's, else ""."""
    match = _BATCH.fullmatch(out_id)
    return match.group(1) if match else ""


def holds(out_id: str, message_id: str) -> bool | None:
    """Whether a request with this OutId carried the message; None when the OutId is none of ours."""
    if message_id_in(out_id):
        return out_id == message_id
    match = _BATCH.fullmatch(out_id)
    if match is None:
        return None
    bits = int.from_bytes(base64.urlsafe_b64decode(match.group(2)), "big")
    return all(bits >> bit & 1 for bit in _places(message_id))


def _places(message_id: str) -> Iterator[int]:
    digest = hashlib.sha256(message_id.encode()).digest()
    return (int.from_bytes(digest[2 * i : 2 * i + 2], "big") % _BITS for i in range(_HASHES))
