"""How many parts a text message costs.

Sizes: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation): one part holds 160 septets or 70 UTF-16
units, a part of several 153 or 67. A two-unit character (an extension pair, a surrogate pair) never
straddles two parts. Combining marks may: the telephone joins the parts before it draws them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
GSM: Final = GSM_BASIC | GSM_EXTENSION
_NOT_GSM: Final = re.compile(f"[^{re.escape(''.join(sorted(GSM)))}]")

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
    if _NOT_GSM.search(text) is None:
        wide = sum(map(text.count, GSM_EXTENSION))
        return Segments("GSM-7", len(text) + wide, _parts(text, wide, _is_extension, (GSM_SINGLE, GSM_PART)))
    wide = len(text.encode("utf-16-le", "surrogatepass")) // 2 - len(text)
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


# A text as the network carries it: octets in one or several parts.
#
# Alphabets and sizes: 3GPP TS 23.038 and TS 23.040. A part that stands alone holds 160 septets or 70 UTF-16
# units, a part of several 153 or 67. No part ends inside a two-unit character. Septets are not packed: one
# octet each, as SMPP and Kannel want them.

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet by septet; 0x1B leads into the extension table."""
_EXTENSION: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_ESCAPE: Final = 0x1B
_OCTETS: Final = {
    **{char: bytes([septet]) for septet, char in enumerate(_BASIC) if septet != _ESCAPE},
    **{char: bytes([_ESCAPE, septet]) for septet, char in _EXTENSION.items()},
}
GSM_SIZES: Final = (160, 153)
UCS2_SIZES: Final = (140, 134)


@dataclass(frozen=True, slots=True)
class Encoded:
    """`parts` as octets without headers, at least one; UTF-16 in big-endian order when `ucs2`."""

    ucs2: bool
    parts: tuple[bytes, ...] = field(repr=False)


def encode(text: str) -> Encoded:
    """Septets where the GSM alphabet has every character, else UTF-16; nothing is transliterated.

    A lone surrogate is written as it is: a telephone shows it as a blank box.
    """
    known = [_OCTETS.get(char) for char in text]
    if None not in known:
        return Encoded(ucs2=False, parts=tuple(_parts_in([octets or b"" for octets in known], GSM_SIZES)))
    wide = [char.encode("utf-16-be", "surrogatepass") for char in text]
    return Encoded(ucs2=True, parts=tuple(_parts_in(wide, UCS2_SIZES)))


def decode_septets(octets: bytes) -> str:
    """The text of unpacked septets. What the tables lack becomes U+FFFD."""
    return "".join(_characters(octets))


def _characters(octets: bytes) -> Iterator[str]:
    escaped = False
    for octet in octets:
        if escaped:
            yield _EXTENSION.get(octet, "\ufffd")
            escaped = False
        elif octet == _ESCAPE:
            escaped = True
        else:
            yield _BASIC[octet] if octet < len(_BASIC) else "\ufffd"


def _parts_in(characters: Sequence[bytes], sizes: tuple[int, int]) -> Iterator[bytes]:
    """Characters filled into parts; one that does not fit begins the next."""
    whole = b"".join(characters)
    if len(whole) <= sizes[0]:
        yield whole
        return
    part: list[bytes] = []
    used = 0
    for char in characters:
        if used + len(char) > sizes[1]:
            yield b"".join(part)
            part, used = [], 0
        part.append(char)
        used += len(char)
    yield b"".join(part)
