"""The lender's own installments as grids, taken as they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import FINDINGS, empty, findings, stack
from carloan_notify.loans.arrays import NO_DATE, Dates, Flags, Ints
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.settings import ScheduleSettings

_MONEY = ("principal_minor", "interest_minor", "fees_minor", "total_minor", "paid_minor")


@dataclass(frozen=True, eq=False)
class SuppliedSchedule:
    """A grid of supplied installments, with the lender's own numbers and what was paid of each, (k, n)."""

    grid: Grid
    numbers: Ints
    paid_minor: Ints


@dataclass(frozen=True, eq=False)
class SuppliedTable:
    """All usable supplied installments: loan i's are `start[i] : start[i + 1]`, by installment number."""

    loan_ids: pd.Series
    start: Ints
    number: Ints
    due_on: Dates
    money: dict[str, Ints]

    @property
    def count(self) -> Ints:
        """Installments per loan, shape (n,); 0 where a loan has none that can be used."""
        return np.diff(self.start)

    def schedule(self, loans: npt.NDArray[np.intp]) -> SuppliedSchedule:
        """The schedules of the loans at these positions."""
        count = self.start[1:][loans] - self.start[:-1][loans]
        loan_at = np.repeat(np.arange(len(loans)), count)
        row_at = np.arange(len(loan_at)) - np.repeat(np.cumsum(count) - count, count)
        rows = self.start[:-1][loans][loan_at] + row_at
        shape = (int(count.max(initial=0)), len(loans))

        def cells(values: Ints) -> Ints:
            grid = np.zeros(shape, dtype=np.int64)
            grid[row_at, loan_at] = values[rows]
            return grid

        due_on = np.full(shape, NO_DATE)
        due_on[row_at, loan_at] = self.due_on[rows]
        principal = cells(self.money["principal_minor"])
        grid = Grid(
            loan_ids=self.loan_ids.iloc[loans].to_numpy(dtype=object),
            count=count,
            due_on=due_on,
            original_due_on=due_on,
            interest_on=due_on,
            principal_minor=principal,
            interest_minor=cells(self.money["interest_minor"]),
            fees_minor=cells(self.money["fees_minor"]),
            opening_minor=principal.sum(axis=0),
        )
        return SuppliedSchedule(grid, cells(self.number), cells(self.money["paid_minor"]))


def supplied_table(installments: pd.DataFrame, loan_ids: pd.Series) -> tuple[SuppliedTable, pd.DataFrame]:
    """The INSTALLMENTS of these loans, and FINDINGS; a loan with one bad row is left out whole.

    An amount in `total_minor` beyond its parts counts as fees (insurance and the like); where no part is
    given, as principal; where only parts are given, they make the total. The due date is the installment's
    identity too, because the table knows no earlier one.
    """
    codes = pd.Index(loan_ids).get_indexer(pd.Index(installments["loan_id"]))
    unknown = codes < 0
    notes = [
        findings(
            Finding.INSTALLMENT_UNKNOWN_LOAN,
            installments["loan_id"][unknown].drop_duplicates(),
            "installments name a loan that is not in the loans table; add the loan or drop them",
            place="installments.loan_id",
        )
    ]
    number = installments["installment_no"].to_numpy()
    kept = np.flatnonzero(~unknown)
    order = kept[np.lexsort((number[kept], codes[kept]))]
    rows = installments.iloc[order].reset_index(drop=True)
    at = codes[order]
    struck = np.zeros(len(loan_ids), dtype=bool)
    for code, bad, column, message in _faults(rows, at):
        loans = np.unique(at[bad])
        fresh = loans[~struck[loans]]
        notes.append(findings(code, list(loan_ids.iloc[fresh]), message, place=f"installments.{column}"))
        struck[loans] = True
    good = ~struck[at]
    start = np.concatenate(
        [np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(at[good], minlength=len(loan_ids)))]
    )
    rows = rows[good]
    due_on = rows["due_on"].to_numpy().astype("datetime64[D]")
    table = SuppliedTable(loan_ids, start, rows["installment_no"].to_numpy(), due_on, _parts(rows))
    return table, stack(notes, FINDINGS)


