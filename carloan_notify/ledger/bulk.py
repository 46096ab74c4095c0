"""Many rows into a table as fast as the database takes them: COPY on PostgreSQL, one statement run often on SQLite."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from carloan_notify.ledger.store import POSTGRESQL


def insert(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows, each the values of the columns `names` in order, ready for the driver; all or an error."""
    if connection.dialect.name == POSTGRESQL:
        _copy(connection, table, names, rows)
        return
    values = [*map(tuple, rows)]
    if values:
        connection.exec_driver_sql(_statement(table, tuple(names)), values)


@cache
def _statement(table: sa.Table, names: tuple[str, ...]) -> str:
    places = ", ".join("?" * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - our own names


def _copy(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as into:
        for row in rows:
            into.write_row(row)


def next_number(connection: sa.Connection, column: sa.Column[int]) -> int:
    """The number for the next row of a table that is numbered without gaps; the caller keeps others out."""
    return int(connection.execute(sa.select(sa.func.max(column))).scalar_one() or 0) + 1
