"""What a message tells, to whom: sealed as one value, beside the row that sending changes.

A provider that fills approved templates needs the values of the template too (`params`); for others none are kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quoted
from typing import Final

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
    told = f"[{_quoted(content.phone)},{_quoted(content.name)},{_quoted(content.text)}"
    params = f",{_encode(content.params)}" if content.params else ""
    return cipher.seal(message_id, FIELD, f"{told}{params}]")


def values(cipher: Cipher, message_id: str, sealed: bytes) -> tuple[str, str, str, Mapping[str, str]]:
    """Phone, name, text and params again, empty where they were erased. A wrong key, a changed value: `LedgerError`."""
    plain = cipher.open(message_id, FIELD, sealed)
    phone, name, text, *params = _decode(plain)[0] if plain else ("", "", "")
    return phone, name, text, params[0] if params else {}


def opened(cipher: Cipher, message_id: str, sealed: bytes) -> Content:
    """The content again: `values` by name."""
    return Content(*values(cipher, message_id, sealed))
