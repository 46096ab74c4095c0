"""A file's bytes → lines, and which encoding its text is in."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol, cast

import numpy as np

from carloan_notify.errors import SourceError

# A binary stream → its physical lines, whatever their length, in bounded memory.

BLOCK_BYTES: Final = 1024 * 1024
_LINE_END: Final = ord("\n")


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most so many more bytes, none at the end."""


def physical_lines(stream: Readable, longest: int) -> Iterator[list[bytes | None]]:
    """Lines without their end, a list per block read; None stands for a line longer than `longest` bytes.

    Memory stays below two blocks plus `longest`, however long a line is: its bytes are dropped as they come.
    """
    rest = b""
    dropping = False
    while block := stream.read(BLOCK_BYTES):
        parts = block.split(b"\n")
        if dropping and len(parts) == 1:
            continue
        lines: list[bytes | None] = []
        first = None if dropping else rest + parts[0]
        if len(parts) > 1:
            lines = [first, *parts[1:-1]]
            first = parts[-1]
        dropping = first is None or len(first) > longest
        rest = b"" if first is None or dropping else first
        yield [None if line is None or len(line) > longest else line for line in lines]
    if dropping or rest:
        yield [None if dropping else rest]


@dataclass(frozen=True, slots=True)
class LineBlock:
    """`count` whole lines as they stand in the file, without the end of the last one; none is too long."""

    data: bytes
    count: int

    def lines(self) -> list[bytes | None]:
        """The lines one by one, without their ends."""
        return [*self.data.split(b"\n")]


def line_blocks(stream: BinaryIO, longest: int, size: int) -> Iterator[LineBlock | list[bytes | None]]:
    """The same lines in blocks of about `size` bytes, which are quicker to read than a list of lines.

    What holds a line that may be longer than `longest` bytes comes as a list.
    """
    rest = b""
    while block := stream.read(size):
        end = block.rfind(b"\n")
        if end < 0 or not _short(block, len(rest), longest):
            # From here on line by line: such files are rare, and what is dropped must not fill the memory.
            yield from physical_lines(_Continued(rest + block, stream), longest)
            return
        data = rest + block[:end]
        rest = block[end + 1 :]
        yield LineBlock(data, data.count(b"\n") + 1)
    if rest:
        yield LineBlock(rest, rest.count(b"\n") + 1)


def _short(block: bytes, before: int, longest: int) -> bool:
    """Whether no line of the block, whose first one has `before` bytes already, is longer than `longest`."""
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _LINE_END)
    lengths = np.diff(ends, prepend=-1 - before) - 1
    return bool(lengths.max() <= longest and len(block) - ends[-1] - 1 <= longest)


class _Continued:
    """A stream of which the beginning was read already."""

    def __init__(self, begun: bytes, stream: BinaryIO) -> None:
        self._begun = begun
        self._stream = stream

    def read(self, size: int) -> bytes:
        """The next bytes; at first those that were read already."""
        begun, self._begun = self._begun, b""
        return begun or self._stream.read(size)


def line_batches(stream: BinaryIO, longest: int, size: int) -> Iterator[list[bytes | None]]:
    """The same lines in lists of `size`, the last one shorter."""
    batch: list[bytes | None] = []
    for lines in physical_lines(stream, longest):
        batch.extend(lines)
        while len(batch) >= size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


# Opening the lender's files, gzipped or not.

