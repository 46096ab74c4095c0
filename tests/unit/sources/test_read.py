import csv
import gzip
import io
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from carloan_notify import frames
from carloan_notify.errors import SourceError
from carloan_notify.sources.read import Table, read_all, read_table
from carloan_notify.sources.settings import ReadContext, SourcesSettings, TableSettings
from tests.unit.sources.conftest import ReadText

HEADER = "loan_id,customer_id,borrower_name,phone,status,principal,annual_rate,term_months,due_day"
GOOD = "L1,C1,张三,13800138000,active,10000.00,12%,36,5"


def loan(**cells: str) -> str:
    row = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | cells
    file = io.StringIO()
    csv.writer(file).writerow(row.values())
    return file.getvalue().strip()


def loans(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def only_reject(table: Table) -> pd.Series:
    assert len(table.rejects) == 1
    return table.rejects.iloc[0]


def test_a_clean_row_becomes_a_canonical_one(read_text: ReadText) -> None:
    table = read_text("loans", loans(GOOD))
    assert table.frame.dtypes.astype(str).to_dict() == dict(frames.LOANS)
    row = table.frame.iloc[0]
    assert (row["principal_minor"], row["annual_rate_ppb"], row["phone"]) == (
        1_000_000,
        120_000_000,
        "+8613800138000",
    )
    assert table.rejects.empty
    assert table.rows_read == 1


def test_chinese_headers_and_words_are_known(read_text: ReadText) -> None:
    text = (
        "合同号,客户号,姓名,手机号,状态,还款方式,首期还款日,贷款金额,年利率,期数,客户经理\n"
        'L1,C1,张三,13800138000,还款中,等额本息,2026年1月5日,"￥12,000.00",5%,12,李四\n'
    )
    row = read_text("loans", text.encode("gb18030"), basis="computed").frame.iloc[0]
    assert (row["status"], row["repayment_method"], row["principal_minor"]) == (
        "active",
        "equal_installment",
        1_200_000,
    )
    assert row["first_due_on"] == pd.Timestamp("2026-01-05")
    assert row["客户经理"] == "李四"


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("loan_id", "", "missing_value"),
        ("loan_id", "1.23E+15", "scientific_notation"),
        ("phone", "1.38E+10", "phone_scientific"),
        ("phone", "447700900123", "phone_invalid"),
        ("phone", "+1 555", "phone_too_short"),
        ("phone", "1380013800013800", "phone_too_long"),
        ("status", "asleep", "unknown_value"),
        ("principal", "-5", "negative_amount"),
        ("principal", "(5)", "negative_amount"),
        ("principal", "-inf", "bad_amount"),
        ("loan_id", "nan", "missing_value"),
        ("loan_id", "\u200b", "missing_value"),
        ("status", "NULL", "missing_value"),
        ("principal", "0.001", "amount_precision"),
        ("annual_rate", "12", "rate_ambiguous"),
        ("annual_rate", "1300%", "rate_out_of_range"),
        ("term_months", "0", "out_of_range"),
        ("term_months", "601", "out_of_range"),
        ("term_months", "inf", "bad_number"),
        ("due_day", "32", "out_of_range"),
    ],
)
def test_a_bad_cell_rejects_its_row_and_no_other(
    read_text: ReadText, column: str, value: str, code: str
) -> None:
    table = read_text("loans", loans(GOOD, loan(**{"loan_id": "L2", column: value})))
    reject = only_reject(table)
    assert (reject["code"], reject["column"], reject["line"], reject["table"]) == (code, column, 3, "loans")
    assert reject["cure"]
    assert reject["file"].endswith("table.csv")
    assert table.frame["loan_id"].tolist() == ["L1"]


def test_the_first_problem_leads_and_the_others_follow_in_the_cure(read_text: ReadText) -> None:
    reject = only_reject(read_text("loans", loans(loan(phone="13", principal="-5", due_day="32"))))
    assert (reject["column"], reject["value"]) == ("phone", "1***")
    assert "also principal: negative_amount" in reject["cure"]
    assert "also due_day: out_of_range" in reject["cure"]
    assert "between 1 and 31" in reject["cure"]


