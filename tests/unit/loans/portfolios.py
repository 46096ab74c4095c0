"""Loans for tests: as one table, and drawn by Hypothesis."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pandas as pd
from hypothesis import Phase
from hypothesis import strategies as st

from carloan_notify.frames import CHANGES, LOANS
from carloan_notify.loans.schedule import LoanTerms, one_loan
from carloan_notify.loans.settings import Convention, Frequency, InterestBasis, ProductTerms, Rounding

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""For examples made from a seed: a smaller seed is no simpler example."""
METHODS = ("equal_installment", "equal_principal", "interest_only", "balloon", "flat")


def loans_frame(loans: Sequence[LoanTerms]) -> pd.DataFrame:
    blank = one_loan(loans[0])
    given = pd.DataFrame([asdict(loan) for loan in loans]).rename(columns={"installments": "term_months"})
    frame = blank.loc[[0] * len(loans)].reset_index(drop=True)
    kinds = {name: kind for name, kind in LOANS.items() if name in given}
    frame[list(kinds)] = given.astype(kinds)[list(kinds)]
    return frame.astype(dict(LOANS))


def changes_frame(*changes: tuple[str, str, str, str]) -> pd.DataFrame:
    """Rows of (loan_id, type, effective_on, value); the change_ids are c1, c2 and so on."""
    rows = [
        (f"c{position}", loan, kind, pd.Timestamp(on) if on else pd.NaT, value)
        for position, (loan, kind, on, value) in enumerate(changes, start=1)
    ]
    return pd.DataFrame(rows, columns=list(CHANGES)).astype(dict(CHANGES))


product_terms = st.builds(
    ProductTerms,
    convention=st.sampled_from(Convention),
    shift_moves_interest=st.booleans(),
    frequency=st.sampled_from(Frequency),
    interest_basis=st.sampled_from(InterestBasis),
    annuity_rate=st.sampled_from(["exact", "first_period", "nominal"]),
    stub=st.sampled_from(["none", "actual/365", "actual/360", "30/360", "pro_rata"]),
    interest_rounding=st.sampled_from(Rounding),
    installment_rounding=st.sampled_from(Rounding),
    extra_days=st.sampled_from(["spread", "on_top"]),
    installment_multiple=st.sampled_from([Decimal(0), Decimal("0.05"), Decimal(1), Decimal(10)]),
    residue=st.sampled_from(["last", "first", "spread"]),
    principal_grace=st.integers(0, 3),
    interest_free_periods=st.integers(0, 3),
    fee_per_installment=st.sampled_from([Decimal(0), Decimal("5.00")]),
)


def random_loan(rng: Random, loan_id: str) -> LoanTerms:
    first = date(2015, 1, 1) + timedelta(days=rng.randrange(3650))
    principal = rng.choice([10**6, rng.randrange(10**5, 10**9)])  # no installment of it rounds to 0
    return LoanTerms(
        loan_id=loan_id,
        principal_minor=principal,
        annual_rate_ppb=rng.choice([0, 1, 70_000_000, 120_000_000, 999_999_999, rng.randrange(10**9)]),
        installments=rng.randrange(4, 60),
        first_due_on=first,
        disbursed_on=rng.choice([None, first - timedelta(days=rng.randrange(1, 70))]),
        due_day=rng.choice([0, 0, 28, 29, 30, 31, rng.randrange(32)]),
        repayment_method=rng.choice(METHODS),
        balloon_minor=rng.choice([0, principal, rng.randrange(principal // 2)]),
    )


@st.composite
def portfolios(draw: st.DrawFn) -> list[LoanTerms]:
    """50 loans from a drawn seed: far quicker than drawing every field, and as reproducible."""
    rng = Random(draw(st.integers(0, 2**32)))  # noqa: S311 - test data
    return [random_loan(rng, f"L{number:02d}") for number in range(50)]