_GZIP_MARK: Final = b"\x1f\x8b"


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes, unzipped when it is gzip, whatever its name says."""
    stream = path.open("rb")
    if stream.peek(2)[:2] != _GZIP_MARK:
        return stream
    stream.close()
    return cast("BinaryIO", gzip.open(path, "rb"))


# Which encoding a text file is in, decided by decoding all of it.

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


Neighbour = tuple[Path, str]
"""Another text file of the same night, and the encoding asked for it."""


def detect_encoding(
    path: Path, asked: str, longest_line: int, *, beside: Sequence[Neighbour] = (), chinese: bool = False
) -> Encoding:
    """`utf-8` or `gb18030`: `asked`, or for "auto" the one the whole file decodes in, UTF-8 first.

    A file that decodes in none as a whole has damaged lines: it is read in the encoding of most of its
    non-ASCII lines, and the damaged ones are rejected one by one. SourceError when that is no majority. A few
    words may decode in both; then the files `beside` it decide, and what reads as Chinese (`_of_both`).
    """
    look = _look(path, longest_line) if asked == "auto" else None
    if look is None or look.kind is _Kind.NEITHER:
        return _of_most_lines(
            path, _ENCODINGS if asked == "auto" else (cast("Encoding", asked),), longest_line
        )
    if look.kind is not _Kind.BOTH:
        return "gb18030" if look.kind is _Kind.GB18030 else "utf-8"
    return _of_both([look, *_looks(beside, longest_line)], chinese=chinese)


def _of_most_lines(path: Path, candidates: Sequence[Encoding], longest_line: int) -> Encoding:
    _refuse_other_formats(path)
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


def _refuse_other_formats(path: Path) -> None:
    with open_binary(path) as stream:
        other = _OTHER_FORMATS.get(stream.read(2))
        if other:
            raise SourceError(f"{path}: is {other}; save it as 'CSV UTF-8' instead")


# Files whose few Chinese words are valid UTF-8 too, as `Ǯһ`.

_MOST_WORDS: Final = 100
"""Different words. That so many of GBK are all valid UTF-8 does not happen."""
_MOST_LINES: Final = 10_000
_LEAST_CHINESE: Final = 0.8
"""Read as GB18030, Russian and Greek in UTF-8 give some common Chinese too: two characters of three, or fewer."""
_COMMON: Final = re.compile(r"[\u2014-\u201d\u2026\u3001-\u3011\u4e00-\u9fa5\uff01-\uff5e\xb7]")
_WORD: Final = re.compile(rb"[^\x00-\x7f]+")
_RUN: Final = re.compile(r"[^\x00-\x7f]+")


class _Kind(Enum):
    """What a file decodes in as a whole; NEITHER also where its lines must be counted to tell."""

    ASCII = "ascii"
    UTF_8 = "utf-8"
    GB18030 = "gb18030"
    BOTH = "both"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class _Look:
    kind: _Kind
    sample: Sequence[bytes] = field(default=(), repr=False)


def _look(path: Path, longest: int) -> _Look:
    """SourceError for what is no text at all."""
    _refuse_other_formats(path)
    sample, words = _sample(path, longest)
    if not sample:
        return _Look(_Kind.ASCII)
    if not _decodes(path, "utf-8"):
        whole = _better_in_gb18030(sample) > 0 and _decodes(path, "gb18030")
        return _Look(_Kind.GB18030 if whole else _Kind.NEITHER)
    sure = sample[0].startswith(codecs.BOM_UTF8) or words >= _MOST_WORDS
    both = not sure and all(_line_decodes(line, "gb18030") for line in sample)
    return _Look(_Kind.BOTH, sample) if both else _Look(_Kind.UTF_8)


def _sample(path: Path, longest: int) -> tuple[Sequence[bytes], int]:
    """The first lines that hold a new word that is not ASCII, and how many such words they hold."""
    sample: list[bytes] = []
    words: set[bytes] = set()
    with open_binary(path) as stream:
        lines = (line for batch in physical_lines(stream, longest) for line in batch)
        for line in islice((line for line in lines if line and not line.isascii()), _MOST_LINES):
            fresh = words.union(_WORD.findall(line))
            if len(fresh) > len(words):
                sample.append(line)
                words = fresh
            if len(words) >= _MOST_WORDS:
                break
    return sample, len(words)


def _looks(beside: Sequence[Neighbour], longest: int) -> list[_Look]:
    asked = {"utf-8": _Look(_Kind.UTF_8), "gb18030": _Look(_Kind.GB18030)}
    return [asked.get(encoding) or _look_aside(path, longest) for path, encoding in beside]


def _look_aside(path: Path, longest: int) -> _Look:
    try:
        return _look(path, longest)
    except (SourceError, OSError, EOFError, zlib.error):
        return _Look(_Kind.NEITHER)  # it says nothing here; its own reading tells what is wrong with it


def _of_both(looks: Sequence[_Look], *, chinese: bool) -> Encoding:
    """The one encoding of all files of a night that decode in both.

    GB18030 when it makes the better Chinese of them, and another file is GB18030 for certain or the lender is
    `chinese`, no file is UTF-8 for certain and nearly all is common Chinese; or when neither makes better Chinese,
    and the others are GB18030.
    """
    kinds = {look.kind for look in looks}
    texts = [line for look in looks for line in look.sample]
    better = _better_in_gb18030(texts)
    for_sure = {_Kind.GB18030, _Kind.UTF_8} & kinds
    if better > 0:
        alone = chinese and not for_sure and _chinese(texts, "gb18030") >= _LEAST_CHINESE
        return "gb18030" if _Kind.GB18030 in for_sure or alone else "utf-8"
    return "gb18030" if better == 0 and for_sure == {_Kind.GB18030} else "utf-8"


def _better_in_gb18030(lines: Sequence[bytes]) -> float:
    """Positive where GB18030 makes better Chinese of the lines than UTF-8 does."""
    return _chinese(lines, "gb18030") - _chinese(lines, "utf-8")


def _chinese(lines: Sequence[bytes], encoding: Encoding) -> float:
    """The share of the non-ASCII characters that are common Chinese (GB 2312) and not inside a Western word."""
    runs = [found for line in lines for found in _RUN.finditer(line.decode(encoding, "replace"))]
    total = sum(len(found[0]) for found in runs)
    common = sum(sum(map(_is_common, found[0])) for found in runs if not _in_a_word(found))
    return common / total if total else 0.0


def _is_common(char: str) -> bool:
    return _COMMON.match(char) is not None and bool(char.encode("gb2312", "ignore"))


def _in_a_word(found: re.Match[str]) -> bool:
    """Whether a small Latin letter stands beside it, as in `Müller`; 鲁A 12345 and 车贷A are Chinese."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return any(letter.isascii() and letter.islower() for letter in (before, after))


# Which bytes decode.


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
