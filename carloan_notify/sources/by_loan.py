"""Reading the rows of some loans again and again: one database, one engine, nothing else of the table."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import sqlalchemy as sa

from carloan_notify.errors import SourceError
from carloan_notify.sources.assembly import Table
from carloan_notify.sources.context import ReadContext
from carloan_notify.sources.headers import match_headers
from carloan_notify.sources.read import parse_table, told_of
from carloan_notify.sources.settings import TableSettings
from carloan_notify.sources.sql_reader import SqlReader, bound, make_engine
from carloan_notify.sources.tables import TABLES, TableName

_SQLITE: Final = "sqlite"


class LoanRows:
    """One table behind a query, a few loans at a time. Use `close` at the end."""

    def __init__(self, name: TableName, settings: TableSettings, context: ReadContext) -> None:
        """Nothing is asked yet. SourceError for a URL that cannot be used."""
        self._name = name
        self._settings = settings
        self._context = context
        self._query = context.dated(settings.query).strip().rstrip(";")
        self._restricted: sa.TextClause | None = None
        with told_of(name):
            self._engine = make_engine(settings.url)

    def read(self, loan_ids: Sequence[str]) -> Table:
        """The rows of these loans, and no others: the lender's query becomes a sub-select.

        The column is compared as it stands, so that its index serves: a text that holds an id with spaces
        around it is not found. SourceError when the query fails or cannot be a sub-select.
        """
        with told_of(self._name):
            if self._restricted is None:
                self._restricted = self._restriction()
            with self._run(self._restricted, {"loan_ids": sorted(set(loan_ids))}) as reader:
                return parse_table(self._name, reader, self._settings, self._context)

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _run(self, statement: sa.TextClause, values: dict[str, object]) -> AbstractContextManager[SqlReader]:
        return SqlReader.on(
            self._engine,
            statement,
            {**bound(sa.text(self._query), self._context.as_of), **values},
            chunk_rows=self._context.chunk_rows,
            timezone=self._context.timezone,
        )

    def _restriction(self) -> sa.TextClause:
        column = self._engine.dialect.identifier_preparer.quote_identifier(self._loan_header())
        column = "wanted." + column.replace(":", r"\:")
        if self._engine.dialect.name == _SQLITE:  # no implicit cast there: 7 = '7' is false
            column = f"trim(CAST({column} AS TEXT))"
        statement = sa.text(f"{self._wrapped()} WHERE {column} IN :loan_ids")
        # Without a type of its own a value takes the column's, be that a number or a UUID.
        return statement.bindparams(sa.bindparam("loan_ids", expanding=True, type_=sa.types.NullType()))

    def _loan_header(self) -> str:
        """What the query calls the column that holds loan_id."""
        with self._run(sa.text(f"{self._wrapped()} WHERE 1 = 0"), {}) as reader:
            headers = tuple(reader.headers)
        places = match_headers(headers, TABLES[self._name], self._settings, self._context.basis).columns
        if "loan_id" not in places:
            raise SourceError(f"column 'loan_id' is missing from {', '.join(headers)}; map it in `columns`")
        return headers[places["loan_id"]]

    def _wrapped(self) -> str:
        return f"SELECT wanted.* FROM (\n{self._query}\n) wanted"  # noqa: S608 - the lender's own query
