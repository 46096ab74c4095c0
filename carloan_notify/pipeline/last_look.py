"""What the lender's tables say, at the moment of leaving, of messages that wait: true, worded anew, held or over."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple, Self

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.codes import Look
from carloan_notify.delivery.dispatch import Screened
from carloan_notify.ledger import outbox, rewording, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.rewording import Reworded
from carloan_notify.ledger.views import UntilPaid
from carloan_notify.loans.standing import Standing
from carloan_notify.messages.links import without_tokens
from carloan_notify.messages.render import TemplateSet
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.notices.decide import Facts, facts, occasions
from carloan_notify.notices.events import happened
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.policy import DECISION_COLUMNS
from carloan_notify.notices.settings import EventType, RuleSettings
from carloan_notify.pipeline.drafts import Drafted, draft_messages
from carloan_notify.pipeline.portfolio import PayingTables, Portfolio, inputs_of, same_content, table_stamps
from carloan_notify.pipeline.reading import on_day, payments_ahead
from carloan_notify.pipeline.stages import LOOK_AGAIN, take_turns
from carloan_notify.pipeline.wording import Told, Wording, day_or_none, make_wording
from carloan_notify.records import (
    CoveredNotice,
    Decision,
    Draft,
    MessageClass,
    NightFacts,
    OutboundMessage,
    steady,
)

# What the tables call for on a day, whoever is told and however late: only whether it is true.

ALWAYS: Final = 3650
"""Catch-up days of a look: when a message may leave was decided with its hours; a look asks only what is true."""
EVER: Final = date(1900, 1, 1)
MANY: Final = 10
"""Fewer messages than this may all have been paid."""


class StillOwed(NamedTuple):
    """One notice of one installment, as the rules call for it now; names are columns of frames.NOTICES."""

    rule_no: int
    installment_no: int
    due_on: pd.Timestamp
    original_due_on: pd.Timestamp
    amount_minor: int
    days_past_due: int
    occurred_on: pd.Timestamp


Asked = tuple[str, str, str, date | None]
"""Notice, channel, loan and original due date."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is owed on `portfolio.as_of` by what each notice tells, and whose standing cannot be told."""

    portfolio: Portfolio
    owed: Mapping[Asked, StillOwed]
    unpaid: AbstractSet[tuple[str, date | None]]
    known: AbstractSet[str]
    paid_ahead: AbstractSet[str]


def truth(app: App, portfolio: Portfolio, paid_ahead: Collection[str]) -> Truth:
    """Ask the rules about these loans, on the portfolio's day."""
    rules = [rule.model_copy(update={"catch_up_days": ALWAYS}) for rule in app.settings.rules]
    inputs, dues = inputs_of(app, portfolio), portfolio.standing.dues
    left, _ = happened(inputs, (EventType.REMAINDER_LEFT,), EVER)
    known = facts(inputs, left[left["type"] == EventType.REMAINDER_LEFT.value], portfolio.as_of)
    unpaid = set[tuple[str, date | None]](zip(dues["loan_id"], dues["original_due_on"].dt.date, strict=True))
    return Truth(
        portfolio,
        dict(_owed(rules, known)),
        unpaid | {(loan_id, None) for loan_id in left["loan_id"]},
        frozenset(portfolio.standing.loans["loan_id"]) - portfolio.incomplete_loans,
        frozenset(paid_ahead),
    )


def _owed(rules: Sequence[RuleSettings], known: Facts) -> Iterator[tuple[Asked, StillOwed]]:
    found = occasions(rules, known)
    for loan_id, *values in zip(
        *(found[name].tolist() for name in ("loan_id", *StillOwed._fields)), strict=True
    ):
        owed = StillOwed(*values)
        rule = rules[owed.rule_no]
        yield (rule.notice, rule.channel.value, loan_id, day_or_none(owed.original_due_on)), owed


