"""Days past due, grace, pauses and buckets of many loans; and of customers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import FINDINGS, empty, findings, stack
from carloan_notify.loans.arrays import Dates, Ints, Texts
from carloan_notify.loans.standing_settings import FIRST_BUCKET, DayCount, DelinquencySettings

_MONTH = 30
_PAUSE = r"^\s*(\d{4}-\d{2}-\d{2})\s*\.\.\s*(\d{4}-\d{2}-\d{2})\s*$"


@dataclass(frozen=True, eq=False)
class Pauses:
    """Delinquency pauses of n loans: pause p is loan `loan_at[p]`'s, from `starts_on[p]` to `ends_on[p]`."""

    loan_at: Ints
    starts_on: Dates
    ends_on: Dates


def days_past_due(due_on: Dates, as_of: date, convention: DayCount = DayCount.CALENDAR) -> Ints:
    """Days from the oldest unpaid due date to `as_of`; 0 on the due date itself, before it and for NaT.

    30/360 counts every month as 30 days and the last day of a month as its 30th (30E/360 ISDA).
    """
    today = np.asarray(np.datetime64(as_of, "D"))
    days = _serial(today, convention) - _serial(due_on, convention)
    return np.where(np.isnat(due_on), 0, np.maximum(days, 0))


def due_date_of(days: Ints, as_of: date, convention: DayCount = DayCount.CALENDAR) -> Dates:
    """The due date that is `days` past due on `as_of`; NaT where `days` is 0.

    Turns `days_past_due` round, so that it names the same date on every night on which nothing is paid.
    """
    today = np.datetime64(as_of, "D")
    if convention is DayCount.CALENDAR:
        found = today - days.astype("timedelta64[D]")
    else:
        serial = _serial_360(np.asarray(today)) - days
        month = np.floor_divide(serial - 1, _MONTH)
        found = _day_of_month(month, serial - month * _MONTH)
    return np.where(days > 0, found, np.datetime64("NaT", "D"))


def paused_days(
    due_on: Dates,
    grace_days: int,
    pauses: Pauses,
    as_of: date,
    convention: DayCount = DayCount.CALENDAR,
) -> Ints:
    """Days, per loan, for which its pauses have held the count; `due_on` (n,) is the oldest unpaid due date.

    The count stands still from a pause's first day to its last, both included: it takes out the days after
    the first one, counted by the same convention as the days past due. Days before the grace period's end
    would not have counted and are not taken out.
    """
    due = due_on.astype("datetime64[D]")[pauses.loan_at]
    begins = np.maximum(pauses.starts_on, due + np.timedelta64(grace_days, "D"))
    ends = np.maximum(np.minimum(pauses.ends_on, np.datetime64(as_of, "D")), begins)
    held = _serial(ends, convention) - _serial(begins, convention)
    held = np.where(np.isnat(due), 0, held)
    return np.bincount(pauses.loan_at, weights=held, minlength=len(due_on)).astype(np.int64)


def delinquent_days(past_due: Ints, settings: DelinquencySettings) -> Ints:
    """Days that count for the bucket; `past_due` is net of pauses.

    0 within the grace period, after it the days since the due date or since the grace period's end, as
    configured.
    """
    free = settings.grace_days if settings.counts_from == "grace_end" else 0
    return np.where(past_due > settings.grace_days, past_due - free, 0)


def buckets(days: Ints, edges: Mapping[str, int]) -> Texts:
    """The bucket of each count of delinquent days; M0 below the first edge."""
    names = np.array([FIRST_BUCKET, *edges], dtype=object)
    found: Texts = names[np.searchsorted(np.array(list(edges.values())), days, side="right")]
    return found


