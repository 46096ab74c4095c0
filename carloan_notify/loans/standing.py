"""The standing of every loan on a business date, from whichever basis the lender's truth has."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from carloan_notify.frames import FINDINGS, findings, stack
from carloan_notify.loans.allocation import day_number
from carloan_notify.loans.portfolio import LoanTables, Portfolio
from carloan_notify.loans.position import Sheet, dues_of, standing_columns
from carloan_notify.loans.snapshot import write_snapshot
from carloan_notify.loans.status_settings import StandingSettings

STATUSES = ("pending", "active", "settled", "charged_off", "cancelled")

__all__ = ["LoanTables", "Standing", "standing"]


@dataclass(frozen=True, eq=False)
class Standing:
    """STANDING per loan, DUES unpaid up to the horizon, and FINDINGS.

    A loan that cannot be computed is in the findings only.
    """

    loans: pd.DataFrame
    dues: pd.DataFrame
    findings: pd.DataFrame


def standing(tables: LoanTables, settings: StandingSettings, as_of: date) -> Standing:
    """Where every loan stands on `as_of`, payments of that day included.

    Loans keep the order of the loans table. A loan's result depends on its own rows only. Nothing is due
    from a loan that is not active. Raises CalendarError where a business-day convention needs a year that its
    calendar does not know.
    """
    loans, notes = usable(tables.loans)
    sheet = Sheet(loans)
    active = (loans["status"] == "active").to_numpy(dtype=bool)
    at, inert = np.flatnonzero(active), np.flatnonzero(~active)
    until = day_number(as_of) + settings.horizon_days
    if settings.schedule.basis == "snapshot":
        sheet.write(inert, {"paid_minor": loans["paid_to_date_minor"].to_numpy()[inert]})
        struck = write_snapshot(sheet, loans, at, settings.delinquency, as_of, until)
        return Standing(sheet.standing(), sheet.dues(), stack([notes, struck], FINDINGS))
    portfolio = Portfolio.of(loans, tables, settings, as_of)
    sheet.write(inert, portfolio.inert_columns(inert))
    found = []
    for positions, problems in portfolio.batches(at):
        for position in positions:
            pauses = portfolio.pauses_of(position.loan_at)
            sheet.write(position.loan_at, standing_columns(position, settings.delinquency, pauses, as_of))
            sheet.add_dues(dues_of(position, until))
        found.append(problems)
    return Standing(sheet.standing(), sheet.dues(), stack([notes, portfolio.notes, *found], FINDINGS))


def usable(loans: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Loans with an id of their own and a known status, and FINDINGS for the others."""
    twice = loans["loan_id"].duplicated(keep=False)
    unknown = ~loans["status"].isin(STATUSES) & ~twice
    notes = [
        findings(
            "loan_id_duplicate",
            loans["loan_id"][twice],
            "the loan_id is there more than once; keep one row per loan",
            place="loans.loan_id",
        ),
        findings(
            "status_unknown",
            loans["loan_id"][unknown],
            f"use one of {', '.join(STATUSES)}",
            place="loans.status",
            value=list(loans["status"][unknown]),
        ),
    ]
    bad = twice | unknown
    kept = loans[~bad].reset_index(drop=True) if bad.any() else loans.reset_index(drop=True)
    return kept, stack(notes, FINDINGS)