# One message: what is to become of it.


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to become of a waiting message. At most one of `cancel` and `hold` says why; else it may go.

    `still` are the notices that are still true, each with what is owed by it now; a message that may go and
    told more than these is worded anew without the rest.
    """

    cancel: Look | None = None
    hold: Look | None = None
    still: tuple[tuple[CoveredNotice, StillOwed], ...] = ()


def verdict(message: UntilPaid, now: Truth) -> Ruling:
    """A loan of which nothing sure is known holds the message; what is over, ends it; else it may go."""
    loans = {cover.loan_id for cover in message.covers}
    if not loans <= now.known:
        return Ruling(hold=Look.STANDING_UNCLEAR)
    if message.message_class == MessageClass.COLLECTION and loans & now.paid_ahead:
        return Ruling(hold=Look.PAYMENT_AHEAD)
    still = tuple(
        (cover, owed)
        for cover in message.covers
        if (owed := now.owed.get((message.notice, message.channel, cover.loan_id, cover.original_due_on)))
    )
    if still:
        return Ruling(still=still)
    paid = any((cover.loan_id, cover.original_due_on) not in now.unpaid for cover in message.covers)
    return Ruling(cancel=Look.PAID if paid else Look.NO_LONGER_TRUE)


def doubted(verdicts: Sequence[Ruling], guards: GuardSettings) -> bool:
    """Whether so many of these are paid at once that the tables are not believed."""
    paid = sum(each.cancel is Look.PAID for each in verdicts)
    return paid >= MANY and paid > guards.max_paid_share * len(verdicts)


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
    return any(now < (1 - guards.max_row_drop) * before for now, before in read)


# The words of what may go: as they are, or anew.


@dataclass(frozen=True, slots=True)
class Words:
    """What messages are worded with; opened once, because it reads the templates' folder and the key of links."""

    rules: Sequence[RuleSettings]
    templates: TemplateSet
    wording: Wording

    @classmethod
    def of(cls, app: App, day: date) -> Self:
        """The lender's words, on that day."""
        return cls(app.settings.rules, app.templates(), make_wording(app, day))


def worded(words: Words, messages: Mapping[str, tuple[OutboundMessage, Ruling]], now: Truth) -> Drafted:
    """Word these messages (by id) by what is true now."""
    rows = [row for message, each in messages.values() for row in _rows(words, message, each, now)]
    frame = pd.DataFrame(rows).astype(dict(DECISION_COLUMNS))
    told = Told(now.portfolio.loans, {now.portfolio.as_of: now.portfolio.standing.loans})
    return draft_messages("", frame, told, words.templates, words.wording)


def differs(draft: Draft, message: OutboundMessage, settings: MessagesSettings) -> bool:
    """Whether the draft says something else than the message, in its text or in the values kept for a provider."""
    texts = (without_tokens(text, settings) for text in (draft.rendered.text, message.text))
    return next(texts) != next(texts) or steady(draft.params) != steady(message.params)


def _rows(words: Words, message: OutboundMessage, each: Ruling, now: Truth) -> Iterator[dict[str, Any]]:
    """The message as rows of DECISION_COLUMNS: one that leads, and those merged into it."""
    told = {(cover.loan_id, cover.original_due_on): owed for cover, owed in each.still}  # whatever its keys
    total = sum(owed.amount_minor for owed in told.values())
    today = pd.Timestamp(now.portfolio.as_of, tz="UTC")
    for place, ((loan_id, _), owed) in enumerate(told.items()):
        leads, rule = place == 0, words.rules[owed.rule_no]
        yield {
            **_BLANK,
            **owed._asdict(),
            "idempotency_key": message.message_id if leads else f"{message.message_id}:{place}",
            "merged_into": "" if leads else message.message_id,
            "decision": Decision.QUEUED.value if leads else Decision.SUPPRESSED.value,
            "loan_id": loan_id,
            "notice": message.notice,
            "channel": message.channel.value,
            "message_class": rule.message_class.value,
            "template": rule.template_name,
            "language": message.language,
            "role": message.role,
            "recipient_name": message.recipient_name,
            "amount_minor": total if leads else owed.amount_minor,
            "loan_count": len({loan for loan, _ in told}) if leads else 1,
            "timezone": "UTC",
            "not_before": today,
            "expires_at": today,
        }


_BLANK: Final = frames.blank_row(DECISION_COLUMNS)


# The look itself: when it is taken, of whom, and what follows from it.

