"""What the lender's tables say of messages that wait, on the day and of the person that each is for."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final, NamedTuple

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.codes import Look
from carloan_notify.ledger.notices import first_key, is_again
from carloan_notify.ledger.views import Waiting
from carloan_notify.notices.decide import KEYS, Identity, decide, facts, occasions
from carloan_notify.notices.events import DecideInputs, happened
from carloan_notify.notices.fits import fitting
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.settings import DATE_MOMENT, OF_PROMISES, EventType, RuleSettings
from carloan_notify.pipeline.addressees import Addressee, Known, people_of
from carloan_notify.pipeline.portfolio import Portfolio, inputs_of, only_loans
from carloan_notify.pipeline.reading import on_day, payments_ahead
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.records import CoveredNotice, MessageClass, NightFacts

# What the tables call for on a day, whoever is told and however late: only whether it is true.

ALWAYS: Final = 3650
"""Catch-up days of a look: when a message may leave was decided with its hours; a look asks only what is true."""
EVER: Final = date(1900, 1, 1)
EVENT_DAYS: Final = 30
"""An event that waits is no older than its catch-up days; its date in the tables may be put right by so many."""
MANY: Final = 10
"""Fewer messages than this may all have been paid."""


class StillOwed(NamedTuple):
    """One notice of one installment or event, as the rules call for it now; names are columns of frames.NOTICES."""

    rule_no: int
    installment_no: int
    due_on: pd.Timestamp
    original_due_on: pd.Timestamp
    amount_minor: int
    days_past_due: int
    occurred_on: pd.Timestamp
    event_detail: str = ""


OF_THE_STANDING: Final = frozenset(
    {EventType.LOAN_SETTLED, EventType.LIEN_OPEN, EventType.SETTLEMENT_QUOTED, *OF_PROMISES}
)
"""Events that are so only as long as the loan stands as it does: where they are gone, nothing is in doubt."""


Kind = tuple[str, str, str]
"""Notice, channel and role: for one loan and person at most one rule has them."""
Asked = tuple[Kind, str, date | None]
"""What kind of notice, of which loan and original due date."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is so on `portfolio.as_of`: what is owed by what each notice tells, and whose standing cannot be told.

    `told` has the events of messages that wait, by the keys of their notices; `taken_back` the keys of those that
    confirm a payment which was taken back; `event_of` what a notice's rule waits for. `other_loans` and `others_owed`
    would be told if their rule's `where` fitted; `reported` are loan and type of the lender's own events in the tables.
    """

    portfolio: Portfolio
    owed: Mapping[Asked, Sequence[StillOwed]]
    unpaid: AbstractSet[tuple[str, date | None]]
    known: AbstractSet[str]
    paid_ahead: AbstractSet[str]
    told: Mapping[str, StillOwed] = field(default_factory=dict)
    taken_back: AbstractSet[str] = frozenset()
    event_of: Mapping[str, str] = field(default_factory=dict)
    other_loans: AbstractSet[str] = frozenset()
    others_owed: AbstractSet[Asked] = frozenset()
    reported: AbstractSet[tuple[str, str]] = frozenset()


def truth(
    app: App,
    portfolio: Portfolio,
    paid_ahead: Collection[str],
    waiting: Sequence[Waiting],
    identity: Identity,
) -> Truth:
    """Ask the rules about the loans of these messages, on the portfolio's day."""
    rules = [rule.model_copy(update={"catch_up_days": ALWAYS}) for rule in app.settings.rules]
    inputs, dues = inputs_of(app, portfolio), portfolio.standing.dues
    left, _ = happened(inputs, (EventType.REMAINDER_LEFT,), EVER)
    known = facts(inputs, left[left["type"] == EventType.REMAINDER_LEFT.value], portfolio.as_of)
    unpaid = set[tuple[str, date | None]](zip(dues["loan_id"], dues["original_due_on"].dt.date, strict=True))
    standing = portfolio.standing.loans
    coming = standing[standing["next_original_due_on"].notna()]  # what is deferred may lie beyond the horizon
    unpaid |= set(zip(coming["loan_id"], coming["next_original_due_on"].dt.date, strict=True))
    event_of = {rule.notice: rule.when.moment for rule in rules if _is_told_by_key(rule)}
    mine = [message for message in waiting if message.notice in event_of]
    told, taken_back, other_loans = _events(app, portfolio, inputs, mine, identity)
    found = occasions(rules, known)
    fits = fitting(found, rules, inputs.loans, inputs.standing)
    return Truth(
        portfolio,
        _owed(rules, found[fits]),
        unpaid | {(loan_id, None) for loan_id in left["loan_id"]},
        frozenset(portfolio.standing.loans["loan_id"]) - unclear(portfolio),
        frozenset(paid_ahead),
        told,
        taken_back,
        event_of,
        other_loans,
        frozenset(_owed(rules, found[~fits])),
        _reported(inputs),
    )


