"""What every guard looks at: tonight beside the nights before it, and what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from carloan_notify.notices.expected import Expected
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.measures import Share
from carloan_notify.records import NightFacts


@dataclass(frozen=True, slots=True)
class NightEvidence:
    """`measured` shares by name (`measures.measure`); `expected` occasions, None where no night is remembered."""

    measured: Mapping[str, Share] = field(default_factory=dict)
    expected: Expected | None = None


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
