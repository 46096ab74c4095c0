"""Changes to running loans, applied in order, and what each of them altered for the borrower."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.frames import COUNT, DATE, FINDINGS, MONEY, TEXT, findings, stack
from carloan_notify.loans.amounts import amounts, with_amounts_fixed
from carloan_notify.loans.calendars import Calendar
from carloan_notify.loans.change_values import ChangeType
from carloan_notify.loans.grid import Flags, Ints
from carloan_notify.loans.plan import Plan
from carloan_notify.loans.replan import affected_row, moves_dates, objections, replanned
from carloan_notify.loans.running import Asked, Running, running

CHANGE_EFFECTS: Final[Mapping[str, str]] = {
    "change_id": TEXT,
    "loan_id": TEXT,
    "type": TEXT,
    "effective_on": DATE,
    "installment_no": COUNT,  # the first installment that is different
    "original_due_on": DATE,
    "due_on_before": DATE,
    "due_on_after": DATE,
    "total_before_minor": MONEY,
    "total_after_minor": MONEY,
    "installments_before": COUNT,
    "installments_after": COUNT,
    "last_due_on_before": DATE,
    "last_due_on_after": DATE,
}
MESSAGES: Final[Mapping[str, str]] = {
    "change_unknown_installment": "the loan has no such installment; correct the number",
    "change_after_last_due": "nothing falls due on or after effective_on; correct the date",
    "change_before_disbursement": "effective_on is before the loan begins; correct the date",
    "changes_overlap": "an earlier prepayment or settlement has fixed this installment; correct the dates",
    "change_not_applicable": "this change does not fit the product's method or frequency; remove it",
    "prepayment_too_large": "the prepayment repays the whole loan; use a settlement",
    "change_date_not_after_previous": "the new due date is not after the installment before; correct it",
}


@dataclass(frozen=True, eq=False)
class Changed:
    """Loans after their changes: the plan with amounts fixed, FINDINGS of struck loans, the effects."""

    plan: Plan
    sound: Flags
    findings: pd.DataFrame
    effects: pd.DataFrame


def apply_changes(plan: Plan, due_day: Ints, changes: pd.DataFrame, calendar: Calendar) -> Changed:
    """The plan after all rounds of changes (see `change_table.read_changes`).

    A loan whose change cannot be applied is not `sound` and has a finding; the others are unharmed.
    `plan` needs as many rows as the longest extended loan.
    """
    state = running(with_amounts_fixed(plan, amounts(plan)), due_day)
    sound = np.ones(len(plan.loan_ids), dtype=bool)
    found, effects = [], []
    for _, asked_rows in changes.groupby("round", sort=True):
        asked = _asked(plan, asked_rows, sound)
        row = affected_row(state, asked)
        codes = objections(state, asked, row)
        asked = _only(asked, codes == "")
        after = replanned(state, asked, row, calendar)
        codes = np.where(_out_of_order(after, asked, row), "change_date_not_after_previous", codes)
        found.append(_struck(plan, asked_rows, codes))
        sound &= codes == ""
        effects.append(_effects(state, after, asked_rows, asked, row))
        state = after
    told = stack(effects, CHANGE_EFFECTS)
    return Changed(
        state.plan, sound, stack(found, FINDINGS), told[told["loan_id"].isin(plan.loan_ids[sound].tolist())]
    )


def _asked(plan: Plan, rows: pd.DataFrame, sound: Flags) -> Asked:
    """The round's changes in the order of the plan's loans; struck loans ask for nothing any more."""
    aligned = rows.set_index("loan_id").reindex(plan.loan_ids)
    asks = sound & aligned["type"].notna().to_numpy()
    return Asked(
        kind=np.where(asks, aligned["type"].to_numpy(dtype=object), ""),
        mode=np.where(asks, aligned["mode"].to_numpy(dtype=object), ""),
        number=aligned["number"].fillna(0).to_numpy(dtype=np.int64),
        effective_on=aligned["effective_on"].to_numpy().astype("datetime64[D]"),
        on=aligned["on"].to_numpy().astype("datetime64[D]"),
    )


def _only(asked: Asked, keep: Flags) -> Asked:
    return Asked(
        kind=np.where(keep, asked.kind, ""),
        mode=np.where(keep, asked.mode, ""),
        number=asked.number,
        effective_on=asked.effective_on,
        on=asked.on,
    )


def _out_of_order(after: Running, asked: Asked, row: Ints) -> Flags:
    """Where a moved due date does not come after the one before it, or after the loan's first day."""
    due_on, loans = after.plan.due_on, np.arange(len(row))
    at = np.minimum(row, len(due_on) - 1)
    before = np.where(at > 0, due_on[at - 1, loans], after.plan.dates.start_on)
    flags: Flags = moves_dates(asked) & (due_on[at, loans] <= before)
    return flags


def _struck(
    plan: Plan, rows: pd.DataFrame, codes: np.ndarray[tuple[int], np.dtype[np.object_]]
) -> pd.DataFrame:
    told = (rows["change_id"] + ": " + rows["type"] + " " + rows["value"]).to_numpy(dtype=object)
    value = dict(zip(rows["loan_id"], told, strict=True))
    frames = []
    for code in sorted(set(codes.tolist()) - {""}):
        ids = plan.loan_ids[codes == code].tolist()
        frames.append(
            findings(code, ids, MESSAGES[code], place="changes", value=[value[loan] for loan in ids])
        )
    return stack(frames, FINDINGS)


def _effects(before: Running, after: Running, rows: pd.DataFrame, asked: Asked, row: Ints) -> pd.DataFrame:
    """CHANGE_EFFECTS of one round."""
    chosen = np.flatnonzero(asked.kind != "")
    told = np.where(asked.of(ChangeType.PREPAYMENT), row + 1, row)
    told = np.minimum(told, np.maximum(before.plan.count, after.plan.count) - 1)[chosen]
    cells: dict[str, object] = {
        "loan_id": before.plan.loan_ids[chosen],
        "installment_no": told + 1,
        "original_due_on": before.plan.original_on[told, chosen],
    }
    for name, state in (("before", before), ("after", after)):
        plan = state.plan
        total = plan.fixed_principal + plan.fixed_interest + plan.fees
        cells[f"due_on_{name}"] = plan.due_on[told, chosen]
        cells[f"total_{name}_minor"] = total[told, chosen]
        cells[f"installments_{name}"] = plan.count[chosen]
        cells[f"last_due_on_{name}"] = plan.due_on[plan.count[chosen] - 1, chosen]
    effects = pd.DataFrame(cells).merge(rows[["loan_id", "change_id", "type", "effective_on"]], on="loan_id")
    return effects.astype(dict(CHANGE_EFFECTS))[list(CHANGE_EFFECTS)]
