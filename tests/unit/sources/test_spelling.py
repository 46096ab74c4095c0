"""One spelling of an identifier and of nothing; what is said twice; by the plain functions, cell by cell."""

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.settings import ReadContext
from carloan_notify.sources.spelling import (
    NULL_WORDS,
    UNSURE_NULL_WORDS,
    identifier,
    identifiers,
    inline_cells,
    null_words,
    one_spelling,
    without_formulas,
)
from carloan_notify.text import inline
from tests.unit.sources.conftest import ReadText

LOANS = "loan_id,customer_id,borrower_name,phone,status,account_tail,plate_no,note"
PAYMENTS = "payment_id,loan_id,paid_on,amount"
CONTACTS = "customer_id,loan_id,role,name,phone,channels,opt_out"
ODD = st.text(st.sampled_from("0123.'‘’`=\"“” \u00a0\u3000\u200b\ufeff\tＡ１ａ－‑–e+E合"), max_size=10)
ANY = st.one_of(ODD, st.text(st.characters(codec="utf-8"), max_size=8), st.from_regex(r"[0-9]{1,20}\.0{0,9}"))


def loan(loan_id: str, customer_id: str = "C1", name: str = "张三", tail: str = "", note: str = "") -> str:
    quoted = loan_id.replace('"', '""')
    return f'"{quoted}",{customer_id},{name},13800138000,active,{tail},,{note}'


@pytest.mark.parametrize(
    "text",
    [
        "20001", "20001.0", "20001.000000000", "20001.", '="20001"', "=20001", '"20001"', "'20001", "’20001",
        "'20001'", "\u200b20001", "\ufeff20001", "20001\u00a0", "\u3000 20001\t", "２０００１", "20001\u00ad",
        "'=\"20001\"", '="20001.0"', "\u202d20001\u202c", "200\u200b01", "２０００１．０",
    ],
)  # fmt: skip
def test_one_identifier_in_many_dresses(text: str) -> None:
    assert identifier(text) == "20001"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("007", "007"),
        ("007.0", "007"),
        ("l-1", "l-1"),
        ("Ｌ－０００１", "L-0001"),
        ("L\u20110001", "L-0001"),
        ("合同（2026）第1号", "合同(2026)第1号"),
        ("A\u00a0 \u30001", "A 1"),
        ("1.5", "1.5"),
        ("2026.001", "2026.001"),
        ("1E5", "1E5"),
        ("=cmd|'/C calc'!A0", "=cmd|'/C calc'!A0"),
        ("", ""),
        ("\u200b", ""),
        ("9007199254740992.0", "9007199254740992"),
        ("90071992547409930.0", CellProblem.SCIENTIFIC_NOTATION),
        ("90071992547409930", "90071992547409930"),
        ("2.0001E+15", CellProblem.SCIENTIFIC_NOTATION),
        ("'2E+15", CellProblem.SCIENTIFIC_NOTATION),
    ],
)
def test_an_identifier_keeps_what_it_means(text: str, found: str | CellProblem) -> None:
    assert identifier(text) == found


@given(st.lists(ANY, max_size=6))
def test_the_column_as_cell_by_cell(texts: list[str]) -> None:
    values, lost = identifiers(pa.array(texts, pa.string()))
    for text, value, is_lost in zip(texts, values.to_pylist(), lost, strict=True):
        one = identifier(text)
        assert (value, bool(is_lost)) == (("", True) if isinstance(one, CellProblem) else (one, False))


@given(ANY)
def test_one_spelling_is_the_last(text: str) -> None:
    once = one_spelling(text)
    assert isinstance(identifier(text), CellProblem) or one_spelling(once) == once
    assert not any(unicodedata.category(char) == "Cf" for char in identifier(text))


@given(st.integers(0, 2**53), st.integers(0, 9))
def test_a_whole_float_is_its_number(number: int, zeros: int) -> None:
    assert identifier(f"{number}.{'0' * zeros}") == str(number)


@given(
    st.lists(
        st.one_of(st.sampled_from(sorted(NULL_WORDS)), st.sampled_from(["", "Nat", "Na", "nano", "NULLs"]))
    )
)
def test_null_words(texts: list[str]) -> None:
    cells = pa.array(texts, pa.string())
    assert null_words(cells).to_pylist() == [text in NULL_WORDS for text in texts]
    sure = [text in NULL_WORDS - UNSURE_NULL_WORDS for text in texts]
    assert null_words(cells, sure=False).to_pylist() == sure


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=6))
def test_texts_for_people_cell_by_cell(texts: list[str]) -> None:
    assert inline_cells(pa.array(texts, pa.string())).to_pylist() == [inline(text) for text in texts]


