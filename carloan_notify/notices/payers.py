"""Who pays when: the payments that a simulation assumes of the days to come. Pure; nothing is drawn by chance.

An assumption is a frame of PAYMENTS, each on the day it is made; `with_payments` puts those up to a day into the
lender's tables, in whichever of them a payment is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.loans.standing import LoanTables
from carloan_notify.notices.settings import RuleSettings

ASKED: Final = {
    "loan_id": frames.TEXT,
    "original_due_on": frames.DATE,
    "notice": frames.TEXT,
    "as_of": frames.DATE,
}
"""One row per installment, notice and night on which the notice fell due, whatever was decided about it."""
FEWEST: Final = 30
"""Installments that a share must be reckoned from: fewer say nothing."""
_HASHES: Final = 2.0**64


def nobody(dues: pd.DataFrame) -> pd.DataFrame:
    """No payment at all, of any of `dues` (DUES): the most that a ladder can send."""
    return _payments(dues.iloc[:0], dues["due_on"].iloc[:0])


def everybody(dues: pd.DataFrame, first: date) -> pd.DataFrame:
    """Each of `dues` (DUES) in full on its due date; what is overdue on the `first` day is paid on that day."""
    return _payments(dues, _no_earlier(dues["due_on"], first))


def _no_earlier(days: pd.Series, first: date) -> pd.Series:
    return days.mask(days < pd.Timestamp(first), pd.Timestamp(first))


def _payments(dues: pd.DataFrame, paid_on: pd.Series) -> pd.DataFrame:
    number = dues["installment_no"].astype(str)
    rows = pd.DataFrame(
        {
            "payment_id": "simulated-" + dues["loan_id"] + "-" + number,
            "loan_id": dues["loan_id"],
            "paid_on": paid_on,
            "amount_minor": dues["unpaid_minor"],
        }
    )
    return rows.astype(dict(frames.PAYMENTS)).reset_index(drop=True)


# How late people paid so far, as the ledger's nights show it.


@dataclass(frozen=True, slots=True)
class Lateness:
    """`unpaid[i]` is the share of installments still unpaid `days[i]` days after the due date.

    `days` ascends and is negative before the due date; `unpaid` never ascends and begins with 1.
    """

    days: tuple[int, ...]
    unpaid: tuple[float, ...]

    def still_unpaid(self, days: np.ndarray) -> np.ndarray:
        """The share at any number of days (int64): that of the last known day before it, 1 before the first."""
        place = np.searchsorted(self.days, days, side="right")
        return np.concatenate(([1.0], self.unpaid))[place]


def stage_days(rules: Sequence[RuleSettings]) -> dict[str, int]:
    """Days after the due date (negative: before it) on which each notice of an installment first falls due.

    A notice that has other days for other loans (`where`) is no stage of all, and left out.
    """
    days: dict[str, set[int]] = {}
    for rule in rules:
        if rule.when.days_before_due is not None:
            days.setdefault(rule.notice, set()).add(-rule.when.days_before_due)
        elif rule.when.days_past_due is not None:
            days.setdefault(rule.notice, set()).add(rule.when.days_past_due)
    return {notice: each.pop() for notice, each in days.items() if len(each) == 1}


def lateness(asked: pd.DataFrame, stages: dict[str, int], last: date) -> Lateness | None:
    """From the installments (ASKED) that nights up to `last` asked for; None where they are too few to say.

    The share that rolls from one stage to the next is counted among installments whose next stage lies before
    `last`: the product-limit estimate (Kaplan and Meier 1958) over the stages. An installment that fell due while
    an older one of its loan was unpaid is left out: the oldest alone gets past-due notices.
    """
    rows = asked.assign(days=asked["notice"].map(stages)).dropna(subset=["days", "original_due_on"])
    rows = rows[~_behind_an_older_one(rows)]
    known = sorted(set(rows["days"].astype(int)))
    shares = [1.0]
    for day, later in pairwise(known):
        share = _rolled(rows, day, later, last)
        if share is None:
            return None if len(shares) == 1 else Lateness(tuple(known[: len(shares)]), tuple(shares))
        shares.append(shares[-1] * share)
    return Lateness(tuple(known), tuple(shares)) if len(shares) > 1 else None


_INSTALLMENT: Final = ["loan_id", "original_due_on"]


def _behind_an_older_one(rows: pd.DataFrame) -> pd.Series:
    """Rows of installments that fell due while an older one of their loan was asked for as overdue."""
    late = rows.loc[rows["days"] > 0, [*_INSTALLMENT, "as_of"]].rename(columns={"original_due_on": "older"})
    pairs = rows[_INSTALLMENT].drop_duplicates().merge(late, on="loan_id")
    behind = pairs[(pairs["older"] < pairs["original_due_on"]) & (pairs["as_of"] >= pairs["original_due_on"])]
    marked = pd.MultiIndex.from_frame(behind[_INSTALLMENT])
    return pd.Series(pd.MultiIndex.from_frame(rows[_INSTALLMENT]).isin(marked), index=rows.index)


def _rolled(rows: pd.DataFrame, day: int, later: int, last: date) -> float | None:
    """The share of installments asked for at `day` that were asked for at `later` too."""
    over = rows["original_due_on"] + pd.to_timedelta(later, unit="D") <= pd.Timestamp(last)
    before = rows.loc[(rows["days"] == day) & over, _INSTALLMENT].drop_duplicates()
    if len(before) < FEWEST:
        return None
    after = pd.MultiIndex.from_frame(rows.loc[rows["days"] == later, _INSTALLMENT])
    return float(pd.MultiIndex.from_frame(before).isin(after).mean())


def as_before(dues: pd.DataFrame, late: Lateness, first: date) -> pd.DataFrame:
    """Each of `dues` (DUES) in full, as late as installments were paid so far; some of them never.

    Which installment is paid when follows from a hash of its loan and date, so that two simulations of one
    portfolio assume the same payments. What is overdue on the `first` day is no earlier than that.
    """
    passed = (pd.Timestamp(first) - dues["due_on"]).dt.days.to_numpy()
    draw, within = _draws(dues, "when"), _draws(dues, "which day")
    draw = draw * late.still_unpaid(passed)
    # Paid in the first interval at whose end the unpaid share is at most the draw: unpaid shares descend.
    ends = np.searchsorted(-np.asarray(late.unpaid), -draw, side="left")
    paid = ends < len(late.days)
    begin = np.take(late.days, np.maximum(ends - 1, 0), mode="clip")
    width = np.take(late.days, ends, mode="clip") - begin
    days = begin + (within * width).astype(np.int64)
    paid_on = dues["due_on"] + pd.to_timedelta(pd.Series(days, index=dues.index), unit="D")
    rows = dues[paid]
    return _payments(rows, _no_earlier(paid_on[paid], first))


def _draws(dues: pd.DataFrame, purpose: str) -> np.ndarray:
    """A number in [0, 1) for each installment, the same at all times."""
    texts = purpose + "|" + dues["loan_id"] + "|" + dues["original_due_on"].dt.strftime("%Y-%m-%d").fillna("")
    hashed = pd.util.hash_array(texts.to_numpy(dtype=object), categorize=False)
    return np.asarray(hashed, dtype=np.float64) / _HASHES


# The tables as they will be.


def with_payments(tables: LoanTables, payments: pd.DataFrame, basis: str) -> LoanTables:
    """The lender's tables with these PAYMENTS made, in the table from which the standing knows what is paid.

    That is the payments table where there is one, else by `schedule.basis` what the installments say is paid, oldest
    first, or the loans' paid-to-date.
    """
    if payments.empty:
        return tables
    if tables.payments is not None:
        after = pd.concat([tables.payments, payments], ignore_index=True)
        return LoanTables(tables.loans, tables.installments, after, tables.changes)
    paid = payments.groupby("loan_id", sort=False)["amount_minor"].sum()
    if basis == "supplied" and tables.installments is not None:
        return LoanTables(tables.loans, _settling(tables.installments, paid), None, tables.changes)
    more = tables.loans["loan_id"].map(paid).fillna(0).astype(frames.MONEY)
    loans = tables.loans.assign(paid_to_date_minor=tables.loans["paid_to_date_minor"] + more)
    return LoanTables(loans, tables.installments, None, tables.changes)


def _settling(installments: pd.DataFrame, paid: "pd.Series[int]") -> pd.DataFrame:
    """The installments with what was `paid` per loan put on the oldest unpaid ones."""
    ordered = installments.sort_values(["loan_id", "due_on", "installment_no"], kind="stable")
    unpaid = (ordered["total_minor"] - ordered["paid_minor"]).clip(lower=0)
    before = unpaid.groupby(ordered["loan_id"], sort=False).cumsum() - unpaid
    money = ordered["loan_id"].map(paid).fillna(0).astype(frames.MONEY)
    rest = (money - before).clip(lower=0)
    share = rest.where(rest < unpaid, unpaid)
    return installments.assign(paid_minor=installments["paid_minor"] + share.reindex(installments.index))
