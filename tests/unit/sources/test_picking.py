"""Some loans read alone say what the whole reading says of them."""

import gzip
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from carloan_notify.errors import SourceError
from carloan_notify.sources import picking
from carloan_notify.sources.picking import read_connected, read_loans
from carloan_notify.sources.read import Sources, read_all
from carloan_notify.sources.settings import ReadContext, SourcesSettings

IDS: Final = ("20001", "20002", "20003", "A-1", "20004")
CUSTOMERS: Final = ("C1", "C2", "C3", "20001")
PHONES: Final = ("13800138000", "13800138001", "15912345678")
HEADERS: Final = {
    "loans": "borrower_name,loan_id,customer_id,phone,status",
    "payments": "payment_id,paid_on,loan_id,amount",
    "contacts": "role,customer_id,loan_id,name,phone",
}
ODD_LINES: Final = ("", "only,two", '张三,"20001', 'x"y,20002,C1,13800138000,active', ",,,,", "\x00")


def spelt(text: str) -> st.SearchStrategy[str]:
    """An id or a number as exports spell it, some of them for nobody's eyes."""
    wide = "".join(chr(ord(sign) + 0xFEE0) if sign.isdigit() else sign for sign in text)
    odd = [f"{text}.0", f'="{text}"', f"'{text}", wide, f"{text[:2]}\u200b{text[2:]}", f" {text} "]
    return st.sampled_from([text, text, text, *odd])


