"""Schedules: the plain twin, properties, refused loans, the lender's own amounts."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import numpy_financial
import pandas as pd
import pytest
from hypothesis import given, settings

from carloan_notify.errors import CalendarError
from carloan_notify.frames import LOANS, SCHEDULE
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.schedule import LoanTerms, build_schedules, one_loan, schedule_frame
from carloan_notify.loans.settings import CalendarSettings, ProductTerms, Rounding, ScheduleSettings
from tests.unit.loans.plain_schedule import Row, plain_schedule
from tests.unit.loans.portfolios import METHODS, NO_SHRINKING, loans_frame, portfolios, product_terms

LOAN = LoanTerms(
    principal_minor=500_000,
    annual_rate_ppb=120_000_000,
    installments=18,
    first_due_on=date(2022, 12, 1),
    disbursed_on=date(2022, 11, 1),
)


def schedule_of(loan: LoanTerms, terms: ProductTerms | None = None) -> pd.DataFrame:
    grids, findings = build_schedules(one_loan(loan), None, ScheduleSettings(default=terms or ProductTerms()))
    assert findings.empty
    return schedule_frame(grids)


def as_rows(schedule: pd.DataFrame, grids: list[Grid]) -> dict[str, list[Row]]:
    ends = {
        str(loan): grid.interest_on[: grid.count[column], column].astype(object)
        for grid in grids
        for column, loan in enumerate(grid.loan_ids)
    }
    return {
        str(loan): [
            Row(due_on, original, end, principal, interest, fees)
            for due_on, original, principal, interest, fees, end in zip(
                rows["due_on"].dt.date,
                rows["original_due_on"].dt.date,
                rows["principal_minor"],
                rows["interest_minor"],
                rows["fees_minor"],
                ends[str(loan)],
                strict=True,
            )
        ]
        for loan, rows in schedule.groupby("loan_id")
    }


def is_weekday(day: date) -> bool:
    return day.weekday() < 5


@settings(max_examples=20, deadline=None, phases=NO_SHRINKING)  # 50 loans each
@given(loans=portfolios(), terms=product_terms)
def test_every_schedule_equals_the_plain_twin_to_the_cent(
    loans: list[LoanTerms], terms: ProductTerms
) -> None:
    grids, findings = build_schedules(loans_frame(loans), None, ScheduleSettings(default=terms))
    assert findings.empty
    ours = as_rows(schedule_frame(grids), grids)
    assert ours == {loan.loan_id: plain_schedule(loan, terms, is_weekday) for loan in loans}


@settings(max_examples=20, deadline=None, phases=NO_SHRINKING)
@given(loans=portfolios(), terms=product_terms)
def test_properties_of_every_schedule(loans: list[LoanTerms], terms: ProductTerms) -> None:
    frame = loans_frame(loans)
    grids, _ = build_schedules(frame, None, ScheduleSettings(default=terms))
    schedule = schedule_frame(grids)
    by_loan = schedule.groupby("loan_id")
    terms_of = frame.set_index("loan_id").sort_index()
    assert (by_loan["principal_minor"].sum() == terms_of["principal_minor"]).all()
    assert (by_loan["balance_after_minor"].last() == 0).all()
    assert (by_loan.size() == terms_of["term_months"]).all()
    assert (schedule[["principal_minor", "interest_minor", "balance_after_minor"]] >= 0).all().all()
    assert (by_loan["original_due_on"].diff().dropna() > pd.Timedelta(0)).all()
    # A first installment on 31 January and a due day of 1: a calendar may move both to one working day, and no further.
    apart = by_loan["due_on"].diff().dropna()
    assert (apart >= pd.Timedelta(0)).all()
    assert (apart[by_loan["original_due_on"].diff() > pd.Timedelta(days=10)] > pd.Timedelta(0)).all()


@settings(max_examples=6, deadline=None, phases=NO_SHRINKING)
@given(loans=portfolios(), terms=product_terms)
def test_neither_row_order_nor_neighbours_matter(loans: list[LoanTerms], terms: ProductTerms) -> None:
    chosen = ScheduleSettings(default=terms)
    together = schedule_frame(build_schedules(loans_frame(loans), None, chosen)[0])
    backwards = schedule_frame(build_schedules(loans_frame(loans[::-1]), None, chosen)[0])
    alone = schedule_frame(build_schedules(one_loan(loans[0]), None, chosen)[0])
    order = ["loan_id", "installment_no"]
    pd.testing.assert_frame_equal(
        together.sort_values(order, ignore_index=True), backwards.sort_values(order, ignore_index=True)
    )
    mine = together[together["loan_id"] == loans[0].loan_id].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, alone)


def test_the_frame_is_a_schedule_frame() -> None:
    schedule = schedule_of(LOAN)
    assert list(schedule) == list(SCHEDULE)
    assert {name: str(kind) for name, kind in schedule.dtypes.items()} == dict(SCHEDULE)


def test_one_loan_is_a_loans_frame() -> None:
    frame = one_loan(replace(LOAN, disbursed_on=None))
    assert list(frame) == list(LOANS)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == dict(LOANS)
    assert frame["disbursed_on"].isna().all()


def test_payments_agree_with_numpy_financial() -> None:
    rng = np.random.default_rng(7)
    principal = rng.integers(100_000, 100_000_000, 400)
    rate = rng.integers(1, 400, 400) * 1_000_000
    months = rng.integers(2, 84, 400)
    loans = [
        replace(
            LOAN, loan_id=f"L{at:03d}", principal_minor=int(p), annual_rate_ppb=int(r), installments=int(n)
        )
        for at, (p, r, n) in enumerate(zip(principal, rate, months, strict=True))
    ]
    schedule = schedule_frame(build_schedules(loans_frame(loans), None, ScheduleSettings())[0])
    first = schedule[schedule["installment_no"] == 1].sort_values("loan_id")["total_minor"].to_numpy()
    expected = -numpy_financial.pmt(rate / 1e9 / 12, months, principal)
    assert np.abs(first - expected).max() <= 0.5 + 1e-6


def test_products_have_their_own_terms() -> None:
    chosen = ScheduleSettings(products={"fee": ProductTerms(fee_per_installment=Decimal("3.50"))})
    frame = loans_frame([replace(LOAN, loan_id="A", product="fee"), replace(LOAN, loan_id="B", product="x")])
    schedule = schedule_frame(build_schedules(frame, None, chosen)[0])
    assert schedule.groupby("loan_id")["fees_minor"].unique().map(list).to_dict() == {"A": [350], "B": [0]}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"principal_minor": 0}, "principal_out_of_range"),
        ({"principal_minor": 10**14}, "principal_out_of_range"),
        ({"annual_rate_ppb": 12_000_000_000}, "rate_out_of_range"),
        ({"annual_rate_ppb": -1}, "rate_out_of_range"),
        ({"term_months": 0}, "term_out_of_range"),
        ({"term_months": 1000}, "term_out_of_range"),
        ({"first_due_on": pd.NaT}, "first_due_missing"),
        ({"first_due_on": pd.Timestamp("2022-10-01")}, "first_due_before_disbursement"),
        ({"first_due_on": pd.Timestamp("2222-10-01")}, "first_due_out_of_range"),
        ({"due_day": 32}, "due_day_out_of_range"),
        ({"repayment_method": "magic"}, "repayment_method_unknown"),
        ({"balloon_minor": 500_001}, "balloon_out_of_range"),
        ({"product": "grace"}, "principal_grace_too_long"),
        ({"installment_amounts": "1=x"}, "installment_amounts_invalid"),
        ({"installment_amounts": "7=1.00; 3=2.00"}, "installment_amounts_invalid"),
        ({"installment_amounts": "1=1.005"}, "installment_amounts_invalid"),
        ({"loan_id": "good"}, "loan_id_duplicate"),
    ],
)
def test_a_bad_loan_is_a_finding_and_harms_no_other(wrong: dict[str, Any], code: str) -> None:
    frame = pd.concat([one_loan(replace(LOAN, loan_id=name)) for name in ("bad", "good")], ignore_index=True)
    frame["installment_amounts"] = pd.Series(["", ""], dtype="str")
    for column, value in wrong.items():
        frame.loc[0, column] = value
    chosen = ScheduleSettings(products={"grace": ProductTerms(principal_grace=18)})
    grids, findings = build_schedules(frame, None, chosen)
    assert set(findings["code"]) == {code}
    done = set(schedule_frame(grids)["loan_id"])
    assert done | set(findings["loan_id"]) == {"good"} | set(frame["loan_id"])
    assert done.isdisjoint(findings["loan_id"])
    assert findings["message"].str.len().min() > 10


def test_the_lender_sets_step_amounts_itself() -> None:
    frame = one_loan(replace(LOAN, installments=6))
    frame["installment_amounts"] = "1=600.00; 3=900.00; 5="
    schedule = schedule_frame(build_schedules(frame, None, ScheduleSettings())[0])
    assert schedule["total_minor"].tolist()[:4] == [60_000, 60_000, 90_000, 90_000]
    assert schedule["principal_minor"].sum() == 500_000


def test_balloon_leaves_the_balloon_to_the_last_installment() -> None:
    schedule = schedule_of(replace(LOAN, repayment_method="balloon", balloon_minor=200_000))
    totals = schedule["total_minor"].tolist()
    assert len(set(totals[:-1])) == 1
    assert abs(totals[-1] - totals[0] - 200_000) <= 18


def test_residue_on_the_first_installment_leaves_the_last_level() -> None:
    terms = ProductTerms(residue="first", installment_multiple=Decimal(10))
    totals = schedule_of(LOAN, terms)["total_minor"].tolist()
    assert totals[0] != totals[1]
    assert abs(totals[-1] - totals[1]) <= 2


def test_flat_interest_sums_to_its_exact_total() -> None:
    loan = replace(
        LOAN, repayment_method="flat", principal_minor=125_000, annual_rate_ppb=150_000_000, installments=4
    )
    schedule = schedule_of(loan, ProductTerms(interest_rounding="half_even"))
    assert schedule["interest_minor"].tolist() == [1562, 1562, 1562, 1564]


def test_a_due_date_in_an_unknown_year_stops_the_run_and_names_it() -> None:
    terms = ProductTerms(convention="following", calendar="CN")
    known = ScheduleSettings(default=terms)
    with pytest.raises(CalendarError, match="'CN' has no holidays for 2003"):
        build_schedules(
            one_loan(replace(LOAN, first_due_on=date(2003, 5, 1), disbursed_on=None)), None, known
        )
    lenient = {"CN": CalendarSettings(region="CN", beyond_coverage="weekends")}
    far = replace(LOAN, first_due_on=date(2090, 1, 1), disbursed_on=None)
    grids, _ = build_schedules(one_loan(far), None, ScheduleSettings(default=terms, calendars=lenient))
    assert str(grids[0].due_on[0, 0]) == "2090-01-02"


def test_an_amount_finer_than_the_currency_is_a_configuration_error() -> None:
    terms = ProductTerms(fee_per_installment=Decimal("0.5"))
    with pytest.raises(ValueError, match=r"yen\.fee_per_installment: 0.5 has more than 0 decimals"):
        ScheduleSettings(products={"yen": terms}).in_currency("JPY")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rounding", Rounding)
def test_the_largest_loan_allowed_is_still_exact(method: str, rounding: Rounding) -> None:
    loan = replace(
        LOAN,
        principal_minor=10**12 - 1,
        annual_rate_ppb=5_000_000_000,
        installments=480,
        first_due_on=date(1990, 1, 31),
        disbursed_on=date(1989, 12, 30),
        repayment_method=method,
    )
    terms = ProductTerms(
        interest_rounding=rounding, installment_rounding=rounding, frequency="quarterly", stub="actual/365"
    )
    chosen = ScheduleSettings(default=terms, max_annual_rate=Decimal(5))
    grids, _ = build_schedules(one_loan(loan), None, chosen)
    assert as_rows(schedule_frame(grids), grids) == {loan.loan_id: plain_schedule(loan, terms, is_weekday)}


def test_an_empty_portfolio_gives_no_grids() -> None:
    grids, findings = build_schedules(one_loan(LOAN).iloc[:0], None, ScheduleSettings())
    assert grids == []
    assert findings.empty
    assert list(schedule_frame(grids)) == list(SCHEDULE)


def test_the_installment_may_be_rounded_up_and_interest_half_up() -> None:
    loan = replace(
        LOAN, principal_minor=1_000_000, annual_rate_ppb=120_000_000, installments=12, disbursed_on=None
    )
    half, up = (
        schedule_of(loan, ProductTerms(installment_rounding=how))["total_minor"].tolist()
        for how in ("half_up", "up")
    )
    assert (half[0], up[0]) == (88_849, 88_849)  # 88,848.79: both
    loan = replace(loan, annual_rate_ppb=60_000_000)
    half, up = (
        schedule_of(loan, ProductTerms(installment_rounding=how))["total_minor"].tolist()
        for how in ("half_up", "up")
    )
    assert (half[0], up[0]) == (86_066, 86_067)  # 86,066.43


def test_interest_of_extra_days_may_be_paid_on_top_of_the_first_installment() -> None:
    loan = replace(
        LOAN,
        principal_minor=1_000_000,
        annual_rate_ppb=120_000_000,
        installments=12,
        first_due_on=date(2026, 2, 15),
        disbursed_on=date(2026, 1, 1),
    )
    rows = schedule_of(loan, ProductTerms(stub="actual/365", extra_days="on_top"))["total_minor"].tolist()
    extra = round(1_000_000 * 0.12 * 14 / 365)
    assert rows[:2] == [88_849 + extra, 88_849]


def test_an_installment_that_rounds_to_nothing_is_a_finding() -> None:
    loan = replace(LOAN, principal_minor=5, annual_rate_ppb=0, installments=12)
    grids, found = build_schedules(one_loan(loan), None, ScheduleSettings())
    assert found["code"].tolist() == ["installment_rounds_to_zero"]
    assert sum(len(grid) for grid in grids) == 0
