"""Phone numbers as Huawei writes them: with +, with the country code alone, or a Chinese number bare."""

import re
from typing import Final

_CHINESE_MOBILE: Final = re.compile(r"1[3-9]\d{9}")
_DIGITS: Final = re.compile(r"\d{5,20}")
_ABROAD: Final = "abroad"


def country_key(phone: str) -> str:
    """What parts numbers of mainland China from all others, which Huawei may write alike once the + is gone."""
    return "" if phone.startswith("+86") else _ABROAD


def e164(number: str) -> str:
    """The number with + and country code, "" when it is none. A bare Chinese mobile number gets +86."""
    digits = number.strip().removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return ""
    if not number.strip().startswith("+") and _CHINESE_MOBILE.fullmatch(digits):
        return f"+86{digits}"
    return f"+{digits}"
