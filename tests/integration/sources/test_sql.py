import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from carloan_notify.errors import SourceError
from carloan_notify.sources.database import SqlReader, database_label
from carloan_notify.sources.read import read_table
from carloan_notify.sources.settings import ReadContext, TableSettings
from carloan_notify.sources.some_rows import LoanRows

AS_OF = date(2026, 11, 23)
METADATA = sa.MetaData()
LOANS = sa.Table(
    "loans",
    METADATA,
    sa.Column("loan_id", sa.String(20), primary_key=True),
    sa.Column("customer_id", sa.BigInteger),
    sa.Column("borrower_name", sa.String(50)),
    sa.Column("phone", sa.BigInteger),
    sa.Column("status", sa.String(10)),
    sa.Column("principal", sa.Numeric(14, 2)),
    sa.Column("annual_rate", sa.Double),
    sa.Column("first_due_on", sa.Date),
    sa.Column("disbursed_on", sa.DateTime(timezone=True)),
    sa.Column("in_dispute", sa.Boolean),
    sa.Column("manager", sa.String(20)),
)
PAYMENTS = sa.Table(
    "payments",
    METADATA,
    sa.Column("payment_id", sa.Integer, primary_key=True),
    sa.Column("loan_id", sa.String(20)),
    sa.Column("paid_on", sa.Date),
    sa.Column("amount", sa.Numeric(14, 2)),
)


def loan_row(loan_id: str, **cells: object) -> dict[str, object]:
    return {
        "loan_id": loan_id,
        "customer_id": 7,
        "borrower_name": "张三",
        "phone": 13800138000,
        "status": "active",
        "principal": Decimal("12000.50"),
        "annual_rate": 0.1 + 0.02,
        "first_due_on": date(2026, 1, 5),
        "disbursed_on": datetime(2025, 12, 31, 18, tzinfo=UTC),
        "in_dispute": True,
        "manager": None,
    } | cells


def filled(url: str) -> str:
    engine = sa.create_engine(url)
    METADATA.drop_all(engine)
    METADATA.create_all(engine)
    rows = [
        loan_row("L1"),
        loan_row("L2", phone=None, principal=None, manager="李四"),
        loan_row("L3", status="?"),
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(LOANS), rows)
    engine.dispose()
    return url


@pytest.fixture
def context(tmp_path: Path) -> ReadContext:
    return ReadContext(AS_OF, tmp_path, "supplied", "CNY", "CN", "Asia/Shanghai")


