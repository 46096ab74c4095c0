from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.frames import DUES, INSTALLMENTS, LOANS, STANDING
from carloan_notify.loans.schedule import LoanTerms, one_loan
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
from carloan_notify.loans.standing import CHUNK, LoanTables, Standing, standing
from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DelinquencySettings,
    StandingSettings,
    ToleranceSettings,
)
from tests.unit.loans import portfolios
from tests.unit.loans.plain_schedule import plain_schedule
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, random_loan
from tests.unit.loans.status_cases import (
    frame,
    installments_frame,
    loans_frame,
    payments_frame,
    random_rules,
)
from tests.unit.loans.status_twin import (
    PlainInstallment,
    PlainLoan,
    plain_bucket,
    plain_days_past_due,
    plain_net,
)

SEEDS = st.integers(0, 2**32 - 1)
BASES = ("computed", "supplied")
AS_OF = date(2026, 3, 20)
EXACT = ToleranceSettings(amount="0", settled_below="0")
HORIZON = timedelta(days=31)
Pairs = list[tuple[date, int]]


@dataclass
class Drawn:
    """A drawn portfolio: its tables, and what the plain account says of it."""

    loans: list[LoanTerms] = field(default_factory=list)
    installments: list[Mapping[str, Any]] = field(default_factory=list)
    payments: list[tuple[str, str, int]] = field(default_factory=list)
    pauses: list[tuple[str, str, str, str]] = field(default_factory=list)
    paid_to_date: list[int] = field(default_factory=list)
    standing: dict[str, dict[str, object]] = field(default_factory=dict)
    dues: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)

    def tables(self, *, with_payments: bool) -> LoanTables:
        loans = portfolios.loans_frame(self.loans)
        loans["status"] = pd.Series(["active"] * len(loans), dtype="str")
        loans["paid_to_date_minor"] = self.paid_to_date
        return LoanTables(
            loans,
            frame(INSTALLMENTS, self.installments),
            payments_frame(*self.payments) if with_payments else None,
            changes_frame(*self.pauses),
        )


def drawn(
    rng: Random, basis: str, *, with_payments: bool, loans: int = 100
) -> tuple[Drawn, StandingSettings, date]:
    """A portfolio, its settings and a business date somewhere in or after its terms."""
    found = Drawn()
    as_of = date(2020, 6, 1) + timedelta(days=rng.randrange(200))
    rules, terms = random_rules(rng), ProductTerms(fee_per_installment=rng.choice(["0", "2.50"]))
    for at in range(loans):
        first = as_of + timedelta(days=rng.randrange(-200, 30))
        loan = replace(
            random_loan(rng, f"L{at:03d}"),
            principal_minor=rng.randrange(100, 10**8),
            installments=rng.randrange(1, 10),
            first_due_on=first,
            due_day=first.day,
            disbursed_on=None,
            balloon_minor=0,
        )
        rows = plain_schedule(loan, terms, lambda _: True)
        given = [
            PlainInstallment(row.due_on, row.fees, row.interest, row.principal, no, row.original_due_on)
            for no, row in enumerate(rows, 1)
        ]
        account = PlainLoan(given, loan.annual_rate_ppb, *rules)
        paid = random_receipts(rng, given)
        found.loans.append(loan)
        found.payments += [(loan.loan_id, str(day), amount) for day, amount in paid]
        net = plain_net([pair for pair in paid if pair[0] <= as_of])
        found.paid_to_date.append(sum(amount for _, amount in net))
        pauses = [random_pause(rng, as_of) for _ in range(rng.choice([0, 0, 1, 2]))]
        found.pauses += distinct_pauses(loan.loan_id, pauses)
        paid_of = settled_by(rng, account, net, as_of, basis, with_payments=with_payments)
        found.installments += [
            supplied_row(loan, one, part) for one, part in zip(given, paid_of, strict=True)
        ]
        total = sum(paid_of) if basis == "supplied" and not with_payments else found.paid_to_date[-1]
        found.standing[loan.loan_id] = account.standing(as_of, pauses, total)
        found.dues[loan.loan_id] = account.dues(as_of + HORIZON)
    chosen = StandingSettings(
        schedule=ScheduleSettings(basis=basis, default=terms), allocation=rules[0], delinquency=rules[1]
    )
    return found, chosen, as_of


