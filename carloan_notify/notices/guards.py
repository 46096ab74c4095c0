"""Is tonight plausible? Each guard measures the whole night before the first message leaves."""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Final

from carloan_notify.codes import GuardName
from carloan_notify.notices.content_guards import CONTENT_GUARDS
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.guard_view import (
    Measured,
    NightEvidence,
    View,
    age,
    any_of,
    by_date,
    first_night,
    ratio,
    rested,
    totals,
    view_of,
)
from carloan_notify.notices.measures import Share
from carloan_notify.records import GuardResult, NightFacts

NIGHTS_COMPARED: Final = 8
"""How many recent nights tell what one occasion brings (messages, cost)."""
NIGHTS_NEEDED: Final = 3
"""With fewer nights on record, a quiet day is nothing unusual."""
OCCASIONS_NEEDED: Final = 20
"""A night with fewer tells nothing of what one brings."""
OVERDUE_JUMP_POINTS: Final = 0.03
"""A growth of the overdue share below this (3 percentage points) stops no night."""
OVERDUE_JUMP_TIMES: Final = 2
"""The same as a multiple, where no portfolio of the last night tells what fell due since."""
DAYS_AHEAD: Final = 1
"""A night that is made up for may read the export of the day after."""


def check_guards(
    tonight: NightFacts,
    history: Sequence[NightFacts],
    settings: GuardSettings,
    evidence: NightEvidence | None = None,
) -> list[GuardResult]:
    """Every guard's view of the night, in a fixed order. `history` holds earlier runs.

    Runs of the same business date count together, so that running a night again trips nothing;
    `tonight.messages` and `tonight.cost_minor` are what this run would add. Runs of later dates are not
    looked at. Without `evidence`, the guards over the content of the tables do not judge.
    """
    view = view_of(tonight, history, settings, evidence or NightEvidence())
    return [_result(name, guard(view)) for name, guard in GUARDS.items()]


def _result(name: str, finding: Measured) -> GuardResult:
    cure = f"{finding.fix} If the night is right as it is, accept it with --accept {name}."
    return GuardResult(name, finding.tripped, finding.measured, cure if finding.tripped else "")


def _export_stale(view: View) -> Measured:
    """By the date of most rows, and both ways: one cell that is wrong neither trips nor blinds it."""
    fix = "Export the loans again and check that the export job ran."
    export_on, bound = view.tonight.export_on, view.settings.max_export_age_days
    if export_on is None:
        return Measured(tripped=False, measured="The export carries no date to judge its age by.", fix=fix)
    old = age(view, export_on)
    ahead = view.tonight.export_dated and -old > DAYS_AHEAD
    text = f"The loan export is of {export_on}, {old} days before the business date; {bound} are allowed."
    if ahead:
        text = f"The loan export is of {export_on}, {-old} days after the business date; {DAYS_AHEAD} is allowed."
    return Measured(old > bound or ahead, text, fix)


def _same_export(view: View) -> Measured:
    """All tables, or the loans or the payments alone: yesterday's payments beside today's loans chase payers."""
    fix = "Export the loans again: tonight's input is the last night's."
    if view.last is None:
        return first_night(fix)
    if rested(view):
        text = f"No working day has passed since {view.last.as_of}, and nothing is posted on others."
        return Measured(tripped=False, measured=text, fix=fix)
    same = bool(view.tonight.content_digest) and view.tonight.content_digest == view.last.content_digest
    likeness = "the same as" if same else "different from"
    whole = Measured(same, f"The content of the input is {likeness} that of {view.last.as_of}.", fix)
    return any_of([whole] if same else [whole, *_same_tables(view, view.last)], "", fix)


def _same_tables(view: View, last: NightFacts) -> list[Measured]:
    odd = {"loans": view.tonight.export_dated, "payments": _payments_expected(view)}
    same = [name for name in odd if odd[name] and _unchanged(name, view.tonight, last)]
    text = "The content of {} is the same as that of {}, though other tables are new."
    fix = "Export {} again: tonight's table is the last night's."
    return [
        Measured(tripped=True, measured=text.format(name, last.as_of), fix=fix.format(name)) for name in same
    ]


def _unchanged(table: str, tonight: NightFacts, last: NightFacts) -> bool:
    return table in tonight.digests and tonight.digests[table] == last.digests.get(table)


def _payments_expected(view: View) -> bool:
    """Somebody has paid since the last night: enough fell due, or enough are overdue and no night was ever without."""
    fell = view.evidence.measured.get("dues_unpaid", Share(0, 0)).whole
    if fell >= view.settings.drift_loans:
        return True
    nights = [runs[-1] for runs in by_date(view.earlier)]
    always = not any(_unchanged("payments", *pair) for pair in pairwise(nights))
    busy = view.tonight.active_loans >= view.settings.payment_age_from_loans
    late = view.last is not None and view.last.overdue_loans >= view.settings.drift_loans
    return always and busy and late and len(nights) >= NIGHTS_NEEDED


def _row_drop(view: View) -> Measured:
    fix = "Check that the export is complete."
    if view.last is None:
        return first_night(fix)
    before, now = view.last.loans_read, view.tonight.loans_read
    drop, bound = 1 - ratio(now, before, if_none=1.0), view.settings.max_row_drop
    text = f"{now} loans were read after {before} on {view.last.as_of}; a fall of {bound:.1%} is allowed."
    return Measured(drop > bound, text, fix)