@pytest.mark.parametrize("word", ["nan", "NULL", "None", "NaN", "none", "\\N", "#N/A", "<NA>"])
def test_a_null_word_is_blank_and_told(read_text: ReadText, word: str) -> None:
    table = read_text("loans", "\n".join([LOANS, loan("L1", name=word, tail=word, note=word)]))
    row = table.frame.iloc[0]
    assert (row["borrower_name"], row["account_tail"], row["note"]) == ("", "", "")
    assert table.findings[["code", "value"]].to_numpy().tolist() == [
        ["null_word", f"borrower_name: {word} ×1"],
        ["null_word", f"account_tail: {word} ×1"],
    ]


def test_what_a_null_word_leaves_missing_is_rejected(read_text: ReadText) -> None:
    table = read_text("payments", f"{PAYMENTS}\nP1,L1,NaT,nan\n")
    assert table.rejects[["column", "code"]].to_numpy().tolist() == [["paid_on", "missing_value"]]
    assert "also amount: missing_value" in table.rejects["cure"].iloc[0]


def test_a_null_word_takes_the_default_and_the_lenders_own_word_goes_first(read_text: ReadText) -> None:
    text = "\n".join([LOANS, loan("L1", customer_id="NULL"), loan("L2", customer_id="none")])
    table = read_text(
        "loans", text, defaults={"customer_id": "C9"}, values={"customer_id": {"none": "staff"}}
    )
    assert table.frame["customer_id"].tolist() == ["C9", "staff"]


def test_no_channel_is_not_every_channel(read_text: ReadText) -> None:
    table = read_text("contacts", f"{CONTACTS}\nC1,,borrower,,,none,none\nC2,,borrower,,,nan,none\n")
    assert table.rejects[["column", "code", "owner"]].to_numpy().tolist() == [
        ["channels", "unknown_value", "C1"]
    ]
    assert table.frame["opt_out"].tolist() == [""]


def test_formulas_that_keep_a_text_are_that_text_in_every_column(read_text: ReadText) -> None:
    def kept(text: str) -> str:
        return f'"=""{text}"""'

    cells = ["L1", "C1", "张三", "13800138000", "active", "0367", "京A12345", "x"]
    row = read_text("loans", "\n".join([LOANS, ",".join(map(kept, cells))])).frame.iloc[0]
    names = ["loan_id", "customer_id", "borrower_name", "phone", "status", "account_tail", "plate_no", "note"]
    assert row[names].tolist() == ["L1", "C1", "张三", "+8613800138000", "active", "0367", "京A12345", "x"]
    text = ",".join(map(kept, ["P1", "L1", "2026-11-01", "12.50"]))
    payment = read_text("payments", f"{PAYMENTS}\n{text}").frame.iloc[0]
    assert (payment["amount_minor"], str(payment["paid_on"].date())) == (1250, "2026-11-01")


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6).map(str.strip), max_size=4))
def test_any_text_may_be_kept_so(texts: list[str]) -> None:
    kept = [f"={chr(34)}{text.replace(chr(34), chr(34) * 2)}{chr(34)}" for text in texts]
    trimmed = pc.utf8_trim_whitespace(pa.array(texts, pa.string()))
    assert without_formulas(pa.array(kept, pa.string())) == trimmed


def test_codes_of_the_lender_that_became_floats(read_text: ReadText) -> None:
    text = "loan_id,customer_id,phone,status\nL1,C1,,1.0\nL2,C2,,01\nL3,C3,,9.000000000\n"
    table = read_text("loans", text, values={"status": {"1": "active", "01": "pending", "9": "settled"}})
    assert table.frame["status"].tolist() == ["active", "pending", "settled"]


def test_ids_that_differ_only_in_spelling_are_all_refused(read_text: ReadText) -> None:
    rows = [loan("20001"), loan("L2"), loan("20001.0"), loan('="7"'), loan("'007")]
    table = read_text("loans", "\n".join([LOANS, *rows]))
    assert table.frame["loan_id"].tolist() == ["L2", "7", "007"]
    assert table.rejects[["line", "code", "value", "owner"]].to_numpy().tolist() == [
        [2, "spelt_twice", "20001", "20001"],
        [4, "spelt_twice", "20001.0", "20001"],
    ]