def test_personal_values_are_masked_in_rejects(read_text: ReadText) -> None:
    reject = only_reject(read_text("loans", loans(loan(phone="138001380001"))))
    assert reject["value"] == "138****0001"
    assert "138001380001" not in reject.to_string()


def test_an_unknown_word_is_answered_with_the_known_ones(read_text: ReadText) -> None:
    assert (
        "active, cancelled, charged_off"
        in only_reject(read_text("loans", loans(loan(status="asleep"))))["cure"]
    )


def test_names_are_text_whatever_they_look_like(read_text: ReadText) -> None:
    names = ["=cmd|' /C calc'!A0", "{{ 7*7 }}", "张\u202e三\x07"]
    rows = [loan(loan_id=f"L{n}", borrower_name=name) for n, name in enumerate(names)]
    assert read_text("loans", loans(*rows)).frame["borrower_name"].tolist() == [*names[:2], "张三"]


def test_broken_lines_are_rejected_with_their_line(read_text: ReadText) -> None:
    long_name = loan(borrower_name="x" * 3000)
    data = (
        loans(GOOD, "L2,C1", loan(loan_id='L"3'), long_name).encode()
        + b"L5,\0\n"
        + loan(loan_id="L6").encode()
    )
    table = read_text("loans", data, longest_line=1024)
    assert table.rejects[["line", "code"]].to_numpy().tolist() == [
        [3, "ragged_row"],
        [5, "line_too_long"],
        [6, "nul_byte"],
    ]
    assert table.frame["loan_id"].tolist() == ["L1", 'L"3', "L6"]
    assert table.rows_read == 6


def test_terms_may_be_blank_until_the_loan_runs(read_text: ReadText) -> None:
    header = HEADER + ",first_due_on,repayment_method"
    rows = [
        f"{loan(status='pending', principal='', annual_rate='', term_months='')},,",
        f"{loan(loan_id='L2')},,",
    ]
    table = read_text("loans", "\n".join([header, *rows]), basis="computed")
    assert table.frame["status"].tolist() == ["pending"]
    reject = only_reject(table)
    assert (reject["column"], reject["code"]) == ("first_due_on", "missing_value")
    assert "also repayment_method" in reject["cure"]


def test_every_missing_column_is_named_at_once(read_text: ReadText) -> None:
    with pytest.raises(SourceError) as caught:
        read_text("loans", "合同号,a,A\nL1,,\n", basis="snapshot", columns={"phone": "TEL"})
    text = str(caught.value)
    for name in (
        "'customer_id'",
        "'status'",
        "'next_due_on'",
        "'days_past_due'",
        "'TEL', mapped to phone",
        "'a'",
    ):
        assert name in text
    assert all(line.startswith("loans: ") for line in text.splitlines())


def test_mapping_defaults_and_codes_of_the_lender(read_text: ReadText) -> None:
    table = read_text(
        "loans",
        "NO,phone,STATE\nL1,13800138000,01\nL2,13800138000,\n",
        columns={"loan_id": "no", "customer_id": "NO", "status": "State"},
        defaults={"timezone": "Asia/Shanghai", "status": "settled"},
        values={"status": {"01": "active"}},
    )
    assert table.frame["status"].tolist() == ["active", "settled"]
    assert table.frame["timezone"].tolist() == ["Asia/Shanghai"] * 2
    assert table.frame["customer_id"].tolist() == ["L1", "L2"]


def test_a_header_that_would_hide_ours_is_ignored_with_a_finding(read_text: ReadText) -> None:
    table = read_text("loans", f"{HEADER},principal_minor,\n{GOOD},99,\n")
    assert table.frame["principal_minor"].tolist() == [1_000_000]
    assert table.findings[["code", "value"]].to_numpy().tolist() == [["column_ignored", "principal_minor"]]


