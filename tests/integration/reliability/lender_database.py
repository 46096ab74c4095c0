"""A lender whose loans and payments lie in a database, every loan with an installment due today."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.pipeline.setup import init_folder
from tests.integration.reliability.world import World

AS_OF = date(2026, 11, 23)
NIGHT = "2026-11-23T02:00:00+08:00"
MORNING = "2026-11-23T10:00:00+08:00"
INSTALLMENT = Decimal(1000)
TERM = 12


def loan(number: int) -> dict[str, Any]:
    """One loan of the table; its phone reaches nobody."""
    return {
        "loan_id": number,
        "customer_id": f"C{number}",
        "borrower_name": "测试",
        "phone": f"100{number:08d}",
        "principal": INSTALLMENT * TERM,
        "annual_rate": Decimal(0),
        "term_months": TERM,
        "disbursed_on": date(2026, 10, 23),
        "first_due_on": AS_OF,
        "repayment_method": "equal_principal",
        "status": "active",
        "timezone": "Asia/Shanghai",
        "data_date": AS_OF,
    }


def tables(id_type: sa.types.TypeEngine[Any]) -> sa.MetaData:
    """The lender's tables, with an id of the lender's own type."""
    metadata = sa.MetaData()
    sa.Table(
        "loans",
        metadata,
        sa.Column("loan_id", id_type, primary_key=True),
        *(
            sa.Column(name, sa.String(40))
            for name in ("customer_id", "borrower_name", "phone", "repayment_method", "status", "timezone")
        ),
        *(sa.Column(name, sa.Numeric(14, 4)) for name in ("principal", "annual_rate")),
        sa.Column("term_months", sa.Integer),
        *(sa.Column(name, sa.Date) for name in ("disbursed_on", "first_due_on", "data_date")),
    )
    sa.Table(
        "payments",
        metadata,
        sa.Column("payment_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("loan_id", id_type, index=True),
        sa.Column("paid_on", sa.Date),
        sa.Column("amount", sa.Numeric(14, 2)),
    )
    return metadata


class LenderDatabase:
    """The lender's side: make the tables, take payments."""

    def __init__(self, url: str, loans: int, id_type: sa.types.TypeEngine[Any] | None = None) -> None:
        """Fill the tables; ids are numbers unless another type is given."""
        self.url = url
        self.engine = sa.create_engine(url)
        self._tables = tables(id_type or sa.Integer())
        self._text = id_type is not None
        self._tables.create_all(self.engine)
        rows = [{**loan(n), "loan_id": self.id_of(n)} for n in range(1, loans + 1)]
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self._tables.tables["loans"]), rows)

    def id_of(self, number: int) -> object:
        """A loan's id as the database holds it."""
        return f"AD{number}" if self._text else number

    def pay(self, numbers: Sequence[int], paid_on: date = AS_OF) -> None:
        """These borrowers pay what falls due."""
        rows = [{"loan_id": self.id_of(n), "paid_on": paid_on, "amount": INSTALLMENT} for n in numbers]
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self._tables.tables["payments"]), rows)

    def execute(self, statement: str) -> None:
        """Anything else."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def source(self, name: str) -> dict[str, Any]:
        """Settings of a table under `sources`; comment and semicolon are what people leave in queries."""
        query = f"WITH mine AS (SELECT * FROM {name}) SELECT * FROM mine ORDER BY loan_id -- nightly\n;"  # noqa: S608 - our own names
        return {"url": self.url, "query": query, "fictitious_phones": name == "loans"}


@contextmanager
def lender_world(folder: Path, database: LenderDatabase, **options: Any) -> Iterator[World]:
    """A folder that reads this database, and the simulator it sends to."""
    with Simulator() as simulator:
        init_folder(folder)
        world = World(folder, simulator)
        world.configure(**options)

        def read_the_database(values: dict[str, Any]) -> None:
            values["sources"] = {name: database.source(name) for name in ("loans", "payments")}

        world.change(read_the_database)
        yield world