@pytest.mark.parametrize("chunk_rows", [1, 2, 50])
def test_the_same_for_keys_of_two_columns(read_text: ReadText, chunk_rows: int) -> None:
    rows = ["L1,1,2026-01-05,100", "L1.,2,2026-02-05,100", "7.0,1,2026-01-05,9", "7,1,2026-01-05,8"]
    table = read_text(
        "installments",
        "\n".join(["loan_id,installment_no,due_on,total_due", *rows]),
        chunk_rows=chunk_rows,
    )
    assert table.rejects["code"].tolist() == ["spelt_twice", "spelt_twice"]
    assert table.frame["loan_id"].tolist() == ["L1", "L1."]


def test_a_table_that_spells_alike_is_no_contradiction(read_text: ReadText) -> None:
    table = read_text("payments", f"{PAYMENTS}\n1.0,20001.0,2026-11-01,5\n2.0,20001,2026-11-02,5\n")
    assert table.frame[["payment_id", "loan_id"]].to_numpy().tolist() == [["1", "20001"], ["2", "20001"]]
    assert table.rejects.empty


def test_doubles_of_parquet(context: ReadContext, read_text: ReadText) -> None:
    place = context.base_dir / "made.parquet"
    parquet.write_table(
        pa.table(
            {
                "payment_id": [1.0, 2.0**60],
                "loan_id": [20001.0, None],
                "paid_on": pa.array([20_000 * 86_400, None], pa.timestamp("s", "UTC")),
                "amount": [12.5, float("nan")],
            }
        ),
        place,
    )
    table = read_text("payments", place.read_bytes(), file="p.parquet", timezone="America/Chicago")
    assert table.frame[["payment_id", "loan_id", "amount_minor"]].to_numpy().tolist() == [
        ["1", "20001", 1250]
    ]
    assert table.frame["paid_on"].astype(str).tolist() == ["2024-10-04"]
    assert table.rejects["code"].tolist() == ["scientific_notation"]


def test_rows_to_the_letter_alike_are_one_row(read_text: ReadText) -> None:
    twice = "P1,L1,2026-11-01,5"
    table = read_text("payments", f"{PAYMENTS}\n{twice}\nP2,L1,2026-11-01,5.00\n{twice}\n{twice}")
    assert table.frame["payment_id"].tolist() == ["P1", "P2"]
    assert table.rejects.empty
    assert (table.rows_read, table.repeated) == (4, 2)
    row = table.findings.iloc[0]
    assert (row["code"], row["value"], row["place"].endswith("table.csv:4")) == ("row_repeated", "×2", True)
    contact = "C1,,guarantor,李四,13800138000,sms,"
    assert len(read_text("contacts", f"{CONTACTS}\n{contact}\n{contact}").frame) == 1


def test_a_repeated_payment_that_contradicts_still_holds_its_loan(read_text: ReadText) -> None:
    rows = ["P1,L1,2026-11-01,5", "P1,L1,2026-11-01,5", "P1,L1,2026-11-01,6"]
    table = read_text("payments", "\n".join([PAYMENTS, *rows]))
    assert (table.frame["amount_minor"].tolist(), table.repeated) == ([500], 1)
    assert table.rejects["code"].tolist() == ["duplicate_key"]
    assert table.rejected_owners == {"L1"}


def test_when_it_was_exported_is_no_contradiction(read_text: ReadText) -> None:
    rows = ["P1,L1,2026-11-01,5,02:00", "P1,L1,2026-11-01,5,02:05"]
    table = read_text("payments", "\n".join([f"{PAYMENTS},exported_at", *rows]))
    assert (len(table.frame), len(table.rejects)) == (1, 0)


@pytest.mark.parametrize(
    "name", ["钱一 http://evil.cn", "WWW.evil.cn", "钱一evil.cn/x", "钱一 hxxps:\u200b//evil", "tg:/\u200b/x"]
)
def test_a_name_with_a_link_is_rejected(read_text: ReadText, name: str) -> None:
    table = read_text("loans", "\n".join([LOANS, loan("L1", name=name), loan("L2", name="J.R. Smith/Lee")]))
    assert table.rejects[["column", "code"]].to_numpy().tolist() == [["borrower_name", "name_with_link"]]
    assert table.frame["borrower_name"].tolist() == ["J.R. Smith/Lee"]


def test_names_carry_no_sign_and_no_control(read_text: ReadText) -> None:
    table = read_text(
        "loans", "\n".join([LOANS, loan("L1", name="【招商银行】钱\u200b一", note="[x]\u202e")])
    )
    row = table.frame.iloc[0]
    assert (row["borrower_name"], row["note"]) == ("（招商银行）钱一", "(x)")
