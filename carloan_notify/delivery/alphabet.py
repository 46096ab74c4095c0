"""A text as the network carries it: octets in one or several parts.

Alphabets and sizes: 3GPP TS 23.038 and TS 23.040. A part that stands alone holds 160 septets or 70 UTF-16
units, a part of several 153 or 67. No part ends inside a two-unit character. Septets are not packed: one
octet each, as SMPP and Kannel want them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

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
        return Encoded(ucs2=False, parts=tuple(_parts([octets or b"" for octets in known], GSM_SIZES)))
    wide = [char.encode("utf-16-be", "surrogatepass") for char in text]
    return Encoded(ucs2=True, parts=tuple(_parts(wide, UCS2_SIZES)))


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


def _parts(characters: Sequence[bytes], sizes: tuple[int, int]) -> Iterator[bytes]:
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
