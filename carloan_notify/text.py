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


# Text of strangers inside our sentences.

_BLANKS: Final = (0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029)
_JOINERS: Final = (0x200C, 0x200D)
_UNSEEN: Final = (
    *(
        (0x00, 0x1F),
        (0x7F, 0x9F),
        (0xAD, 0xAD),
        (0x61C, 0x61C),
        (0x180E, 0x180E),
        (0x200B, 0x200F),
        (0x2028, 0x202E),
    ),
    *((0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F)),
)
"""Unicode's controls, line ends and format characters (Cc, Zl, Zp, Cf) that a name can do without."""
_OPENING: Final = "【〖〔［〚︻﹝❲⟦"
_CLOSING: Final = "】〗〕］〛︼﹞❳⟧"
_INLINE: Final = {
    **{code: None for first, last in _UNSEEN for code in range(first, last + 1) if code not in _JOINERS},
    **dict.fromkeys(_BLANKS, " "),
    **str.maketrans(f"{_OPENING}{_CLOSING}[]", "（" * len(_OPENING) + "）" * len(_CLOSING) + "()"),
}
_STRAY_JOINER: Final = re.compile(
    r"(?<![\u0600-\u109f\u1780-\u18af\u200c\u200d\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]+"
)
"""Joiners belong to the scripts from Arabic to Myanmar, Khmer, Mongolian, and to emoji; elsewhere they only hide."""
_RE2_CLASS: Final = "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in _UNSEEN)
_PY_CLASS: Final = "".join(f"{chr(first)}-{chr(last)}" for first, last in _UNSEEN)
_ODD: Final = re.compile(rf"[{_PY_CLASS}\ud800-\udfff\[\]{_OPENING}{_CLOSING}]")


def inline(text: str) -> str:
    """Text from outside as it may stand in one of our messages: one line, and no sign but ours.

    Control, direction and invisible characters go, line ends and tabs become blanks. Brackets of the kinds that
    carry a sender's sign (【招商银行】, [Bank]) become round ones. A lone surrogate becomes `?`.
    """
    if _ODD.search(text) is None:  # nearly every text of a night
        return text
    kept = _STRAY_JOINER.sub("", text.translate(_INLINE))
    return kept.encode("utf-8", "replace").decode("utf-8")


def inline_pattern() -> str:
    """The pattern (RE2) of every character that `inline` may change."""
    return rf"[{_RE2_CLASS}\[\]{_OPENING}{_CLOSING}]"


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


def mask_name(name: str) -> str:
    """`王小明` becomes `王**`, `Alex Morgan` becomes `A** M**`: enough to know oneself by; the length is not told."""
    return " ".join(f"{word[0]}**" for word in name.split())


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
