"""What a spreadsheet would run instead of show (OWASP, CSV injection): one list for every CSV we write."""

import re
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final, TypeVar

from carloan_notify.records import Receipt, SendResult

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def looks_like_formula(cell: str) -> bool:
    """Whether a spreadsheet might take this cell for a formula; such a cell gets an apostrophe in front."""
    return cell.startswith(FORMULA_STARTS)


# What of a phone number may be shown, and digits kept out of texts that come from outside.

ERASED: Final = "(erased)"
_VISIBLE_TAIL: Final = 4
_HIDDEN: Final = 4
_DAY: Final = r"(?:19|20)\d\d([-/])(?:0?[1-9]|1[0-2])\{n}(?:0?[1-9]|[12]\d|3[01])(?!\d)"
_GAP: Final = r"[ \t\xa0\u3000()\uff08\uff09\u2010-\u2015\u2212-]{1,5}"
_NUMBER: Final = re.compile(
    rf"(?P<day>(?<!\d){_DAY.format(n=2)})"
    r"|\d{3}\.\d{3,4}\.\d{4}(?!\d)"
    rf"|\+?\d(?:\d|{_GAP}(?!{_DAY.format(n=3)})(?=\d)){{6,}}"
)
"""A day, which is left alone; a number written with dots; seven digits and more, however they are spaced."""
_SHORTEST: Final = 7


def mask_phone(phone: str) -> str:
    """`+8613800138000` becomes `+86138****8000`; a short number shows only its last two digits."""
    if not phone:
        return ERASED
    head = len(phone) - _VISIBLE_TAIL - _HIDDEN
    if head <= 0:
        return "****" + phone[-2:]
    return phone[:head] + "*" * _HIDDEN + phone[-_VISIBLE_TAIL:]


def mask_digits(text: str) -> str:
    """Free text with every run of seven digits or more masked, since it could be somebody's number.

    Blanks, dashes and brackets inside a run hide nothing (`138-0013-8000`), days (`2026-11-23`) stay readable.
    """
    return _NUMBER.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    plain = "".join(sign for sign in found.group() if sign.isdecimal())
    if found["day"] or len(plain) < _SHORTEST:
        return found.group()
    return mask_phone("+" + plain if found.group().startswith("+") else plain)


# What others say of our messages, as both databases can hold it.

LONGEST: Final = 500
"""Characters. An index of PostgreSQL takes 2,704 bytes."""
RESULT_TEXTS: Final = ("provider_ref", "code", "detail")
RECEIPT_TEXTS: Final = ("provider_ref", "message_id", "code", "detail", "phone")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL's text holds no NUL, and half of a surrogate pair is no UTF-8; JSON may carry both."""

Told = TypeVar("Told", SendResult, Receipt)


def storable(text: str) -> str:
    """The text itself where it can be stored, else without what cannot and cut to `LONGEST`."""
    return whole(text)[:LONGEST]


def whole(text: str) -> str:
    """The text without what cannot be stored, however long: for what stands in no index."""
    return _UNSTORABLE.sub("", text)


def cleaned(records: Sequence[Told], names: Sequence[str]) -> Sequence[Told]:
    """The records with these texts storable: an answer that cannot be written down would be lost."""
    texts = [text for name in names for text in map(attrgetter(name), records)]
    if len(max(texts, key=len, default="")) <= LONGEST and not _UNSTORABLE.search("".join(texts)):
        return records  # nearly every answer of a night
    return [replace(record, **_storable_texts(record, names)) for record in records]


def _storable_texts(record: SendResult | Receipt, names: Sequence[str]) -> dict[str, Any]:
    return {name: storable(getattr(record, name)) for name in names}
