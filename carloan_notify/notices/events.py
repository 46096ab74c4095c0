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
from carloan_notify.notices.details import read_detail
from carloan_notify.notices.settings import DATE_MOMENT, FROM_CHANGES, OF_PROMISES, REPEATABLE, EventType

# What deciding needs to know of a partition of loans.


@dataclass(frozen=True, slots=True)
class DecideInputs:
    """Frames as `frames` documents them; None where the lender has no such table.

    `dues` holds the unpaid installments due soon (DUES), `standing` one row per loan that could be computed
    (STANDING): a loan without one gets no due or past-due notice. `changes_told` (CHANGES_TOLD), `payment_details`
    (DETAILS by payment id) and `quotes` (QUOTES: computed amounts of quotes without one) say what loans know of them.
    `promise_events` are HAPPENED, `own_events` event types of the lender's own.
    """

    loans: pd.DataFrame
    dues: pd.DataFrame
    standing: pd.DataFrame
    events: pd.DataFrame | None = None
    payments: pd.DataFrame | None = None
    changes_told: pd.DataFrame | None = None
    contacts: pd.DataFrame | None = None
    payment_details: pd.DataFrame | None = None
    quotes: pd.DataFrame | None = None
    promise_events: pd.DataFrame | None = None
    own_events: frozenset[str] = frozenset()


DETAILS: Final[Mapping[str, str]] = dict.fromkeys(("loan_id", "event_id", "event_detail"), frames.TEXT)
QUOTES: Final[Mapping[str, str]] = {
    "loan_id": frames.TEXT,
    "event_id": frames.TEXT,
    "amount_minor": frames.MONEY,
}
CHANGES_TOLD: Final[Mapping[str, str]] = {
    "loan_id": frames.TEXT,
    "change_id": frames.TEXT,
    "type": frames.TEXT,  # as in frames.CHANGES
    "effective_on": frames.DATE,
    "amount_minor": frames.MONEY,  # what was paid ahead; 0 for all else
    "event_detail": frames.TEXT,
}
CHANGE_EVENTS: Final[Mapping[str, EventType]] = {
    "due_day": EventType.DUE_DAY_CHANGED,
    "deferral": EventType.LOAN_DEFERRED,
    "extension": EventType.LOAN_EXTENDED,
    "rate": EventType.RATE_CHANGED,
    "prepayment": EventType.LOAN_PREPAID,
}
"""What is told of each type of change. A settlement is told as such, a pause of collection not at all."""

HAPPENED: Final[Mapping[str, str]] = {
    "loan_id": frames.TEXT,
    "type": frames.TEXT,
    "event_id": frames.TEXT,  # "" unless the event may repeat; the day, of dates and of the lender's own events
    "occurred_on": frames.DATE,
    "amount_minor": frames.MONEY,
    "event_detail": frames.TEXT,  # see `details`
    "good_until": frames.DATE,  # last day on which it is true, NaT where it stays true
    "due_on": frames.DATE,  # of a promise the promised day, else NaT
}


