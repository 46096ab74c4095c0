"""Changes to running loans, applied in order, and what each of them altered for the borrower."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import COUNT, DATE, FINDINGS, MONEY, RATE, TEXT, findings, stack
from carloan_notify.loans.amounts import amounts, pays_total, with_amounts_fixed
from carloan_notify.loans.arrays import Flags, Ints, Texts
from carloan_notify.loans.calendar import MONTHS_PER_PERIOD, Calendar, day_of_month, within_count
from carloan_notify.loans.change_requests import ChangeType, Mode
from carloan_notify.loans.methods import METHODS
from carloan_notify.loans.plan import InstallmentPlan
from carloan_notify.loans.running import (
    Asked,
    Running,
    later_path,
    paid_ahead,
    path_dates,
    running,
    with_periods,
)
from carloan_notify.loans.settings import InterestBasis

# One round of changes, at most one per loan: what it moves, and from where amounts are computed anew.


def affected_row(state: Running, asked: Asked) -> Ints:
    """The first row a change touches; the number of rows where it touches none."""
    due_on, end_on = state.plan.due_on, state.plan.dates.end_on
    by_type = [
        asked.of(ChangeType.DEFERRAL),
        asked.of(ChangeType.RATE),
        asked.of(ChangeType.PREPAYMENT, ChangeType.SETTLEMENT),
    ]
    rows = [
        asked.number - 1,
        _first(end_on > asked.effective_on),
        _first(end_on >= asked.effective_on),
    ]
    return np.select(by_type, rows, _first(due_on >= asked.effective_on))


def _first(flags: Flags) -> Ints:
    return np.where(flags.any(axis=0), flags.argmax(axis=0), len(flags))


def objections(state: Running, asked: Asked, row: Ints) -> Texts:
    """The code of the finding that forbids each change, "" where none does."""
    plan = state.plan
    deferral, prepayment = asked.of(ChangeType.DEFERRAL), asked.of(ChangeType.PREPAYMENT)
    shorter = prepayment & asked.how(Mode.SHORTER_TERM)
    misfit = (
        (deferral & asked.how(Mode.SPREAD) & (row == plan.count - 1))
        | (asked.of(ChangeType.DUE_DAY) & (plan.terms.frequency not in MONTHS_PER_PERIOD))
        | (shorter & METHODS[plan.method].ends_large)
    )
    begin = np.where(row < len(plan.nominal_on), row, 0)
    after = plan.principal - np.cumsum(plan.fixed_principal, axis=0)[begin, np.arange(len(row))]
    conditions = [
        asked.kind == "",
        deferral & (row >= plan.count),
        row >= plan.count,
        asked.effective_on < plan.dates.start_on,
        row < state.locked - prepayment,  # a further prepayment joins that of its period
        misfit,
        prepayment & (asked.number >= after),
    ]
    codes = [
        "",
        Finding.CHANGE_UNKNOWN_INSTALLMENT,
        Finding.CHANGE_AFTER_LAST_DUE,
        Finding.CHANGE_BEFORE_DISBURSEMENT,
        Finding.CHANGES_OVERLAP,
        Finding.CHANGE_NOT_APPLICABLE,
        Finding.PREPAYMENT_TOO_LARGE,
    ]
    return np.select(conditions, codes, "").astype(object)


def replanned(state: Running, asked: Asked, row: Ints, calendar: Calendar) -> Running:
    """The state after the round. Every change asked must be free of objections."""
    moved = _with_dates(_with_path(state, asked, row), asked, row, calendar)
    plan = moved.plan
    steps = np.where(asked.of(ChangeType.RATE), asked.number - plan.rate_ppb, 0)
    from_on = np.where(asked.of(ChangeType.RATE), asked.effective_on, np.datetime64("NaT", "D"))
    rated = replace(
        moved,
        plan=replace(plan, rate_ppb=plan.rate_ppb + steps),
        rate_steps=(*moved.rate_steps, (from_on, steps)),
    )
    counted = with_periods(_with_skipped(rated, asked, row))
    fixed = np.where(asked.kind == "", counted.plan.count, row)
    level = np.where(_levels_anew(counted, asked), -1, counted.plan.level)
    restarted = replace(counted, plan=replace(counted.plan, fixed=fixed, level=level))
    return _settled_amounts(paid_ahead(restarted, asked, row))


def _with_path(state: Running, asked: Asked, row: Ints) -> Running:
    """The path after a due-day change or a deferral."""
    deferral, due_day = asked.of(ChangeType.DEFERRAL), asked.of(ChangeType.DUE_DAY)
    to_date = deferral & asked.how(Mode.TO_DATE)
    on = np.where(deferral & asked.how(Mode.PLAIN), later_path(state.path_on, state, 1), state.path_on)
    day = np.where(due_day, asked.number, state.path_day)
    given = np.where(to_date, asked.on, state.path_on)
    on = np.where(to_date, later_path(given, state, -row), on)
    day = np.where(to_date, day_of_month(given), day)
    changed = replace(state, path_on=on, path_day=day)
    return _not_too_early(changed, asked, row) if due_day.any() else changed


def _not_too_early(changed: Running, asked: Asked, row: Ints) -> Running:
    """A new due day that would fall before the change or the installment before begins a month later."""
    loans, plan = np.arange(len(row)), changed.plan
    begin = np.where(row < len(plan.nominal_on), row, 0)
    first = path_dates(changed)[begin, loans]
    before = np.where(begin > 0, plan.nominal_on[begin - 1, loans], plan.dates.start_on)
    early = asked.of(ChangeType.DUE_DAY) & ((first < asked.effective_on) | (first <= before))
    month = (changed.path_on.astype("datetime64[M]") + 1).astype("datetime64[D]")
    return replace(changed, path_on=np.where(early, month, changed.path_on))


def moves_dates(asked: Asked) -> Flags:
    """Where a change moves due dates: due-day changes and deferrals that are not spread."""
    deferred = asked.of(ChangeType.DEFERRAL) & ~asked.how(Mode.SPREAD)
    return asked.of(ChangeType.DUE_DAY) | deferred


def _with_dates(state: Running, asked: Asked, row: Ints, calendar: Calendar) -> Running:
    """Count and dates after the round, shifted to business days again where they moved."""
    plan = state.plan
    extended = np.where(asked.of(ChangeType.EXTENSION), asked.number, 0)
    count, rows = plan.count + extended, np.arange(len(plan.nominal_on))[:, None]
    fresh = ((moves_dates(asked) & (rows >= row)) | (rows >= plan.count)) & (rows < count)
    nominal = np.where(fresh, path_dates(state), plan.nominal_on)
    shifted = calendar.adjust(np.where(fresh, nominal, np.datetime64("NaT", "D")), plan.terms.convention)
    due_on = np.where(fresh, shifted, plan.due_on)
    end_on = np.where(fresh, due_on if plan.terms.shift_moves_interest else nominal, plan.dates.end_on)
    at_row = moves_dates(asked) & (rows == row)
    return replace(
        state,
        regular_end_on=np.where(at_row | ~fresh, state.regular_end_on, end_on),
        plan=replace(
            plan,
            count=count,
            nominal_on=nominal,
            due_on=due_on,
            dates=replace(plan.dates, end_on=end_on),
            fees=np.where((rows >= plan.count) & (rows < count), plan.fee, plan.fees),
        ),
    )


def _with_skipped(state: Running, asked: Asked, row: Ints) -> Running:
    """Spread deferrals: the row pays nothing, its fee falls due with the next one."""
    spread = asked.of(ChangeType.DEFERRAL) & asked.how(Mode.SPREAD)
    if not spread.any():
        return state
    rows = np.arange(len(state.plan.nominal_on))[:, None]
    here = spread & (rows == row)
    carried = np.where(here, state.plan.fees, 0)
    fees = state.plan.fees - carried + np.roll(carried, 1, axis=0)
    return replace(state, plan=replace(state.plan, skipped=state.plan.skipped | here, fees=fees))


def _levels_anew(state: Running, asked: Asked) -> Flags:
    """Where the installment itself is computed again; elsewhere the borrower goes on paying the same.

    Interest of days that a moved date adds does not change an installment that has it on top.
    """
    terms = state.plan.terms
    days_count = terms.interest_basis is not InterestBasis.RATE_12 or terms.charge_shift_interest
    if METHODS[state.plan.method].annuity and terms.extra_days == "on_top":
        days_count = False
    always = (
        asked.of(ChangeType.EXTENSION)
        | (asked.of(ChangeType.DEFERRAL) & asked.how(Mode.SPREAD))
        | asked.how(Mode.SMALLER_INSTALLMENT)
    )
    by_interest = asked.of(ChangeType.RATE) | (moves_dates(asked) & days_count)
    return always | (by_interest & pays_total(state.plan))


def _settled_amounts(state: Running) -> Running:
    """Amounts computed again, kept as fixed, and the count cut where the loan is repaid sooner."""
    found = with_amounts_fixed(state.plan, amounts(state.plan))
    rows = np.arange(len(found.nominal_on))[:, None]
    repaid = np.cumsum(found.fixed_principal, axis=0) >= found.principal
    count = np.minimum(found.count, np.maximum(repaid.argmax(axis=0), found.fixed) + 1)
    present = rows < count
    cut = replace(
        found,
        count=count,
        nominal_on=within_count(found.nominal_on, count),
        due_on=within_count(found.due_on, count),
        dates=replace(found.dates, end_on=within_count(found.dates.end_on, count)),
        fees=np.where(present, found.fees, 0),
        fixed_interest=np.where(present, found.fixed_interest, 0),
    )
    return replace(state, plan=cut)


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
    "rate_before_ppb": RATE,
    "rate_after_ppb": RATE,
    "number": COUNT,  # what the change's value gives, see `change_requests.ChangeValue`
}
MESSAGES: Final[Mapping[str, str]] = {
    Finding.CHANGE_UNKNOWN_INSTALLMENT: "the loan has no such installment; correct the number",
    Finding.CHANGE_AFTER_LAST_DUE: "nothing falls due on or after effective_on; correct the date",
    Finding.CHANGE_BEFORE_DISBURSEMENT: "effective_on is before the loan begins; correct the date",
    Finding.CHANGES_OVERLAP: "an earlier prepayment or settlement has fixed this installment; correct the dates",
    Finding.CHANGE_NOT_APPLICABLE: "this change does not fit the product's method or frequency; remove it",
    Finding.PREPAYMENT_TOO_LARGE: "the prepayment repays the whole loan; use a settlement",
    Finding.CHANGE_DATE_NOT_AFTER_PREVIOUS: "the new due date is not after the installment before; correct it",
}


@dataclass(frozen=True, eq=False)
class Changed:
    """Loans after their changes: the plan with amounts fixed, FINDINGS of struck loans, the effects."""

    plan: InstallmentPlan
    sound: Flags
    findings: pd.DataFrame
    effects: pd.DataFrame


def apply_changes(plan: InstallmentPlan, due_day: Ints, changes: pd.DataFrame, calendar: Calendar) -> Changed:
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
        codes = np.where(_out_of_order(after, asked, row), Finding.CHANGE_DATE_NOT_AFTER_PREVIOUS, codes)
        found.append(_struck(plan, asked_rows, codes))
        sound &= codes == ""
        effects.append(_effects(state, after, asked_rows, asked, row))
        state = after
    told = stack(effects, CHANGE_EFFECTS)
    return Changed(
        state.plan, sound, stack(found, FINDINGS), told[told["loan_id"].isin(plan.loan_ids[sound].tolist())]
    )


def _asked(plan: InstallmentPlan, rows: pd.DataFrame, sound: Flags) -> Asked:
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
    plan: InstallmentPlan, rows: pd.DataFrame, codes: np.ndarray[tuple[int], np.dtype[np.object_]]
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
        cells[f"rate_{name}_ppb"] = plan.rate_ppb[chosen]
    own = ["loan_id", "change_id", "type", "effective_on", "number"]
    effects = pd.DataFrame(cells).merge(rows[own], on="loan_id")
    return effects.astype(dict(CHANGE_EFFECTS))[list(CHANGE_EFFECTS)]
