"""What settles a loan in full on a given day (提前结清)."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from carloan_notify.frames import CHANGES, FINDINGS, findings, stack
from carloan_notify.loans.allocation import day_number, due_days
from carloan_notify.loans.grid import Flags, Ints
from carloan_notify.loans.periods import PPB
from carloan_notify.loans.portfolio import LoanTables, Portfolio
from carloan_notify.loans.position import Position
from carloan_notify.loans.rounding import mul_div
from carloan_notify.loans.settings import Rounding
from carloan_notify.loans.standing import usable
from carloan_notify.loans.status_settings import PayoffSettings, StandingSettings
from carloan_notify.loans.waterfall import FEES, INTEREST, PRINCIPAL

COLUMNS = (
    "loan_id",
    "principal_minor",
    "interest_minor",
    "fees_minor",
    "penalty_minor",
    "settlement_fee_minor",
    "credit_minor",
    "payoff_minor",
)
"""Columns of a payoff; all money. `payoff_minor` = the others' sum less `credit_minor`, money paid ahead."""


def payoff(
    tables: LoanTables, settings: StandingSettings, terms: PayoffSettings, on: date
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each active loan must pay on the day `on` to be settled (COLUMNS), and FINDINGS.

    All open principal, the interest of every installment due by then and of the running period as far as
    the product's `settlement_interest` says, unpaid fees up to the running installment's, penalty, and the
    settlement fee. Computed basis: exactly what a `settlement` change on that day makes due; a loan on which
    no such change can be (say, in a period with a prepayment) has the change's finding instead. Supplied
    basis: the running installment's interest by actual days over its period's days. A snapshot has no
    schedule: finding `payoff_needs_schedule`.
    """
    loans, notes = usable(tables.loans)
    active = np.flatnonzero((loans["status"] == "active").to_numpy(dtype=bool))
    if settings.schedule.basis == "snapshot":
        lost = findings(
            "payoff_needs_schedule",
            list(loans["loan_id"].iloc[active]),
            "a snapshot cannot tell what settles a loan; use the computed or the supplied basis",
            place="schedule.basis",
        )
        return pd.DataFrame({name: [] for name in COLUMNS}), stack([notes, lost], FINDINGS)
    known = tables.changes
    past = known if known is None else known[known["effective_on"] <= pd.Timestamp(on)]
    portfolio = Portfolio.of(loans, replace(tables, changes=past), settings, on)
    figures, open_at, problems = _figures(portfolio, active, terms)
    if settings.schedule.basis == "computed":
        exact, refused = _when_settled(portfolio, open_at, terms)
        exact["settlement_fee_minor"] = figures.loc[exact.index, "settlement_fee_minor"]
        figures = pd.concat([figures.drop(open_at), exact])
        problems = stack([problems, refused], FINDINGS)
    figures = figures.sort_index()
    owed = figures[list(COLUMNS[1:6])].sum(axis=1)
    figures["payoff_minor"] = np.maximum(owed - figures["credit_minor"], 0)
    figures.insert(0, "loan_id", loans["loan_id"].iloc[figures.index].to_numpy())
    return figures[list(COLUMNS)].reset_index(drop=True), stack([notes, portfolio.notes, problems], FINDINGS)


def _when_settled(
    portfolio: Portfolio, open_at: Ints, terms: PayoffSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The figures with a `settlement` change on the day, and FINDINGS of loans that cannot have one."""
    ids = portfolio.loans["loan_id"]
    ends = _settlements(ids.iloc[open_at], portfolio.as_of)
    ended = pd.concat([portfolio.changes, ends], ignore_index=True)
    exact, _, problems = _figures(replace(portfolio, changes=ended), open_at, terms)
    return exact, problems[~problems["loan_id"].isin(ids.iloc[exact.index])]


def _settlements(loan_ids: pd.Series, on: date) -> pd.DataFrame:
    """A `settlement` change on the day for each of these loans."""
    rows = pd.DataFrame({"loan_id": loan_ids.reset_index(drop=True)})
    rows = rows.assign(change_id="payoff", type="settlement", effective_on=pd.Timestamp(on), value="")
    return rows.astype(dict(CHANGES))[list(CHANGES)]


def _figures(
    portfolio: Portfolio, loan_at: Ints, terms: PayoffSettings
) -> tuple[pd.DataFrame, Ints, pd.DataFrame]:
    """Payoff columns by place in the loans table, the places of loans that still run, and FINDINGS."""
    parts, still_open, found = [], [loan_at[:0]], []
    for positions, problems in portfolio.batches(loan_at):
        found.append(problems)
        for position in positions:
            coming = due_days(position.grid) > day_number(portfolio.as_of)
            coming &= position.grid.present
            parts.append(_rows(portfolio, position, coming, terms))
            still_open.append(position.loan_at[coming.any(axis=0)])
    columns = pd.DataFrame({name: np.zeros(0, dtype=np.int64) for name in COLUMNS[1:7]})
    return pd.concat([columns, *parts]), np.concatenate(still_open), stack(found, FINDINGS)


def _rows(portfolio: Portfolio, position: Position, coming: Flags, terms: PayoffSettings) -> pd.DataFrame:
    grid, unpaid = position.grid, position.owed.unpaid
    charged = np.where(coming, 0, grid.interest_minor)
    running = coming & (np.cumsum(coming, axis=0) == 1)
    charged += np.where(running, _running_interest(portfolio, position), 0)
    fees = np.where(coming & ~running, 0, grid.fees_minor)
    paid_interest, paid_fees = grid.interest_minor - unpaid[INTEREST], grid.fees_minor - unpaid[FEES]
    ahead = np.maximum(paid_interest - charged, 0) + np.maximum(paid_fees - fees, 0)
    return pd.DataFrame(
        {
            "principal_minor": unpaid[PRINCIPAL].sum(axis=0),
            "interest_minor": np.maximum(charged - paid_interest, 0).sum(axis=0),
            "fees_minor": np.maximum(fees - paid_fees, 0).sum(axis=0),
            "penalty_minor": position.owed.penalty_minor,
            "settlement_fee_minor": _fee(
                portfolio, np.where(coming, unpaid[PRINCIPAL], 0), ~coming & grid.present, terms
            ),
            "credit_minor": position.owed.credit_minor + ahead.sum(axis=0),
        },
        index=position.loan_at,
    )


def _running_interest(portfolio: Portfolio, position: Position) -> Ints:
    """Each installment's interest as far as it has run on the day, shape (k, n).

    By actual days over its period's days; all of it where the period's first day is unknown.
    """
    grid, today = position.grid, np.datetime64(portfolio.as_of, "D")
    rows = portfolio.loans.iloc[position.loan_at]
    begun = rows["disbursed_on"].to_numpy().astype("datetime64[D]")
    start = np.concatenate([begun[None, :], grid.interest_on[:-1]])[: grid.rows]
    whole = (grid.interest_on - start).astype(np.int64)
    passed = (today - start).astype(np.int64)
    products = rows["product"]
    to_next = products.map(
        {
            product: portfolio.settings.schedule.terms_of(product).settlement_interest == "to_next_due_date"
            for product in products.unique()
        }
    ).to_numpy(dtype=bool)
    unknown = np.isnat(start) | np.isnat(grid.interest_on) | (whole <= 0) | to_next
    whole, passed = (
        np.where(unknown, 1, whole),
        np.where(unknown, 1, np.clip(passed, 0, np.maximum(whole, 0))),
    )
    return mul_div(grid.interest_minor, passed, whole, Rounding.HALF_UP)


def _fee(portfolio: Portfolio, not_due: Ints, past: Flags, terms: PayoffSettings) -> Ints:
    """The early settlement fee; none where no principal is still to come."""
    early = not_due.sum(axis=0)
    share = mul_div(early, np.array(int(terms.fee_rate * PPB)), np.array(PPB), terms.rounding)
    fee = share + portfolio.settings.schedule.minor(terms.fee_fixed)
    free = (past.sum(axis=0) >= terms.fee_free_after) & (terms.fee_free_after > 0)
    return np.where((early > 0) & ~free, fee, 0)
