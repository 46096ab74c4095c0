"""Is tonight plausible? Each guard measures the whole night before the first message leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from statistics import median
from typing import Final

from pydantic import Field

from carloan_notify.codes import GuardName
from carloan_notify.records import GuardResult, NightFacts
from carloan_notify.settings import Settings

# Options of the guards (`guards`): how far a night may differ from the nights before it.


NIGHTS_COMPARED: Final = 8
"""How many recent nights of the same weekday the median is taken of."""
NIGHTS_NEEDED: Final = 3
"""With fewer such nights on record, message count and cost are not judged."""
OVERDUE_JUMP_POINTS: Final = 0.03
"""A growth of the overdue share below this (3 percentage points) stops no night."""


class GuardSettings(Settings):
    """Bounds of a plausible night. A guard that trips stops the night before its first message."""

    export_date_column: str = Field(
        default="",
        description=(
            "Column of the loans table that holds the date of the export; empty to go by the file's time. "
            "A database without such a column is not judged by age."
        ),
        examples=["data_date"],
    )
    max_export_age_days: int = Field(
        default=1,
        ge=0,
        description="Most days the loan export may be older than the business date.",
        examples=[1],
    )
    max_row_drop: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="Largest share by which the number of loans may fall from one night to the next.",
        examples=[0.1],
    )
    max_payment_age_days: int | None = Field(
        default=7,
        ge=0,
        description="Most days the newest payment may be older than the business date; empty for any age.",
        examples=[7],
    )
    payment_age_from_loans: int = Field(
        default=50,
        ge=0,
        description="With fewer active loans than this, weeks without a payment are nothing unusual and stop no night.",
        examples=[50],
    )
    overdue_jump_factor: float = Field(
        default=2.0,
        ge=1,
        description="The overdue share of active loans may grow at most this many times overnight.",
        examples=[2.0],
    )
    overdue_jump_loans: int = Field(
        default=10,
        ge=0,
        description="A growth by fewer overdue loans than this stops no night: in a small portfolio shares leap.",
        examples=[10],
    )
    message_factor: float = Field(
        default=3.0,
        ge=1,
        description=(
            "Messages and cost may be at most this many times more, or fewer, than the median of recent "
            "nights of the same weekday."
        ),
        examples=[3.0],
    )
    message_slack: int = Field(
        default=50,
        ge=0,
        description="A difference of up to this many messages from the median never stops a night.",
        examples=[50],
    )
    cost_slack_minor: int = Field(
        default=500,
        ge=0,
        description="A difference from the median cost up to this stops no night; minor units (分, cents).",
        examples=[500],
    )
    max_reject_rate: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest share of input rows that may be rejected.",
        examples=[0.05],
    )
    max_paid_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description=(
            "Largest share of waiting messages that may turn out paid at one look of `send`; more is not believed and "
            "held. Raise it where a collection run books most payments of the day before messages leave."
        ),
        examples=[0.5],
    )
    daily_cost_cap_minor: int | None = Field(
        default=None,
        ge=0,
        description="Most that one business date may cost, in minor units (分, cents); empty for no cap.",
        examples=[50000],
    )
    monthly_cost_cap_minor: int | None = Field(
        default=None,
        ge=0,
        description="Most that one calendar month may cost, in minor units (分, cents); empty for no cap.",
        examples=[1000000],
    )


@dataclass(frozen=True, slots=True)
class _View:
    """Tonight beside what came before.

    `last` is the newest run of an earlier business date, None on the first night; `today` are earlier runs of
    the same business date; `same_weekday` has one (messages, cost) per earlier date.
    """

    tonight: NightFacts
    last: NightFacts | None
    today: Sequence[NightFacts]
    same_weekday: Sequence[tuple[int, int]]
    this_month: Sequence[NightFacts]
    settings: GuardSettings


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a guard measured, in words, and whether it is out of bounds; `fix` is what to do about it."""

    tripped: bool
    measured: str
    fix: str


