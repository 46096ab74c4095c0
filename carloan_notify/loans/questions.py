"""What settles a loan in full on a given day (提前结清)."""

from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import CHANGES, FINDINGS, INSTALLMENTS, SCHEDULE, empty, findings, stack
from carloan_notify.loans.allocation import day_number, due_days
from carloan_notify.loans.arrays import Flags, Ints, mul_div
from carloan_notify.loans.position import Position
from carloan_notify.loans.schedule import build_schedules, schedule_frame
from carloan_notify.loans.settings import Rounding, ScheduleSettings
from carloan_notify.loans.standing import LoanBook, LoanTables, usable
from carloan_notify.loans.standing_settings import PayoffSettings, StandingSettings
from carloan_notify.loans.waterfall import FEES, INTEREST, PRINCIPAL
from carloan_notify.records import PPB

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
            Finding.PAYOFF_NEEDS_SCHEDULE,
            list(loans["loan_id"].iloc[active]),
            "a snapshot cannot tell what settles a loan; use the computed or the supplied basis",
            place="schedule.basis",
        )
        return pd.DataFrame({name: [] for name in COLUMNS}), stack([notes, lost], FINDINGS)
    known = tables.changes
    past = known if known is None else known[known["effective_on"] <= pd.Timestamp(on)]
    portfolio = LoanBook.of(loans, replace(tables, changes=past), settings, on)
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
    portfolio: LoanBook, open_at: Ints, terms: PayoffSettings
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
    portfolio: LoanBook, loan_at: Ints, terms: PayoffSettings
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


def _rows(portfolio: LoanBook, position: Position, coming: Flags, terms: PayoffSettings) -> pd.DataFrame:
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


def _running_interest(portfolio: LoanBook, position: Position) -> Ints:
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


def _fee(portfolio: LoanBook, not_due: Ints, past: Flags, terms: PayoffSettings) -> Ints:
    """The early settlement fee; none where no principal is still to come."""
    early = not_due.sum(axis=0)
    share = mul_div(early, np.array(int(terms.fee_rate * PPB)), np.array(PPB), terms.rounding)
    fee = share + portfolio.settings.schedule.minor(terms.fee_fixed)
    free = (past.sum(axis=0) >= terms.fee_free_after) & (terms.fee_free_after > 0)
    return np.where((early > 0) & ~free, fee, 0)


# A loan's schedule with what has been paid of it (还款明细).

STATEMENT: Final = {**SCHEDULE, "unpaid_minor": "int64", "state": "str"}


class InstallmentState(StrEnum):
    """How an installment stands on a date."""

    PAID = "paid"
    OVERDUE = "overdue"
    CARRIED = "carried"  # its rest is within the tolerance: it counts as paid, the rest goes to the next one
    UPCOMING = "upcoming"


