"""Payoffs of many loans against a plain twin, and against what settles the loan."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.frames import INSTALLMENTS, LOANS
from carloan_notify.loans.questions import payoff
from carloan_notify.loans.schedule import LoanTerms, build_schedules, schedule_frame
from carloan_notify.loans.settings import Frequency, InterestBasis, ProductTerms, Rounding, ScheduleSettings
from carloan_notify.loans.standing import LoanTables, standing
from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DelinquencySettings,
    PayoffSettings,
    PenaltySettings,
    StandingSettings,
    ToleranceSettings,
)
from tests.unit.loans.plain_changes import PlainChange, plain_changed
from tests.unit.loans.plain_schedule import Row, part_of, plain_schedule
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, loans_frame
from tests.unit.loans.status_cases import frame, payments_frame
from tests.unit.loans.status_twin import PlainInstallment, PlainLoan
from tests.unit.loans.test_payoff import FREE, LOAN, NO_PENALTY, RULES

STEPS = {Frequency.MONTHLY: 30, Frequency.BIWEEKLY: 14, Frequency.WEEKLY: 7, Frequency.QUARTERLY: 91}


def random_case(rng: Random, name: str, on: date, step: int = 30) -> tuple[LoanTerms, list[tuple[date, int]]]:
    """A loan that mostly runs on the day, and payments that follow its schedule now and then."""
    count = rng.randrange(4, 30)
    first = on - timedelta(days=rng.randrange(-step, count * step * 11 // 10))
    loan = LoanTerms(
        loan_id=name,
        principal_minor=rng.randrange(10_000, 10**8),
        annual_rate_ppb=rng.randrange(0, 400) * 10**6,
        installments=count,
        first_due_on=first,
        disbursed_on=first - timedelta(days=rng.randrange(1, 2 * step)),
        repayment_method=rng.choice(["equal_installment", "equal_principal"]),
    )
    level = loan.principal_minor // loan.installments
    days = sorted(rng.randrange(-20, step * count) for _ in range(rng.randrange(8)))
    return loan, [(first + timedelta(days=day), rng.randrange(1, 3 * level)) for day in days]


def random_rules(rng: Random) -> StandingSettings:
    terms = ProductTerms(
        interest_basis=rng.choice(list(InterestBasis)),
        frequency=rng.choice(list(Frequency)),
        interest_rounding=rng.choice([Rounding.HALF_UP, Rounding.HALF_EVEN]),
        installment_rounding=rng.choice([Rounding.HALF_UP, Rounding.UP]),
        fee_per_installment=rng.choice([Decimal(0), Decimal(3)]),
        settlement_interest=rng.choice(["to_the_day", "to_next_due_date"]),
    )
    penalty = PenaltySettings(enabled=rng.random() < 0.7, starts=rng.choice(["day_1", "after_grace"]))
    return StandingSettings(
        schedule=ScheduleSettings(default=terms),
        delinquency=DelinquencySettings(
            grace_days=rng.choice([0, 3]),
            penalty=penalty,
            tolerance=ToleranceSettings(amount="0", settled_below="0"),
        ),
        allocation=AllocationSettings(waterfall=rng.choice(["civil_code_561", "car_finance_2013"])),
    )


def plain_payoff(
    loan: LoanTerms, paid: list[tuple[date, int]], rules: StandingSettings, fee: PayoffSettings, on: date
) -> int:
    """Payments go against the schedule that ends on the day; the fee looks at the one that would not."""
    terms = rules.schedule.default
    paid = [(day, amount) for day, amount in paid if day <= on]
    agreed = account(plain_schedule(loan, terms, lambda _: True), loan, rules, paid, on)
    coming = [one for one in agreed.installments if one.due_on > on]
    if not coming:
        return max(total_of(agreed), 0)
    ended = plain_changed(loan, terms, [PlainChange("settlement", on)])
    assert not isinstance(ended, str), ended
    due = sum(one.due_on <= on for one in agreed.installments)
    early = sum(one.unpaid["principal"] for one in coming)
    free = early == 0 or 0 < fee.fee_free_after <= due
    share = part_of(early, int(fee.fee_rate * 10**9), 10**9, Rounding.HALF_UP)
    charged = 0 if free else share + int(fee.fee_fixed * 100)
    return max(total_of(account(ended, loan, rules, paid, on)) + charged, 0)


def account(
    rows: list[Row], loan: LoanTerms, rules: StandingSettings, paid: list[tuple[date, int]], on: date
) -> PlainLoan:
    parts = [PlainInstallment(row.due_on, row.fees, row.interest, row.principal) for row in rows]
    plain = PlainLoan(parts, loan.annual_rate_ppb, rules.allocation, rules.delinquency)
    for day, amount in paid:
        plain.pay(day, amount)
    plain.accrue(on)
    return plain


def total_of(plain: PlainLoan) -> int:
    return sum(one.open + one.unpaid["penalty"] for one in plain.installments) - plain.credit


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)  # 200 loans each
@given(seed=st.integers(0, 2**32))
def test_payoffs_equal_the_plain_twin_and_settle_the_loan(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    rules, on = random_rules(rng), date(2026, 3, 1) + timedelta(days=rng.randrange(300))
    fee = PayoffSettings(
        fee_rate=rng.choice([Decimal(0), Decimal("0.0275")]),
        fee_fixed=rng.choice([Decimal(0), Decimal("99.99")]),
        fee_free_after=rng.choice([0, 6]),
    )
    step = STEPS[rules.schedule.default.frequency]
    cases = [random_case(rng, f"L{at:03d}", on, step) for at in range(200)]
    cases = [(loan, paid) for loan, paid in cases if loan.disbursed_on is None or loan.disbursed_on < on]
    payments = [(loan.loan_id, str(day), amount) for loan, paid in cases for day, amount in paid]
    tables = LoanTables(loans_frame([loan for loan, _ in cases]), payments=payments_frame(*payments))
    found, _ = payoff(tables, rules, fee, on)
    expected = {loan.loan_id: plain_payoff(loan, paid, rules, fee, on) for loan, paid in cases}
    assert dict(zip(found["loan_id"], found["payoff_minor"].tolist(), strict=True)) == expected
    settles(tables, rules, found, on)


def settles(tables: LoanTables, rules: StandingSettings, found: pd.DataFrame, on: date) -> None:
    """With the settlement recorded and the money there, nothing is left; with one cent less, something is."""
    fees = dict(zip(found["loan_id"], found["settlement_fee_minor"], strict=True))
    agreed = schedule_frame(build_schedules(tables.loans, None, rules.schedule)[0])
    last = agreed.groupby("loan_id")["due_on"].max()
    running = [loan for loan in found["loan_id"] if last[loan] > pd.Timestamp(on)]
    changes = changes_frame(
        *((loan, "settlement", str(on), f"{Decimal(int(fees[loan])) / 100:.2f}") for loan in running)
    )
    chosen = found[found["loan_id"].isin(running) & (found["payoff_minor"] > 0)]
    assert len(chosen) > len(found) / 4
    for short in (0, 1):
        due = [
            (loan, str(on), amount - short)
            for loan, amount in zip(chosen["loan_id"], chosen["payoff_minor"].tolist(), strict=True)
        ]
        assert tables.payments is not None
        paid = pd.concat([tables.payments, payments_frame(*due)], ignore_index=True)
        after = standing(replace(tables, payments=paid, changes=changes), rules, on).loans
        mine = after[after["loan_id"].isin(chosen["loan_id"])]
        assert (mine["status"] == ("active" if short else "settled")).all()
        assert short or (mine["outstanding_principal_minor"] == 0).all()


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)  # 200 loans each
@given(seed=st.integers(0, 2**32))
def test_supplied_installments_are_paid_off_by_days(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    on = date(2026, 6, 1) + timedelta(days=rng.randrange(60))
    terms = ProductTerms(settlement_interest=rng.choice(["to_the_day", "to_next_due_date"]))
    rules = StandingSettings(
        schedule=ScheduleSettings(basis="supplied", default=terms), delinquency=NO_PENALTY
    )
    loans, cells, expected = [], [], {}
    for at in range(200):
        name, begun = f"L{at:03d}", rng.choice([None, date(2026, 1, 1) + timedelta(days=rng.randrange(100))])
        days = sorted(rng.sample(range(110, 330), rng.randrange(1, 6)))
        rows = [random_installment(rng, date(2026, 1, 1) + timedelta(days=day)) for day in days]
        cells += [{"loan_id": name, "installment_no": number, **row} for number, row in enumerate(rows, 1)]
        loans.append(replace(LOAN, loan_id=name, disbursed_on=begun))
        expected[name] = plain_supplied_payoff(rows, begun, on, terms)
    given_tables = LoanTables(loans_frame(loans), installments=frame(INSTALLMENTS, cells))
    found, notes = payoff(given_tables, rules, FREE, on)
    assert notes.empty
    assert dict(zip(found["loan_id"], found["payoff_minor"].tolist(), strict=True)) == expected


def random_installment(rng: Random, due_on: date) -> dict[str, Any]:
    principal, interest = rng.randrange(0, 10**6), rng.randrange(0, 10**5)
    return {
        "due_on": pd.Timestamp(due_on),
        "principal_minor": principal,
        "interest_minor": interest,
        "paid_minor": rng.choice([0, principal + interest, rng.randrange(0, 10**6)]),
    }


def plain_supplied_payoff(
    rows: list[dict[str, Any]], begun: date | None, on: date, terms: ProductTerms
) -> int:
    """Interest is paid before principal; the running installment's runs by days, later ones' not at all."""
    owes, running, start = 0, True, begun
    for row in rows:
        due, charged = row["due_on"].date(), row["interest_minor"]
        if due > on and not running:
            charged = 0
        elif due > on:
            running = False
            if start is not None and start < due and terms.settlement_interest == "to_the_day":
                passed = min(max((on - start).days, 0), (due - start).days)
                charged = part_of(charged, passed, (due - start).days, Rounding.HALF_UP)
        owes += charged + row["principal_minor"] - row["paid_minor"]
        start = due
    return max(owes, 0)


@pytest.mark.parametrize("basis", ["computed", "supplied"])
def test_neighbours_and_row_order_do_not_matter(basis: str) -> None:
    rng = Random(5)  # noqa: S311 - test data
    cases = [random_case(rng, f"L{at:03d}", date(2026, 3, 1)) for at in range(40)]
    loans = loans_frame([loan for loan, _ in cases])
    payments = payments_frame(
        *((loan.loan_id, str(day), paid) for loan, all_paid in cases for day, paid in all_paid)
    )
    rows = [random_installment(rng, loan.first_due_on) | {"loan_id": loan.loan_id} for loan, _ in cases]
    tables = LoanTables(
        loans,
        installments=frame(INSTALLMENTS, [row | {"installment_no": 1} for row in rows]),
        payments=payments,
    )
    rules = StandingSettings.model_validate({"schedule": {"basis": basis}})
    on = date(2026, 3, 1)
    together, _ = payoff(tables, rules, FREE, on)
    turned = replace(tables, loans=loans.iloc[::-1].reset_index(drop=True), payments=payments.iloc[::-1])
    backwards, _ = payoff(turned, rules, FREE, on)
    pd.testing.assert_frame_equal(together, backwards.iloc[::-1].reset_index(drop=True))
    alone, _ = payoff(replace(tables, loans=loans.iloc[[7]].reset_index(drop=True)), rules, FREE, on)
    own = together[together["loan_id"] == loans["loan_id"][7]].reset_index(drop=True)
    assert len(own) == 1
    pd.testing.assert_frame_equal(alone, own)


def test_no_loans_no_payoff() -> None:
    found, notes = payoff(LoanTables(frame(LOANS, [])), RULES, FREE, date(2026, 3, 1))
    assert found.empty
    assert notes.empty
