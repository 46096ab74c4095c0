"""What of a phone number may be shown, and digits kept out of texts that come from outside."""

import re
from typing import Final

ERASED: Final = "(erased)"
_VISIBLE_TAIL: Final = 4
_HIDDEN: Final = 4
_DIGIT_RUN: Final = re.compile(r"\+?\d{7,}")


def mask_phone(phone: str) -> str:
    """`+8613800138000` becomes `+86138****8000`; a short number shows only its last two digits."""
    if not phone:
        return ERASED
    head = len(phone) - _VISIBLE_TAIL - _HIDDEN
    if head <= 0:
        return "****" + phone[-2:]
    return phone[:head] + "*" * _HIDDEN + phone[-_VISIBLE_TAIL:]


def mask_digits(text: str) -> str:
    """A provider's free text with every run of seven digits or more masked: it could be somebody's number."""
    return _DIGIT_RUN.sub(lambda run: mask_phone(run.group()), text)
