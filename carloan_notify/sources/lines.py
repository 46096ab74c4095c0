"""A binary stream → its physical lines, whatever their length, in bounded memory."""

from collections.abc import Iterator
from typing import BinaryIO, Final

BLOCK_BYTES: Final = 1024 * 1024


def physical_lines(stream: BinaryIO, longest: int) -> Iterator[list[bytes | None]]:
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
