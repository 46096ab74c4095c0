"""Parquet files as a `Reader`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from carloan_notify.errors import SourceError
from carloan_notify.sources.chunks import SourceFile, TextChunk
from carloan_notify.sources.files import file_origin
from carloan_notify.sources.typed_cells import as_text


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """An opened Parquet file; a row's place is its number, the first being 1."""

    path: Path
    headers: Sequence[str]
    chunk_rows: int
    timezone: str

    @classmethod
    def open(cls, path: Path, *, chunk_rows: int, timezone: str) -> Self:
        """Read the schema. SourceError when the file is no Parquet or a column is a list or a structure."""
        try:
            schema = parquet.read_schema(path)
        except pa.ArrowInvalid as error:
            raise SourceError(f"{path}: is no Parquet file; set `format`, or export it again") from error
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        if nested:
            raise SourceError(
                f"{path}: columns {', '.join(nested)} hold lists or structures; export plain columns"
            )
        return cls(path, schema.names, chunk_rows, timezone)

    def chunks(self) -> Iterator[TextChunk]:
        """All rows, `chunk_rows` at a time. SourceError when the file turns out to be damaged."""
        first = 1
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=self.chunk_rows, use_threads=False):
                    lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
                    first += batch.num_rows
                    yield TextChunk([as_text(column, self.timezone) for column in batch.columns], lines)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{self.path}: is damaged near row {first}; copy or export it again") from error

    def origin(self, rows: int) -> SourceFile:
        """The file, its digest and its time of change."""
        return file_origin(self.path, rows)
