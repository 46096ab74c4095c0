"""How many parts a text message costs.

Sizes: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation): one part holds 160 septets or 70 UTF-16
units, a part of several 153 or 67. A two-unit character (an extension pair, a surrogate pair) never
straddles two parts. Combining marks may: the telephone joins the parts before it draws them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
GSM: Final = GSM_BASIC | GSM_EXTENSION

GSM_SINGLE, GSM_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67
CHINA_SINGLE, CHINA_PART = 70, 67
_LAST_OF_ONE_UNIT: Final = "\uffff"


@dataclass(frozen=True, slots=True)
class Segments:
    """`encoding` is "GSM-7" or "UCS-2"; `units` septets or UTF-16 units without padding; `segments` ≥ 1."""

    encoding: str
    units: int
    segments: int


def count_segments(text: str) -> Segments:
    """Parts of a text as the network carries it, without any transliteration."""
    characters = set(text)
    if characters <= GSM:
        wide = sum(map(text.count, characters & GSM_EXTENSION))
        return Segments("GSM-7", len(text) + wide, _parts(text, wide, _is_extension, (GSM_SINGLE, GSM_PART)))
    wide = sum(map(_is_astral, text)) if max(characters) > _LAST_OF_ONE_UNIT else 0
    return Segments("UCS-2", len(text) + wide, _parts(text, wide, _is_astral, (UCS2_SINGLE, UCS2_PART)))


def china_units(text: str) -> int:
    """Billed messages on China's networks: sign and text, every character 1; ≤ 70 is one, then 67 each.

    Source: the billing pages of the large Chinese providers.
    """
    return 1 if len(text) <= CHINA_SINGLE else -(-len(text) // CHINA_PART)


def _is_extension(char: str) -> bool:
    return char in GSM_EXTENSION


def _is_astral(char: str) -> bool:
    return char > _LAST_OF_ONE_UNIT


def _parts(text: str, wide: int, is_wide: Callable[[str], bool], sizes: tuple[int, int]) -> int:
    """Parts of a text that holds `wide` two-unit characters.

    A part but the last is full or, where a pair did not fit, one unit short of it. When both give the same
    number of parts the text need not be walked.
    """
    single, part = sizes
    units = len(text) + wide
    if units <= single:
        return 1
    fewest, most = -(-units // part), -(-units // (part - 1))
    return fewest if not wide or fewest == most else _walked(text, is_wide, part)


def _walked(text: str, is_wide: Callable[[str], bool], part: int) -> int:
    parts, used = 1, 0
    for char in text:
        width = 2 if is_wide(char) else 1
        if used + width > part:
            parts, used = parts + 1, 0
        used += width
    return parts
