"""What happened to the loans, from the events table and from payments, standing and changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.finding_codes import Finding
from carloan_notify.frames import among
from carloan_notify.notices.settings import DATE_MOMENT, OF_PROMISES, REPEATABLE, EventType

# What deciding needs to know of a partition of loans.


@dataclass(frozen=True, slots=True)
class DecideInputs:
    """Frames as `frames` documents them; None where the lender has no such table.

    `dues` holds the unpaid installments due soon (DUES), `standing` one row per loan that could be computed
    (STANDING): a loan without one gets no due or past-due notice. `changes_told` has the text columns
    loan_id, change_id, type, before, after and the date effective_on. `promise_events` are HAPPENED, `own_events` event
    types of the lender's own.
    """

    loans: pd.DataFrame
    dues: pd.DataFrame
    standing: pd.DataFrame
    events: pd.DataFrame | None = None
    payments: pd.DataFrame | None = None
    changes_told: pd.DataFrame | None = None
    contacts: pd.DataFrame | None = None
    promise_events: pd.DataFrame | None = None
    own_events: frozenset[str] = frozenset()


HAPPENED: Final[Mapping[str, str]] = {
    "loan_id": frames.TEXT,
    "type": frames.TEXT,
    "event_id": frames.TEXT,  # "" unless the event may repeat; the day, of dates and of the lender's own events
    "occurred_on": frames.DATE,
    "amount_minor": frames.MONEY,
    "event_detail": frames.TEXT,
    "due_on": frames.DATE,  # of a promise the promised day, else NaT
}
DETAIL_ARROW: Final = " → "
"""Stands between what was and what is in the detail of a change."""


def happened(
    inputs: DecideInputs,
    derived: Sequence[EventType],
    since: date,
    earlier: Mapping[str, date] = MappingProxyType({}),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events from `since` on (HAPPENED, each once) and the findings about rows that cannot be used.

    A type in `derived` takes its facts only from its own source, never from the events table as well. Types in
    `earlier` count from their own day on, where that is before `since`.
    """
    types = {*map(str, EventType), *inputs.own_events}
    days = {event: pd.Timestamp(min(since, earlier.get(event, since))) for event in types}
    reported, problems = _reported(inputs, derived, days, pd.Timestamp(since))
    # What falls on the same day is the same, whatever its row is called in tonight's export.
    own = reported["type"].isin(list(inputs.own_events))
    reported["event_id"] = reported["event_id"].mask(own, _day_ids(reported["occurred_on"]))
    found = [reported, _of_promises(inputs), *(DERIVATIONS[event](inputs, days[event]) for event in derived)]
    everything = frames.stack(found, HAPPENED)[list(HAPPENED)]
    repeats = everything["type"].isin([*REPEATABLE, *inputs.own_events])
    nameless = repeats & (everything["event_id"] == "")
    problems.append(
        frames.findings(
            Finding.EVENT_WITHOUT_ID,
            everything.loc[nameless, "loan_id"],
            "This event may repeat, so it needs an id of its own to be told once; add the id to the export.",
            place="event_id",
        )
    )
    everything["event_id"] = everything["event_id"].where(repeats, "")
    usable = everything[~nameless].sort_values(["loan_id", "type", "event_id", "occurred_on"], kind="stable")
    unique = usable.drop_duplicates(["loan_id", "type", "event_id"], keep="first")
    return unique.reset_index(drop=True), frames.stack(problems, frames.FINDINGS)