@pytest.fixture(params=["sqlite", "postgres", pytest.param("mariadb", marks=pytest.mark.needs_mariadb)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    fixtures = {"postgres": "fresh_postgres", "mariadb": "mariadb_url"}
    name = fixtures.get(request.param)
    return filled(request.getfixturevalue(name) if name else f"sqlite:///{tmp_path / 'lender.db'}")


def test_a_table_reads_the_same_from_every_database(url: str, context: ReadContext) -> None:
    table = read_table(
        "loans", TableSettings(url=url, query="SELECT * FROM loans ORDER BY loan_id"), context=context
    )
    first, second = table.frame.to_dict("records")
    assert (first["loan_id"], first["customer_id"], first["borrower_name"]) == ("L1", "7", "张三")
    assert (first["phone"], second["phone"]) == ("+8613800138000", "")
    assert (first["principal_minor"], second["principal_minor"]) == (1_200_050, 0)
    assert first["annual_rate_ppb"] == 120_000_000
    assert first["first_due_on"] == pd.Timestamp("2026-01-05")
    assert first["in_dispute"]
    assert (first["manager"], second["manager"]) == ("", "李四")
    assert table.rejects[["line", "column", "code"]].to_numpy().tolist() == [[3, "status", "unknown_value"]]
    (origin,) = table.files
    assert (origin.rows, origin.modified_at, len(origin.sha256)) == (3, None, 64)


def test_the_business_date_is_a_parameter_or_a_text(url: str, context: ReadContext) -> None:
    for query in (
        "SELECT * FROM loans WHERE first_due_on < :as_of AND status <> '?'",
        "SELECT * FROM loans WHERE first_due_on < '{as_of}' AND status <> '?'",
    ):
        assert len(read_table("loans", TableSettings(url=url, query=query), context=context).frame) == 2


def test_the_same_content_has_the_same_digest(url: str, context: ReadContext) -> None:
    settings = TableSettings(url=url, query="SELECT * FROM loans ORDER BY loan_id")
    digests = [read_table("loans", settings, context=context).files[0].sha256 for _ in range(2)]
    other = TableSettings(url=url, query="SELECT * FROM loans WHERE loan_id <> 'L2' ORDER BY loan_id")
    assert digests[0] == digests[1]
    assert read_table("loans", other, context=context).files[0].sha256 != digests[0]


def test_a_wrong_query_is_an_error_with_its_cure(url: str, context: ReadContext) -> None:
    with pytest.raises(SourceError, match=r"^loans: .*check `url`, `query`"):
        read_table("loans", TableSettings(url=url, query="SELECT * FROM nowhere"), context=context)


def test_a_moment_with_a_zone_is_dated_where_the_lender_is(fresh_postgres: str, context: ReadContext) -> None:
    settings = TableSettings(url=filled(fresh_postgres), query="SELECT * FROM loans")
    frame = read_table("loans", settings, context=context).frame
    assert set(frame["disbursed_on"]) == {pd.Timestamp("2026-01-01")}


def test_a_query_cannot_write(fresh_postgres: str, context: ReadContext) -> None:
    settings = TableSettings(url=filled(fresh_postgres), query="DELETE FROM loans RETURNING *")
    with pytest.raises(SourceError, match="loans: postgresql://"):
        read_table("loans", settings, context=context)
    kept = TableSettings(url=fresh_postgres, query="SELECT * FROM loans")
    assert read_table("loans", kept, context=context).rows_read == 3


MANY = 50_000


@pytest.fixture(params=["postgres", pytest.param("mariadb", marks=pytest.mark.needs_mariadb)])
def many_payments(request: pytest.FixtureRequest) -> str:
    url = filled(request.getfixturevalue("fresh_postgres" if request.param == "postgres" else "mariadb_url"))
    numbers = {"postgres": "generate_series(1, :many) AS n", "mariadb": "seq_1_to_50000 AS n"}[request.param]
    number = "n" if request.param == "postgres" else "n.seq"
    engine = sa.create_engine(url)
    insert = f"INSERT INTO payments SELECT {number}, 'L1', '2026-01-05', 100.5 FROM {numbers}"  # noqa: S608 - our own text
    with engine.begin() as connection:
        connection.execute(sa.text(insert), {"many": MANY} if ":many" in insert else {})
    engine.dispose()
    return url


def test_a_large_table_is_streamed(many_payments: str) -> None:
    """The first chunk of 50,000 rows costs the memory of a chunk: the cursor is the server's."""
    with SqlReader.open(
        many_payments, "SELECT * FROM payments", as_of=AS_OF, chunk_rows=1000, timezone="UTC"
    ) as reader:
        chunks = reader.chunks()
        tracemalloc.start()
        next(chunks)
        _, peak_of_one = tracemalloc.get_traced_memory()
        rest = sum(len(chunk.lines) for chunk in chunks)
        _, peak_of_all = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert rest == MANY - 1000
    assert peak_of_all < peak_of_one + 4_000_000  # all rows at once would take some 25 MB of tuples


def test_a_database_out_of_reach(context: ReadContext) -> None:
    settings = TableSettings(url="postgresql+psycopg://u:hunter2@127.0.0.1:1/core", query="SELECT 1")
    with pytest.raises(SourceError, match=r"postgresql://127\.0\.0\.1/core: ") as caught:
        read_table("loans", settings, context=context)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle+oracledb://u:hunter2@h/d", "driver oracledb is missing"),
        ("nosuch://u:hunter2@h/d", "no SQLAlchemy database URL"),
        ("not a url hunter2", "no SQLAlchemy database URL"),
    ],
)
def test_a_url_that_is_none(context: ReadContext, url: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read_table("loans", TableSettings(url=url, query="SELECT 1"), context=context)
    assert "hunter2" not in str(caught.value)


def test_sqlite_columns_of_many_types(tmp_path: Path, context: ReadContext) -> None:
    url = f"sqlite:///{tmp_path / 'mixed.db'}"
    query = (
        "SELECT 'P1' AS payment_id, 1 AS loan_id, '2026-01-05' AS paid_on, 0.1 + 0.2 AS amount UNION ALL "
        "SELECT 2, CAST('L2' AS BLOB), '20260105', '1,000.00' UNION ALL SELECT 3, 'L3', NULL, NULL"
    )
    table = read_table("payments", TableSettings(url=url, query=query), context=context)
    assert table.frame[["payment_id", "loan_id", "amount_minor"]].to_numpy().tolist() == [
        ["P1", "1", 30],
        ["2", "L2", 100_000],
    ]
    assert table.rejects["code"].tolist() == ["missing_value"]


def test_a_query_may_find_nothing(url: str, context: ReadContext) -> None:
    table = read_table("payments", TableSettings(url=url, query="SELECT * FROM payments"), context=context)
    assert (table.rows_read, len(table.frame), len(table.rejects)) == (0, 0, 0)
    with pytest.raises(SourceError, match="no row at all"):
        read_table("loans", TableSettings(url=url, query="SELECT * FROM loans WHERE 1 = 0"), context=context)


def test_the_label_has_no_secret() -> None:
    assert database_label("mysql+pymysql://u:hunter2@h:3306/d?ssl_key=x") == "mysql://h/d"


def test_sqlite_finds_the_rows_of_a_loan_whose_id_it_keeps_as_a_float(
    tmp_path: Path, context: ReadContext
) -> None:
    url = f"sqlite:///{tmp_path / 'floats.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE payments (payment_id REAL, loan_id REAL, paid_on TEXT, amount REAL)"
        )
        connection.exec_driver_sql(
            "INSERT INTO payments VALUES (1.0, 20001.0, '2026-11-01', 5), (2, 7, 'x', 5)"
        )
    rows = LoanRows("payments", TableSettings(url=url, query="SELECT * FROM payments"), context)
    found = rows.read(["20001"])
    rows.close()
    assert found.frame[["payment_id", "loan_id"]].to_numpy().tolist() == [["1", "20001"]]
    assert found.rejects.empty