def any_of(texts: Sequence[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(texts).flatmap(spelt)


NUMBERS: Final = st.sampled_from(
    [*PHONES, "+86 138-0013-8000", "138 0013 8001", "15912345678.0", "无", "(0)13800138000", ""]
)
LOANS: Final = st.tuples(
    st.sampled_from(["张三", "李 四"]),
    any_of(IDS),
    any_of(CUSTOMERS),
    NUMBERS,
    st.sampled_from(["active", "asleep"]),
)
PAYMENTS: Final = st.tuples(
    st.sampled_from(["P1", "P2", "P3", "P4", "P5"]),
    st.sampled_from(["2026-10-01", "soon"]),
    any_of(IDS),
    st.sampled_from(["10.00", "20.00"]),
)
CONTACTS: Final = st.tuples(
    st.sampled_from(["co_borrower", "guarantor", "friend"]),
    any_of([*CUSTOMERS, ""]),
    any_of([*IDS, ""]),
    st.just("王五"),
    NUMBERS,
)


def lines(rows: Sequence[Sequence[str]], quoted: bool) -> list[str]:  # noqa: FBT001 - a drawn value
    return [
        ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' if quoted else cell for cell in row)
        for row in rows
    ]


@st.composite
def exports(draw: st.DrawFn) -> dict[str, str]:
    """The three tables as texts, with lines between that nobody should have written."""
    texts = {}
    for name, kind in (("loans", LOANS), ("payments", PAYMENTS), ("contacts", CONTACTS)):
        rows = lines(draw(st.lists(kind, max_size=9)), draw(st.booleans()))
        for line in draw(st.lists(st.sampled_from(ODD_LINES), max_size=2)):
            rows.insert(draw(st.integers(0, len(rows))), line)
        texts[name] = "\n".join([HEADERS[name], *rows]) + draw(st.sampled_from(["\n", ""]))
    return texts


def context_of(folder: Path, chunk_rows: int = 1_000) -> ReadContext:
    return ReadContext(
        as_of=date(2026, 11, 23),
        base_dir=folder,
        basis="computed",
        currency="CNY",
        phone_region="CN",
        timezone="Asia/Shanghai",
        longest_line=200,
        chunk_rows=chunk_rows,
    )


TERMS: Final = {
    "principal": "12000",
    "annual_rate": "0",
    "term_months": "12",
    "first_due_on": "2026-01-05",
    "repayment_method": "equal_principal",
}


def options(**origins: dict[str, str]) -> SourcesSettings:
    """Tables from these origins; the loans' terms, which are beside the point, are defaults."""
    defaults = {"loans": {"defaults": TERMS}}
    return SourcesSettings.model_validate(
        {name: {**origin, **defaults.get(name, {})} for name, origin in origins.items()}
    )


def settings_of(suffix: str, encoding: str = "auto") -> SourcesSettings:
    return options(**{name: {"path": f"{name}{suffix}", "encoding": encoding} for name in HEADERS})


def said_of(sources: Sources, loan_id: str) -> dict[str, list[Any]]:
    """Every row and every rejected row that is about a loan or its customers."""
    loans = sources.loans.frame
    mine = loans[loans["loan_id"] == loan_id]
    contacts, payments = sources.contacts, sources.payments
    assert contacts is not None
    assert payments is not None
    customers = mine["customer_id"]
    people, rejects = contacts.frame, sources.rejects
    contact = rejects["table"] == "contacts"  # its owner is a customer, who may be called as a loan is
    owned = rejects["owner"].isin(customers).where(contact, rejects["owner"] == loan_id)
    tables = {
        "loans": mine,
        "payments": payments.frame[payments.frame["loan_id"] == loan_id],
        "contacts": people[(people["loan_id"] == loan_id) | people["customer_id"].isin(customers)],
        "rejects": rejects[owned],
    }
    return {name: rows.astype("str").to_dict("records") for name, rows in tables.items()}


def connected_to(sources: Sources, loan_id: str) -> set[str]:
    """The plain twin: loans that hang together with this one by customers and numbers."""
    loans, contacts = sources.loans.frame, sources.contacts
    assert contacts is not None
    people = [
        (row["loan_id"], row["customer_id"], row["phone"])
        for rows in (loans, contacts.frame)
        for row in rows.to_dict("records")
    ]
    known = ({loan_id}, set[str](), set[str]())
    for _ in range(3 * len(people)):
        for person in people:
            if any(part in group for part, group in zip(person, known, strict=True)):
                for part, group in zip(person, known, strict=True):
                    group.update({part} - {""})
    return known[0] & set(loans["loan_id"])


def compare(tables: SourcesSettings, context: ReadContext, loan_ids: Sequence[str] = IDS) -> None:
    try:
        whole = read_all(tables, context)
    except SourceError:
        return  # not even a row of loans
    for loan_id in loan_ids:
        assert said_of(read_loans(tables, context, [loan_id]), loan_id) == said_of(whole, loan_id)
        connected = read_connected(tables, context, loan_id)
        for other in connected_to(whole, loan_id) | {loan_id}:
            assert said_of(connected, other) == said_of(whole, other)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    exports(), st.sampled_from(["utf-8", "gb18030"]), st.booleans(), st.integers(1, 4), st.sampled_from(IDS)
)
def test_text_files(
    tmp_path: Path,
    texts: dict[str, str],
    encoding: str,
    zipped: bool,  # noqa: FBT001 - a drawn value
    chunk_rows: int,
    loan_id: str,
) -> None:
    for name, text in texts.items():
        data = text.encode(encoding, "replace")
        (tmp_path / f"{name}.csv").write_bytes(gzip.compress(data) if zipped else data)
    compare(settings_of(".csv", encoding), context_of(tmp_path, chunk_rows=chunk_rows), [loan_id])


def table_of(text: str) -> pd.DataFrame:
    """The lines of an export that are whole rows, as a table of texts."""
    header, *rows = [line.replace('"', "").split(",") for line in text.splitlines()]
    whole = [[cell or None for cell in row] for row in rows if len(row) == len(header) and "\0" not in row[0]]
    return pd.DataFrame(whole, columns=header, dtype="str")


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(exports(), st.integers(1, 4), st.sampled_from(IDS))
def test_parquet_files(tmp_path: Path, texts: dict[str, str], rows: int, loan_id: str) -> None:
    for name, text in texts.items():
        parquet.write_table(
            pa.Table.from_pandas(table_of(text)), tmp_path / f"{name}.parquet", row_group_size=rows
        )
    compare(settings_of(".parquet"), context_of(tmp_path, chunk_rows=rows), [loan_id])


def database_of(folder: Path, texts: dict[str, str]) -> SourcesSettings:
    url = f"sqlite:///{folder / 'lender.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for name, text in texts.items():
            table_of(text).to_sql(name, connection, index=False, if_exists="replace")
    engine.dispose()
    return options(**{name: {"url": url, "query": f"SELECT * FROM {name}"} for name in HEADERS})  # noqa: S608 - our own


def plain(rows: Sequence[str]) -> str:
    return "\n".join(rows) + "\n"


TABLES: Final = {
    "loans": plain(
        [
            HEADERS["loans"],
            "张三,20001,C1,13800138000,active",
            "李四,20002,C2,138-0013-8000,active",
            "李四,20003,C2,13800138001,active",
            "赵六,20004,C3,15912345678,active",
        ]
    ),
    "payments": plain([HEADERS["payments"], "P1,2026-10-01,20001,10.00", "P1,2026-10-02,20002,20.00"]),
    "contacts": plain([HEADERS["contacts"], "guarantor,C2,,王五,15912345678", "co_borrower,,20004,王五,"]),
}


def test_a_database_is_asked_for_some_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables, context = database_of(tmp_path, TABLES), context_of(tmp_path)
    compare(tables, context, ["20001", "20003"])
    opened: list[object] = []
    monkeypatch.setattr(picking, "open_table", opened.append)
    alone = read_loans(tables, context, ["20003"])
    assert list(alone.loans.frame["loan_id"]) == ["20003"]
    assert alone.loans.rows_read == 1
    assert not opened


def test_a_row_of_a_query_that_is_rejected_has_its_number_in_the_whole(tmp_path: Path) -> None:
    tables, context = database_of(tmp_path, TABLES), context_of(tmp_path)
    (reject,) = read_loans(tables, context, ["20002"]).rejects.to_dict("records")
    assert (reject["table"], reject["line"], reject["code"]) == ("payments", 2, "duplicate_key")


def test_a_query_that_cannot_be_asked_for_rows_is_run_as_it_is(tmp_path: Path) -> None:
    tables, context = database_of(tmp_path, TABLES), context_of(tmp_path)
    assert tables.loans is not None
    odd = tables.loans.model_copy(update={"query": "SELECT * FROM loans -- )"})
    # The closing bracket is in the remark's line; a second statement would be no sub-select either.
    compare(tables.model_copy(update={"loans": odd}), context, ["20002"])
    two = tables.loans.model_copy(update={"values": {"loan_id": {"20001": "X1"}}})
    renamed = tables.model_copy(update={"loans": two})
    assert list(read_loans(renamed, context, ["X1"]).loans.frame["loan_id"]) == ["X1"]


def test_damage_in_another_cell_of_the_block_costs_its_own_line_only(tmp_path: Path) -> None:
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_bytes(text.encode().replace("赵六".encode(), b"\xff\xfe"))
    tables, context = settings_of(".csv", "utf-8"), context_of(tmp_path)
    compare(tables, context)
    assert set(read_connected(tables, context, "20003").loans.rejects["code"]) == {"bad_encoding"}


def test_loans_that_hang_together_with_too_many_are_read_with_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    tables, context = settings_of(".csv"), context_of(tmp_path)
    assert set(read_connected(tables, context, "20001").loans.frame["loan_id"]) == set(IDS) - {"A-1"}
    monkeypatch.setattr(picking, "MOST_TOGETHER", 2)
    assert read_connected(tables, context, "20001").loans.files[0].sha256


def test_everything_wrong_with_the_tables_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_text(TABLES["loans"], encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        read_connected(settings_of(".csv"), context_of(tmp_path), "20001")
    told = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in told] == ["contacts", "payments"]
    assert all("no such file" in line for line in told)
