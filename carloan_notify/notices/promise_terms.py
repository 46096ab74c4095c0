"""May a proposal become a promise, and of how much: limits that hold for clerks and rules alike. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from carloan_notify.notices.promise_settings import LOAN_DAYS, STAGE_DAYS, PromisesSettings
from carloan_notify.promise_codes import PromiseRefusal

Earlier = Collection[tuple[date, str]]
"""The day and the bucket of each promise of the loan that counts already."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A proposal as it is to be confirmed: of a sum, or of `everything` that is owed."""

    loan_id: str
    made_on: date
    pay_on: date | None
    amount_minor: int
    everything: bool


@dataclass(frozen=True, slots=True)
class LoanNow:
    """What the tables say of the loan. `received_minor` came in since the promise was made, as far as they tell."""

    status: str
    bucket: str
    overdue_minor: int
    next_due_minor: int
    paid_minor: int
    oldest_due_on: date | None = None
    received_minor: int = 0

    @property
    def owed_minor(self) -> int:
        """All that is owed, for a promise that names no sum: what was overdue when it was made, else the next due."""
        return self.overdue_minor + self.received_minor if self.overdue_minor else self.next_due_minor


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a proposal is not confirmed, with the limit that it meets."""

    reason: PromiseRefusal
    most: int = 0

    def sentence(self, language: str) -> str:
        """For people."""
        return self.reason.sentence(language).format(most=self.most)


def refused(
    asked: Asked, loan: LoanNow | None, earlier: Earlier, settings: PromisesSettings, today: date
) -> Refused | None:
    """Why the proposal is not to be confirmed; None where it may be. `loan` is None where the tables have none."""
    return _day_refused(asked, settings, today) or _loan_refused(asked, loan, earlier, settings, today)


def _day_refused(asked: Asked, settings: PromisesSettings, today: date) -> Refused | None:
    if asked.pay_on is None:
        return Refused(PromiseRefusal.NO_DATE)
    if asked.pay_on < today:
        return Refused(PromiseRefusal.OVER)
    if (asked.pay_on - today).days > settings.max_days_ahead:
        return Refused(PromiseRefusal.TOO_FAR, settings.max_days_ahead)
    return None


def _loan_refused(
    asked: Asked, loan: LoanNow | None, earlier: Earlier, settings: PromisesSettings, today: date
) -> Refused | None:
    if not asked.loan_id:
        return Refused(PromiseRefusal.NO_LOAN)
    if loan is None or loan.status != "active":
        return Refused(PromiseRefusal.NOT_ACTIVE)
    if not (asked.everything or asked.amount_minor):
        return Refused(PromiseRefusal.NO_AMOUNT)
    if asked.everything and not loan.owed_minor:
        return Refused(PromiseRefusal.NOTHING_OWED)
    return _over_limit(loan, earlier, settings, today)


def _over_limit(loan: LoanNow, earlier: Earlier, settings: PromisesSettings, today: date) -> Refused | None:
    if sum(made >= today - timedelta(days=LOAN_DAYS) for made, _ in earlier) >= settings.most_per_loan:
        return Refused(PromiseRefusal.TOO_MANY, settings.most_per_loan)
    since = loan.oldest_due_on or today - timedelta(days=STAGE_DAYS)
    if sum(made >= since and bucket == loan.bucket for made, bucket in earlier) >= settings.most_per_stage:
        return Refused(PromiseRefusal.TOO_MANY_IN_STAGE, settings.most_per_stage)
    return None
