"""What a message tells, to whom: sealed as one value, beside the row that sending changes.

A provider that fills approved templates needs the values of the template too (`params`); for all others only their
`gist` is kept, which tells whether other words would say the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quoted
from typing import Final

from carloan_notify.ledger.keys import Cipher
from carloan_notify.records import Draft, steady

FIELD: Final = "content"
_GIST_DIGITS: Final = 16
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
    gist: str = ""
    params: Mapping[str, str] = field(default_factory=dict, repr=False)


def gist(cipher: Cipher, params: Mapping[str, str]) -> str:
    """What a wording says, as a keyed hash of the values that do not differ from one wording to the next."""
    said = "\x1f".join([f"{name}\x1e{value}" for name, value in sorted(steady(params).items())])
    return cipher.text_hash(said)[:_GIST_DIGITS]


def content_of(cipher: Cipher, draft: Draft, *, with_params: bool) -> Content:
    """A draft's content as it is to be kept."""
    kept = dict(draft.params) if with_params else {}
    return Content(draft.phone, draft.recipient_name, draft.rendered.text, gist(cipher, draft.params), kept)


def seal(cipher: Cipher, message_id: str, content: Content) -> bytes:
    """The content as one sealed value, bound to its message."""
    told = (
        f"[{_quoted(content.phone)},{_quoted(content.name)},{_quoted(content.text)},{_quoted(content.gist)}"
    )
    params = f",{_encode(content.params)}" if content.params else ""
    return cipher.seal(message_id, FIELD, f"{told}{params}]")


def opened(cipher: Cipher, message_id: str, sealed: bytes) -> Content:
    """The content again, empty where it was erased. A wrong key or a changed value: `LedgerError`."""
    plain = cipher.open(message_id, FIELD, sealed)
    return Content(*_decode(plain)[0]) if plain else Content()
