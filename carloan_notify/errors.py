"""Exceptions that end a run, each with its exit code. Faults that a night expects are values, not exceptions."""

from collections.abc import Sequence

EXIT_OK = 0
EXIT_FAILED_ITEMS = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_LOCKED = 4
EXIT_GUARD = 5
EXIT_INTERRUPTED = 130


class CarloanNotifyError(Exception):
    """The run cannot go on. The text says what, where and how to fix it; it never holds personal data."""

    exit_code = EXIT_USAGE


class ConfigError(CarloanNotifyError):
    """The configuration is wrong. `problems` holds all of them, each `dotted.path: what; how to fix it`."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, so that one reading mends them all."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class SourceError(CarloanNotifyError):
    """A table cannot be read at all: missing file, missing column, wrong encoding, database out of reach."""


class CalendarError(CarloanNotifyError):
    """A calendar does not cover a year that is needed; the text names the year and the cure."""


class TemplateError(CarloanNotifyError):
    """The template folder cannot be used."""


class LedgerError(CarloanNotifyError):
    """The ledger cannot be opened or trusted, or does not hold what was asked for."""


class LedgerUnavailableError(LedgerError):
    """The ledger's database fails while it is in use: disk full, locked, gone. What was committed is kept."""

    exit_code = EXIT_FAILED_ITEMS


class LockedError(CarloanNotifyError):
    """Another run holds the lock; the text names the holder."""

    exit_code = EXIT_LOCKED
