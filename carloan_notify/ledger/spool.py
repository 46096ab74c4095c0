"""What a provider handed out and is not in the ledger yet: in files, encrypted, until it is. Survives a crash.

Some queues hand a record out once. A ledger that fails at that moment must not cost it.
"""

from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.keys import write_private

FOLDER: Final = "returned"
_ENDING: Final = ".page"
_FIELD: Final = "page"


class Spool:
    """A folder of sealed texts (mode 0600), oldest first by name."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        """Makes no folder before there is something to put into it."""
        self.folder = folder
        self._cipher = cipher

    def put(self, text: str, now: datetime) -> str:
        """Keep a text, on disk when this returns; its name. Raises `OSError` when there is no room."""
        name = f"{now:%Y%m%dT%H%M%S%f}-{uuid4().hex}"
        write_private(self._file(name), self._cipher.seal(name, _FIELD, text))
        return name

    def names(self) -> list[str]:
        """Every text that is kept, oldest first."""
        return sorted(file.stem for file in self.folder.glob(f"*{_ENDING}"))

    def text(self, name: str) -> str | None:
        """A text, None when another process has taken it. A damaged one raises `LedgerError`."""
        try:
            sealed = self._file(name).read_bytes()
        except FileNotFoundError:
            return None
        return self._cipher.open(name, _FIELD, sealed)

    def drop(self, name: str) -> None:
        """It is in the ledger now."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{_ENDING}"
