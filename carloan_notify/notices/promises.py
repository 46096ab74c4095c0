"""Promises to pay: what of the payments each has received, and whether it was kept. Pure and vectorised over loans.

A promise's window runs from the day it was made to its end: the promised day and the days of grace. The payments of a
loan, reversals taken out as for its standing, go first in, first out: each to the promise that ends first of those
whose window holds its date, and what that one no longer needs to the next. All is worked out anew from promises and
payments every night, so what a reversal takes back is taken back by itself. The day after its end a promise is decided.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.frames import among, places
from carloan_notify.loans.arrays import Ints
from carloan_notify.loans.payments import Payments, received
from carloan_notify.notices.events import HAPPENED
from carloan_notify.notices.settings import EventType
from carloan_notify.promise_codes import PromiseState

PROMISES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("promise_id", "loan_id", "state", "source"), frames.TEXT),
    **dict.fromkeys(("made_on", "pay_on", "ends_on"), frames.DATE),  # ends_on: pay_on and the days of grace
    "amount_minor": frames.MONEY,
    "threshold_percent": frames.COUNT,
    "paid_minor": frames.MONEY,  # what it had received when it was last decided
    "paid_before_minor": frames.MONEY,  # what the loan had paid in all when it was confirmed
    "overdue_before_minor": frames.MONEY,
}
"""Promises that were confirmed and not withdrawn."""
DECIDED: Final = (PromiseState.KEPT, PromiseState.PARTLY_KEPT, PromiseState.BROKEN, PromiseState.UNPROVEN)


@dataclass(frozen=True, slots=True)
class PaymentEvidence:
    """What shows that somebody paid. `payments` (frames.PAYMENTS) is None without such a table.

    Then what `standing` (frames.STANDING) says the loan has paid in all is compared with what it had paid when the
    promise was confirmed; where the tables do not tell that either (`paid_known` False), only a fall of what is
    overdue shows a payment, and its absence shows nothing. Of `doubtful` loans rows were rejected: they are decided
    on a later night.
    """

    standing: pd.DataFrame
    payments: pd.DataFrame | None = None
    paid_known: bool = True
    doubtful: Collection[str] = frozenset()


def judged(promises: pd.DataFrame, evidence: PaymentEvidence, as_of: date, revise_days: int) -> pd.DataFrame:
    """The PROMISES with `state` and `paid_minor` as they are on `as_of`, in their order.

    Open ones whose end is over are decided; decided ones are decided anew for `revise_days` after their end, where
    there is a payments table: a total says nothing of the day on which it was paid. What the standing does not know
    stays as it is.
    """
    known = among(promises["loan_id"], evidence.standing["loan_id"])
    known &= ~among(promises["loan_id"], evidence.doubtful)
    today = pd.Timestamp(as_of)
    live = promises["ends_on"] >= today - timedelta(days=revise_days)
    again = live & (evidence.payments is not None) & (promises["state"] != PromiseState.UNPROVEN.value)
    ripe = known & (promises["ends_on"] < today) & ((promises["state"] == PromiseState.OPEN.value) | again)
    if not ripe.any():
        return promises
    paid, unproven = _paid(promises, evidence, as_of)
    decided = outcomes(promises, paid).mask(unproven, PromiseState.UNPROVEN.value)
    return promises.assign(
        state=promises["state"].mask(ripe, decided), paid_minor=promises["paid_minor"].mask(ripe, paid)
    )


def outcomes(promises: pd.DataFrame, paid: pd.Series) -> pd.Series:
    """Kept, partly kept or broken (text) for promises that have received `paid` minor units."""
    enough = paid * 100 >= promises["amount_minor"] * promises["threshold_percent"]
    some = pd.Series(PromiseState.PARTLY_KEPT.value, index=promises.index, dtype=frames.TEXT)
    return some.mask(paid <= 0, PromiseState.BROKEN.value).mask(enough, PromiseState.KEPT.value)


def _paid(promises: pd.DataFrame, evidence: PaymentEvidence, as_of: date) -> tuple[pd.Series, pd.Series]:
    """Minor units per promise, and where nothing shows whether enough was paid."""
    if evidence.payments is not None:
        paid = appropriated(promises, evidence.payments, as_of)
        return paid, pd.Series(data=False, index=promises.index)
    return _by_totals(promises, evidence)


# First in, first out.


def appropriated(promises: pd.DataFrame, payments: pd.DataFrame, as_of: date) -> pd.Series:
    """What each of the PROMISES has received of the payments (frames.PAYMENTS) up to `as_of`, in minor units.

    Neither the order of the promises nor that of the payments matters.
    """
    loans = pd.Series(promises["loan_id"].unique(), dtype=frames.TEXT)
    came, _ = received(
        payments[among(payments["loan_id"], loans)], loans, as_of
    )  # its findings are the standing's
    lines = _Lines(promises, loans)
    amount = lines.grid(promises["amount_minor"])
    return lines.at(_filled(amount, lines.days("made_on"), lines.days("ends_on"), came))


class _Lines:
    """The promises of each loan (a column) in the order in which they end; grids are (of one loan, loans)."""

    def __init__(self, promises: pd.DataFrame, loans: pd.Series) -> None:
        """Each of the PROMISES is of one of the `loans`."""
        column = places(promises["loan_id"], loans)
        ids, made, ends = (promises[name] for name in ("promise_id", "made_on", "ends_on"))
        order = np.lexsort((ids.rank(method="dense").to_numpy(), _days(made), _days(ends), column))
        count = np.bincount(column, minlength=len(loans))
        rank = np.empty(len(promises), dtype=np.int64)
        rank[order] = np.arange(len(promises)) - np.repeat(np.cumsum(count) - count, count)
        self._promises = promises
        self._place = (rank, column)
        self._shape = (int(count.max(initial=0)), len(loans))

    def days(self, name: str) -> Ints:
        """A grid of day numbers."""
        return _grid(self._shape, self._place, _days(self._promises[name]))

    def grid(self, values: pd.Series) -> Ints:
        """A grid of numbers; 0 where there is no promise."""
        return _grid(self._shape, self._place, values.to_numpy().astype(np.int64))

    def at(self, grid: Ints) -> pd.Series:
        """The values of a grid in the order of the promises."""
        return pd.Series(grid[self._place], index=self._promises.index, dtype=frames.MONEY)


def _filled(amount: Ints, made: Ints, end: Ints, came: Payments) -> Ints:
    """What each has received: payment by payment, in order of date, the line of each loan is filled."""
    left = amount.copy()
    for day, came_in in zip(*_in_ranks(came), strict=True):
        rest = came_in
        for place in range(len(left)):
            taken = np.where((made[place] <= day) & (day <= end[place]), np.minimum(rest, left[place]), 0)
            left[place] -= taken
            rest = rest - taken
    return amount - left


def _in_ranks(came: Payments) -> tuple[Ints, Ints]:
    """Day numbers and sums, shape (payments of one loan, loans); where a loan has fewer, a sum of 0."""
    count = came.count
    rank = np.arange(len(came.amount_minor)) - np.repeat(came.start[:-1], count)
    shape, place = (int(count.max(initial=0)), len(count)), (rank, came.loan_at)
    return _grid(shape, place, came.paid_on.astype(np.int64)), _grid(shape, place, came.amount_minor)


def _grid(shape: tuple[int, int], place: tuple[Ints, Ints], values: Ints) -> Ints:
    grid = np.zeros(shape, dtype=np.int64)
    grid[place] = values
    return grid


def _days(dates: pd.Series) -> Ints:
    return dates.to_numpy().astype("datetime64[D]").astype(np.int64)


# Without a payments table.


def _by_totals(promises: pd.DataFrame, evidence: PaymentEvidence) -> tuple[pd.Series, pd.Series]:
    """What the loan has paid since each promise was confirmed; else how far what is overdue has fallen since."""
    loans = evidence.standing.drop_duplicates("loan_id").set_index("loan_id")
    now = loans.reindex(promises["loan_id"])[["paid_minor", "overdue_minor"]].fillna(0).astype(frames.MONEY)
    now = now.set_axis(promises.index)
    if evidence.paid_known:
        return _shared_out(promises, now["paid_minor"]), pd.Series(data=False, index=promises.index)
    fallen = promises["overdue_before_minor"] - now["overdue_minor"]
    paid = promises["amount_minor"].where(now["overdue_minor"] == 0, fallen).clip(0, promises["amount_minor"])
    return paid, outcomes(promises, paid) != PromiseState.KEPT.value


def _shared_out(promises: pd.DataFrame, paid_now: pd.Series) -> pd.Series:
    """First in, first out: each open promise takes what its loan has paid since and no earlier one has taken.

    `paid_now` is what each promise's loan has paid in all; decided promises keep what they had.
    """
    lines = _Lines(promises, pd.Series(promises["loan_id"].unique(), dtype=frames.TEXT))
    is_open = promises["state"] == PromiseState.OPEN.value
    wanted, had = (
        lines.grid(promises["amount_minor"].where(is_open, 0)),
        promises["paid_minor"].where(~is_open, 0),
    )
    taken = np.zeros_like(wanted)
    level = np.zeros(wanted.shape[1], dtype=np.int64)
    rows = zip(
        lines.grid(promises["paid_before_minor"]), wanted, lines.grid(had), lines.grid(paid_now), strict=True
    )
    for place, (before, most, kept, now) in enumerate(rows):
        began = np.maximum(level, before)
        taken[place] = kept + np.clip(now - began, 0, most)
        level = began + taken[place]
    return lines.at(taken)


# What rules see of promises.

_EVENT_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        PromiseState.KEPT.value: EventType.PROMISE_KEPT.value,
        PromiseState.PARTLY_KEPT.value: EventType.PROMISE_PARTLY_KEPT.value,
        PromiseState.BROKEN.value: EventType.PROMISE_BROKEN.value,
    }
)
_ASKS: Final = (EventType.PROMISE_PARTLY_KEPT.value, EventType.PROMISE_BROKEN.value)


def promise_events(promises: pd.DataFrame, standing: pd.DataFrame, remind_days: int) -> pd.DataFrame:
    """Events (events.HAPPENED) of judged PROMISES, named by the promise: each is told once, whatever is revised later.

    An outcome occurs on the day after the end, the reminder `remind_days` before the promised day. Of a loan that
    owes nothing overdue any more nothing is said that asks for money. `due_on` is the promised day and `amount_minor`
    the promised amount.
    """
    late = standing.loc[standing["overdue_minor"] > 0, "loan_id"]
    outcome = promises["state"].map(_EVENT_OF).fillna("").astype(frames.TEXT)
    told = promises.assign(type=outcome, occurred_on=promises["ends_on"] + timedelta(days=1))
    due = promises[promises["state"] == PromiseState.OPEN.value]
    due = due.assign(
        type=EventType.PROMISE_DUE.value, occurred_on=due["pay_on"] - timedelta(days=remind_days)
    )
    rows = pd.concat([told[told["type"] != ""], due], ignore_index=True)
    rows = rows[~rows["type"].isin(_ASKS) | among(rows["loan_id"], late)]
    rows = rows.assign(event_id=rows["promise_id"], event_detail="", due_on=rows["pay_on"], good_until=None)
    return rows.astype(dict(HAPPENED))[list(HAPPENED)].reset_index(drop=True)