def statement(
    tables: LoanTables, settings: StandingSettings, as_of: date
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every installment of these loans as it stands on `as_of` (STATEMENT), and FINDINGS.

    An installment due on `as_of` itself is upcoming. Loans of every status have one, after their changes.
    Computed and supplied basis; a snapshot has no schedule: finding `statement_needs_schedule`.
    """
    loans, notes = usable(tables.loans)
    if settings.schedule.basis == "snapshot":
        text = "a snapshot has no schedule; use the computed or the supplied basis"
        lost = findings(
            Finding.STATEMENT_NEEDS_SCHEDULE, list(loans["loan_id"]), text, place="schedule.basis"
        )
        return stack([], STATEMENT), stack([notes, lost], FINDINGS)
    # A settled loan's changes are its history; only to a running loan does a portfolio apply them.
    portfolio = LoanBook.of(loans.assign(status="active"), tables, settings, as_of)
    rows, found = [], [notes, portfolio.notes]
    for positions, problems in portfolio.batches(np.arange(len(loans))):
        rows += [_statement_rows(position, as_of) for position in positions]
        found.append(problems)
    told = stack(rows, STATEMENT).sort_values(["loan_id", "installment_no"], ignore_index=True)
    return told, stack(found, FINDINGS)


def _statement_rows(position: Position, as_of: date) -> pd.DataFrame:
    told = position.grid.to_frame()  # by loan, then installment
    loan_at, row_at = np.nonzero(position.grid.present.T)
    unpaid = position.owed.installment_minor[row_at, loan_at]
    asked = position.asked_minor[row_at, loan_at] > 0
    past = (told["due_on"] < pd.Timestamp(as_of)).to_numpy()
    open_state = np.where(past, InstallmentState.OVERDUE.value, InstallmentState.UPCOMING.value)
    open_state = np.where(asked, open_state, InstallmentState.CARRIED.value)
    told = told.assign(
        installment_no=position.numbers[row_at, loan_at],
        unpaid_minor=unpaid,
        state=np.where(unpaid == 0, InstallmentState.PAID.value, open_state),
    )
    return told.astype(dict(STATEMENT))[list(STATEMENT)]


# Where the lender's own installments differ from the recomputed ones.

_KEY = ["loan_id", "installment_no"]
_MONEY = ["principal_minor", "interest_minor", "fees_minor", "total_minor"]

DIFFERS: Final = Finding.SUPPLIED_SCHEDULE_DIFFERS
"""The finding's code."""


def compare(tables: LoanTables, settings: ScheduleSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Supplied against recomputed installments: the rows that differ, and FINDINGS.

    Only loans that have supplied installments are compared. One row per differing installment: loan_id,
    installment_no, due_on and due_on_computed (NaT where one side has no such installment), and for each
    amount (minor units) the supplied one, the `_computed` one and the `_difference`, supplied less
    computed. One finding `supplied_schedule_differs` per loan names its first differing installment and
    counts them; a loan that cannot be recomputed has the finding that says why.
    """
    given = empty(INSTALLMENTS) if tables.installments is None else tables.installments
    with_table = tables.loans[tables.loans["loan_id"].isin(given["loan_id"])]
    with_table = with_table.assign(status="active")  # a settled loan's changes are part of its schedule too
    changes = tables.changes
    mine = None if changes is None else changes[changes["loan_id"].isin(with_table["loan_id"])]
    grids, problems = build_schedules(with_table, mine, settings)
    rows = differences(given, schedule_frame(grids))
    return rows, stack([problems, _told(rows)], FINDINGS)


def differences(supplied: pd.DataFrame, computed: pd.DataFrame) -> pd.DataFrame:
    """Rows that differ of an INSTALLMENTS and a SCHEDULE frame, loans in both only; columns as in `compare`."""
    ours = supplied[supplied["loan_id"].isin(computed["loan_id"])]
    columns = [*_KEY, "due_on", *_MONEY]
    both = ours[columns].merge(computed[columns], on=_KEY, how="outer", suffixes=("", "_computed"))
    differs = (both["due_on"] != both["due_on_computed"]).to_numpy()
    for name in _MONEY:
        filled = both[[name, f"{name}_computed"]].fillna(0).astype("int64")
        both[[name, f"{name}_computed"]] = filled
        both[f"{name}_difference"] = filled[name] - filled[f"{name}_computed"]
        differs = differs | (both[f"{name}_difference"] != 0).to_numpy()
    return (
        both[differs]
        .astype(dict.fromkeys(_money_columns(), "int64"))
        .sort_values(_KEY)
        .reset_index(drop=True)
    )


def _money_columns() -> list[str]:
    return [f"{name}{suffix}" for name in _MONEY for suffix in ("", "_computed", "_difference")]


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    loans = rows.groupby("loan_id", sort=True)
    first = loans.head(1).set_index("loan_id")
    told = [
        f"installment {number}: due {_day(due)} (computed {_day(computed)}), total {difference:+d} minor "
        f"units; "
        f"{count} installments differ"
        for number, due, computed, difference, count in zip(
            first["installment_no"],
            first["due_on"],
            first["due_on_computed"],
            first["total_minor_difference"],
            loans.size().reindex(first.index),
            strict=True,
        )
    ]
    return findings(
        DIFFERS,
        list(first.index),
        "the lender's installments differ from the recomputed ones; check the terms, or mend the table",
        place="installments",
        value=told,
    )


def _day(day: pd.Timestamp) -> str:
    return "none" if pd.isna(day) else f"{day:%Y-%m-%d}"
