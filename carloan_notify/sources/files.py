"""Opening the lender's files, gzipped or not."""

import gzip
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, cast

from carloan_notify.sources.chunks import SourceFile

_GZIP_MARK: Final = b"\x1f\x8b"


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes, unzipped when it is gzip, whatever its name says."""
    stream = path.open("rb")
    if stream.peek(2)[:2] != _GZIP_MARK:
        return stream
    stream.close()
    return cast("BinaryIO", gzip.open(path, "rb"))


def file_origin(path: Path, rows: int) -> SourceFile:
    """The file's digest and time of change."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return SourceFile(str(path), digest, datetime.fromtimestamp(path.stat().st_mtime, tz=UTC), rows)