def happened(
    inputs: DecideInputs,
    derived: Sequence[EventType],
    since: date,
    earlier: Mapping[str, date] = MappingProxyType({}),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events from `since` on (HAPPENED, each once) and the findings about rows that cannot be used.

    A type in `derived` takes its facts only from its own source, never from the events table as well; a lender without
    that source tells of it in the events table. Types in `earlier` count from their own day on, where that is before
    `since`.
    """
    derived = [event for event in derived if _has_source(inputs, event)]
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
    told = usable.rename(columns={"detail": "event_detail"}).assign(good_until=None, due_on=None)
    told = told.astype(dict(HAPPENED))[list(HAPPENED)]
    quotes, unusable = _quoted(inputs, told[told["type"] == EventType.SETTLEMENT_QUOTED])
    return frames.stack([told[told["type"] != EventType.SETTLEMENT_QUOTED], quotes], HAPPENED), [
        *problems,
        unusable,
    ]


def _has_source(inputs: DecideInputs, event: EventType) -> bool:
    if event is EventType.PAYMENT_RECEIVED:
        return inputs.payments is not None
    return event not in FROM_CHANGES or inputs.changes_told is not None


def _quoted(inputs: DecideInputs, quotes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The newest quote of each running loan with its amount and last day, and FINDINGS for those without.

    An amount that the lender named is no longer so when a payment came on the quote's day or later; one that is
    computed counts every payment.
    """
    if quotes.empty:
        return quotes, frames.empty(frames.FINDINGS)
    running = inputs.standing.loc[inputs.standing["status"] == "active", "loan_id"]
    quotes = quotes[among(quotes["loan_id"], running)]
    until = [read_detail(text).days("until")[1] for text in quotes["event_detail"].tolist()]
    quotes = quotes.assign(good_until=pd.to_datetime(pd.Series(until, index=quotes.index, dtype="object")))
    own = quotes["amount_minor"] > 0
    if inputs.quotes is not None and not own.all():
        computed = inputs.quotes.set_index(["loan_id", "event_id"])["amount_minor"]
        keys = pd.MultiIndex.from_frame(quotes[["loan_id", "event_id"]])
        priced = pd.Series(computed.reindex(keys).fillna(0).to_numpy(), index=quotes.index)
        quotes = quotes.assign(amount_minor=quotes["amount_minor"].where(own, priced))
    bad = ~(quotes["good_until"] >= quotes["occurred_on"]) | (quotes["amount_minor"] <= 0)
    message = "A quote needs its last day (until 2026-12-05 in the detail) and an amount, or a schedule to compute it."
    unusable = frames.findings(Finding.QUOTE_UNUSABLE, quotes.loc[bad, "loan_id"], message, place="detail")
    good = quotes[~bad & ~(own & _paid_since(inputs, quotes))].sort_values(["occurred_on", "event_id"])
    return good.drop_duplicates("loan_id", keep="last").astype(dict(HAPPENED)), unusable


def _paid_since(inputs: DecideInputs, quotes: pd.DataFrame) -> pd.Series:
    """Whether a payment of the loan came on the day of its quote or later, taken back or not."""
    if inputs.payments is None:
        return pd.Series(data=False, index=quotes.index)
    newest = inputs.payments.groupby("loan_id")["paid_on"].max()
    return quotes["loan_id"].map(newest).astype(frames.DATE) >= quotes["occurred_on"]


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
    if inputs.payment_details is not None and len(inputs.payment_details):
        renamed = renamed.merge(inputs.payment_details, on=["loan_id", "event_id"], how="left")
        renamed["event_detail"] = renamed["event_detail"].fillna("")
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


def _lien_open(inputs: DecideInputs, since: pd.Timestamp) -> pd.DataFrame:
    """Settled loans whose lien nobody has told to be released."""
    settled = _settled(inputs, since)
    if inputs.events is None:
        return settled.assign(type=EventType.LIEN_OPEN.value)
    released = inputs.events.loc[inputs.events["type"] == EventType.LIEN_RELEASED, "loan_id"]
    return settled[~among(settled["loan_id"], released)].assign(type=EventType.LIEN_OPEN.value)


def _remainder_left(inputs: DecideInputs, since: pd.Timestamp) -> pd.DataFrame:
    """Loans past their last installment of which penalty, fees or a rest is left."""
    standing = inputs.standing
    left = standing[(standing["status"] == "active") & (standing["remainder_minor"] > 0)]
    left = left[left["remainder_on"] >= since]
    renamed = left.rename(columns={"remainder_on": "occurred_on", "remainder_minor": "amount_minor"})
    return _as_events(renamed.assign(event_id=""), EventType.REMAINDER_LEFT)


def _changed(kind: str, event: EventType) -> Callable[[DecideInputs, pd.Timestamp], pd.DataFrame]:
    """Changes of one type, told on the day they take effect, with what was and what is."""

    def told_of(inputs: DecideInputs, since: pd.Timestamp) -> pd.DataFrame:
        if inputs.changes_told is None:
            return frames.empty(HAPPENED)
        told = inputs.changes_told
        told = told[(told["type"] == kind) & (told["effective_on"] >= since)]
        told = told[_of_loans(told, inputs)]
        renamed = told.rename(columns={"change_id": "event_id", "effective_on": "occurred_on"})
        return _as_events(renamed, event)

    return told_of


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
        due_on=None,
        good_until=None,
    )
    return moments.astype(dict(HAPPENED))[list(HAPPENED)]


def _day_ids(days: pd.Series) -> pd.Series:
    """A day as the identity of what falls on it, so that the next one is told again and the same one never."""
    ids: pd.Series = days.dt.strftime("%Y-%m-%d").astype(frames.TEXT)
    return ids


def _as_events(rows: pd.DataFrame, event: EventType) -> pd.DataFrame:
    rows = rows.assign(type=event.value, good_until=None)
    if "event_detail" not in rows:
        rows["event_detail"] = np.full(len(rows), "")
    rows["due_on"] = np.full(len(rows), np.datetime64("NaT", "s"))
    return rows[list(HAPPENED)].astype(dict(HAPPENED))


DERIVATIONS: Final[Mapping[EventType, Callable[[DecideInputs, pd.Timestamp], pd.DataFrame]]] = {
    EventType.PAYMENT_RECEIVED: _payments_received,
    EventType.LOAN_SETTLED: _settled,
    EventType.LIEN_OPEN: _lien_open,
    EventType.REMAINDER_LEFT: _remainder_left,
    **{event: _changed(kind, event) for kind, event in CHANGE_EVENTS.items()},
}
