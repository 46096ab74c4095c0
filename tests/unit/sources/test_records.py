import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.chunks import BrokenRow
from carloan_notify.sources.encoding import BLOCK_BYTES, LineBlock, line_batches, line_blocks, physical_lines
from carloan_notify.sources.records import (
    MOST_LINES_OF_A_RECORD,
    Dialect,
    careful_chunk,
    clean_chunk,
    read_chunk,
)

THREE = Dialect("utf-8", ",", 3)


def careful(text: str, dialect: Dialect = THREE) -> tuple[list[tuple[str, ...]], list[int], list[BrokenRow]]:
    chunk, used = careful_chunk(text.encode().split(b"\n"), 2, dialect, final=True)
    assert used == len(text.split("\n"))
    rows = list(zip(*(column.to_pylist() for column in chunk.columns), strict=True))
    return rows, chunk.lines.tolist(), list(chunk.broken)


def test_a_quoted_field_may_hold_delimiters_quotes_and_line_ends() -> None:
    rows, lines, broken = careful('a,"1,000","say ""hi"""\r\nb,"two\nlines",c\nd,e,f')
    assert rows == [("a", "1,000", 'say "hi"'), ("b", "two\nlines", "c"), ("d", "e", "f")]
    assert lines == [2, 3, 5]
    assert broken == []


def test_a_stray_quote_costs_only_its_own_line() -> None:
    rows, lines, broken = careful('a,"open,c\nd,e,f\ng,h,i')
    assert rows == [("d", "e", "f"), ("g", "h", "i")]
    assert lines == [3, 4]
    assert broken == [BrokenRow(2, CellProblem.BAD_QUOTING)]


def test_a_quote_inside_a_name_is_text() -> None:
    assert careful('a,O"Brien,c\nd,x,f')[0] == [("a", 'O"Brien', "c"), ("d", "x", "f")]


def test_text_after_a_closing_quote_is_refused() -> None:
    assert careful('a,"b"x,c')[2] == [BrokenRow(2, CellProblem.BAD_QUOTING)]


def test_ragged_rows_say_how_many_fields_they_have() -> None:
    rows, _, broken = careful("a,b\na,b,c,d\na,b,c,,\na,b,c")
    assert rows == [("a", "b", "c"), ("a", "b", "c")]
    assert broken == [
        BrokenRow(2, CellProblem.RAGGED_ROW, "2 fields for 3 columns"),
        BrokenRow(3, CellProblem.RAGGED_ROW, "4 fields for 3 columns"),
    ]


def test_blank_lines_are_no_rows() -> None:
    assert careful("\n,,\n  \r\na,b,c")[:2] == ([("a", "b", "c")], [5])


def test_bytes_that_are_no_text() -> None:
    lines = [b"a,\xff,c", b"a,\x00,c", None, b'a,"x', b"\xff", b"d,e,f"]
    chunk, _ = careful_chunk(lines, 2, THREE, final=True)
    assert [row.problem for row in chunk.broken] == [
        CellProblem.BAD_ENCODING,
        CellProblem.NUL_BYTE,
        CellProblem.LINE_TOO_LONG,
        CellProblem.BAD_QUOTING,
        CellProblem.BAD_ENCODING,
    ]
    assert chunk.lines.tolist() == [7]


def test_a_field_beyond_the_parsers_limit() -> None:
    huge = "x" * (csv.field_size_limit() + 1)
    assert careful(f"a,{huge},c")[2] == [BrokenRow(2, CellProblem.LINE_TOO_LONG)]


def test_a_record_that_may_go_on_is_left_for_the_next_batch() -> None:
    chunk, used = careful_chunk([b"a,b,c", b'd,"open'], 2, THREE, final=False)
    assert (chunk.lines.tolist(), used) == ([2], 1)


def test_no_quote_is_followed_for_ever() -> None:
    lines: list[bytes | None] = [b'a,"open', *[b"x,y,z"] * MOST_LINES_OF_A_RECORD]
    chunk, _ = careful_chunk(lines, 2, THREE, final=False)
    assert chunk.broken == [BrokenRow(2, CellProblem.BAD_QUOTING)]


