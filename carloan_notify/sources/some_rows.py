"""A lender's query, asked for some of its rows only: it becomes a sub-select."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.errors import SourceError
from carloan_notify.sources.database import SqlReader, bound, make_engine
from carloan_notify.sources.read import Table, parse_table, table_rules, told_of
from carloan_notify.sources.rows import match_headers
from carloan_notify.sources.settings import ReadContext, TableSettings
from carloan_notify.sources.tables import TABLES, TableName

_SQLITE: Final = "sqlite"
_NONE: Final = "1 = 0"
"""The condition of a question for the columns alone."""
_MYSQL: Final = frozenset({"mysql", "mariadb"})


def ask_for(
    name: TableName,
    settings: TableSettings,
    wanted: Mapping[str, Collection[str]],
    ends: Collection[str],
    context: ReadContext,
) -> Table | None:
    """Rows of which one of these columns holds one of these values, or whose number may end so (digits).

    None where the query cannot be asked so: it is no sub-select, or a value is none for its column. Then what is
    wrong, if anything is, shows when it is run as it is. Row numbers are those of the answer.

    Raises:
        SourceError: no database URL, or no driver for it.
    """
    engine = make_engine(settings.url)
    try:
        return _Question(engine, name, settings, context).answer(wanted, ends)
    except SourceError:  # a missing database is told of by the whole reading, which follows
        return None
    finally:
        engine.dispose()


class _SubSelect:
    """A lender's query as a sub-select: its engine, and how our ids are compared in it."""

    def __init__(
        self, engine: sa.Engine, name: TableName, settings: TableSettings, context: ReadContext
    ) -> None:
        self._engine = engine
        self._name = name
        self._settings = settings
        self._context = context
        self._query = context.dated(settings.query).strip().rstrip(";")

    def where(self, condition: str, values: Mapping[str, Any]) -> AbstractContextManager[SqlReader]:
        """The rows of which this is true; a value that is a list stands for any of its members."""
        statement = sa.text(f"SELECT wanted.* FROM (\n{self._query}\n) wanted WHERE {condition}")  # noqa: S608 - the lender's own query
        # Without a type of its own a value takes the column's, be that a number or a UUID.
        several = [
            sa.bindparam(name, expanding=True, type_=sa.types.NullType())
            for name, value in values.items()
            if isinstance(value, list)
        ]
        return SqlReader.on(
            self._engine,
            statement.bindparams(*several),
            {**bound(sa.text(self._query), self._context.as_of), **values},
            chunk_rows=self._context.chunk_rows,
            timezone=self._context.timezone,
        )

    def rows(self, condition: str, values: Mapping[str, Any]) -> Table:
        """The same rows as the table's."""
        with self.where(condition, values) as reader:
            return parse_table(self._name, reader, self._settings, self._context)

    def compared(self, header: str) -> str:
        """A column as ids are compared with it."""
        column = self.quoted(header)
        # SQLite casts nothing by itself: there 7 = '7' is false.
        return f"trim(CAST({column} AS TEXT))" if self._is_sqlite else column

    def quoted(self, header: str) -> str:
        """A column by its name."""
        name = self._engine.dialect.identifier_preparer.quote_identifier(header)
        return "wanted." + name.replace(":", r"\:")

    def as_spelt(self, ids: Collection[str]) -> list[str]:
        """The ids as the database may hold them: SQLite, which compares texts, writes the number 7.0 so."""
        floats = {f"{each}.0" for each in ids if self._is_sqlite and each.isdecimal()}
        return sorted({*ids, *floats})

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == _SQLITE


class _Question(_SubSelect):
    """One query, and the names that it gives our columns."""

    def answer(self, wanted: Mapping[str, Collection[str]], ends: Collection[str]) -> Table | None:
        """The rows; None where our columns are not compared as the query gives them."""
        if {*wanted, "phone"} & {*self._settings.values, *self._settings.defaults}:
            return None
        with self.where(_NONE, {}) as reader:
            rules = table_rules(self._name, reader, self._settings, self._context)
        place, headers = rules.match.columns, reader.headers
        values: dict[str, Any] = {}
        conditions = [_NONE]
        for number, (column, ids) in enumerate(wanted.items()):
            if column in place:
                conditions.append(f"{self.compared(headers[place[column]])} IN :wanted_{number}")
                values[f"wanted_{number}"] = self.as_spelt(ids)
        if "phone" in place:
            phone = f"CAST({self.quoted(headers[place['phone']])} AS {self._text_type})"
            for number, digits in enumerate(sorted(ends)):
                conditions.append(f"{phone} LIKE :ends_{number}")
                values[f"ends_{number}"] = f"%{'%'.join(digits)}%"  # whatever stands between them
        return self.rows(" OR ".join(conditions), values)

    @property
    def _text_type(self) -> str:
        return "CHAR(64)" if self._engine.dialect.name in _MYSQL else "VARCHAR(64)"


# Reading the rows of some loans again and again: one database, one engine, nothing else of the table.


class LoanRows(_SubSelect):
    """One table behind a query, a few loans at a time. Use `close` at the end."""

    def __init__(self, name: TableName, settings: TableSettings, context: ReadContext) -> None:
        """Nothing is asked yet. SourceError for a URL that cannot be used."""
        with told_of(name):
            super().__init__(make_engine(settings.url), name, settings, context)
        self._owners: Mapping[str, str] = {}

    def read(self, loan_ids: Sequence[str], customer_ids: Sequence[str] = ()) -> Table:
        """The rows of these loans (of contacts: of these customers too): the lender's query becomes a sub-select.

        The column is compared as it stands, so that its index serves: a text that holds an id in another
        spelling, or with spaces around it, is not found. SourceError when the query fails or cannot be a sub-select.
        """
        with told_of(self._name):
            self._owners = self._owners or self._owner_headers()
            conditions = (f"{self.compared(header)} IN :{name}" for name, header in self._owners.items())
            ids = {"loan_id": self.as_spelt(loan_ids), "customer_id": self.as_spelt(customer_ids)}
            return self.rows(" OR ".join(conditions), {name: ids[name] for name in self._owners})

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _owner_headers(self) -> dict[str, str]:
        """What the query calls the columns that say whose a row is: the loan, of contacts the customer too."""
        with self.where(_NONE, {}) as reader:
            headers = tuple(reader.headers)
        spec = self._context.spec(self._name, self._settings)
        places = match_headers(headers, spec, self._settings, self._context.basis).columns
        wanted = dict.fromkeys(("loan_id", TABLES[self._name].owner))
        found = {name: headers[places[name]] for name in wanted if name in places}
        if not found:
            raise SourceError(f"column 'loan_id' is missing from {', '.join(headers)}; map it in `columns`")
        return found