READING_SHARE: Final = 0.1
"""Asking the database may take this share of the time: what took 50 ms to read counts for 0.45 s."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The night that waiting messages come from: its run, the stamps of the tables it read, and its figures.

    `as_of` is the business date that paths and queries of the tables are dated with.
    """

    as_of: date
    run_id: str = ""
    stamps: Mapping[str, str] = field(default_factory=dict)
    facts: NightFacts | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: the ids it covers, what became of those that a payment cancels, and how long it holds."""

    messages: frozenset[str] = frozenset()
    verdicts: Mapping[str, tuple[UntilPaid, Ruling]] = field(default_factory=dict)
    truth: Truth | None = None
    holds_until: float = 0.0


class LastLook:
    """Screens every batch just before it leaves.

    Files are read again when their content changed since the night that queued the messages, and for messages of
    other runs. A database is asked for the loans of the batch and, in the same breath, for those of the messages
    claimed with it; the answer holds for as long as asking again would keep the sender from its work
    (READING_SHARE), which is well under a second as a rule.
    """

    def __init__(
        self,
        app: App,
        ledger: Ledger,
        night: Planned,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet."""
        self._app = app
        self._ledger = ledger
        self._night = night
        self._monotonic = monotonic
        self._day = app.business_date()
        self._tables = PayingTables(app, night.as_of)
        self._seen = dict(night.stamps)
        self._changed = False
        with ledger.read() as tx:
            self._others = frozenset(views.of_other_runs(tx, night.run_id))
        self._claimed: set[str] = set()
        self._look = _Look()

    @cached_property
    def _words(self) -> Words:
        """Opened when something is first worded, which most drains never need."""
        return Words.of(self._app, self._day)

    def expect(self, messages: Iterable[OutboundMessage]) -> None:
        """These messages were claimed and will soon be screened."""
        self._claimed.update(message.message_id for message in messages)

    def close(self) -> None:
        """Close the connections to the lender's databases."""
        self._tables.close()

    def screen(self, messages: Sequence[OutboundMessage]) -> Screened:
        """Cancel what is over, hold what is in doubt, word anew what has changed; the rest goes as it is.

        Raises:
            SourceError: the tables cannot be read: nothing may go, because nobody can say who has paid.
        """
        answered, waiting = take_turns(self._ledger, self._app.settings.rules, messages, self._app.clock())
        self._claimed -= answered | waiting
        by_id = {m.message_id: m for m in messages if m.message_id not in answered | waiting}
        self._look_again(set(by_id))
        self._claimed -= set(by_id)
        concerned = {name: self._look.verdicts[name] for name in by_id if name in self._look.verdicts}
        cancelled = cancel(self._ledger, concerned.values(), self._app.clock())
        going = {name: each for name, (_, each) in concerned.items() if each.still}
        anew, unworded = self._word({name: (by_id[name], each) for name, each in going.items()})
        doubts = {name: each.hold for name, (_, each) in concerned.items() if each.hold}
        held = self._hold(doubts | dict.fromkeys(unworded, Look.NOT_WORDED))
        stay = cancelled | held
        leaving = [anew.get(name, message) for name, message in by_id.items() if name not in stay]
        return Screened(leaving, cancelled | answered, held, waiting)

    def _look_again(self, ids: Collection[str]) -> None:
        """Look where the last look does not cover these messages, or does not hold any more."""
        if self._files_changed() or not (
            self._look.messages.issuperset(ids) and self._monotonic() < self._look.holds_until
        ):
            self._look = self._looked(frozenset(self._claimed.union(ids)))

    def _files_changed(self) -> bool:
        current = table_stamps(self._app, self._night.as_of, self._seen)
        changed = not same_content(current, self._seen)
        self._seen = current
        if changed:
            self._tables.forget()
            self._changed = True
        return changed

    def _looked(self, claimed: frozenset[str]) -> _Look:
        """Look for the claimed messages; unchanged files have nothing new to say of what was planned from them."""
        began = self._monotonic()
        asked = claimed if self._tables.asks or self._changed else claimed & self._others
        with self._ledger.read() as tx:
            waiting = views.until_paid(tx, sorted(asked)) if asked else []
        if not waiting:
            return _Look(claimed, holds_until=self._holds_until(began))
        verdicts, now = self._judged(waiting)
        told = {message.message_id: (message, each) for message, each in zip(waiting, verdicts, strict=True)}
        return _Look(claimed, told, now, self._holds_until(began))

    def _judged(self, waiting: Sequence[UntilPaid]) -> tuple[list[Ruling], Truth]:
        loan_ids = {cover.loan_id for message in waiting for cover in message.covers}
        sources = self._tables.sources(loan_ids)
        whole = Portfolio(self._night.as_of, sources, NOWHERE, frames.empty(frames.FINDINGS))
        found = on_day(self._app, whole, self._day, loan_ids)
        now = truth(self._app, found, payments_ahead(found, self._day)["loan_id"])
        verdicts, guards = [verdict(message, now) for message in waiting], self._app.settings.guards
        less = not self._tables.asks and shrunk(whole, self._night.facts, guards)
        if less or doubted(verdicts, guards):
            verdicts = [Ruling(hold=Look.EXPORT_DOUBTED) for _ in waiting]
        return verdicts, now

    def _holds_until(self, began: float) -> float:
        if not self._tables.asks:
            return float("inf")
        now = self._monotonic()
        return now + (now - began) * (1 - READING_SHARE) / READING_SHARE

    def _hold(self, doubts: Mapping[str, Look]) -> set[str]:
        now, held = self._app.clock(), set[str]()
        for reason in dict.fromkeys(doubts.values()):
            ids = [name for name, why in doubts.items() if why is reason]
            with self._ledger.write() as tx:
                held.update(outbox.hold(tx, ids, reason, now, now + LOOK_AGAIN))
        return held

    def _word(
        self, going: Mapping[str, tuple[OutboundMessage, Ruling]]
    ) -> tuple[dict[str, OutboundMessage], Collection[str]]:
        """The messages that say something else now, stored with their new words; ids that could not be worded."""
        if not going or self._look.truth is None:
            return {}, ()
        drafted = worded(self._words, going, self._look.truth)
        changes = []
        for draft in drafted:
            name = draft.covers[0].idempotency_key
            message, each = going[name]
            dropped = _dropped(self._look.verdicts[name][0], each)
            if dropped or differs(draft, message, self._app.settings.messages):
                changes.append(Reworded(name, draft, dropped))
        if changes:
            with self._ledger.write() as tx:
                rewording.reword(tx, changes, self._app.clock())
        anew = {
            change.message_id: replace(
                going[change.message_id][0], text=change.draft.rendered.text, params=change.draft.params
            )
            for change in changes
        }
        return anew, drafted.failures


