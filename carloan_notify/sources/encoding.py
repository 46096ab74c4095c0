"""Which encoding a text file is in, decided by decoding all of it."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

from carloan_notify.errors import SourceError
from carloan_notify.sources.files import open_binary
from carloan_notify.sources.lines import BLOCK_BYTES, physical_lines

Encoding = Literal["utf-8", "gb18030"]

_ENCODINGS: Final[tuple[Encoding, ...]] = ("utf-8", "gb18030")
_OTHER_FORMATS: Final = {
    codecs.BOM_UTF16_LE: "UTF-16 text (a spreadsheet's 'Unicode text')",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK": "a workbook or another zip archive",
    b"\xd0\xcf": "an old Excel workbook",
}
_LEAST_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class _LineCounts:
    """How many lines with non-ASCII bytes there are, how many decode, and where the first does not."""

    decoded: int
    total: int
    first_bad: int

    @property
    def share(self) -> float:
        return self.decoded / self.total


def detect_encoding(path: Path, asked: str, longest_line: int) -> Encoding:
    """`utf-8` or `gb18030`: `asked`, or for "auto" the one the whole file decodes in, UTF-8 first.

    A file that decodes in none as a whole has damaged lines: it is read in the encoding of most of its
    non-ASCII lines, and the damaged ones are rejected one by one. SourceError when that is no majority.
    """
    with open_binary(path) as stream:
        other = _OTHER_FORMATS.get(stream.read(2))
        if other:
            raise SourceError(f"{path}: is {other}; save it as 'CSV UTF-8' instead")
    candidates = _ENCODINGS if asked == "auto" else (cast("Encoding", asked),)
    if _decodes(path, candidates[0]):
        return candidates[0]
    counts = {encoding: _count_lines(path, encoding, longest_line) for encoding in candidates}
    for encoding in candidates:
        if counts[encoding].share >= _LEAST_SHARE:
            return encoding
    bad = counts[candidates[0]].first_bad
    raise SourceError(
        f"{path}:{bad}: is not {' or '.join(candidates)} text; export it again as UTF-8, or set `encoding`"
    )


def _decodes(path: Path, encoding: Encoding) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_binary(path) as stream:
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _count_lines(path: Path, encoding: Encoding, longest: int) -> _LineCounts:
    with open_binary(path) as stream:
        return _counted(stream, encoding, longest)


def _counted(stream: BinaryIO, encoding: Encoding, longest: int) -> _LineCounts:
    total = bad = first_bad = number = 0
    for lines in physical_lines(stream, longest):
        for line in lines:
            number += 1
            if line is None or line.isascii():
                continue
            total += 1
            if not _line_decodes(line, encoding):
                bad += 1
                first_bad = first_bad or number
    return _LineCounts(total - bad, max(total, 1), first_bad)


def _line_decodes(line: bytes, encoding: Encoding) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