def _reported(
    inputs: DecideInputs, derived: Sequence[EventType], days: Mapping[str, pd.Timestamp], since: pd.Timestamp
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Usable rows of the events table as HAPPENED, and findings for the others; `days` begin each known type."""
    events = inputs.events if inputs.events is not None else frames.empty(frames.EVENTS)
    begins = events["type"].map(days).astype(frames.DATE).fillna(since)
    events = events[events["occurred_on"] >= begins]
    unknown_type = ~events["type"].isin(list(days))
    ignored = events["type"].isin([*derived, *OF_PROMISES])
    unknown_loan = ~_of_loans(events, inputs)
    problems = [
        _finding(
            Finding.EVENT_TYPE_UNKNOWN,
            events[unknown_type],
            f"Unknown event; use one of {', '.join([*EventType, *sorted(inputs.own_events)])}.",
        ),
        _finding(
            "event_derived",
            events[ignored],
            "Not used: policy.derived_events says this event is worked out from other tables, or it is one of "
            "promises, which the ledger knows. Take it out of that list to use the events table instead.",
        ),
        _finding(
            Finding.EVENT_UNKNOWN_LOAN,
            events[unknown_loan & ~unknown_type & ~ignored],
            "No such loan in the loans table; export the loan as well.",
        ),
    ]
    usable = events[~unknown_type & ~ignored & ~unknown_loan]
    usable = usable.assign(due_on=np.full(len(usable), np.datetime64("NaT", "s")))
    return usable.rename(columns={"detail": "event_detail"})[list(HAPPENED)].astype(dict(HAPPENED)), problems


def _of_loans(rows: pd.DataFrame, inputs: DecideInputs) -> pd.Series:
    """Which rows are about one of the loans; without rows the loans are not looked at."""
    return among(rows["loan_id"], inputs.loans["loan_id"] if len(rows) else [])


def _finding(code: str, events: pd.DataFrame, message: str) -> pd.DataFrame:
    return frames.findings(code, events["loan_id"], message, place="type", value=events["type"].tolist())


def _of_promises(inputs: DecideInputs) -> pd.DataFrame:
    """What happened to promises of these loans, whenever it did: they are few, and rules look at their days."""
    if inputs.promise_events is None:
        return frames.empty(HAPPENED)
    return inputs.promise_events[_of_loans(inputs.promise_events, inputs)]


def _payments_received(inputs: DecideInputs, since: pd.Timestamp) -> pd.DataFrame:
    """Payments that came in and were not taken back."""
    if inputs.payments is None:
        return frames.empty(HAPPENED)
    payments = inputs.payments[inputs.payments["paid_on"] >= since]
    payments = payments[_of_loans(payments, inputs)]
    kept = payments[(payments["amount_minor"] > 0) & ~_taken_back(payments)]
    renamed = kept.rename(columns={"payment_id": "event_id", "paid_on": "occurred_on"})
    return _as_events(renamed, EventType.PAYMENT_RECEIVED)


def _taken_back(payments: pd.DataFrame) -> pd.Series:
    """Which payments a later row of the opposite amount reverses; each takes back the latest before it.

    Read from the latest row back, reversals open and payments close: a payment that meets an open one is its.
    """
    latest_first = pd.DataFrame(
        {
            "loan_id": payments["loan_id"],
            "paid_on": payments["paid_on"],
            "size": payments["amount_minor"].abs(),
            "step": np.where(payments["amount_minor"] < 0, 1, -1),
            "payment_id": payments["payment_id"],
        }
    ).sort_values(["paid_on", "step", "payment_id"], ascending=False)
    key = ["loan_id", "size"]
    latest_first["sum"] = latest_first.groupby(key)["step"].cumsum()
    lowest = latest_first.groupby(key)["sum"].cummin().clip(upper=0)
    latest_first["open"] = latest_first["sum"] - lowest
    open_before = latest_first.groupby(key)["open"].shift(fill_value=0)
    return (open_before > 0).reindex(payments.index)


def _settled(inputs: DecideInputs, since: pd.Timestamp) -> pd.DataFrame:
    standing = inputs.standing
    settled = standing[(standing["status"] == "settled") & (standing["settled_on"] >= since)]
    renamed = settled.rename(columns={"settled_on": "occurred_on"}).assign(event_id="", amount_minor=0)
    return _as_events(renamed, EventType.LOAN_SETTLED)


def _remainder_left(inputs: DecideInputs, since: pd.Timestamp) -> pd.DataFrame:
    """Loans past their last installment of which penalty, fees or a rest is left."""
    standing = inputs.standing
    left = standing[(standing["status"] == "active") & (standing["remainder_minor"] > 0)]
    left = left[left["remainder_on"] >= since]
    renamed = left.rename(columns={"remainder_on": "occurred_on", "remainder_minor": "amount_minor"})
    return _as_events(renamed.assign(event_id=""), EventType.REMAINDER_LEFT)


def _due_day_changed(inputs: DecideInputs, since: pd.Timestamp) -> pd.DataFrame:
    """Due-day changes, told on the day they take effect, with what was and what is."""
    if inputs.changes_told is None:
        return frames.empty(HAPPENED)
    told = inputs.changes_told
    told = told[(told["type"] == "due_day") & (told["effective_on"] >= since)]
    told = told[_of_loans(told, inputs)]
    detail = told["before"] + DETAIL_ARROW + told["after"]
    renamed = told.rename(columns={"change_id": "event_id", "effective_on": "occurred_on"})
    return _as_events(renamed.assign(event_detail=detail, amount_minor=0), EventType.DUE_DAY_CHANGED)


def date_moments(inputs: DecideInputs, column: str, first: date, last: date, *, active: bool) -> pd.DataFrame:
    """The days in a date column of the loans (HAPPENED), from `first` to `last`; of active loans alone, or of all."""
    loans = inputs.loans
    there = loans[loans[column].between(pd.Timestamp(first), pd.Timestamp(last))]
    if active:
        running = inputs.standing.loc[inputs.standing["status"] == "active", "loan_id"]
        there = there[among(there["loan_id"], running)]
    moments = there[["loan_id"]].assign(
        type=DATE_MOMENT + column,
        event_id=_day_ids(there[column]),
        occurred_on=there[column],
        amount_minor=0,
        event_detail="",
        due_on=np.full(len(there), np.datetime64("NaT", "s")),
    )
    return moments.astype(dict(HAPPENED))[list(HAPPENED)]


def _day_ids(days: pd.Series) -> pd.Series:
    """A day as the identity of what falls on it, so that the next one is told again and the same one never."""
    ids: pd.Series = days.dt.strftime("%Y-%m-%d").astype(frames.TEXT)
    return ids


def _as_events(rows: pd.DataFrame, event: EventType) -> pd.DataFrame:
    rows = rows.assign(type=event.value)
    if "event_detail" not in rows:
        rows["event_detail"] = np.full(len(rows), "")
    rows["due_on"] = np.full(len(rows), np.datetime64("NaT", "s"))
    return rows[list(HAPPENED)].astype(dict(HAPPENED))


DERIVATIONS: Final[Mapping[EventType, Callable[[DecideInputs, pd.Timestamp], pd.DataFrame]]] = {
    EventType.PAYMENT_RECEIVED: _payments_received,
    EventType.LOAN_SETTLED: _settled,
    EventType.REMAINDER_LEFT: _remainder_left,
    EventType.DUE_DAY_CHANGED: _due_day_changed,
}
