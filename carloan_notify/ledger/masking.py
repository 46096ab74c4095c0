"""What of a phone number may be shown, and digits kept out of texts that come from outside."""

import re
from typing import Final

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
