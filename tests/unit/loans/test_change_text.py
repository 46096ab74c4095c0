"""Changes as written on the command line."""

from datetime import date

import pytest

from carloan_notify.frames import CHANGES
from carloan_notify.loans.change_requests import change_rows, parse_change
from carloan_notify.loans.schedule import LoanTerms, build_schedules, one_loan, schedule_frame
from carloan_notify.loans.settings import ScheduleSettings

SETTINGS = ScheduleSettings()
LOAN = LoanTerms(100_000, 120_000_000, 6, date(2026, 1, 31), date(2025, 12, 31), loan_id="A")


@pytest.mark.parametrize(
    ("text", "effective_on", "value"),
    [
        ("deferral@3", "2026-03-31", "3"),
        ("deferral@3=spread", "2026-03-31", "3 spread"),
        ("deferral@3=2026-04-15", "2026-03-31", "3 2026-04-15"),
        ("rate@1=5%", "2026-01-31", "5%"),
        ("rate@3=5%", "2026-02-28", "5%"),
        ("rate@2026-05-01=0.05", "2026-05-01", "0.05"),
        ("due_day@2=15", "2026-02-28", "15"),
        ("extension@2026-03-01=2", "2026-03-01", "2"),
        ("prepayment@2026-03-10=500 shorter_term", "2026-03-10", "500 shorter_term"),
        ("settlement@2026-03-10", "2026-03-10", ""),
        ("pause@2026-03-10=2026-03-10..2026-03-20", "2026-03-10", "2026-03-10..2026-03-20"),
    ],
)
def test_a_change_becomes_a_row_that_applies(text: str, effective_on: str, value: str) -> None:
    plain = build_schedules(one_loan(LOAN), None, SETTINGS)[0][0]
    rows = change_rows([parse_change(text, SETTINGS)], plain)
    assert rows[["change_id", "loan_id", "type"]].to_numpy().tolist() == [["1", "A", text.partition("@")[0]]]
    assert rows["effective_on"].dt.strftime("%Y-%m-%d").tolist() == [effective_on]
    assert rows["value"].tolist() == [value]
    grids, findings = build_schedules(one_loan(LOAN), rows, SETTINGS)
    assert findings.empty
    assert schedule_frame(grids)["principal_minor"].sum() == 100_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deferral", "type@installment"),
        ("magic@3", "type@installment"),
        ("deferral@0", "count from 1"),
        ("deferral@2026-03-01", "by its number"),
        ("rate@2026-02-30=5%", "2026-02-30"),
        ("rate@2026-03-01=lots", "a yearly rate"),
        ("due_day@2=32", "1 to 31"),
    ],
)
def test_a_change_that_cannot_be_read_says_how_to_write_it(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_change(text, SETTINGS)


def test_an_installment_that_is_not_there_is_refused() -> None:
    plain = build_schedules(one_loan(LOAN), None, SETTINGS)[0][0]
    with pytest.raises(ValueError, match="has 6 installments"):
        change_rows([parse_change("due_day@7=3", SETTINGS)], plain)
    assert list(change_rows([], plain)) == list(CHANGES)
