"""Repayment schedules for people: of a loan in the tables, or of terms given by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.errors import ConfigError, SourceError
from carloan_notify.loans.change_requests import change_rows, parse_change
from carloan_notify.loans.due_days import NEW_LOANS, assign_due_days
from carloan_notify.loans.questions import COLUMNS, DIFFERS, compare, payoff, statement
from carloan_notify.loans.schedule import LoanTerms, build_schedules, one_loan
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing import LoanTables
from carloan_notify.loans.standing_settings import StandingSettings
from carloan_notify.pipeline.happenings import decimal_text
from carloan_notify.pipeline.portfolio import (
    Portfolio,
    loan_tables,
    read_context,
    read_portfolio,
    standing_settings,
)
from carloan_notify.reports.tables import frame_rows
from carloan_notify.sources.picking import read_loans
from carloan_notify.sources.tables import TableName

AD_HOC = "ad-hoc"
PAYING: Final[tuple[TableName, ...]] = ("loans", "installments", "payments", "changes")
"""The tables that decide what is owed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A loan given by hand: its terms, `type@installment[=value]` changes and `date=amount` payments."""

    loan: LoanTerms
    settings: ScheduleSettings
    changes: Sequence[str] = ()
    payments: Sequence[tuple[date, Decimal]] = ()


def loan_schedule(app: App, loan_id: str, as_of: date) -> list[dict[str, Any]]:
    """The schedule of a loan in the tables as it stands on `as_of`.

    Raises:
        SourceError: the tables do not know the loan, or its schedule cannot be computed.
    """
    tables = _tables_of(app, loan_id, as_of)
    if tables.loans.empty:
        raise SourceError(
            f"loan {loan_id}: not in the loans table of {as_of}; see `carloan-notify explain {loan_id}`"
        )
    return _rows(tables, standing_settings(app), as_of)


def ad_hoc_schedule(terms: Terms, as_of: date) -> list[dict[str, Any]]:
    """The schedule of terms given by hand.

    Raises:
        ConfigError: a change cannot be read.
        SourceError: the terms make no schedule.
    """
    loans = one_loan(terms.loan)
    settings = StandingSettings(schedule=terms.settings)
    tables = LoanTables(loans=loans, changes=_changes(terms, loans), payments=_payments(terms))
    return _rows(tables, settings, as_of)


def loan_payoff(app: App, loan_id: str, on: date) -> list[dict[str, Any]]:
    """What settles a loan in full on the day `on`, part by part, as one row.

    Raises:
        SourceError: the tables do not know the loan, it is not active, or its payoff cannot be told.
    """
    tables = _tables_of(app, loan_id, on)
    figures, found = payoff(tables, standing_settings(app), app.settings.payoff, on)
    if figures.empty:
        reasons = [f"{row['code']}: {row['message']}" for row in frame_rows(found)]
        raise SourceError(
            f"loan {loan_id}: nothing to settle on {on}; {'; '.join(reasons) or 'no active loan of that number'}"
        )
    digits = app.settings.schedule.currency_exponent
    row = frame_rows(figures)[0]
    amounts = {name.removesuffix("_minor"): decimal_text(row[name], digits) for name in COLUMNS[1:]}
    return [{"loan_id": loan_id, "on": on.isoformat(), **amounts}]


def compared_schedule(app: App, loan_id: str, as_of: date) -> list[dict[str, Any]]:
    """Where the lender's own installments of a loan differ from the recomputed ones.

    Raises:
        ConfigError: there is no installments table.
    """
    if app.settings.sources.installments is None:
        raise ConfigError(["sources.installments: --compare needs the lender's installments table"])
    tables = _tables_of(app, loan_id, as_of)
    rows, found = compare(tables, app.settings.schedule)
    unable = found[found["code"] != DIFFERS]
    if len(unable):
        raise SourceError("\n".join(f"loan {row['loan_id']}: {row['message']}" for row in frame_rows(unable)))
    digits = app.settings.schedule.currency_exponent
    return [
        {name.replace("_minor", ""): _edge(name, value, digits) for name, value in row.items()}
        for row in frame_rows(rows)
    ]


def _rows(tables: LoanTables, settings: StandingSettings, as_of: date) -> list[dict[str, Any]]:
    told, found = statement(tables, settings, as_of)
    if told.empty:
        raise SourceError(
            "\n".join(f"{row['loan_id']}: {row['code']}: {row['message']}" for row in frame_rows(found))
        )
    digits = settings.schedule.currency_exponent
    return [
        {
            "installment_no": row["installment_no"],
            "due_on": row["due_on"].date().isoformat(),
            "principal": decimal_text(row["principal_minor"], digits),
            "interest": decimal_text(row["interest_minor"], digits),
            "fees": decimal_text(row["fees_minor"], digits),
            "total_due": decimal_text(row["total_minor"], digits),
            "balance_after": decimal_text(row["balance_after_minor"], digits),
            "unpaid": decimal_text(row["unpaid_minor"], digits),
            "state": row["state"],
        }
        for row in frame_rows(told)
    ]


def _edge(name: str, value: Any, digits: int) -> Any:  # noqa: ANN401 - a frame's cell
    if name.endswith("_minor") or "_minor_" in name:
        return decimal_text(value, digits)
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return "" if value is pd.NaT else value


def _tables_of(app: App, loan_id: str, as_of: date) -> LoanTables:
    """All that decides what is owed on one loan."""
    return loan_tables(read_loans(app.settings.sources, read_context(app, as_of), [loan_id], PAYING))


def _changes(terms: Terms, loans: pd.DataFrame) -> pd.DataFrame:
    if not terms.changes:
        return frames.empty(frames.CHANGES)
    grids, found = build_schedules(loans, None, terms.settings)
    if not grids:
        raise SourceError("\n".join(row["message"] for row in frame_rows(found)))
    try:
        return change_rows([parse_change(text, terms.settings) for text in terms.changes], grids[0])
    except ValueError as error:
        raise ConfigError([f"--change: {error}"]) from None


def _payments(terms: Terms) -> pd.DataFrame:
    rows = [
        {
            "payment_id": f"payment-{number}",
            "loan_id": terms.loan.loan_id,
            "paid_on": pd.Timestamp(on),
            "amount_minor": terms.settings.minor(amount),
        }
        for number, (on, amount) in enumerate(terms.payments, start=1)
    ]
    return pd.DataFrame(rows, columns=list(frames.PAYMENTS)).astype(dict(frames.PAYMENTS))


# Propose due days for new loans, so that what comes in per day is levelled.

DAYS = 31
PAYDAY = "payday"


def propose_due_days(app: App, as_of: date) -> tuple[list[dict[str, Any]], list[str]]:
    """One proposal per pending loan, with its reason, and what could not be placed.

    New loans are those with status pending. Disbursement is `disbursed_on`, or `as_of` while it is open; the
    lender's column `payday` (day of month) is used where there is one. Inflow is what active loans owe next.
    """
    portfolio = read_portfolio(app, as_of)
    new, unreadable = _new_loans(portfolio, as_of)
    proposed, lost = assign_due_days(new, _inflow(portfolio), app.settings.due_days)
    digits = app.settings.schedule.currency_exponent
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