def check_guards(
    tonight: NightFacts, history: Sequence[NightFacts], settings: GuardSettings
) -> list[GuardResult]:
    """Every guard's view of the night, in a fixed order. `history` holds earlier runs, oldest first.

    Runs of the same business date count together, so that running a night again trips nothing;
    `tonight.messages` and `tonight.cost_minor` are what this run would add. Runs of later dates are not
    looked at.
    """
    view = _view(tonight, history, settings)
    return [_result(name, guard(view)) for name, guard in GUARDS.items()]


def _view(tonight: NightFacts, history: Sequence[NightFacts], settings: GuardSettings) -> _View:
    earlier = sorted((run for run in history if run.as_of < tonight.as_of), key=lambda run: run.as_of)
    weekday = [run for run in earlier if run.as_of.weekday() == tonight.as_of.weekday()]
    nights = [_totals(list(runs)) for _, runs in groupby(weekday, key=lambda run: run.as_of)]
    today = [run for run in history if run.as_of == tonight.as_of]
    return _View(
        tonight=tonight,
        last=earlier[-1] if earlier else None,
        today=today,
        same_weekday=nights[-NIGHTS_COMPARED:],
        this_month=[run for run in [*earlier, *today] if _month(run.as_of) == _month(tonight.as_of)],
        settings=settings,
    )


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def _totals(runs: Sequence[NightFacts]) -> tuple[int, int]:
    return sum(run.messages for run in runs), sum(run.cost_minor for run in runs)


def _result(name: str, finding: _Finding) -> GuardResult:
    cure = f"{finding.fix} If the night is right as it is, accept it with --accept {name}."
    return GuardResult(name, finding.tripped, finding.measured, cure if finding.tripped else "")


def _export_stale(view: _View) -> _Finding:
    fix = "Export the loans again and check that the export job ran."
    export_on, bound = view.tonight.export_on, view.settings.max_export_age_days
    if export_on is None:
        return _Finding(tripped=False, measured="The export carries no date to judge its age by.", fix=fix)
    age = (view.tonight.as_of - export_on).days
    text = f"The loan export is of {export_on}, {age} days before the business date; {bound} are allowed."
    return _Finding(age > bound, text, fix)


def _same_export(view: _View) -> _Finding:
    fix = "Export the loans again: tonight's input is the last night's."
    if view.last is None:
        return _first_night(fix)
    same = bool(view.tonight.content_digest) and view.tonight.content_digest == view.last.content_digest
    likeness = "the same as" if same else "different from"
    return _Finding(same, f"The content of the input is {likeness} that of {view.last.as_of}.", fix)


def _row_drop(view: _View) -> _Finding:
    fix = "Check that the export is complete."
    if view.last is None:
        return _first_night(fix)
    before, now = view.last.loans_read, view.tonight.loans_read
    drop, bound = 1 - _share(now, before, if_none=1.0), view.settings.max_row_drop
    text = f"{now} loans were read after {before} on {view.last.as_of}; a fall of {bound:.1%} is allowed."
    return _Finding(drop > bound, text, fix)


def _no_new_payments(view: _View) -> _Finding:
    fix = "Check that the payments export ran: without it, people who paid would be chased."
    tonight, bound = view.tonight, view.settings.max_payment_age_days
    if view.last is not None and view.last.payments_read and not tonight.payments_read:
        count = view.last.payments_read
        return _Finding(
            tripped=True, measured=f"No payments were read after {count} on {view.last.as_of}.", fix=fix
        )
    if tonight.newest_payment_on is None:
        return _Finding(tripped=False, measured="There are no payments to judge the age of.", fix=fix)
    if tonight.active_loans < view.settings.payment_age_from_loans:
        text = f"{tonight.active_loans} active loans are too few to expect payments every week."
        return _Finding(tripped=False, measured=text, fix=fix)
    age = (tonight.as_of - tonight.newest_payment_on).days
    allowed = "any age is" if bound is None else f"{bound} days are"
    text = f"The newest payment is of {tonight.newest_payment_on}, {age} days old; {allowed} allowed."
    return _Finding(bound is not None and age > bound, text, fix)


