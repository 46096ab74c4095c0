"""Statements of the busy paths: written down once per database, then handed to the driver as text.

Building a SQLAlchemy statement and looking its text up costs ten times what SQLite needs to run it. Here the
same statement is compiled once by SQLAlchemy for the connection's dialect, so that one source serves both
databases. Values go to the driver as they are: text, int, bool, bytes and None only.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Listed(FunctionElement[str]):
    """The texts of a JSON array as a subquery: one parameter and one statement text for any number."""

    inherit_cache = True
    name = "listed"


@compiles(_Listed, "sqlite")
def _listed_on_sqlite(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - the hook's
    parameter = compiler.process(element.clauses, **options)
    return f"(SELECT value FROM json_each({parameter}))"  # noqa: S608 - a compiler's own placeholder


@compiles(_Listed, "postgresql")
def _listed_on_postgresql(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - the hook's
    return f"(SELECT json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS json)))"


class _Pairs(FunctionElement[str]):
    """The entries of a JSON object of texts as rows `key`, `value`."""

    inherit_cache = True
    name = "pairs"


@compiles(_Pairs, "sqlite")
def _pairs_on_sqlite(element: _Pairs, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - the hook's
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Pairs, "postgresql")
def _pairs_on_postgresql(element: _Pairs, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - the hook's
    return f"json_each_text(CAST({compiler.process(element.clauses, **options)} AS json))"


def pairs(name: str) -> sa.TableValuedAlias:
    """A table of `key` and `value`, given as parameter `name`: the text of a JSON object of texts."""
    return _Pairs(sa.bindparam(name, type_=sa.Text)).table_valued("key", "value", name=name)


def among(column: sa.ColumnElement[str], name: str) -> sa.ColumnElement[bool]:
    """`column` is one of the texts given as parameter `name`; write the value with `listed`."""
    return column.op("IN", is_comparison=True)(_Listed(sa.bindparam(name, type_=sa.Text)))


def unindexed(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """The column's value, not to be searched by its index: beside `among`, SQLite would prefer that one.

    Without statistics it takes any index on a constant to be better than looking up the ids.
    """
    return sa.func.coalesce(column, "")


def listed(names: Iterable[str]) -> str:
    """The value of a parameter that `among` reads."""
    return json.dumps(list(names))


@dataclass(frozen=True, slots=True)
class _Written:
    """A statement for one database; `order` names the parameters of a driver that counts them."""

    text: str
    fixed: Mapping[str, Any]
    order: tuple[str, ...] | None


class Prepared:
    """A statement with named parameters (`sa.bindparam`), to be run often."""

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update) -> None:
        self._statement: Final = statement
        self._written: dict[str, _Written] = {}

    def run(self, connection: sa.Connection, **values: Any) -> sa.CursorResult[Any]:  # noqa: ANN401 - SQL values
        """Run once."""
        written = self._for(connection)
        named = {**written.fixed, **values}
        if written.order is None:
            return connection.exec_driver_sql(written.text, named)
        return connection.exec_driver_sql(written.text, tuple(named[name] for name in written.order))

    def run_whole(self, connection: sa.Connection, rows: int, **values: Any) -> bool:  # noqa: ANN401 - SQL values
        """Run once; False if that did not change so many rows: it has then changed none."""
        connection.exec_driver_sql("SAVEPOINT whole")
        if self.run(connection, **values).rowcount == rows:
            return True
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT whole")
        return False

    def run_each(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run once for every row; none is fine. A row names every parameter."""
        if not rows:
            return
        written = self._for(connection)
        full = [{**written.fixed, **row} for row in rows] if written.fixed else list(rows)
        if written.order is None:
            connection.exec_driver_sql(written.text, full)
            return
        # Two names at least, so that itemgetter gives a tuple; a statement for each row has its id and a value.
        connection.exec_driver_sql(written.text, [*map(itemgetter(*written.order), full)])

    def _for(self, connection: sa.Connection) -> _Written:
        dialect = connection.dialect
        written = self._written.get(dialect.name)
        if written is None:
            compiled = self._statement.compile(dialect=dialect)
            if not isinstance(compiled, SQLCompiler):
                raise TypeError(f"{type(compiled).__name__}: only statements that read or write rows")
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            order = tuple(compiled.positiontup) if compiled.positiontup is not None else None
            written = self._written[dialect.name] = _Written(str(compiled), fixed, order)
        return written