def _reported(inputs: DecideInputs) -> frozenset[tuple[str, str]]:
    """Loan and type of each event of the lender's own."""
    if inputs.events is None or not inputs.own_events:
        return frozenset()
    own = inputs.events[frames.among(inputs.events["type"], inputs.own_events)]
    return frozenset(zip(own["loan_id"], own["type"], strict=True))


def _is_told_by_key(rule: RuleSettings) -> bool:
    """Whether it tells of an event; a remainder is owed as an installment is."""
    return rule.when.moment not in {"", EventType.REMAINDER_LEFT}


def unclear(portfolio: Portfolio) -> frozenset[str]:
    """Loans of which, or of whose people, a row was rejected."""
    loans, customers = portfolio.loans, portfolio.incomplete_customers
    theirs = loans.loc[frames.among(loans["customer_id"], customers), "loan_id"] if customers else ()
    return portfolio.incomplete_loans | frozenset(theirs)


def _owed(rules: Sequence[RuleSettings], found: pd.DataFrame) -> dict[Asked, list[StillOwed]]:
    """What each kind of notice would tell; several where rules are for other persons of a loan."""
    every: dict[Asked, list[StillOwed]] = defaultdict(list)
    for loan_id, *values in zip(
        *(found[name].tolist() for name in ("loan_id", *StillOwed._fields)), strict=True
    ):
        owed = StillOwed(*values)
        rule = rules[owed.rule_no]
        for role in rule.who:
            kind = (rule.notice, rule.channel.value, role.value)
            every[kind, loan_id, day_or_none(owed.original_due_on)].append(owed)
    return dict(every)


def _events(
    app: App, portfolio: Portfolio, inputs: DecideInputs, waiting: Sequence[Waiting], identity: Identity
) -> tuple[dict[str, StillOwed], set[str], set[str]]:
    """The events of these messages by key, the keys of payments that were taken back, and of those for other loans."""
    wanted = {first_key(cover.idempotency_key) for message in waiting for cover in message.covers}
    if not wanted:
        return {}, set(), set()
    kinds = {(message.notice, message.channel) for message in waiting}
    again = any(is_again(cover.idempotency_key) for message in waiting for cover in message.covers)
    places = [
        place for place, rule in enumerate(app.settings.rules) if (rule.notice, rule.channel.value) in kinds
    ]
    every = [app.settings.rules[place] for place in places]
    rules = [
        rule.model_copy(update={"catch_up_days": ALWAYS if again else rule.catch_up_days + EVENT_DAYS})
        for rule in every
    ]

    def told(seen: DecideInputs, by: Sequence[RuleSettings] = rules) -> dict[str, StillOwed]:
        found = decide(seen, by, app.settings.policy, portfolio.as_of, identity).notices
        return _by_key(found, places, wanted)

    events = told(inputs)
    if wanted <= events.keys():
        return events, set(), set()
    everybody = [rule.model_copy(update={"where": {}}) for rule in rules]
    others = set(told(inputs, everybody)) - set(events) if any(rule.where for rule in rules) else set[str]()
    if inputs.payments is None:
        return events, set(), others
    unreversed = inputs.payments[inputs.payments["amount_minor"] > 0]
    return events, set(told(replace(inputs, payments=unreversed))) - set(events), others


