"""Propose due days for new loans, so that what comes in per day is levelled."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from carloan_notify.errors import SourceError
from carloan_notify.loans.due_day_assignment import NEW_LOANS, assign_due_days
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.portfolio import Portfolio, read_portfolio
from carloan_notify.pipeline.schedules import decimal_text
from carloan_notify.reports.tables import frame_rows

DAYS = 31
PAYDAY = "payday"


def propose_due_days(house: House, as_of: date) -> tuple[list[dict[str, Any]], list[str]]:
    """One proposal per pending loan, with its reason, and what could not be placed.

    New loans are those with status pending. Disbursement is `disbursed_on`, or `as_of` while it is open; the
    lender's column `payday` (day of month) is used where there is one. Inflow is what active loans owe next.
    """
    portfolio = read_portfolio(house, as_of)
    new, unreadable = _new_loans(portfolio, as_of)
    proposed, lost = assign_due_days(new, _inflow(portfolio), house.settings.due_days)
    digits = house.settings.schedule.currency_exponent
    rows = [
        {
            "loan_id": row["loan_id"],
            "due_day": row["due_day"],
            "first_due_on": row["first_due_on"].date().isoformat(),
            "days_to_first": row["days_to_first"],
            "expected_that_day": decimal_text(row["inflow_before_minor"], digits),
            "reason": row["reason"],
        }
        for row in frame_rows(proposed)
    ]
    return rows, [*unreadable, *(f"{row['loan_id']}: {row['message']}" for row in frame_rows(lost))]


def _new_loans(portfolio: Portfolio, as_of: date) -> tuple[pd.DataFrame, list[str]]:
    """Pending loans as NEW_LOANS, and a line per payday that is none.

    The installment is taken as the principal over the term, near enough for levelling.
    """
    pending = portfolio.loans[portfolio.loans["status"] == "pending"].reset_index(drop=True)
    if (pending["term_months"] < 1).any():
        blank = ", ".join(pending.loc[pending["term_months"] < 1, "loan_id"])
        raise SourceError(
            f"loans: {blank}: term_months is missing; a due day needs the size of an installment"
        )
    cells = pending.get(PAYDAY, pd.Series("", index=pending.index))
    number = pd.to_numeric(cells, errors="coerce")
    is_day = number.between(1, DAYS) & (number % 1 == 0)
    payday = number.where(is_day, 0).astype("int64")
    wrong = pending.loc[~is_day & (cells != ""), "loan_id"]
    rows = pd.DataFrame(
        {
            "loan_id": pending["loan_id"],
            "disbursed_on": pending["disbursed_on"].fillna(pd.Timestamp(as_of)),
            "installment_minor": pending["principal_minor"] // pending["term_months"],
            "payday": payday,
        }
    )
    lines = [f"{loan_id}: payday is no day of a month; write 1 to 31, or leave it blank" for loan_id in wrong]
    return rows.astype(NEW_LOANS), lines


def _inflow(portfolio: Portfolio) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Money expected on each day of a month (31,): every active loan's next installment on its due date's day."""
    standing = portfolio.standing.loans
    coming = standing[standing["next_due_on"].notna()]
    by_day = coming.groupby(coming["next_due_on"].dt.day)["next_due_minor"].sum()
    return by_day.reindex(range(1, DAYS + 1), fill_value=0).to_numpy(dtype=np.int64)
