"""What a message tells, to whom: sealed as one value, beside the row that sending changes.

A provider that fills approved templates needs the values of the template too (`params`); for others none are kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from carloan_notify.ledger.keys import Cipher
from carloan_notify.records import Draft

FIELD: Final = "content"
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_encode: Final = _ENCODER.encode
_DECODER: Final = json.JSONDecoder()
_decode: Final = _DECODER.raw_decode


@dataclass(frozen=True, slots=True)
class Content:
    """Phone (E.164), name and text in clear; all "" where they were erased. `params` {} where nobody asks for them."""

    phone: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)


def content_of(draft: Draft) -> Content:
    """A draft's content as it is to be kept."""
    return Content(draft.phone, draft.recipient_name, draft.rendered.text, draft.params)


def seal(cipher: Cipher, message_id: str, content: Content) -> bytes:
    """The content as one sealed value, bound to its message."""
    told: list[Any] = [content.phone, content.name, content.text]
    if content.params:
        told.append(content.params)
    return cipher.seal(message_id, FIELD, _encode(told))


def opened(cipher: Cipher, message_id: str, sealed: bytes) -> Content:
    """The content again, empty where it was erased. A wrong key or a changed value: `LedgerError`."""
    plain = cipher.open(message_id, FIELD, sealed)
    return Content(*_decode(plain)[0]) if plain else Content()
