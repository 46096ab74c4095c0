"""Stamps that tell whether the lender's tables changed since they were read."""

from dataclasses import dataclass
from datetime import date

from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.portfolio import read_context
from carloan_notify.sources.settings import TableSettings
from carloan_notify.sources.tables import TableName

PAYING_TABLES: tuple[TableName, ...] = ("loans", "installments", "payments", "changes")
DATABASE_FRESH_S = 60
"""A database cannot say whether its rows changed, so what was read from it counts for a minute."""


@dataclass(frozen=True, slots=True)
class TableStamps:
    """Stamps of the tables that decide what is owed."""

    house: House
    as_of: date

    def now(self) -> dict[str, str]:
        """Table name → stamp: a file's time and size, a database's minute, "missing" for a file that is gone."""
        sources = self.house.settings.sources
        return {
            name: self._stamp(table) for name in PAYING_TABLES if (table := sources.table(name)) is not None
        }

    def _stamp(self, table: TableSettings) -> str:
        if table.query:
            return f"minute {int(self.house.clock().timestamp()) // DATABASE_FRESH_S}"
        path = self.house.folder / read_context(self.house, self.as_of).dated(table.path)
        try:
            status = path.stat()
        except FileNotFoundError:
            return "missing"
        return f"{status.st_mtime_ns}:{status.st_size}"