def _faults(rows: pd.DataFrame, at: npt.NDArray[np.intp]) -> Iterator[tuple[str, Flags, str, str]]:
    """Code, bad rows, column and sentence of every rule; `rows` are by loan and number."""
    same_loan = np.concatenate([[False], at[1:] == at[:-1]]) if len(at) else np.zeros(0, dtype=bool)
    number, due = rows["installment_no"].to_numpy(), rows["due_on"].to_numpy()
    money = rows[list(_MONEY)].to_numpy()
    parts = money[:, :3].sum(axis=1)
    total = money[:, 3]
    yield (
        Finding.INSTALLMENT_WITHOUT_DUE_DATE,
        np.isnat(due),
        "due_on",
        "an installment has no due date; fill it in",
    )
    yield (
        Finding.INSTALLMENT_DUPLICATE,
        same_loan & (number == np.roll(number, 1)),
        "installment_no",
        "an installment number is there twice; keep one row per installment",
    )
    yield (
        Finding.INSTALLMENT_DATES_NOT_ASCENDING,
        same_loan & (due < np.roll(due, 1)),
        "due_on",
        "a later installment falls due before an earlier one; correct the dates or the numbers",
    )
    yield (
        Finding.INSTALLMENT_NEGATIVE,
        np.asarray((money < 0).any(axis=1)),
        "total_due",
        "an amount of an installment is below 0; correct it",
    )
    yield (
        Finding.INSTALLMENT_TOTAL_TOO_SMALL,
        (total > 0) & (total < parts),
        "total_due",
        "principal, interest and fees of an installment are more than its total; correct one of them",
    )


def _parts(rows: pd.DataFrame) -> dict[str, Ints]:
    money = {name: rows[name].to_numpy() for name in _MONEY}
    parts = money["principal_minor"] + money["interest_minor"] + money["fees_minor"]
    beyond = np.maximum(money["total_minor"] - parts, 0)
    bare = parts == 0
    money["principal_minor"] = money["principal_minor"] + np.where(bare, beyond, 0)
    money["fees_minor"] = money["fees_minor"] + np.where(bare, 0, beyond)
    return money


# Installments whose totals the lender sets itself: seasonal and step schedules.
#
# The loans table may carry a text column `installment_amounts`, e.g. `1=800.00; 7=1200.00; 13=`: from
# installment 1 on 800.00 each, from 7 on 1200.00 each, from 13 on computed again. The last installment takes
# what is left.

COLUMN = "installment_amounts"
STEP = re.compile(r"\s*(\d{1,4})\s*=\s*(\d{1,13}(?:\.\d{1,4})?)?\s*")


def supplied_amounts(loans: pd.DataFrame, rows: int, settings: ScheduleSettings) -> tuple[Ints, pd.DataFrame]:
    """Supplied totals in minor units, `rows` rows, −1 where there is none.

    Also FINDINGS `installment_amounts_invalid` for loans whose text cannot be read.
    """
    if COLUMN not in loans:
        return np.broadcast_to(np.int64(-1), (rows, len(loans))), empty(FINDINGS)
    codes, texts = pd.factorize(loans[COLUMN])
    read = [_steps(str(text), rows, settings) for text in texts]
    unread = np.array([column is None for column in read])[codes]
    columns = np.stack([np.full(rows, -1) if column is None else column for column in read], axis=1)
    problem = findings(
        Finding.INSTALLMENT_AMOUNTS_INVALID,
        loans["loan_id"][unread],
        "write from-installment=amount, ascending, e.g. 1=800.00; 7=1200.00",
        place=COLUMN,
        value=list(loans[COLUMN][unread].astype(str)),
    )
    return columns[:, codes], problem


def _steps(text: str, rows: int, settings: ScheduleSettings) -> Ints | None:
    """One column of totals, or None where the text is not of the form."""
    amounts = np.full(rows, -1, dtype=np.int64)
    last = 0
    for part in filter(str.strip, text.split(";")):
        step = STEP.fullmatch(part)
        if step is None or int(step[1]) <= last:
            return None
        last = int(step[1])
        try:
            amounts[last - 1 :] = settings.minor(Decimal(step[2])) if step[2] else -1
        except ValueError:
            return None
    return amounts