def random_receipts(rng: Random, given: Sequence[PlainInstallment]) -> Pairs:
    """Paid in time, late, in part, too much or not at all; here and there taken back."""
    paid: Pairs = []
    for one in given:
        how = rng.choice(["in time", "in time", "late", "in part", "ahead", "never"])
        amount = {"in part": one.total // 2, "ahead": one.total * 2}.get(how, one.total)
        if how == "never" or not amount:
            continue
        day = one.due_on + timedelta(days=rng.randrange(1, 40) if how == "late" else rng.randrange(-9, 1))
        paid.append((day, amount))
        if rng.random() < 0.1:
            paid.append((day + timedelta(days=rng.randrange(5)), -rng.choice([amount, amount // 3 + 1])))
    return paid


def random_pause(rng: Random, as_of: date) -> tuple[date, date]:
    first = as_of - timedelta(days=rng.randrange(150))
    return first, first + timedelta(days=rng.randrange(60))


def distinct_pauses(loan_id: str, pauses: list[tuple[date, date]]) -> list[tuple[str, str, str, str]]:
    """Change rows; pauses that begin on one day would contradict each other, so the later one goes."""
    if len({first for first, _ in pauses}) < len(pauses):
        del pauses[1:]
    return [(loan_id, "pause", str(first), f"{first}..{last}") for first, last in pauses]


def settled_by(
    rng: Random, account: PlainLoan, net: Pairs, as_of: date, basis: str, *, with_payments: bool
) -> list[int]:
    """Settle the plain account from what the basis has; the paid amount of each supplied installment."""
    if with_payments:
        account.settle(net, as_of)
        return [0] * len(account.installments)
    if basis == "computed":
        account.carry(sum(amount for _, amount in net))
        account.accrue(as_of)
        return [0] * len(account.installments)
    parts = [("fees", "penalty", "interest", "principal")[c] for c in account.allocation.steps.order]
    paid = [rng.choice([0, one.total, one.total, one.total // 2]) for one in account.installments]
    for one, amount in zip(account.installments, paid, strict=True):
        account.take(one, parts, amount)
    account.accrue(as_of)
    return paid


def supplied_row(loan: LoanTerms, one: PlainInstallment, paid: int) -> Mapping[str, Any]:
    return {
        "loan_id": loan.loan_id,
        "installment_no": one.number,
        "due_on": pd.Timestamp(one.due_on),
        "principal_minor": one.principal,
        "interest_minor": one.interest,
        "fees_minor": one.fees,
        "total_minor": one.total,
        "paid_minor": paid,
    }


def plain(value: object) -> object:
    if isinstance(value, pd.Timestamp):
        return value.date()
    return None if value is pd.NaT else value


def told(found: Standing) -> dict[str, dict[str, object]]:
    return {
        str(row.pop("loan_id")): {str(name): plain(value) for name, value in row.items()}
        for row in found.loans.to_dict("records")
    }


def told_dues(found: Standing) -> dict[str, list[tuple[object, ...]]]:
    rows: dict[str, list[tuple[object, ...]]] = {str(loan): [] for loan in found.loans["loan_id"]}
    for loan, *cells in found.dues.itertuples(index=False, name=None):
        rows[str(loan)].append(tuple(plain(cell) for cell in cells))
    return rows


@pytest.mark.no_cover  # drawn inside, which marks nobody
@pytest.mark.parametrize("with_payments", [True, False])
@pytest.mark.parametrize("basis", BASES)
def test_the_standing_is_what_the_plain_account_says(basis: str, with_payments: bool) -> None:  # noqa: FBT001 - a case
    @settings(max_examples=10, deadline=None, phases=NO_SHRINKING)  # 100 loans each
    @given(SEEDS)
    def holds(seed: int) -> None:
        rng = Random(seed)  # noqa: S311 - test data
        expected, chosen, as_of = drawn(rng, basis, with_payments=with_payments)
        found = standing(expected.tables(with_payments=with_payments), chosen, as_of)
        assert told(found) == expected.standing
        assert told_dues(found) == expected.dues
        assert set(found.findings["code"]) <= {"payment_after_settlement", "payment_reversal_unmatched"}

    holds()


@settings(max_examples=10, deadline=None, phases=NO_SHRINKING)  # 100 loans each
@given(SEEDS)
def test_the_standing_of_a_snapshot_is_what_the_lender_says(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    rule = random_rules(rng)[1].model_copy(update={"tolerance": EXACT})
    rows = [snapshot_row(rng, at) for at in range(100)]
    chosen = StandingSettings(schedule=ScheduleSettings(basis="snapshot"), delinquency=rule)
    found = standing(LoanTables(loans_frame(*rows)), chosen, AS_OF)
    assert found.findings.empty
    for row, ours in zip(rows, told(found).values(), strict=True):
        late = row["days_past_due"]
        assert ours["days_past_due"] == late
        assert ours["bucket"] == plain_bucket(late, rule)
        assert (ours["overdue_minor"], ours["next_due_minor"]) == (
            row["overdue_minor"],
            row["amount_due_minor"],
        )
        assert plain(row["next_due_on"]) == ours["next_due_on"] == ours["next_original_due_on"]
        oldest = ours["oldest_due_on"]
        assert (oldest is None) == (late == 0)
        assert oldest is None or isinstance(oldest, date)
        assert oldest is None or plain_days_past_due(oldest, AS_OF, rule.dpd_convention) == late
        assert (ours["oldest_installment_no"], ours["oldest_original_due_on"]) == (0, oldest)


def snapshot_row(rng: Random, at: int) -> dict[str, Any]:
    late, near = rng.choice([0, rng.randrange(1, 19), rng.randrange(30, 45)]), rng.randrange(2)
    return {
        "loan_id": f"L{at:03d}",
        "days_past_due": late,
        "overdue_minor": rng.randrange(1, 10**6) if late else 0,
        "next_due_on": pd.Timestamp(AS_OF + timedelta(days=rng.randrange(60))) if near else pd.NaT,
        "amount_due_minor": rng.randrange(1, 10**6) if near else 0,
        "next_installment_no": 7 if near else 0,
    }


def portfolio(seed: int, basis: str) -> tuple[LoanTables, StandingSettings, date]:
    found, chosen, as_of = drawn(Random(seed), basis, with_payments=True, loans=12)  # noqa: S311 - test data
    return found.tables(with_payments=True), chosen, as_of


def shuffled(table: pd.DataFrame | None, seed: int) -> pd.DataFrame:
    assert table is not None
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@settings(max_examples=4, deadline=None, phases=NO_SHRINKING)
@given(SEEDS, st.sampled_from(BASES))
def test_the_order_of_rows_does_not_matter(seed: int, basis: str) -> None:
    tables, chosen, as_of = portfolio(seed, basis)
    mixed = LoanTables(
        shuffled(tables.loans, seed),
        shuffled(tables.installments, seed),
        shuffled(tables.payments, seed),
        shuffled(tables.changes, seed),
    )
    first, second = standing(tables, chosen, as_of), standing(mixed, chosen, as_of)
    assert told(first) == told(second)
    assert told_dues(first) == told_dues(second)
    assert second.loans["loan_id"].tolist() == mixed.loans["loan_id"].tolist()


@settings(max_examples=3, deadline=None, phases=NO_SHRINKING)  # 4 loans of 12 each
@given(SEEDS, st.sampled_from(BASES))
def test_a_loans_standing_does_not_depend_on_its_neighbours(seed: int, basis: str) -> None:
    tables, chosen, as_of = portfolio(seed, basis)
    together = standing(tables, chosen, as_of)
    for at in range(4):
        alone = standing(replace(tables, loans=tables.loans.iloc[[at]]), chosen, as_of)
        loan = tables.loans["loan_id"].iloc[at]
        assert told(alone)[loan] == told(together)[loan]
        assert told_dues(alone)[loan] == told_dues(together)[loan]


@settings(max_examples=3, deadline=None, phases=NO_SHRINKING)  # 12 loans, 6 nights each
@given(SEEDS, st.sampled_from(BASES))
def test_while_nothing_is_paid_a_loan_only_gets_later(seed: int, basis: str) -> None:
    tables, chosen, as_of = portfolio(seed, basis)
    unpaid = replace(tables, payments=payments_frame())
    nights = [standing(unpaid, chosen, as_of + timedelta(days=9 * night)).loans for night in range(6)]
    for before, after in pairwise(nights):
        for name in ("days_past_due", "overdue_minor", "penalty_minor"):
            assert (after[name] >= before[name]).all()
        was_late = before["oldest_installment_no"] > 0
        for name in ("oldest_installment_no", "oldest_original_due_on"):
            pd.testing.assert_series_equal(after[name][was_late], before[name][was_late])


# --- one loan of three installments: 15 January, February and March, 1,000.00 each ----------------------------
THREE = (("2026-01-15", 90_000, 10_000), ("2026-02-15", 90_000, 10_000), ("2026-03-15", 90_000, 10_000))
SUPPLIED = StandingSettings(schedule=ScheduleSettings(basis="supplied"))


def three(
    as_of: str, *payments: tuple[str, int], chosen: StandingSettings = SUPPLIED, **loan: object
) -> tuple[dict[str, Any], Standing]:
    rows = payments_frame(*(("L", day, amount) for day, amount in payments))
    tables = LoanTables(
        loans_frame({"loan_id": "L", **loan}), installments=installments_frame("L", *THREE), payments=rows
    )
    found = standing(tables, chosen, date.fromisoformat(as_of))
    return told(found)["L"], found


def test_an_overdue_loan_has_an_oldest_and_a_next_installment() -> None:
    row, found = three("2026-02-20", ("2026-01-15", 100_000), ("2026-02-16", 30_000))
    assert (row["oldest_installment_no"], row["next_installment_no"]) == (2, 3)
    assert (row["oldest_due_on"], row["next_due_on"]) == (date(2026, 2, 15), date(2026, 3, 15))
    assert (row["overdue_minor"], row["days_past_due"], row["bucket"]) == (70_000, 5, "M1")
    assert found.dues["unpaid_minor"].tolist() == [70_000, 100_000]


def test_a_payment_of_the_business_date_counts_and_one_of_tomorrow_does_not() -> None:
    assert three("2026-01-16", ("2026-01-16", 100_000))[0]["overdue_minor"] == 0
    assert three("2026-01-15", ("2026-01-16", 100_000))[0]["next_installment_no"] == 1


@settings(max_examples=60, deadline=None)
@given(
    late=st.lists(st.integers(0, 60), min_size=3, max_size=3),
    after=st.integers(0, 40),
    rate=st.sampled_from(["0.05", "0.18", "0.36"]),
    waterfall=st.sampled_from(["civil_code_561", "car_finance_2013"]),
)
def test_who_paid_all_of_an_installment_late_owes_penalty_and_no_installment(
    late: list[int], after: int, rate: str, waterfall: str
) -> None:
    """Penalty is settled first, so a part of the installment stays open; nobody is called or reported for it."""
    rule = DelinquencySettings.model_validate({"penalty": {"enabled": True, "annual_rate": rate}})
    chosen = SUPPLIED.model_copy(
        update={"delinquency": rule, "allocation": AllocationSettings(waterfall=waterfall)}
    )
    due = [date.fromisoformat(day) for day, _, _ in THREE]
    paid = sorted(day + timedelta(days=days) for day, days in zip(due, late, strict=True))
    as_of = paid[-1] + timedelta(days=after)
    row, _ = three(str(as_of), *((str(day), 100_000) for day in paid), chosen=chosen)
    assert (row["overdue_minor"], row["days_past_due"], row["bucket"]) == (0, 0, "M0")
    less, _ = three(str(max(as_of, due[-1] + timedelta(days=1))), *((str(day), 100_000) for day in paid[:2]))
    assert less["overdue_minor"] == 100_000
    short = [(str(day), 100_000 - 101 * (at == 0)) for at, day in enumerate(paid)]
    row, _ = three(str(max(as_of, due[-1] + timedelta(days=1))), *short, chosen=chosen)
    assert row["days_past_due"] > 0


@pytest.mark.parametrize(("horizon", "numbers"), [(0, [1]), (30, [1]), (31, [1, 2]), (59, [1, 2, 3])])
def test_dues_reach_as_far_as_the_horizon(horizon: int, numbers: list[int]) -> None:
    chosen = SUPPLIED.model_copy(update={"horizon_days": horizon})
    assert three("2026-01-15", chosen=chosen)[1].dues["installment_no"].tolist() == numbers


def test_settled_on_is_the_day_of_the_last_payment_that_was_needed() -> None:
    paid = (("2026-01-10", 100_000), ("2026-02-11", 100_000), ("2026-03-12", 100_000))
    row, found = three("2026-03-20", *paid)
    assert (row["status"], row["settled_on"]) == ("settled", date(2026, 3, 12))
    assert (row["next_installment_no"], row["days_past_due"], row["bucket"]) == (0, 0, "M0")
    assert found.findings.empty
    late, noted = three("2026-03-20", *paid, ("2026-03-13", 50))
    assert (late["status"], late["settled_on"], late["paid_minor"]) == ("settled", date(2026, 3, 12), 300_050)
    assert noted.findings["code"].tolist() == ["payment_after_settlement"]


def test_a_reversed_payment_makes_the_loan_late_again() -> None:
    row, _ = three("2026-02-01", ("2026-01-15", 100_000), ("2026-01-20", -100_000))
    assert (row["days_past_due"], row["overdue_minor"], row["paid_minor"]) == (17, 100_000, 0)


def test_unpaid_penalty_keeps_a_loan_from_being_settled() -> None:
    rule = DelinquencySettings.model_validate({"penalty": {"enabled": True, "annual_rate": "0.36"}})
    chosen = SUPPLIED.model_copy(
        update={"delinquency": rule, "allocation": AllocationSettings(waterfall="car_finance_2013")}
    )
    paid = (("2026-01-25", 100_000), ("2026-02-15", 100_000), ("2026-03-15", 100_000))
    row, _ = three("2026-03-20", *paid, chosen=chosen)
    assert row["status"] == "active"
    assert row["settled_on"] is None
    # Penalty took its part of the last payment; what that left of the installment is a remainder, no arrears.
    assert (row["overdue_minor"], row["days_past_due"]) == (0, 0)
    assert row["remainder_minor"] == 900 + row["penalty_minor"]
    late_at_the_end = (("2026-01-15", 100_000), ("2026-02-15", 100_000), ("2026-03-25", 100_000))
    row, _ = three("2026-03-30", *late_at_the_end, chosen=chosen)
    assert (row["status"], row["overdue_minor"], row["days_past_due"]) == ("active", 0, 0)
    assert (row["remainder_minor"], row["remainder_on"]) == (row["penalty_minor"], date(2026, 3, 25))
    assert row["penalty_minor"] == 900  # 900.00 of principal, 10 days, 36 %


@pytest.mark.parametrize("basis", ["computed", "supplied", "snapshot"])
@pytest.mark.parametrize("status", ["pending", "settled", "charged_off", "cancelled"])
def test_nothing_is_due_from_a_loan_that_does_not_run(basis: str, status: str) -> None:
    chosen = StandingSettings(schedule=ScheduleSettings(basis=basis))
    row, found = three("2026-02-20", ("2026-01-15", 40_000), chosen=chosen, status=status)
    paid = 0 if basis == "snapshot" else 40_000
    blank = {name: 0 for name, kind in STANDING.items() if kind == "int64"}
    dates = {name: None for name, kind in STANDING.items() if kind == "datetime64[s]"}
    settled = {"settled_on": date(2026, 1, 15)} if status == "settled" and paid else {}
    expected = {**blank, **dates, "status": status, "bucket": "M0", "paid_minor": paid, **settled}
    assert row == expected
    assert found.dues.empty
    assert found.findings.empty


def test_without_payments_the_loans_table_says_what_was_paid() -> None:
    rows = loans_frame({"loan_id": "L", "status": "settled", "paid_to_date_minor": 77})
    found = standing(LoanTables(rows), StandingSettings(), AS_OF)
    assert found.loans[["paid_minor", "status"]].to_numpy().tolist() == [[77, "settled"]]


LOAN = LoanTerms(
    loan_id="L",
    principal_minor=1_200_000,
    annual_rate_ppb=120_000_000,
    installments=12,
    first_due_on=date(2026, 1, 31),
    disbursed_on=date(2025, 12, 31),
)


def test_an_installment_keeps_its_identity_when_its_due_date_moves() -> None:
    chosen = StandingSettings(schedule=ScheduleSettings(default=ProductTerms(convention="following")))
    changes = changes_frame(("L", "deferral", "2026-02-10", "2 2026-03-20"))
    tables = LoanTables(one_loan(LOAN))
    before = told(standing(tables, chosen, date(2026, 1, 31)))["L"]
    after = told(standing(replace(tables, changes=changes), chosen, date(2026, 2, 28)))["L"]
    # 31 January 2026 is a Saturday: due on Monday, and still the installment of the 31st.
    assert (before["next_due_on"], before["next_original_due_on"]) == (date(2026, 2, 2), date(2026, 1, 31))
    assert (after["oldest_due_on"], after["oldest_original_due_on"]) == (date(2026, 2, 2), date(2026, 1, 31))
    assert (after["next_due_on"], after["next_original_due_on"]) == (date(2026, 3, 20), date(2026, 2, 28))


def test_bad_rows_are_findings_and_leave_the_other_rows_alone() -> None:
    good = one_loan(LOAN)
    bad: dict[str, dict[str, Any]] = {
        "rate": {"annual_rate_ppb": 12 * 10**9},
        "no term": {"term_months": 0},
        "long": {"term_months": 1000},
        "no money": {"principal_minor": 0},
        "no date": {"first_due_on": pd.NaT},
        "early": {"first_due_on": pd.Timestamp("2025-12-01")},
        "method": {"repayment_method": "barter"},
        "status": {"status": "sleeping"},
        "twice": {},
    }
    rows = [good.assign(loan_id=loan, **cells) for loan, cells in [*bad.items(), ("twice", {})]]
    loans = pd.concat([good, *rows, good.assign(loan_id="M")], ignore_index=True).astype(dict(LOANS))
    paid = payments_frame(("L", "2026-01-31", 100), ("ghost", "2026-01-31", 100), ("M", "", 100))
    changes = changes_frame(("M", "pause", "2026-02-01", "2026-02-01..2026-02-10"))
    found = standing(LoanTables(loans, payments=paid, changes=changes), StandingSettings(), AS_OF)
    assert found.loans["loan_id"].tolist() == ["L", "M"]
    alone = standing(LoanTables(good, payments=paid), StandingSettings(), AS_OF)
    assert told(found)["L"] == told(alone)["L"]
    assert dict(zip(found.findings["loan_id"], found.findings["code"], strict=True)) == {
        "rate": "rate_out_of_range",
        "no term": "term_out_of_range",
        "long": "term_out_of_range",
        "no money": "principal_out_of_range",
        "no date": "first_due_missing",
        "early": "first_due_before_disbursement",
        "method": "repayment_method_unknown",
        "status": "status_unknown",
        "twice": "loan_id_duplicate",
        "ghost": "payment_unknown_loan",
        "M": "payment_without_date",
    }


@pytest.mark.parametrize("basis", BASES)
def test_a_pause_that_cannot_be_read_is_a_finding(basis: str) -> None:
    tables = LoanTables(
        one_loan(LOAN),
        installments=installments_frame("L", *THREE),
        changes=changes_frame(("L", "pause", "2026-02-01", "February")),
    )
    found = standing(tables, StandingSettings(schedule=ScheduleSettings(basis=basis)), AS_OF)
    assert len(found.findings) == 1
    # Computed: no change of the loan may be lost, so it is not computed. Supplied: its days run on.
    assert len(found.loans) == (0 if basis == "computed" else 1)


def test_an_active_loan_without_installments_is_a_finding() -> None:
    tables = LoanTables(loans_frame({"loan_id": "L"}, {"loan_id": "M"}), installments_frame("L", *THREE))
    found = standing(tables, SUPPLIED, AS_OF)
    assert found.loans["loan_id"].tolist() == ["L"]
    assert found.findings[["code", "loan_id"]].to_numpy().tolist() == [["installments_missing", "M"]]


@pytest.mark.parametrize("basis", BASES)
def test_more_loans_than_are_computed_at_once_stand_each_for_itself(basis: str) -> None:
    many = CHUNK + 10
    ids, amounts = [f"L{at}" for at in range(many)], np.arange(1, many + 1)
    due = pd.Series([pd.Timestamp(AS_OF)] * many, dtype="datetime64[s]")
    same = loans_frame({"term_months": 1, "repayment_method": "equal_installment"})
    loans = same.loc[[0] * many].reset_index(drop=True)
    loans = loans.assign(loan_id=ids, principal_minor=amounts, first_due_on=due)
    given = frame(INSTALLMENTS, [{"installment_no": 1}]).loc[[0] * many].reset_index(drop=True)
    given = given.assign(loan_id=ids, due_on=due, principal_minor=amounts, total_minor=amounts)
    chosen = StandingSettings(schedule=ScheduleSettings(basis=basis))
    found = standing(LoanTables(loans, installments=given), chosen, AS_OF)
    assert found.loans["loan_id"].tolist() == ids
    assert found.loans["next_due_minor"].tolist() == amounts.tolist()
    assert found.dues["unpaid_minor"].tolist() == amounts.tolist()


def test_frames_have_their_documented_columns_even_without_loans() -> None:
    for basis in ("computed", "supplied", "snapshot"):
        chosen = StandingSettings(schedule=ScheduleSettings(basis=basis))
        found = standing(LoanTables(loans_frame()), chosen, AS_OF)
        assert found.loans.dtypes.astype(str).to_dict() == dict(STANDING)
        assert found.dues.dtypes.astype(str).to_dict() == dict(DUES)
