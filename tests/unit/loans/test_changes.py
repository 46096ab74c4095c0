"""Changes to running loans: the plain twin, what each does, what is refused, what the borrower is told."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.change_requests import ORDER
from carloan_notify.loans.changes import CHANGE_EFFECTS
from carloan_notify.loans.schedule import (
    LoanTerms,
    build_schedules,
    describe_changes,
    one_loan,
    schedule_frame,
)
from carloan_notify.loans.settings import Frequency, InterestBasis, ProductTerms, Rounding, ScheduleSettings
from tests.unit.loans.plain_changes import PlainChange, plain_changed
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, loans_frame, random_loan
from tests.unit.loans.test_schedule import as_rows

LOAN = LoanTerms(
    loan_id="L",
    principal_minor=1_200_000,
    annual_rate_ppb=120_000_000,
    installments=12,
    first_due_on=date(2026, 1, 31),
    disbursed_on=date(2025, 12, 31),
)
PLAIN = ScheduleSettings()


def after(
    *changes: tuple[str, str, str], loan: LoanTerms = LOAN, terms: ProductTerms | None = None
) -> pd.DataFrame:
    chosen = ScheduleSettings(default=terms or ProductTerms())
    rows = changes_frame(*((loan.loan_id, *change) for change in changes))
    grids, findings = build_schedules(one_loan(loan), rows, chosen)
    assert findings.empty, findings.to_string()
    return schedule_frame(grids)


def random_change(rng: Random, loan: LoanTerms) -> tuple[PlainChange, str]:
    """A change and the text of its value."""
    kind = rng.choice(["due_day", "deferral", "extension", "rate", "prepayment", "prepayment", "settlement"])
    on = loan.first_due_on + timedelta(days=rng.randrange(-40, 31 * loan.installments))
    if kind == "due_day":
        day = rng.randrange(1, 32)
        return PlainChange(kind, on, day), str(day)
    if kind == "deferral":
        number, mode = rng.randrange(1, loan.installments + 2), rng.choice(["", "spread", "to_date"])
        to = loan.first_due_on + timedelta(days=31 * (number - 1) + rng.randrange(-10, 60))
        if mode == "to_date":
            return PlainChange(kind, on, number, mode, to), f"{number} {to}"
        return PlainChange(kind, on, number, mode), f"{number} {mode}"
    if kind in ("extension", "rate"):
        number = rng.randrange(1, 6) if kind == "extension" else rng.randrange(0, 400) * 10**6
        return PlainChange(kind, on, number), f"{Decimal(number) / 10**9}" if kind == "rate" else str(number)
    if kind == "prepayment":
        amount, mode = (
            rng.randrange(1, loan.principal_minor // 2 + 2),
            rng.choice(["shorter_term", "smaller_installment"]),
        )
        return PlainChange(kind, on, amount, mode), f"{Decimal(amount) / 100:.2f} {mode}"
    fee = rng.choice([0, 5000])
    return PlainChange(kind, on, fee), "" if fee == 0 else "50.00"


def random_terms(rng: Random) -> ProductTerms:
    return ProductTerms(
        interest_basis=rng.choice(list(InterestBasis)),
        frequency=rng.choice(list(Frequency)),
        interest_rounding=rng.choice([Rounding.HALF_UP, Rounding.HALF_EVEN]),
        installment_rounding=rng.choice([Rounding.HALF_UP, Rounding.UP]),
        charge_shift_interest=rng.choice([False, True]),
        extra_days=rng.choice(["spread", "on_top"]),
        fee_per_installment=rng.choice([Decimal(0), Decimal(3)]),
        settlement_interest=rng.choice(["to_the_day", "to_next_due_date"]),
    )


@settings(max_examples=20, deadline=None, phases=NO_SHRINKING)  # 50 loans each
@given(seed=st.integers(0, 2**32))
def test_changed_schedules_equal_the_plain_twin(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    terms = random_terms(rng)
    loans, rows, expected = [], [], {}
    for number in range(50):
        drawn = random_loan(rng, f"L{number:02d}")
        loan = replace(
            drawn,
            repayment_method=rng.choice(["equal_installment", "equal_principal"]),
            principal_minor=max(drawn.principal_minor, 10_000),
            installments=rng.randrange(4, 25),
            balloon_minor=0,
            disbursed_on=drawn.disbursed_on or drawn.first_due_on - timedelta(days=30),
        )
        asked = [random_change(rng, loan) for _ in range(rng.randrange(1, 4))]
        asked.sort(key=lambda pair: (pair[0].on, ORDER[pair[0].kind]))
        if len({(change.kind, change.on) for change, _ in asked}) < len(asked):
            asked = asked[:1]
        settled = [at for at, (change, _) in enumerate(asked) if change.kind == "settlement"]
        asked = asked[: settled[0] + 1] if settled else asked
        loans.append(loan)
        rows += [(loan.loan_id, change.kind, str(change.on), value) for change, value in asked]
        expected[loan.loan_id] = plain_changed(loan, terms, [change for change, _ in asked])
    grids, findings = build_schedules(
        loans_frame(loans), changes_frame(*rows), ScheduleSettings(default=terms)
    )
    ours: dict[str, object] = dict(as_rows(schedule_frame(grids), grids))
    ours |= dict(zip(findings["loan_id"], findings["code"], strict=True))
    assert ours == expected


def totals(schedule: pd.DataFrame) -> list[int]:
    return [int(total) for total in schedule["total_minor"]]


def dues(schedule: pd.DataFrame) -> list[str]:
    return [str(day.date()) for day in schedule["due_on"]]


def test_a_due_day_change_moves_later_due_dates_and_keeps_who_they_are() -> None:
    before, moved = after(), after(("due_day", "2026-04-01", "10"))
    # The 10th of April is not before the change, so the new day begins in April itself.
    assert dues(moved)[:5] == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-10", "2026-05-10"]
    assert moved["original_due_on"].tolist() == before["original_due_on"].tolist()
    assert totals(moved) == totals(before)


@pytest.mark.parametrize("day", ["10", "25"])
def test_interest_of_the_days_that_a_moved_date_adds_may_be_on_top_of_its_installment_alone(day: str) -> None:
    """As lenders have it who keep all installments level (OpenCBS adds it to the moved installment too)."""
    terms = ProductTerms(charge_shift_interest=True, extra_days="on_top")
    loan = replace(LOAN, first_due_on=date(2026, 1, 15), disbursed_on=date(2025, 12, 15))
    before, moved = (
        after(loan=loan, terms=terms),
        after(("due_day", "2026-04-11", day), loan=loan, terms=terms),
    )
    at = dues(moved).index({"10": "2026-05-10", "25": "2026-04-25"}[day])
    days = (moved["due_on"][at] - before["due_on"][at]).days
    extra = moved["interest_minor"][at] - before["interest_minor"][at]
    owed = before["balance_after_minor"][at - 1]
    assert abs(extra - owed * 0.01 * days / 31) < 1
    assert totals(moved)[at] == totals(before)[at] + extra
    assert [*totals(moved)[:at], *totals(moved)[at + 1 :]] == [
        *totals(before)[:at],
        *totals(before)[at + 1 :],
    ]


def test_a_due_day_that_has_passed_this_month_begins_next_month() -> None:
    assert dues(after(("due_day", "2026-04-15", "10")))[2:5] == ["2026-03-31", "2026-05-10", "2026-06-10"]


def test_a_deferral_lengthens_the_loan_or_spreads_the_installment() -> None:
    before, later = after(), after(("deferral", "2026-03-01", "3"))
    assert dues(later)[1:4] == ["2026-02-28", "2026-04-30", "2026-05-31"]
    assert totals(later) == totals(before)
    spread = after(("deferral", "2026-03-01", "3 spread"))
    assert dues(spread) == dues(before)
    assert totals(spread)[2] == 0
    assert len(set(totals(spread)[3:-1])) == 1
    assert totals(spread)[3] > totals(before)[3]


def test_interest_for_the_shift_is_the_terms_choice() -> None:
    def second(*, charged: bool) -> int:
        terms = ProductTerms(charge_shift_interest=charged)
        moved = after(("deferral", "2026-02-01", "2 2026-03-31"), terms=terms)
        return int(moved["interest_minor"][1])

    assert second(charged=False) < second(charged=True)


def test_installments_already_told_keep_their_identity_through_later_changes() -> None:
    chain = [
        ("due_day", "2026-03-01", "15"),
        ("deferral", "2026-04-01", "4"),
        ("extension", "2026-06-01", "2"),
        ("rate", "2026-07-01", "5%"),
    ]
    known: list[object] = []
    for length in range(1, len(chain) + 1):
        identities = after(*chain[:length])["original_due_on"].tolist()
        assert identities[: len(known)] == known
        known = identities
    assert len(known) == 14


def test_a_prepayment_shortens_the_term_or_the_installment() -> None:
    before = after()
    shorter = after(("prepayment", "2026-03-31", "5000.00 shorter_term"))
    smaller = after(("prepayment", "2026-03-31", "5000.00 smaller_installment"))
    assert totals(shorter)[2] == totals(smaller)[2] == totals(before)[2] + 500_000
    assert len(shorter) < len(smaller) == 12
    assert totals(shorter)[3] == totals(before)[3] > totals(smaller)[3]
    assert shorter["principal_minor"].sum() == smaller["principal_minor"].sum() == 1_200_000


def test_an_extension_after_a_spread_first_installment_keeps_the_fee() -> None:
    terms = ProductTerms(fee_per_installment=Decimal(3))
    extended = after(("deferral", "2026-01-05", "1 spread"), ("extension", "2026-02-05", "2"), terms=terms)
    assert extended["fees_minor"].tolist() == [0, 600, *[300] * 12]


def test_a_second_prepayment_joins_the_first_of_its_period() -> None:
    early, late = (
        ("prepayment", "2026-03-10", "5000.00 shorter_term"),
        ("prepayment", "2026-03-20", "700.00 shorter_term"),
    )
    none, one, other, both = after(), after(early), after(late), after(early, late)
    saved = none["interest_minor"][2] - one["interest_minor"][2]
    saved_too = none["interest_minor"][2] - other["interest_minor"][2]
    assert (
        both["interest_minor"][2] == none["interest_minor"][2] - saved - saved_too < none["interest_minor"][2]
    )
    assert both["principal_minor"][2] == none["principal_minor"][2] + 570_000
    assert both["principal_minor"].sum() == 1_200_000
    assert len(both) <= len(one) < len(none)


def test_flat_interest_follows_the_principal_that_is_left() -> None:
    flat = replace(LOAN, repayment_method="flat")
    changed = after(("prepayment", "2026-03-15", "4500.00 smaller_installment"), loan=flat)
    assert changed["interest_minor"][2] == 12_000
    assert changed["interest_minor"][3] == 6_000


def test_a_settlement_ends_the_schedule_on_its_day() -> None:
    closed = after(("settlement", "2026-03-10", "50.00"))
    assert dues(closed) == ["2026-01-31", "2026-02-28", "2026-03-10"]
    assert closed["fees_minor"].tolist() == [0, 0, 5000]
    assert closed["balance_after_minor"].tolist()[-1] == 0
    full = after(("settlement", "2026-03-10", ""), terms=ProductTerms(settlement_interest="to_next_due_date"))
    assert full["interest_minor"][2] == after()["interest_minor"][2] > closed["interest_minor"][2]


@pytest.mark.parametrize(
    ("terms", "loan", "change"),
    [
        ({"stub": "actual/365"}, LOAN, ("rate", "2026-01-10", "6%")),
        ({"stub": "pro_rata"}, LOAN, ("rate", "2026-01-10", "6%")),
        ({"convention": "following", "shift_moves_interest": True}, LOAN, ("due_day", "2026-05-01", "9")),
        ({"interest_free_periods": 3}, LOAN, ("rate", "2026-02-10", "6%")),
        ({"principal_grace": 2}, LOAN, ("extension", "2026-01-01", "3")),
        ({"residue": "first"}, LOAN, ("rate", "2026-05-10", "6%")),
        ({"residue": "first"}, replace(LOAN, repayment_method="flat"), ("extension", "2026-05-10", "6")),
        ({"installment_multiple": "1"}, replace(LOAN, repayment_method="flat"), ("rate", "2026-05-10", "6%")),
        ({}, replace(LOAN, repayment_method="interest_only"), ("rate", "2026-05-10", "6%")),
        ({}, replace(LOAN, repayment_method="balloon", balloon_minor=300_000), ("rate", "2026-05-10", "6%")),
        ({}, replace(LOAN, repayment_method="interest_only"), ("deferral", "2026-05-10", "5 spread")),
        ({"frequency": "weekly"}, LOAN, ("deferral", "2026-02-10", "4 2026-03-01")),
    ],
)
def test_every_term_survives_a_change(
    terms: dict[str, object], loan: LoanTerms, change: tuple[str, str, str]
) -> None:
    changed = after(change, loan=loan, terms=ProductTerms.model_validate(terms))
    assert changed["principal_minor"].sum() == 1_200_000
    assert changed["balance_after_minor"].tolist()[-1] == 0
    assert changed["due_on"].is_monotonic_increasing
    assert (changed["interest_minor"] >= 0).all()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([("L", "magic", "2026-03-01", "")], "change_type_unknown"),
        ([("L", "rate", "", "5%")], "change_date_missing"),
        ([("L", "rate", "2026-03-01", "1200%")], "change_value_invalid"),
        ([("L", "due_day", "2026-03-01", "32")], "change_value_invalid"),
        ([("L", "deferral", "2026-03-01", "three")], "change_value_invalid"),
        ([("L", "pause", "2026-03-01", "2026-03-31..2026-03-01")], "change_value_invalid"),
        ([("L", "deferral", "2026-03-01", "3 2026-13-01")], "change_value_invalid"),
        ([("L", "rate", "2026-03-01", "5%"), ("L", "rate", "2026-03-01", "6%")], "change_contradictory"),
        (
            [("L", "deferral", "2026-03-01", "3"), ("L", "deferral", "2026-03-01", "3 spread")],
            "change_contradictory",
        ),
        ([("L", "settlement", "2026-03-01", ""), ("L", "rate", "2026-04-01", "5%")], "change_contradictory"),
        ([("L", "deferral", "2026-03-01", "13")], "change_unknown_installment"),
        ([("L", "rate", "2027-03-01", "5%")], "change_after_last_due"),
        ([("L", "rate", "2025-03-01", "5%")], "change_before_disbursement"),
        ([("L", "deferral", "2026-03-01", "12 spread")], "change_not_applicable"),
        ([("L", "prepayment", "2026-03-01", "12000.00 shorter_term")], "prepayment_too_large"),
        ([("L", "deferral", "2026-03-01", "3 2026-02-01")], "change_date_not_after_previous"),
        (
            [("L", "prepayment", "2026-03-20", "100.00 shorter_term"), ("L", "rate", "2026-03-25", "5%")],
            "changes_overlap",
        ),
    ],
)
def test_a_bad_change_strikes_its_loan_and_no_other(
    changes: list[tuple[str, str, str, str]], code: str
) -> None:
    good = replace(LOAN, loan_id="good")
    rows = changes_frame(*changes, ("good", "rate", "2026-03-01", "5%"))
    grids, findings = build_schedules(loans_frame([LOAN, good]), rows, PLAIN)
    assert set(findings["code"]) == {code}
    assert set(findings["loan_id"]) == {"L"}
    pd.testing.assert_frame_equal(schedule_frame(grids), after(("rate", "2026-03-01", "5%"), loan=good))


def test_a_change_of_an_unknown_or_settled_loan_strikes_the_change_only() -> None:
    frame = one_loan(LOAN)
    frame["status"] = "settled"
    rows = changes_frame(("L", "rate", "2026-03-01", "5%"), ("nobody", "rate", "2026-03-01", "5%"))
    grids, findings = build_schedules(frame, rows, PLAIN)
    assert set(findings["code"]) == {"change_to_settled_loan", "change_unknown_loan"}
    pd.testing.assert_frame_equal(schedule_frame(grids), after())


def test_a_pause_is_checked_and_changes_no_schedule() -> None:
    pd.testing.assert_frame_equal(after(("pause", "2026-03-01", "2026-03-01..2026-03-31")), after())


def test_a_loan_with_unreadable_step_amounts_is_struck_among_changed_ones() -> None:
    frame = loans_frame([LOAN, replace(LOAN, loan_id="M")])
    frame["installment_amounts"] = ["nonsense", ""]
    rows = changes_frame(("L", "rate", "2026-03-01", "5%"), ("M", "rate", "2026-03-01", "5%"))
    grids, findings = build_schedules(frame, rows, PLAIN)
    assert findings["code"].tolist() == ["installment_amounts_invalid"]
    assert [list(grid.loan_ids) for grid in grids] == [["M"]]


def test_what_the_borrower_is_told_before_and_after() -> None:
    rows = changes_frame(
        ("L", "due_day", "2026-04-01", "10"), ("L", "prepayment", "2026-06-10", "5000.00 shorter_term")
    )
    effects, findings = describe_changes(one_loan(LOAN), rows, PLAIN)
    assert findings.empty
    assert list(effects) == list(CHANGE_EFFECTS)
    first, second = effects.to_dict("records")
    assert (first["change_id"], first["installment_no"]) == ("c1", 4)
    assert str(first["due_on_before"].date()) == "2026-04-30"
    assert str(first["due_on_after"].date()) == "2026-04-10"
    assert first["total_before_minor"] == first["total_after_minor"]
    assert (second["type"], second["installment_no"]) == ("prepayment", 7)
    assert second["installments_after"] < second["installments_before"] == 12
    assert second["last_due_on_after"] < second["last_due_on_before"]


def test_describing_no_changes_gives_an_empty_frame() -> None:
    effects, findings = describe_changes(one_loan(LOAN), changes_frame(), PLAIN)
    assert list(effects) == list(CHANGE_EFFECTS)
    assert effects.empty
    assert findings.empty
