"""What every guard looks at: tonight beside the nights before it, and what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Final

from carloan_notify.loans.calendar import WorkingDays
from carloan_notify.notices.expected import Expected
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.measures import Share
from carloan_notify.records import NightFacts

RESTS_COMPARED: Final = 8
"""How many recent steps over days of rest tell whether the lender posts on them."""
PAYMENTS_TOLD: Final = 100
"""With fewer payments, their dates do not tell on which days the lender posts."""
PAID_AT_REST: Final = 0.05
"""Days of rest are two of seven; a share of payments below this is no posting on them."""


@dataclass(frozen=True, slots=True)
class NightEvidence:
    """`measured` shares by name (`drifts.measure`); `expected` occasions, None where no night is remembered.

    `working` are the lender's working days; without them every day is one.
    """

    measured: Mapping[str, Share] = field(default_factory=dict)
    expected: Expected | None = None
    working: WorkingDays | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Tonight beside what came before.

    `last` is the newest run of an earlier business date, None on the first night; `today` are earlier runs of
    the same business date; `earlier` are the runs of earlier dates, oldest first.
    """

    tonight: NightFacts
    last: NightFacts | None
    today: Sequence[NightFacts]
    earlier: Sequence[NightFacts]
    this_month: Sequence[NightFacts]
    settings: GuardSettings
    evidence: NightEvidence


@dataclass(frozen=True, slots=True)
class Measured:
    """What a guard measured, in words, and whether it is out of bounds; `fix` is what to do about it."""

    tripped: bool
    measured: str
    fix: str


def view_of(
    tonight: NightFacts, history: Sequence[NightFacts], settings: GuardSettings, evidence: NightEvidence
) -> View:
    """Sort the history; runs of later dates are not looked at."""
    earlier = sorted((run for run in history if run.as_of < tonight.as_of), key=lambda run: run.as_of)
    today = [run for run in history if run.as_of == tonight.as_of]
    this_month = [run for run in [*earlier, *today] if _month(run.as_of) == _month(tonight.as_of)]
    return View(tonight, earlier[-1] if earlier else None, today, earlier, this_month, settings, evidence)


def by_date(runs: Sequence[NightFacts]) -> list[list[NightFacts]]:
    """Runs of one business date together, oldest first."""
    return [list(group) for _, group in groupby(runs, key=lambda run: run.as_of)]


def age(view: View, since: date) -> int:
    """Days from `since` to tonight; only working days where the lender posts nothing on others."""
    working = view.evidence.working
    if working is None or since >= view.tonight.as_of or posts_at_rest(view):
        return (view.tonight.as_of - since).days
    return working.between(since, view.tonight.as_of)


def rested(view: View) -> bool:
    """Whether nothing can be new tonight: no day on which this lender posts has passed since the last night."""
    working = view.evidence.working
    if view.last is None or working is None or posts_at_rest(view):
        return False
    return _all_rest(view, working, view.last, view.tonight)


def _all_rest(view: View, working: WorkingDays, before: NightFacts, after: NightFacts) -> bool:
    """Whether no working day's payments can be new in `after`.

    A night has the payments up to the day before it, or its own as well where the tables are made in the evening.
    """
    evening = any(run.newest_payment_on == run.as_of for run in view.earlier[-RESTS_COMPARED:])
    shift = timedelta(days=int(evening))
    return working.between(before.as_of + shift, after.as_of + shift) == 0


def posts_at_rest(view: View) -> bool:
    """Whether the lender posts on days of rest too.

    What the payments table did on earlier ones tells; before the first of them, the dates of its payments.
    Where neither tells, it does: a night too many is stopped then, and not one too few.
    """
    working = view.evidence.working
    if working is None:
        return True
    nights = [runs[-1] for runs in by_date(view.earlier)]
    steps = [pair for pair in pairwise(nights) if _all_rest(view, working, *pair)]
    changed = [_posted(*pair) for pair in steps[-RESTS_COMPARED:]]
    if changed:
        return 2 * sum(changed) > len(changed)
    share = view.evidence.measured.get("paid_at_rest", Share(0, 0))
    return share.whole < PAYMENTS_TOLD or share.value >= PAID_AT_REST


def _posted(before: NightFacts, after: NightFacts) -> bool:
    if "payments" in after.digests:
        return after.digests["payments"] != before.digests.get("payments")
    return after.content_digest != before.content_digest


def totals(runs: Sequence[NightFacts]) -> tuple[int, int]:
    """Messages and cost of some runs."""
    return sum(run.messages for run in runs), sum(run.cost_minor for run in runs)


def ratio(part: int, whole: int, *, if_none: float = 0.0) -> float:
    """A share; `if_none` of nothing."""
    return part / whole if whole else if_none


def first_night(fix: str) -> Measured:
    """Nothing to compare with."""
    return Measured(tripped=False, measured="There is no earlier night to compare with.", fix=fix)


def any_of(findings: Sequence[Measured], otherwise: str, fix: str) -> Measured:
    """One finding of several: the sentences of those that trip, else all of them, else `otherwise`."""
    tripped = [one for one in findings if one.tripped]
    said = " ".join(one.measured for one in tripped or findings)
    return Measured(
        bool(tripped), said or otherwise, (tripped or [Measured(tripped=False, measured="", fix=fix)])[0].fix
    )


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month
