"""Is a loan so surely settled that a certificate may say it? Whatever is in doubt is refused, with the reason."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.certificate_codes import Refusal
from carloan_notify.loans.arrays import Flags

SETTLED: Final = "settled"
SETTLEMENTS: Final = {"loan_id": frames.TEXT, "settled_on": frames.DATE, "refusal": frames.TEXT}
"""A loan, the day that settled it (NaT when unknown), and why it gets no certificate ("" when it gets one)."""


@dataclass(frozen=True, eq=False)
class SettlementTables:
    """What is known of loans, frames as in frames.py; None where the lender has no such table.

    `settled_events` are (loan_id, occurred_on) of the lender's own events that a loan was settled. `incomplete` and
    `incomplete_customers` are loans and customers of whom some row was rejected.
    """

    loans: pd.DataFrame
    standing: pd.DataFrame
    payments: pd.DataFrame | None
    settled_events: pd.DataFrame
    contacts: pd.DataFrame | None
    incomplete: Collection[str]
    incomplete_customers: Collection[str]


@dataclass(frozen=True, slots=True)
class SettlementRule:
    """`wait_days` after the last payment, where only payments say that a loan is settled; `since` looks back so far."""

    as_of: date
    wait_days: int
    since: date | None = None


def settlements(tables: SettlementTables, rule: SettlementRule) -> pd.DataFrame:
    """SETTLEMENTS of every loan; with `rule.since` only of those settled on that day or later.

    A settlement dated after the business date is refused as unknown, so it is not left out.
    """
    if rule.since is None:
        rows = _rows(tables, tables.loans)
    else:
        ended = tables.standing.loc[tables.standing["status"] == SETTLED, "loan_id"]
        rows = _rows(tables, tables.loans[frames.among(tables.loans["loan_id"], ended)])
        rows = rows[rows["settled_on"] >= pd.Timestamp(rule.since)].reset_index(drop=True)
    return rows.assign(refusal=_refusals(rows, tables, rule))[list(SETTLEMENTS)].astype(SETTLEMENTS)


def _rows(tables: SettlementTables, loans: pd.DataFrame) -> pd.DataFrame:
    """The loans, with how they stand (`stands`, "" where nothing could be computed) and the day that settled them."""
    found = _looked_up(loans["loan_id"], tables.standing, {"status": frames.TEXT, "settled_on": frames.DATE})
    events = tables.settled_events.sort_values("occurred_on", kind="stable").drop_duplicates("loan_id")
    told = _looked_up(loans["loan_id"], events, {"occurred_on": frames.DATE})["occurred_on"]
    day = found["settled_on"].fillna(told)
    return loans.reset_index(drop=True).assign(stands=found["status"], settled_on=day)


def _looked_up(loan_ids: pd.Series, table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """These columns of the loans' rows in a table, from row 0 on; blank where it does not have the loan."""
    at = frames.places(loan_ids, table["loan_id"])
    blank = frames.blank_rows(columns, len(at))
    if not len(table):
        return blank
    found = table[list(columns)].take(np.maximum(at, 0)).reset_index(drop=True).astype(dict(columns))
    return found.where(pd.Series(at >= 0), blank)


def _refusals(rows: pd.DataFrame, tables: SettlementTables, rule: SettlementRule) -> np.ndarray:
    """The first reason that applies to each loan, "" where none does."""
    by_lender = (rows["status"] == SETTLED).to_numpy()
    day, lent_on = rows["settled_on"], rows["disbursed_on"]
    waits_until = pd.Timestamp(rule.as_of - timedelta(days=rule.wait_days))
    reasons = {
        Refusal.INCOMPLETE: _incomplete(rows, tables),
        Refusal.NOT_SETTLED: rows["stands"] != SETTLED,
        Refusal.DISPUTED: _disputed(rows, tables.contacts),
        Refusal.STILL_OWED: by_lender & ((rows["overdue_minor"] > 0) | (rows["amount_due_minor"] > 0)),
        Refusal.TAKEN_BACK: by_lender & _taken_back(rows["loan_id"], tables.payments),
        Refusal.NO_DATE: day.isna() | (day > pd.Timestamp(rule.as_of)),
        Refusal.NOT_YET: ~by_lender & (day > waits_until),
        Refusal.NO_NAME: rows["borrower_name"].str.strip() == "",
        Refusal.NO_AMOUNT: rows["principal_minor"] <= 0,
        Refusal.NO_DISBURSAL: lent_on.isna() | (lent_on > day),
    }
    flags = [np.asarray(applies, dtype=bool) for applies in reasons.values()]
    return np.select(flags, [reason.value for reason in reasons], "")


def _incomplete(rows: pd.DataFrame, tables: SettlementTables) -> Flags:
    """Rows were rejected, or how the loan stands is not known (it is there twice, say)."""
    lost = frames.among(rows["loan_id"], tables.incomplete)
    lost |= frames.among(rows["customer_id"], tables.incomplete_customers)
    return (lost | (rows["stands"] == "")).to_numpy()


def _disputed(rows: pd.DataFrame, contacts: pd.DataFrame | None) -> Flags:
    """A dispute of the loan itself, of its customer, or of a party to it."""
    if contacts is None:
        return rows["in_dispute"].to_numpy(dtype=bool)
    said = contacts[contacts["in_dispute"]]
    of_loan = frames.among(rows["loan_id"], said["loan_id"])
    of_customer = frames.among(rows["customer_id"], said.loc[said["loan_id"] == "", "customer_id"])
    return (rows["in_dispute"] | of_loan | of_customer).to_numpy(dtype=bool)


def _taken_back(loan_ids: pd.Series, payments: pd.DataFrame | None) -> Flags:
    """Loans whose payments of their last day come to less than nothing: what settled them was reversed."""
    if payments is None:
        return np.zeros(len(loan_ids), dtype=bool)
    mine = payments[frames.among(payments["loan_id"], loan_ids)]
    last = mine["paid_on"] == mine.groupby("loan_id")["paid_on"].transform("max")
    sums = mine[last].groupby("loan_id")["amount_minor"].sum()
    return frames.among(loan_ids, pd.Series(sums.index[sums < 0], dtype=frames.TEXT)).to_numpy()