def test_contradicting_loans_are_all_refused_and_equal_ones_kept_once(read_text: ReadText) -> None:
    rows = [GOOD, loan(loan_id="L2"), GOOD, loan(loan_id="L3"), loan(loan_id="L3", status="settled")]
    table = read_text("loans", loans(*rows))
    assert table.frame["loan_id"].tolist() == ["L1", "L2"]
    assert table.repeated == 1
    assert table.findings[["code", "value"]].to_numpy().tolist() == [["row_repeated", "×1"]]
    assert table.rejects[["line", "code", "value"]].to_numpy().tolist() == [
        [5, "duplicate_key", "L3"],
        [6, "duplicate_key", "L3"],
    ]
    assert table.rejects["cure"].iloc[1].endswith("first in line 5")
    assert table.rejected_owners == {"L3"}


def test_a_loan_whose_other_row_was_refused_is_refused_too(read_text: ReadText) -> None:
    table = read_text("loans", loans(loan(status="asleep"), GOOD))
    assert table.frame.empty
    assert table.rejects["code"].tolist() == ["unknown_value", "duplicate_key"]


def test_a_payment_told_twice_counts_once(read_text: ReadText) -> None:
    text = "payment_id,loan_id,paid_on,amount\nP1,L1,2026-11-01,-5\nP1,L1,2026-11-01,7\nP2,L1,bad,7\n"
    table = read_text("payments", text)
    assert table.frame["amount_minor"].tolist() == [-500]
    assert table.rejects["code"].tolist() == ["duplicate_key", "bad_date"]
    assert table.rejected_owners == {"L1"}


def test_installments_are_named_by_loan_and_number(read_text: ReadText) -> None:
    header = "loan_id,installment_no,due_on,principal_due,interest_due,total_due"
    rows = [
        "L1,1,2026-01-05,80,20,",
        "L1,2,2026-02-05,,,100",
        "L1,2,2026-02-05,,,100",
        "L2,1,2026-02-05,80,20,99",
    ]
    table = read_text("installments", "\n".join([header, *rows, "L3,1,2026-02-05,,,"]))
    assert table.frame[["principal_minor", "interest_minor", "total_minor"]].to_numpy().tolist() == [
        [8000, 2000, 10_000],
        [10_000, 0, 10_000],
        [8000, 2000, 9900],
    ]
    assert table.rejects[["code", "value"]].to_numpy().tolist() == [["missing_value", ""]]
    assert table.findings[["code", "loan_id", "value"]].to_numpy().tolist() == [
        ["row_repeated", "", "×1"],
        ["total_mismatch", "L2", "installment 1"],
    ]


def test_installments_need_an_amount_column(read_text: ReadText) -> None:
    with pytest.raises(SourceError, match="total_due, principal_due"):
        read_text("installments", "loan_id,installment_no,due_on\nL1,1,2026-01-05\n")


def test_events_are_dated_where_the_lender_is(read_text: ReadText) -> None:
    text = "event_id,loan_id,type,occurred_at\nE1,L1,放款,2026-11-22T16:30:00Z\n"
    row = read_text("events", text).frame.iloc[0]
    assert (row["type"], row["occurred_on"]) == ("loan_disbursed", pd.Timestamp("2026-11-23"))


def test_contacts_keep_their_wishes_without_a_phone(read_text: ReadText) -> None:
    text = (
        "customer_id,role,phone,channels,consent,do_not_contact,preferred_hours,language\n"
        "C1,担保人,,短信、语音,service,是,18:00-20:00,zh_cn\nC2,borrower,,,,maybe,,\n"
    )
    table = read_text("contacts", text)
    row = table.frame.iloc[0]
    assert (row["role"], row["channels"], row["do_not_contact"], row["language"]) == (
        "guarantor",
        "sms,voice",
        True,
        "zh-CN",
    )
    assert only_reject(table)["code"] == "bad_flag"
    assert table.rejected_owners == {"C2"}


