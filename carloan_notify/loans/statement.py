"""A loan's schedule with what has been paid of it (还款明细)."""

from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.frames import FINDINGS, SCHEDULE, findings, stack
from carloan_notify.loans.portfolio import LoanTables, Portfolio
from carloan_notify.loans.position import Position
from carloan_notify.loans.standing import usable
from carloan_notify.loans.status_settings import StandingSettings

STATEMENT: Final = {**SCHEDULE, "unpaid_minor": "int64", "state": "str"}


class InstallmentState(StrEnum):
    """How an installment stands on a date."""

    PAID = "paid"
    OVERDUE = "overdue"
    UPCOMING = "upcoming"


def statement(
    tables: LoanTables, settings: StandingSettings, as_of: date
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every installment of these loans as it stands on `as_of` (STATEMENT), and FINDINGS.

    An installment due on `as_of` itself is upcoming. Loans of every status have one, after their changes.
    Computed and supplied basis; a snapshot has no schedule: finding `statement_needs_schedule`.
    """
    loans, notes = usable(tables.loans)
    if settings.schedule.basis == "snapshot":
        text = "a snapshot has no schedule; use the computed or the supplied basis"
        lost = findings("statement_needs_schedule", list(loans["loan_id"]), text, place="schedule.basis")
        return stack([], STATEMENT), stack([notes, lost], FINDINGS)
    # A settled loan's changes are its history; only to a running loan does a portfolio apply them.
    portfolio = Portfolio.of(loans.assign(status="active"), tables, settings, as_of)
    rows, found = [], [notes, portfolio.notes]
    for positions, problems in portfolio.batches(np.arange(len(loans))):
        rows += [_rows(position, as_of) for position in positions]
        found.append(problems)
    told = stack(rows, STATEMENT).sort_values(["loan_id", "installment_no"], ignore_index=True)
    return told, stack(found, FINDINGS)


def _rows(position: Position, as_of: date) -> pd.DataFrame:
    told = position.grid.to_frame()  # by loan, then installment
    loan_at, row_at = np.nonzero(position.grid.present.T)
    unpaid = position.owed.installment_minor[row_at, loan_at]
    past = (told["due_on"] < pd.Timestamp(as_of)).to_numpy()
    open_state = np.where(past, InstallmentState.OVERDUE.value, InstallmentState.UPCOMING.value)
    told = told.assign(
        installment_no=position.numbers[row_at, loan_at],
        unpaid_minor=unpaid,
        state=np.where(unpaid == 0, InstallmentState.PAID.value, open_state),
    )
    return told.astype(dict(STATEMENT))[list(STATEMENT)]