def _no_new_payments(view: View) -> Measured:
    fix = "Check that the payments export ran: without it, people who paid would be chased."
    tonight = view.tonight
    if view.last is not None and view.last.payments_read and not tonight.payments_read:
        count = view.last.payments_read
        text = f"No payments were read after {count} on {view.last.as_of}."
        return Measured(tripped=True, measured=text, fix=fix)
    never = view.evidence.measured.get("nobody_paid", Share(0, 0))
    if never.part >= view.settings.drift_loans:
        text = f"Not one payment is known, and {never.part} of {never.whole} active loans are past their due date."
        return Measured(tripped=True, measured=text, fix=fix)
    if tonight.newest_payment_on is None:
        return Measured(tripped=False, measured="There are no payments to judge the age of.", fix=fix)
    return _payment_age(view, tonight.newest_payment_on, fix)


def _payment_age(view: View, newest: date, fix: str) -> Measured:
    tonight, bound = view.tonight, view.settings.max_payment_age_days
    if tonight.active_loans < view.settings.payment_age_from_loans:
        text = f"{tonight.active_loans} active loans are too few to expect payments every week."
        return Measured(tripped=False, measured=text, fix=fix)
    old = age(view, newest)
    allowed = "any age is" if bound is None else f"{bound} days are"
    text = f"The newest payment is of {newest}, {old} days old; {allowed} allowed."
    missed = tonight.unpaid_since is None or tonight.unpaid_since >= view.settings.drift_loans
    return Measured(bound is not None and old > bound and missed, text, fix)


def _overdue_jump(view: View) -> Measured:
    """What fell due since the last night may well be overdue (`unpaid_dues` looks at it); the rest may not."""
    fix = "Check that payments and due dates of the export are complete."
    if view.last is None:
        return first_night(fix)
    before, now = (ratio(run.overdue_loans, run.active_loans) for run in (view.last, view.tonight))
    points = OVERDUE_JUMP_POINTS
    text = f"{now:.1%} of active loans are overdue after {before:.1%} on {view.last.as_of}; "
    sudden = view.evidence.measured.get("newly_overdue")
    if sudden is not None:
        text += f"of {sudden.part} of them nothing fell due since; {points:.1%} of all loans are allowed."
        return Measured(sudden.part >= view.settings.overdue_jump_loans and sudden.value > points, text, fix)
    text += f"{OVERDUE_JUMP_TIMES} times as many or {points:.1%} more are allowed."
    few = view.tonight.overdue_loans - view.last.overdue_loans < view.settings.overdue_jump_loans
    return Measured(not few and now > before * OVERDUE_JUMP_TIMES and now - before > points, text, fix)


def _message_count(view: View) -> Measured:
    now, _ = totals([*view.today, view.tonight])
    usual = [ratio(messages, occasions) for messages, _, occasions in _usual(view)]
    each = median(usual) if usual else 1.0
    return _as_expected("messages", view, now, each, view.settings.message_slack)


def _cost(view: View) -> Measured:
    messages, now = totals([*view.today, view.tonight])
    usual = [ratio(cost, occasions) for _, cost, occasions in _usual(view)]
    each = median(usual) if usual else ratio(now, messages)
    return _as_expected("minor units of cost", view, now, each, view.settings.cost_slack_minor)


def _usual(view: View) -> list[tuple[int, int, int]]:
    """Messages, cost and occasions of the recent nights that had enough of them to go by."""
    nights = [(*totals(runs), sum(run.occasions for run in runs)) for runs in by_date(view.earlier)]
    return [night for night in nights if night[2] >= OCCASIONS_NEEDED][-NIGHTS_COMPARED:]


def _as_expected(what: str, view: View, now: int, each: float, slack: int) -> Measured:
    """Tonight against the last night's portfolio, carried forward; `each` is what one occasion brought so far."""
    fix = "Preview the night and compare it with the last one."
    expected, factor = view.evidence.expected, view.settings.message_factor
    if expected is None:
        text = f"{now} {what}; no portfolio of an earlier night says how many to expect."
        return Measured(tripped=False, measured=text, fix=fix)
    least, most = expected.least * each, expected.most * each
    text = (
        f"{now} {what}; {least:.0f} to {most:.0f} were expected from the last night's portfolio; {factor:g} times "
        f"more or fewer, or a difference of {slack}, is allowed."
    )
    return Measured(now > most * factor + slack or now < least / factor - slack, text, fix)


def _daily_cost_cap(view: View) -> Measured:
    spent = totals([*view.today, view.tonight])[1]
    return _cap("This business date", spent, view.settings.daily_cost_cap_minor)


def _monthly_cost_cap(view: View) -> Measured:
    spent = totals([*view.this_month, view.tonight])[1]
    return _cap("This month", spent, view.settings.monthly_cost_cap_minor)


def _cap(period: str, spent: int, bound: int | None) -> Measured:
    allowed = "there is no cap" if bound is None else f"the cap is {bound}"
    text = f"{period} costs {spent} minor units with tonight's messages; {allowed}."
    return Measured(bound is not None and spent > bound, text, "Raise the cap in guards, or send less.")


GUARDS: Final[dict[str, Callable[[View], Measured]]] = {
    GuardName.EXPORT_STALE: _export_stale,
    GuardName.SAME_EXPORT: _same_export,
    GuardName.ROW_DROP: _row_drop,
    GuardName.NO_NEW_PAYMENTS: _no_new_payments,
    GuardName.OVERDUE_JUMP: _overdue_jump,
    GuardName.MESSAGE_COUNT: _message_count,
    GuardName.COST: _cost,
    **CONTENT_GUARDS,
    GuardName.DAILY_COST_CAP: _daily_cost_cap,
    GuardName.MONTHLY_COST_CAP: _monthly_cost_cap,
}
"""Guards by their stable names, which are what `--accept` takes."""