@pytest.mark.parametrize(
    "lines",
    [
        [b"a,b,c", None],
        [b"a,b,c", b"a,\0,c"],
        [b"a,b,c", b"a,b"],
        [b"a,b,c", b'a,"b'],
        [b"a,b,c", b'a,"b', b'b",c'],
        [b"a,b,c", b""],
        [b"a,b,c", b" ,,"],
        [b'a,"b",c', b"d,e"],
        [b"a,b,c", b"a,b\rc,d,e"],
        [b"a,b,c", b"\xff,b,c"],
    ],
)
def test_only_clean_lines_go_the_quick_way(lines: list[bytes | None]) -> None:
    assert clean_chunk(lines, 2, THREE) is None


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), st.sampled_from(["utf-8", "gb18030"]))
def test_whatever_is_written_as_csv_is_read_back(rows: list[tuple[str, str, str]], encoding: str) -> None:
    dialect = Dialect(encoding, ",", 3)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    lines: list[bytes | None] = list(file.getvalue().removesuffix("\n").encode(encoding).split(b"\n"))
    chunk, _ = careful_chunk(lines, 2, dialect, final=True)
    read = list(zip(*(column.to_pylist() for column in chunk.columns), strict=True))
    assert read == [row for row in rows if any(cell.strip() for cell in row)]
    quick = clean_chunk(lines, 2, dialect)
    if quick is not None:
        quick_rows = list(zip(*(column.to_pylist() for column in quick.columns), strict=True))
        assert [row for row in quick_rows if any(cell.strip() for cell in row)] == read


@given(st.binary(max_size=60), st.integers(1, 9), st.integers(1, 12))
def test_lines_are_those_of_split(data: bytes, size: int, longest: int) -> None:
    whole = data.split(b"\n")
    expected = [line if len(line) <= longest else None for line in (whole if whole[-1] else whole[:-1])]
    batches = list(line_batches(io.BytesIO(data), longest, size))
    assert [line for batch in batches for line in batch] == expected
    assert all(len(batch) == size for batch in batches[:-1])


@given(
    st.lists(st.binary(max_size=9).filter(lambda line: b"\n" not in line), max_size=12),
    st.booleans(),
    st.integers(1, 30),
    st.integers(1, 9),
)
def test_blocks_hold_the_same_lines(lines: list[bytes], ended: bool, size: int, longest: int) -> None:  # noqa: FBT001 - drawn
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    blocks = list(line_blocks(io.BytesIO(data), longest, size))
    plain = [line for batch in line_batches(io.BytesIO(data), longest, 3) for line in batch]
    assert [
        line for block in blocks for line in (block.lines() if isinstance(block, LineBlock) else block)
    ] == plain
    assert all(block.count == len(block.lines()) for block in blocks if isinstance(block, LineBlock))


@pytest.mark.parametrize("tail", [b"", b"\n", b"\nshort", b"\nshort\n"])
def test_a_line_longer_than_many_blocks_is_dropped(tail: bytes) -> None:
    stream = io.BytesIO(b"a\n" + b"x" * (3 * BLOCK_BYTES) + tail)
    lines = [line for lines in physical_lines(stream, 100) for line in lines]
    stream.seek(0)
    assert lines == [
        line
        for block in line_blocks(stream, 100, BLOCK_BYTES)
        for line in (block.lines() if isinstance(block, LineBlock) else block)
    ]
    assert lines == [b"a", None, *([b"short"] if b"short" in tail else [])]


def test_a_line_across_two_blocks_is_whole() -> None:
    line = b"y" * (BLOCK_BYTES + 5)
    assert [x for lines in physical_lines(io.BytesIO(line + b"\nz"), 2 * BLOCK_BYTES) for x in lines] == [
        line,
        b"z",
    ]


@given(
    st.lists(
        st.sampled_from(["a,b,c", 'a,"b,c', 'a,"b', 'x",c', "a,b", "", 'a,"b,c",d', "\0"]),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 3),
)
def test_pieces_read_what_the_careful_way_reads(odd: list[str], filler: int) -> None:
    texts = [line for text in odd for line in [text, *["p,q,r"] * (filler * 60)]]
    lines: list[bytes | None] = [text.encode() for text in texts]
    pieces, used = read_chunk(lines, 2, THREE, final=True)
    whole, _ = careful_chunk(lines, 2, THREE, final=True)
    assert used == len(lines)
    assert pieces.lines.tolist() == whole.lines.tolist()
    assert [cells.to_pylist() for cells in pieces.columns] == [cells.to_pylist() for cells in whole.columns]
    assert list(pieces.broken) == list(whole.broken)