NOWHERE: Final = Standing(
    frames.empty(frames.STANDING), frames.empty(frames.DUES), frames.empty(frames.FINDINGS)
)
"""No standing: it is worked out for the loans that are asked about."""


def _dropped(message: UntilPaid, each: Ruling) -> tuple[str, ...]:
    still = {cover.idempotency_key for cover, _ in each.still}
    return tuple(c.idempotency_key for c in message.covers if c.idempotency_key not in still)


def cancel(ledger: Ledger, judged: Iterable[tuple[UntilPaid, Ruling]], now: datetime) -> set[str]:
    """Cancel the messages whose verdict says so; the ids that were waiting still.

    Their keys are freed: nobody was told, so that a payment that is taken back is told of again.
    """
    reasons: dict[Look, list[str]] = {}
    keys: list[str] = []
    for message, each in judged:
        if each.cancel:
            reasons.setdefault(each.cancel, []).append(message.message_id)
            keys += [cover.idempotency_key for cover in message.covers]
    if not reasons:
        return set()
    with ledger.write() as tx:
        return {
            name
            for reason, ids in reasons.items()
            for name in outbox.cancel(tx, ids, reason, now, release_keys=keys)
        }


def cancel_what_is_over(app: App, ledger: Ledger, portfolio: Portfolio) -> None:
    """After a night has read its tables: end what earlier runs queued and what is over by them.

    Judged on the lender's own today: the business date of a night that is made up lies before the days of
    which messages of later nights speak.
    """
    with ledger.read() as tx:
        waiting = views.until_paid(tx)
    if waiting:
        today = app.business_date()
        loan_ids = {cover.loan_id for message in waiting for cover in message.covers}
        mine = on_day(app, portfolio, today, loan_ids)
        now = truth(app, mine, payments_ahead(mine, today)["loan_id"])
        cancel(ledger, [(message, verdict(message, now)) for message in waiting], app.clock())
