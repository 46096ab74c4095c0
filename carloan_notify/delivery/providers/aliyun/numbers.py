"""Phone numbers and times as Alibaba Cloud writes them."""

import re
from datetime import datetime
from typing import Final

from carloan_notify.delivery.gateway.later import moment

ZONE: Final = "Asia/Shanghai"
_MAINLAND: Final = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
_OTHER: Final = re.compile(r"\+?([1-9]\d{5,14})")
_COMPACT: Final = re.compile(r"\d{14}")
_CHINA: Final = "+86"
AMBIGUOUS: Final = "ambiguous_number"
"""The code of a message to a number that the vendor takes for another."""
TAKEN_FOR_ANOTHER: Final = "Alibaba Cloud would take this number for a mobile of mainland China"


def ambiguous(phone: str) -> bool:
    """Whether the vendor would take a number from elsewhere for a mobile of mainland China: +1 310 555 0100, say.

    It knows no `+`, so that a stranger would get the message.
    """
    return not phone.startswith(_CHINA) and _MAINLAND.fullmatch(phone.removeprefix("+")) is not None


def dialled(phone: str) -> str:
    """An E.164 number as the vendor wants it: 11 digits in mainland China, else country code and number."""
    match = _MAINLAND.fullmatch(phone)
    return match.group(1) if match and phone.startswith(_CHINA) else phone.removeprefix("+")


def e164(number: str) -> str:
    """A number that the vendor tells, in E.164. Eleven digits from 13 to 19 are a mobile of mainland China.

    Raises:
        ValueError: it is no number; its text is left out.
    """
    number = number.strip()
    if (mainland := _MAINLAND.fullmatch(number)) is not None:
        return f"+86{mainland.group(1)}"
    if (other := _OTHER.fullmatch(number)) is None:
        raise ValueError("no phone number")
    return f"+{other.group(1)}"


def instant(text: str) -> datetime:
    """A time in China, `2026-11-23 09:00:05` or `20261123090005`, as an aware UTC instant.

    Raises:
        ValueError: it is neither; its text is left out.
    """
    text = text.strip()
    return moment(text, "%Y%m%d%H%M%S" if _COMPACT.fullmatch(text) else "%Y-%m-%d %H:%M:%S", ZONE)