def test_changes(read_text: ReadText) -> None:
    row = read_text(
        "changes", "change_id,loan_id,type,effective_on,value\nX1,L1,延期,20261105,2\n"
    ).frame.iloc[0]
    assert (row["type"], row["value"]) == ("deferral", "2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        ("合同".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04", "workbook"),
        (HEADER.encode(), "has no row at all"),
        (b'"loan_id,phone\nL1,2\n', "quote that does not close"),
        (b"loan\0_id\nL1\n", "binary"),
        (b"\x1f\x8b" + b"x" * 50, "gzip file is damaged"),
    ],
)
def test_a_file_that_is_no_table(read_text: ReadText, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_text("loans", content)


def test_a_gzip_cut_short(read_text: ReadText) -> None:
    data = gzip.compress(
        loans(*(loan(loan_id=f"L{number * 7919 % 104729}") for number in range(500))).encode()
    )
    with pytest.raises(SourceError, match="cut short"):
        read_text("loans", data[:-200], file="loans.csv.gz")


def test_gzip_tsv_semicolons_and_byte_order_mark(read_text: ReadText) -> None:
    tsv = loans(GOOD).replace(",", "\t")
    assert len(read_text("loans", gzip.compress(tsv.encode()), file="t.tsv.gz").frame) == 1
    assert len(read_text("loans", loans(GOOD).replace(",", ";")).frame) == 1
    assert len(read_text("loans", "\ufeff" + loans(GOOD).replace("\n", "\r\n")).frame) == 1
    assert len(read_text("loans", loans(GOOD).replace(",", "|")).frame) == 1


def test_a_damaged_line_does_not_make_the_file_another_encoding(read_text: ReadText) -> None:
    rows = [loan(loan_id=f"L{n}").encode() for n in range(5)]
    rows[2] = rows[2].replace("张三".encode(), b"\xe5\xbc")
    table = read_text("loans", HEADER.encode() + b"\n" + b"\n".join(rows))
    assert table.rejects[["line", "code"]].to_numpy().tolist() == [[4, "bad_encoding"]]
    assert set(table.frame["borrower_name"]) == {"张三"}


def test_gb18030_asked_for_or_found(read_text: ReadText) -> None:
    data = loans(GOOD, loan(loan_id="L2", borrower_name="李\U00020000")).encode("gb18030")
    for encoding in ("auto", "gb18030"):
        assert read_text("loans", data, encoding=encoding).frame["borrower_name"].tolist() == [
            "张三",
            "李\U00020000",
        ]
    with pytest.raises(SourceError, match=r"table.csv:2: is not utf-8"):
        read_text("loans", data, encoding="utf-8")


def test_a_header_in_another_encoding_than_the_rows(read_text: ReadText) -> None:
    rows = "\n".join(loan(loan_id=f"L{n}") for n in range(5))
    with pytest.raises(SourceError, match="header row is not utf-8"):
        read_text("loans", "合同号,客户号".encode("gb18030") + b"\xff\n" + rows.encode())


def test_the_business_date_in_the_path(context: ReadContext) -> None:
    (context.base_dir / "loans-20261123.csv").write_text(loans(GOOD), encoding="utf-8")
    table = read_table("loans", TableSettings(path="loans-{as_of:%Y%m%d}.csv"), context=context)
    (origin,) = table.files
    assert origin.label.endswith("loans-20261123.csv")
    assert (len(origin.sha256), origin.rows) == (64, 1)
    assert origin.modified_at is not None
    assert context.dated("{as_of} {x}") == "2026-11-23 {x}"


def test_all_tables_or_all_their_problems(context: ReadContext) -> None:
    (context.base_dir / "loans.csv").write_text(loans(GOOD, "x"), encoding="utf-8")
    (context.base_dir / "payments.csv").write_text("payment_id,loan_id,paid_on,amount\n", encoding="utf-8")
    good = SourcesSettings(loans=TableSettings(path="loans.csv"), payments=TableSettings(path="payments.csv"))
    sources = read_all(good, context)
    assert sources.events is None
    assert sources.payments is not None
    assert sources.payments.frame.dtypes.astype(str).to_dict() == dict(frames.PAYMENTS)
    assert (sources.rows_read, len(sources.rejects), len(sources.findings)) == (2, 1, 0)
    bad = SourcesSettings(loans=TableSettings(path="none.csv"), events=TableSettings(path="loans.csv"))
    with pytest.raises(SourceError) as caught:
        read_all(bad, context)
    assert "none.csv: no such file" in str(caught.value)
    assert "events: column 'event_id' is missing" in str(caught.value)


def test_a_folder_is_no_file(context: ReadContext) -> None:
    (context.base_dir / "loans.csv").mkdir()
    with pytest.raises(SourceError, match="cannot be read"):
        read_table("loans", TableSettings(path="loans.csv"), context=context)


def write_parquet(path: Path, columns: dict[str, pa.Array]) -> None:
    parquet.write_table(pa.table(columns), path)


def test_parquet_with_types(context: ReadContext) -> None:
    write_parquet(
        context.base_dir / "loans.parquet",
        {
            "loan_id": pa.array([1, 2, 3]),
            "customer_id": pa.array(["C1", "C2", None]).dictionary_encode(),
            "phone": pa.array([13800138000.0, None, None]),
            "status": pa.array([b"active"] * 3),
            "principal": pa.array([0.1 + 0.2, 1e4, float("nan")]),
            "disbursed_on": pa.array([date(2026, 1, 5), None, None]),
            "in_dispute": pa.array([True, False, None]),
        },
    )
    table = read_table("loans", TableSettings(path="loans.parquet"), context=context)
    assert table.frame[["loan_id", "phone", "principal_minor", "in_dispute"]].to_numpy().tolist() == [
        ["1", "+8613800138000", 30, True],
        ["2", "", 1_000_000, False],
    ]
    assert table.rejects[["line", "column", "code"]].to_numpy().tolist() == [
        [3, "customer_id", "missing_value"]
    ]


def test_parquet_that_is_none_or_nested(context: ReadContext) -> None:
    (context.base_dir / "a.parquet").write_bytes(b"no parquet at all")
    write_parquet(context.base_dir / "b.parquet", {"loan_id": pa.array([[1]])})
    whole = context.base_dir / "c.parquet"
    write_parquet(whole, {"loan_id": pa.array(["x"] * 9999), "customer_id": pa.array(["y"] * 9999)})
    damaged = bytearray(whole.read_bytes())
    damaged[4:60] = b"\xff" * 56
    whole.write_bytes(bytes(damaged))
    options = {"phone": "", "status": "active"}
    for path, message in {"a": "is no Parquet", "b": "hold lists", "c": "is damaged near row 1"}.items():
        with pytest.raises(SourceError, match=message):
            read_table("loans", TableSettings(path=f"{path}.parquet", defaults=options), context=context)


def test_numbers_that_reach_nobody_are_for_rehearsals(read_text: ReadText) -> None:
    text = loans(loan(phone="10055501234"))
    assert only_reject(read_text("loans", text))["code"] == "phone_invalid"
    assert len(read_text("loans", text, fictitious_phones=True).frame) == 1


CELLS = {
    "loan_id": st.sampled_from(["L1", "L2", "L3", "", '"', "x,y", "1E+9"]),
    "phone": st.sampled_from(["", "13800138000", "1.38E+10", "x"]),
    "status": st.sampled_from(["active", "settled", "?"]),
    "principal": st.sampled_from(["", "1,000.00", "-1", "x", '5"']),
}
BROKEN = st.sampled_from(["", "a,b", "a,b,c,d,e,f,g,h,i,j", '"', "\0", '"a\nb",c', "  ", "\xff"])
ROW = st.one_of(BROKEN, st.fixed_dictionaries(CELLS).map(lambda cells: loan(**cells)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(ROW, min_size=1, max_size=8), st.integers(1, 4))
def test_rows_read_are_rows_used_and_rows_rejected(
    read_text: ReadText, rows: list[str], chunk_rows: int
) -> None:
    text = loans(GOOD, *rows)
    table = read_text("loans", text, chunk_rows=chunk_rows)
    assert table.rows_read == len(table.frame) + table.repeated + len(table.rejects)
    assert table.rejects["line"].is_monotonic_increasing
    assert table.frame["loan_id"].is_unique
    whole = read_text("loans", text)
    pd.testing.assert_frame_equal(table.frame, whole.frame)
    pd.testing.assert_frame_equal(table.rejects, whole.rejects)