def _by_key(notices: pd.DataFrame, places: Sequence[int], wanted: AbstractSet[str]) -> dict[str, StillOwed]:
    """The wanted ones of these notices under each of their keys; `places` has the place of each of their rules."""
    found: dict[str, StillOwed] = {}
    names = ("rule_no", *KEYS, *StillOwed._fields[1:])
    for rule_no, *values in zip(*(notices[name].tolist() for name in names), strict=True):
        owed = StillOwed(places[rule_no], *values[len(KEYS) :])
        found |= {key: owed for key in values[: len(KEYS)] if key in wanted}
    return found


# One message: what is to become of it.


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to become of a waiting message. At most one of `cancel` and `hold` says why; else it may go.

    `still` are the notices that are still true, each with what is so of it on the recipient's `day`; a message that
    may go and told more than these is worded anew without the rest, to `name`. One without `still` that may go stays
    as it is. What is held by the hours of its person waits `until` they open.
    """

    cancel: Look | None = None
    hold: Look | None = None
    still: tuple[tuple[CoveredNotice, StillOwed], ...] = ()
    day: date = EVER
    name: str = ""
    until: datetime | None = None


CANCELS: Final = frozenset({Look.NUMBER_CHANGED, Look.REFUSED})
"""What the tables say of a person for certain; what they do not say any more holds."""


def verdict(message: Waiting, now: Truth, people: Mapping[str, Addressee]) -> Ruling:
    """A loan of which nothing sure is known holds the message; what is over, ends it; else it may go.

    `people` says by loan whom it is for. What is over for one of several loans is left out, and what is in doubt for
    one of them holds all.
    """
    if not message.loan_ids <= now.known:
        return Ruling(hold=Look.STANDING_UNCLEAR)
    ends = {loan_id: one.against for loan_id, one in people.items() if one.against in CANCELS}
    mine = [cover for cover in message.covers if cover.loan_id not in ends]
    if not mine:
        return Ruling(cancel=next(iter(ends.values())))
    if message.message_class == MessageClass.COLLECTION and message.loan_ids & now.paid_ahead:
        return Ruling(hold=Look.PAYMENT_AHEAD)
    ruling = _content(message, mine, now, people)
    if ruling.cancel or ruling.hold:
        return ruling
    told_by = {cover.loan_id: owed.rule_no for cover, owed in ruling.still}
    first = people[mine[0].loan_id]
    for cover in mine:
        one = people[cover.loan_id].by(told_by.get(cover.loan_id))
        if one.against:
            return Ruling(hold=one.against, until=one.opens)
    return replace(ruling, day=first.day, name=first.name)


def _content(
    message: Waiting, covers: Sequence[CoveredNotice], now: Truth, people: Mapping[str, Addressee]
) -> Ruling:
    """Whether what these covers tell is still so."""
    if message.notice in now.event_of:
        return _event(covers, now, now.event_of[message.notice])
    kind = (message.notice, message.channel, message.role)
    asked: list[Asked] = [(kind, cover.loan_id, cover.original_due_on) for cover in covers]
    still = tuple(
        (cover, owed)
        for cover, whom in zip(covers, asked, strict=True)
        if (owed := _fit(now.owed.get(whom, ()), people[cover.loan_id]))
    )
    if not still and any(whom in now.others_owed or whom in now.owed for whom in asked):
        return Ruling(cancel=Look.OTHER_LOANS)
    if still or not message.until_paid:
        return Ruling(still=still)
    paid = any((cover.loan_id, cover.original_due_on) not in now.unpaid for cover in covers)
    return Ruling(cancel=Look.PAID if paid else Look.NO_LONGER_TRUE)


def _fit(owed: Sequence[StillOwed], person: Addressee) -> StillOwed | None:
    """What the rule says that is for such a person."""
    return next((one for one in owed if one.rule_no not in person.unfit), None)


def _event(covers: Sequence[CoveredNotice], now: Truth, event: str) -> Ruling:
    """One event under all keys of its notice. A row that vanished is a doubt; one that speaks otherwise is not.

    An operator who sends again vouches for a row that the tables hold no more. A date column, or an event of the
    lender's own, that names another day than the message speaks otherwise: the next run tells the new day.
    """
    keys = [first_key(cover.idempotency_key) for cover in covers]
    told = next((now.told[key] for key in keys if key in now.told), None)
    if told:
        return Ruling(still=tuple((cover, told) for cover in covers))
    if now.taken_back & set(keys):
        return Ruling(cancel=Look.TAKEN_BACK)
    if now.other_loans & set(keys):
        return Ruling(cancel=Look.OTHER_LOANS)
    moved = event.startswith(DATE_MOMENT) or any((cover.loan_id, event) in now.reported for cover in covers)
    if event in OF_THE_STANDING or moved:
        return Ruling(cancel=Look.NO_LONGER_TRUE)
    return Ruling() if any(is_again(c.idempotency_key) for c in covers) else Ruling(hold=Look.EVENT_GONE)


# All that wait: each on the day that it is where its person is.


@dataclass(frozen=True, slots=True)
class JudgedMessages:
    """A ruling for each message, in their order, and what is true on each of their days."""

    rulings: tuple[Ruling, ...] = ()
    truths: Mapping[date, Truth] = field(default_factory=dict)


def judge(
    app: App,
    tables: Portfolio,
    waiting: Sequence[Waiting],
    known: Known,
    names: Mapping[str, str] | None = None,
    *,
    of_people: bool = True,
) -> JudgedMessages:
    """What is to become of each of these messages by the tables of now (without a standing of their own).

    Days and sums are those of the recipient's own date, with every payment that the lender knows by its own today.
    `names` says whom a message names, as far as that is known. Without `of_people` nothing speaks against a person.
    """
    loan_ids = frozenset[str]().union(*(message.loan_ids for message in waiting))
    mine = _of_these(tables, loan_ids)
    ahead = payments_ahead(mine, app.business_date())["loan_id"]
    people = people_of(app, mine, waiting, known, names or {})
    if not of_people:
        people = {whom: one.welcome() for whom, one in people.items()}
    whose = [{loan_id: people[m.message_id, loan_id] for loan_id in sorted(m.loan_ids)} for m in waiting]
    days = [next(iter(each.values())).day for each in whose]
    truths = {}
    for day in sorted(set(days)):
        those = [message for message, its in zip(waiting, days, strict=True) if its == day]
        loans = frozenset[str]().union(*(message.loan_ids for message in those))
        truths[day] = truth(app, on_day(app, mine, day, loans), ahead, those, known.identity)
    rulings = (
        verdict(message, truths[day], each) for message, day, each in zip(waiting, days, whose, strict=True)
    )
    return JudgedMessages(tuple(rulings), truths)


def _of_these(tables: Portfolio, loan_ids: Collection[str]) -> Portfolio:
    """The tables of these loans and of their people alone."""
    sources = only_loans(tables.sources, loan_ids)
    if sources.contacts is not None:
        loans, rows = sources.loans.frame, sources.contacts.frame
        theirs = frames.among(rows["customer_id"], loans["customer_id"])
        mine = rows[theirs | frames.among(rows["loan_id"], loans["loan_id"])]
        sources = replace(sources, contacts=replace(sources.contacts, frame=mine.reset_index(drop=True)))
    return replace(tables, sources=sources)


# Are the tables to be believed?


def doubted(rulings: Sequence[Ruling], guards: GuardSettings) -> bool:
    """Whether so many of these are over for one reason at once that the tables are not believed."""
    ended = Counter(ruling.cancel for ruling in rulings if ruling.cancel)
    most = max(ended.values(), default=0)
    return most >= MANY and most > guards.max_paid_share * len(rulings)


def shrunk(portfolio: Portfolio, night: NightFacts | None, guards: GuardSettings) -> bool:
    """Whether tables read whole hold far less than on the night, or many bad rows: they are not believed then."""
    sources = portfolio.sources
    rejected = sum(len(table.rejects) for table in sources.tables)
    rows = sum(table.rows_read for table in sources.tables)
    if rejected > guards.max_reject_rate * rows:
        return True
    if night is None:
        return False
    read = [(sources.loans.rows_read, night.loans_read)]
    if sources.payments is not None and night.payments_read is not None:
        read.append((sources.payments.rows_read, night.payments_read))
    fewer = 1 - guards.max_row_drop
    few = (
        (each.rows_read, night.rows.get(each.name, 0)) for each in (sources.events, sources.contacts) if each
    )
    return any(now < fewer * before for now, before in read) or any(
        before - now >= MANY and now < fewer * before for now, before in few
    )