def read_pauses(changes: pd.DataFrame, loan_ids: pd.Series) -> tuple[Pauses, pd.DataFrame]:
    """The pauses of these loans in a CHANGES frame: type `pause`, value `first..last` (ISO dates).

    Overlapping pauses of a loan are joined. An unreadable one gives the finding `change_pause_unreadable`
    and does not count.
    """
    found = changes[changes["type"] == "pause"]
    if found.empty:
        none = np.zeros(0, dtype="datetime64[D]")
        return Pauses(np.zeros(0, dtype=np.int64), none, none), empty(FINDINGS)
    codes = pd.Index(loan_ids).get_indexer(pd.Index(found["loan_id"]))
    text = found["value"].str.extract(_PAUSE)
    days = [pd.to_datetime(text[side], errors="coerce").to_numpy().astype("datetime64[D]") for side in (0, 1)]
    bad = np.isnat(days[0]) | np.isnat(days[1]) | (days[1] < days[0])
    notes = findings(
        Finding.CHANGE_PAUSE_UNREADABLE,
        found["loan_id"][bad & (codes >= 0)],
        "a pause cannot be read; write its first and last day like 2026-02-01..2026-03-31",
        place="changes.value",
        value=list(found["value"][bad & (codes >= 0)]),
    )
    good = ~bad & (codes >= 0)
    return _joined(codes[good], days[0][good], days[1][good]), stack([notes], FINDINGS)


def _joined(loan_at: Ints, starts_on: Dates, ends_on: Dates) -> Pauses:
    """Pauses sorted by loan and start; one that overlaps or follows another goes on where that one ends."""
    order = np.lexsort((ends_on, starts_on, loan_at))
    frame = pd.DataFrame({"loan": loan_at[order], "start": starts_on[order], "end": ends_on[order]})
    held_until = frame.groupby("loan")["end"].cummax().groupby(frame["loan"]).shift()
    joins = frame["start"] <= held_until + pd.Timedelta(days=1)
    starts = frame["start"].where(~joins, held_until)
    kept = (starts <= frame["end"]).to_numpy()
    return Pauses(
        frame["loan"].to_numpy()[kept],
        starts.to_numpy().astype("datetime64[D]")[kept],
        frame["end"].to_numpy().astype("datetime64[D]")[kept],
    )


def customer_level(standing: pd.DataFrame, loans: pd.DataFrame, edges: Mapping[str, int]) -> pd.DataFrame:
    """One row per customer from a STANDING and a LOANS frame; a customer is as late as their latest loan.

    Columns: customer_id, loans (with a standing), overdue_loans, days_past_due (the most), bucket (the
    worst), overdue_minor, penalty_minor, outstanding_principal_minor (sums). `edges`:
    DelinquencySettings.bucket_edges.
    """
    names = [FIRST_BUCKET, *edges]
    rows = standing.merge(loans[["loan_id", "customer_id"]], on="loan_id", validate="one_to_one")
    rows = rows.assign(
        overdue=rows["overdue_minor"] > 0, rank=pd.Index(names).get_indexer(pd.Index(rows["bucket"]))
    )
    sums = {name: (name, "sum") for name in ("overdue_minor", "penalty_minor", "outstanding_principal_minor")}
    found = rows.groupby("customer_id", as_index=False).agg(
        loans=("loan_id", "size"),
        overdue_loans=("overdue", "sum"),
        days_past_due=("days_past_due", "max"),
        bucket=("rank", "max"),
        **sums,
    )
    return found.assign(bucket=pd.Series(np.array(names, dtype=object)[found["bucket"]], dtype="str"))


def _serial(days: Dates, convention: DayCount) -> Ints:
    """Day numbers whose differences are days of the convention; without meaning for NaT."""
    if convention is DayCount.THIRTY_360:
        return _serial_360(days)
    return days.astype("datetime64[D]").astype(np.int64)


def _serial_360(days: Dates) -> Ints:
    months = days.astype("datetime64[M]")
    day = (days.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64) + 1
    last = (days.astype("datetime64[D]") + np.timedelta64(1, "D")).astype("datetime64[M]") != months
    return months.astype(np.int64) * _MONTH + np.where(last, _MONTH, day)


def _day_of_month(month: Ints, day: Ints) -> Dates:
    months = month.astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    last = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    exact = np.minimum(first + (day - 1).astype("timedelta64[D]"), last)
    return np.where(day == _MONTH, last, exact)
