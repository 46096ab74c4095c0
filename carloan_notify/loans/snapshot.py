"""Standing where the loans table itself carries what is due, what is overdue and since when."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd

from carloan_notify.frames import FINDINGS, findings, stack
from carloan_notify.loans.allocation import day_number
from carloan_notify.loans.delinquency import buckets, delinquent_days, due_date_of
from carloan_notify.loans.grid import NO_DATE, Dates, Flags, Ints
from carloan_notify.loans.position import Columns, Sheet
from carloan_notify.loans.status_settings import DelinquencySettings


def write_snapshot(
    sheet: Sheet, loans: pd.DataFrame, active_at: Ints, settings: DelinquencySettings, as_of: date, until: int
) -> pd.DataFrame:
    """Fill the sheet with the active loans at these places; FINDINGS for those that contradict themselves.

    Figures are the lender's own: nothing is recomputed. The oldest due date is the one whose days past due
    they are, so it is the same date every night while nothing is paid; its installment number is unknown (0).
    """
    rows = loans.iloc[active_at]
    struck = np.zeros(len(rows), dtype=bool)
    notes = []
    for code, bad, column, message in _faults(rows, as_of):
        notes.append(findings(code, rows["loan_id"][bad & ~struck], message, place=f"loans.{column}"))
        struck |= bad
    good, at = rows[~struck], active_at[~struck]
    oldest = due_date_of(good["days_past_due"].to_numpy(), as_of, settings.dpd_convention)
    sheet.write(at, _columns(good, oldest, settings, as_of))
    for dues in _dues(good, at, oldest, as_of, until):
        sheet.add_dues(dues)
    return stack(notes, FINDINGS)


def _columns(rows: pd.DataFrame, oldest: Dates, settings: DelinquencySettings, as_of: date) -> Columns:
    past_due = rows["days_past_due"].to_numpy()
    coming = _coming(rows, as_of)
    next_on = np.where(coming, _next_on(rows), NO_DATE)
    return {
        "next_installment_no": np.where(coming, rows["next_installment_no"].to_numpy(), 0),
        "next_due_on": next_on,
        "next_original_due_on": next_on,
        "next_due_minor": np.where(coming, rows["amount_due_minor"].to_numpy(), 0),
        "oldest_due_on": oldest,
        "oldest_original_due_on": oldest,
        "overdue_minor": rows["overdue_minor"].to_numpy(),
        "days_past_due": past_due,
        "bucket": buckets(delinquent_days(past_due, settings), settings.bucket_edges),
        "paid_minor": rows["paid_to_date_minor"].to_numpy(),
    }


def _dues(rows: pd.DataFrame, at: Ints, oldest: Dates, as_of: date, until: int) -> Iterator[Columns]:
    """The overdue amount as one due, and the next installment."""
    near = _coming(rows, as_of) & (_next_on(rows).astype(np.int64) <= until)
    number, none = rows["next_installment_no"].to_numpy(), np.zeros(len(rows), dtype=np.int64)
    for chosen, numbers, due_on, amount in (
        (~np.isnat(oldest), none, oldest, rows["overdue_minor"].to_numpy()),
        (near, number, _next_on(rows), rows["amount_due_minor"].to_numpy()),
    ):
        yield {
            "loan_at": at[chosen],
            "installment_no": numbers[chosen],
            "due_on": due_on[chosen],
            "original_due_on": due_on[chosen],
            "total_minor": amount[chosen],
            "unpaid_minor": amount[chosen],
        }


def _next_on(rows: pd.DataFrame) -> Dates:
    return rows["next_due_on"].to_numpy().astype("datetime64[D]")


def _coming(rows: pd.DataFrame, as_of: date) -> Flags:
    """Where the next due date is today or later and something is due."""
    next_on = _next_on(rows)
    later = next_on.astype(np.int64) >= day_number(as_of)
    flags: Flags = ~np.isnat(next_on) & later & (rows["amount_due_minor"].to_numpy() > 0)
    return flags


def _faults(rows: pd.DataFrame, as_of: date) -> Iterator[tuple[str, Flags, str, str]]:
    overdue, days = rows["overdue_minor"].to_numpy(), rows["days_past_due"].to_numpy()
    due, next_on = rows["amount_due_minor"].to_numpy(), _next_on(rows)
    yield (
        "snapshot_negative",
        (overdue < 0) | (days < 0) | (due < 0),
        "amount_due",
        "amount_due, overdue_amount and days_past_due cannot be below 0; correct the export",
    )
    yield (
        "snapshot_overdue_without_days",
        (overdue > 0) & (days == 0),
        "days_past_due",
        "an overdue amount without days past due; export both",
    )
    yield (
        "snapshot_days_without_overdue",
        (overdue == 0) & (days > 0),
        "overdue_amount",
        "days past due without an overdue amount; export both",
    )
    yield (
        "snapshot_due_without_date",
        (due > 0) & np.isnat(next_on),
        "next_due_on",
        "an amount due without next_due_on; export both",
    )
    past = ~np.isnat(next_on) & (next_on.astype(np.int64) < day_number(as_of))
    yield (
        "snapshot_next_due_past",
        past & (due > 0) & (days == 0),
        "next_due_on",
        "next_due_on is past, yet nothing is overdue; is the export older than the business date?",
    )