def _overdue_jump(view: _View) -> _Finding:
    fix = "Check that payments and due dates of the export are complete."
    if view.last is None:
        return _first_night(fix)
    before, now = (_share(run.overdue_loans, run.active_loans) for run in (view.last, view.tonight))
    factor, points = view.settings.overdue_jump_factor, OVERDUE_JUMP_POINTS
    text = (
        f"{now:.1%} of active loans are overdue after {before:.1%} on {view.last.as_of}; {factor:g} "
        f"times as many or {points:.1%} more are allowed."
    )
    more = view.tonight.overdue_loans - view.last.overdue_loans
    few = more < view.settings.overdue_jump_loans
    return _Finding(not few and now > before * factor and now - before > points, text, fix)


def _message_count(view: _View) -> _Finding:
    counts = [messages for messages, _ in view.same_weekday]
    return _far_from_median("messages", view, counts, _totals([*view.today, view.tonight])[0])


def _cost(view: _View) -> _Finding:
    costs = [cost for _, cost in view.same_weekday]
    return _far_from_median("minor units of cost", view, costs, _totals([*view.today, view.tonight])[1])


def _far_from_median(what: str, view: _View, usual: Sequence[int], now: int) -> _Finding:
    """The median of several nights, so that one odd night neither trips nor blinds the guard."""
    fix = "Preview the night and compare it with the last one."
    settings = view.settings
    if len(usual) < NIGHTS_NEEDED:
        known = f"{len(usual)} nights of this weekday are on record, {NIGHTS_NEEDED} are needed"
        return _Finding(tripped=False, measured=f"{now} {what}; {known} to judge that.", fix=fix)
    middle, factor = median(usual), settings.message_factor
    slack = settings.message_slack if what == "messages" else settings.cost_slack_minor
    far = now > middle * factor or now * factor < middle
    text = (
        f"{now} {what}; the median of {len(usual)} nights of this weekday is {middle:g}; {factor:g} times "
        f"more or fewer, or a difference of {slack}, is allowed."
    )
    return _Finding(far and abs(now - middle) > slack, text, fix)


def _reject_rate(view: _View) -> _Finding:
    rejected, read, bound = view.tonight.rows_rejected, view.tonight.rows_read, view.settings.max_reject_rate
    text = f"{rejected} of {read} input rows were rejected; {bound:.1%} are allowed."
    return _Finding(
        _share(rejected, read) > bound, text, "Look into the rejects file; each row names its cure."
    )


def _daily_cost_cap(view: _View) -> _Finding:
    spent = _totals([*view.today, view.tonight])[1]
    return _cap("This business date", spent, view.settings.daily_cost_cap_minor)


def _monthly_cost_cap(view: _View) -> _Finding:
    spent = _totals([*view.this_month, view.tonight])[1]
    return _cap("This month", spent, view.settings.monthly_cost_cap_minor)


def _cap(period: str, spent: int, bound: int | None) -> _Finding:
    allowed = "there is no cap" if bound is None else f"the cap is {bound}"
    text = f"{period} costs {spent} minor units with tonight's messages; {allowed}."
    return _Finding(bound is not None and spent > bound, text, "Raise the cap in guards, or send less.")


def _first_night(fix: str) -> _Finding:
    return _Finding(tripped=False, measured="There is no earlier night to compare with.", fix=fix)


def _share(part: int, whole: int, *, if_none: float = 0.0) -> float:
    return part / whole if whole else if_none


GUARDS: Final[dict[str, Callable[[_View], _Finding]]] = {
    GuardName.EXPORT_STALE: _export_stale,
    GuardName.SAME_EXPORT: _same_export,
    GuardName.ROW_DROP: _row_drop,
    GuardName.NO_NEW_PAYMENTS: _no_new_payments,
    GuardName.OVERDUE_JUMP: _overdue_jump,
    GuardName.MESSAGE_COUNT: _message_count,
    GuardName.COST: _cost,
    GuardName.REJECT_RATE: _reject_rate,
    GuardName.DAILY_COST_CAP: _daily_cost_cap,
    GuardName.MONTHLY_COST_CAP: _monthly_cost_cap,
}
"""Guards by their stable names, which are what `--accept` takes."""
