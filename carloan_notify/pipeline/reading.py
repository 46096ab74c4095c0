"""What is true on the day on which a message is read: it may leave on a later day than its business date."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.finding_codes import Finding
from carloan_notify.loans.standing import standing
from carloan_notify.notices.decide import Identity, decide
from carloan_notify.notices.release import Tonight, releases
from carloan_notify.pipeline.portfolio import (
    Portfolio,
    inputs_of,
    loan_tables,
    only_loans,
    standing_settings,
)
from carloan_notify.pipeline.wording import reading_days

RETOLD: Final = ("amount_minor", "days_past_due")
"""What a notice says that changes from one day to the next; which installment it is about does not."""


@dataclass(frozen=True, slots=True)
class AsRead:
    """Tonight's notices as they are true when read.

    `standings` has the STANDING of the loans by day of reading; `no_longer_true` are the keys of notices that
    the day of reading does not call for any more.
    """

    notices: pd.DataFrame
    standings: Mapping[date, pd.DataFrame]
    no_longer_true: frozenset[str]


def as_read(app: App, portfolio: Portfolio, notices: pd.DataFrame, identity: Identity) -> AsRead:
    """Decide once more, for the later day, what will not be read on the business date.

    A night that runs after the contact hours, or that makes up for one that was missed, speaks on the next
    day: then the amounts, the days past due and the penalty are that day's, payments of that day count, and
    what has been paid or whose days are over is not told.
    """
    times = releases(notices, app.settings.policy, Tonight(app.clock(), portfolio.as_of))
    days = reading_days(notices, times["not_before"])
    standings = {portfolio.as_of: portfolio.standing.loans}
    retold, untrue = [notices], set[str]()
    as_planned = {portfolio.as_of} if portfolio.as_of >= app.business_date() else set()
    for day in sorted(set(days[days.notna()]) - as_planned):
        mine = notices[days == day]
        later = on_day(app, portfolio, day, mine["loan_id"].unique())
        standings[day] = later.standing.loans
        then = notices_on(app, later, mine, identity)
        untrue |= set(mine["idempotency_key"]).difference(then["idempotency_key"])
        retold.append(_retold(mine, then))
    untrue |= _paid_meanwhile(app, portfolio, notices.assign(day=days, until=times["expires_at"]), identity)
    newest = pd.concat(retold)
    newest = newest[~newest.index.duplicated(keep="last")].sort_index()
    return AsRead(newest, standings, frozenset(untrue))


def _paid_meanwhile(
    app: App, portfolio: Portfolio, notices: pd.DataFrame, identity: Identity
) -> frozenset[str]:
    """Keys of what a payment settles whose date the lender reaches before the recipient's `day` is over.

    West of the lender a message may leave on the lender's tomorrow, whose payments the file may hold already.
    """
    payments = portfolio.sources.payments
    if payments is None:
        return frozenset()
    zone, late = ZoneInfo(app.lender.timezone), payments.frame
    late = late[late["paid_on"] > pd.Timestamp(max(portfolio.as_of, app.business_date()))]
    some = notices[notices["until"].notna() & frames.among(notices["loan_id"], late["loan_id"])]
    last = (some["until"] - pd.Timedelta(seconds=1)).dt.tz_convert(zone).dt.date
    untrue = set[str]()
    for day, known in sorted(set(zip(some["day"], last, strict=True))):
        if known > day:
            mine = some[(some["day"] == day) & (last == known)]
            then = on_day(app, portfolio, day, mine["loan_id"].unique(), known)
            told = notices_on(app, then, mine, identity)
            untrue |= set(mine["idempotency_key"]).difference(told["idempotency_key"])
    return frozenset(untrue)


def on_day(
    app: App, portfolio: Portfolio, day: date, loan_ids: Collection[str], known: date | None = None
) -> Portfolio:
    """The same tables, of these loans alone, with their standing on another day.

    A snapshot speaks of its own day only: what it calls overdue is overdue for as many days more. A payment that
    the lender has by its own date `known` (its today) counts on every day: where it is still yesterday, nobody who
    paid is chased.
    """
    sources = only_loans(portfolio.sources, loan_ids)
    tables, rules = loan_tables(sources), standing_settings(app)
    known = known or app.business_date()
    if tables.payments is not None and day < known:
        tables = replace(tables, payments=_had_by(tables.payments, day, known))
    if rules.schedule.basis == "snapshot":
        past_due = tables.loans["days_past_due"]
        aged = past_due.where(past_due == 0, past_due + (day - portfolio.as_of).days)
        tables = replace(tables, loans=tables.loans.assign(days_past_due=aged))
    return replace(portfolio, as_of=day, sources=sources, standing=standing(tables, rules, day))


def _had_by(payments: pd.DataFrame, day: date, known: date) -> pd.DataFrame:
    """The payments, those of the days after `day` up to `known` as if they had come on `day`."""
    late = payments["paid_on"].between(pd.Timestamp(day), pd.Timestamp(known))
    return payments.assign(paid_on=payments["paid_on"].mask(late, pd.Timestamp(day)))


def notices_on(app: App, portfolio: Portfolio, mine: pd.DataFrame, identity: Identity) -> pd.DataFrame:
    """Those of these notices that the portfolio's day calls for by the same rule, as frames.NOTICES says them then."""
    settings = app.settings
    found = decide(
        inputs_of(app, portfolio),
        settings.rules,
        settings.policy,
        portfolio.as_of,
        identity,
    ).notices
    places = found["idempotency_key"].map(mine.set_index("idempotency_key")["rule_no"])
    return found[places == found["rule_no"]]


def _retold(notices: pd.DataFrame, then: pd.DataFrame) -> pd.DataFrame:
    """The notices with the figures of the later day where it has any."""
    figures = then.set_index("idempotency_key")[list(RETOLD)]
    found = figures.reindex(notices["idempotency_key"]).set_axis(notices.index)
    return notices.assign(
        **{name: found[name].fillna(notices[name]).astype(notices[name].dtype) for name in RETOLD}
    )


def payments_ahead(portfolio: Portfolio, today: date) -> pd.DataFrame:
    """A finding per loan with a payment dated after the lender's own today, wherever that date comes from."""
    table = portfolio.sources.payments
    if table is None:
        return frames.empty(frames.FINDINGS)
    late = table.frame[table.frame["paid_on"] > pd.Timestamp(today)].drop_duplicates("loan_id")
    return frames.findings(
        Finding.PAYMENT_AHEAD,
        list(late["loan_id"]),
        f"a payment is dated after today, {today}: collection for this loan is held; correct its date",
        place="payments.paid_on",
        value=list(late["paid_on"].dt.strftime("%Y-%m-%d")),
    )
