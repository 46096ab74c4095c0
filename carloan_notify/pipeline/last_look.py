"""What the lender's tables say, at the moment of leaving, of messages that wait: true, worded anew, held or over."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, Final, Self

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.codes import Look
from carloan_notify.delivery.dispatch import Screened
from carloan_notify.ledger import outbox, rewording, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.rewording import Reworded
from carloan_notify.ledger.views import Waiting
from carloan_notify.loans.standing import Standing
from carloan_notify.messages.links import without_tokens
from carloan_notify.messages.render import RenderFailure, TemplateSet
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.notices.decide import Identity
from carloan_notify.notices.policy import DECISION_COLUMNS
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.pipeline.addressees import Known
from carloan_notify.pipeline.certificates import codes_at_hand, remember_certificates
from carloan_notify.pipeline.drafts import draft_messages
from carloan_notify.pipeline.holds import Recorded
from carloan_notify.pipeline.planned import Planned
from carloan_notify.pipeline.portfolio import CurrentTables, Portfolio, same_content, table_stamps
from carloan_notify.pipeline.promise_nights import promises_of
from carloan_notify.pipeline.stages import LOOK_AGAIN, take_turns
from carloan_notify.pipeline.verdicts import JudgedMessages, Ruling, Truth, doubted, judge, shrunk
from carloan_notify.pipeline.wording import Told, Wording, make_wording
from carloan_notify.records import Decision, Draft, OutboundMessage, steady

# The words of what may go: as they are, or anew.


@dataclass(frozen=True, slots=True)
class Words:
    """What messages are worded with; opened once, because it reads the templates' folder and the key of links."""

    rules: Sequence[RuleSettings]
    templates: TemplateSet
    wording: Wording

    @classmethod
    def of(cls, app: App, ledger: Ledger, day: date) -> Self:
        """The lender's words, on that day."""
        return cls(
            app.settings.rules,
            app.templates(),
            make_wording(app, day, partial(codes_at_hand, remember_certificates(ledger))),
        )


def worded(
    words: Words, messages: Mapping[str, tuple[OutboundMessage, Ruling]], truths: Mapping[date, Truth]
) -> tuple[list[Draft], dict[str, RenderFailure]]:
    """Word these messages (by id) by what is true on their days; by id, why some could not be worded."""
    drafts: list[Draft] = []
    failures: dict[str, RenderFailure] = {}
    for day in sorted({each.day for _, each in messages.values()}):
        now = truths[day].portfolio
        mine = [(message, each) for message, each in messages.values() if each.day == day]
        rows = [row for message, each in mine for row in _rows(words, message, each)]
        frame = pd.DataFrame(rows).astype(dict(DECISION_COLUMNS))
        told = Told(now.loans, {day: now.standing.loans})
        drafted = draft_messages("", frame, told, words.templates, words.wording)
        drafts += drafted
        failures |= drafted.failures
    return drafts, failures


def differs(draft: Draft, message: OutboundMessage, settings: MessagesSettings) -> bool:
    """Whether the draft says something else than the message, in its text or in the values kept for a provider."""
    texts = (without_tokens(text, settings) for text in (draft.rendered.text, message.text))
    return next(texts) != next(texts) or steady(draft.params) != steady(message.params)


def _rows(words: Words, message: OutboundMessage, each: Ruling) -> Iterator[dict[str, Any]]:
    """The message as rows of DECISION_COLUMNS: one that leads, and those merged into it."""
    told = {(cover.loan_id, cover.original_due_on): owed for cover, owed in each.still}  # whatever its keys
    total = sum(owed.amount_minor for owed in told.values())
    today = pd.Timestamp(each.day, tz="UTC")
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
            "recipient_name": each.name,
            "phone": message.phone,
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
class _Look:
    """One look: the ids it covers, what is to become of those it asked about, and how long it holds.

    `drafts` and `failures` fill up with the words of now, when some are first asked for.
    """

    messages: frozenset[str] = frozenset()
    rulings: Mapping[str, tuple[Waiting, Ruling]] = field(default_factory=dict)
    truths: Mapping[date, Truth] = field(default_factory=dict)
    holds_until: float = 0.0
    asked: Mapping[str, OutboundMessage] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    failures: dict[str, RenderFailure] = field(default_factory=dict)


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
        self.night = night
        self._monotonic = monotonic
        self._tables = CurrentTables(app, night.as_of)
        self._seen = dict(night.stamps)
        self._changed = False
        with ledger.read() as tx:
            self._others = frozenset(views.of_other_runs(tx, night.run_id))
        self._claimed: dict[str, OutboundMessage] = {}
        self._look = _Look()

    @cached_property
    def _words(self) -> Words:
        """Opened when something is first worded, which most drains never need."""
        return Words.of(self._app, self._ledger, self._app.business_date())

    @cached_property
    def _known(self) -> Known:
        """Read once: what is put on record meanwhile cancels by itself what waits for it."""
        return known_now(self._app, self._ledger)

    @cached_property
    def _promises(self) -> pd.DataFrame:
        """The ledger's promises; `send` has confirmed what the rule may before it looks."""
        return promises_of(self._app, self._ledger, self.night.as_of)

    def expect(self, messages: Iterable[OutboundMessage]) -> None:
        """These messages were claimed and will soon be screened."""
        self._claimed.update((message.message_id, message) for message in messages)

    def close(self) -> None:
        """Close the connections to the lender's databases."""
        self._tables.close()

    def screen(self, messages: Sequence[OutboundMessage]) -> Screened:
        """Cancel what is over, hold what is in doubt, word anew what has changed; the rest goes as it is.

        Raises:
            SourceError: the tables cannot be read: nothing may go, because nobody can say who has paid.
        """
        settings, now = self._app.settings, self._app.clock()
        answered, waiting = take_turns(self._ledger, settings.rules, settings.policy, messages, now)
        by_id = {m.message_id: m for m in messages if m.message_id not in answered | waiting}
        self._look_again(by_id)
        for message in messages:
            self._claimed.pop(message.message_id, None)
        concerned = {name: self._look.rulings[name] for name in by_id if name in self._look.rulings}
        cancelled = cancel(self._ledger, concerned.values(), self._app.clock())
        going = {name: (by_id[name], each) for name, (_, each) in concerned.items() if each.still}
        anew, unworded = self._word(going)
        held = self._hold({name: each for name, (_, each) in concerned.items() if each.hold}, unworded)
        stay = cancelled | held
        leaving = [anew.get(name, message) for name, message in by_id.items() if name not in stay]
        return Screened(leaving, cancelled | answered, held, waiting)

    def _look_again(self, messages: Mapping[str, OutboundMessage]) -> None:
        """Look where the last look does not cover these messages, or does not hold any more."""
        if self._files_changed() or not (
            self._look.messages.issuperset(messages) and self._monotonic() < self._look.holds_until
        ):
            self._look = self._looked({**self._claimed, **messages})

    def _files_changed(self) -> bool:
        current = table_stamps(self._app, self.night.as_of, self._seen)
        changed = not same_content(current, self._seen)
        self._seen = current
        if changed:
            self._tables.forget()
            self._changed = True
        return changed

    def _looked(self, claimed: Mapping[str, OutboundMessage]) -> _Look:
        """Ask about these messages: about all where the tables changed, else about those of other nights."""
        began, ids = self._monotonic(), frozenset(claimed)
        asked = ids if self._tables.asks or self._changed else ids & self._others
        with self._ledger.read() as tx:
            waiting = views.waiting(tx, sorted(asked)) if asked else []
        if not waiting:
            return _Look(ids, holds_until=self._holds_until(began))
        names = {name: claimed[name].recipient_name for name in asked}
        judged = self._judged(waiting, names)
        rulings = zip(waiting, judged.rulings, strict=True)
        told = {message.message_id: (message, each) for message, each in rulings}
        asked_of = {name: claimed[name] for name in asked}
        return _Look(ids, told, judged.truths, self._holds_until(began), asked_of)

    def _judged(self, waiting: Sequence[Waiting], names: Mapping[str, str]) -> JudgedMessages:
        loan_ids = {cover.loan_id for message in waiting for cover in message.covers}
        sources, guards = self._tables.sources(loan_ids), self._app.settings.guards
        whole = Portfolio(self.night.as_of, sources, NOWHERE, frames.empty(frames.FINDINGS))
        whole = replace(whole, promises=self._promises)
        judged = judge(self._app, whole, waiting, self._known, names)
        less = not self._tables.asks and shrunk(whole, self.night.facts, guards)
        if less or doubted(judged.rulings, guards):
            return JudgedMessages(tuple(Ruling(hold=Look.EXPORT_DOUBTED) for _ in waiting))
        return judged

    def _holds_until(self, began: float) -> float:
        if not self._tables.asks:
            return float("inf")
        now = self._monotonic()
        return now + (now - began) * (1 - READING_SHARE) / READING_SHARE

    def _hold(self, doubts: Mapping[str, Ruling], unworded: Collection[str]) -> set[str]:
        """Put back what is in doubt, each for its reason and until its own moment; the ids that were."""
        now, held = self._app.clock(), set[str]()
        again = now + LOOK_AGAIN
        groups: dict[tuple[Look, datetime], list[str]] = {}
        for name, each in doubts.items():
            if each.hold:
                groups.setdefault((each.hold, max(each.until or again, again)), []).append(name)
        if unworded:
            groups[Look.NOT_WORDED, again] = list(unworded)
        for (reason, until), ids in groups.items():
            with self._ledger.write() as tx:
                held.update(outbox.hold(tx, ids, reason, now, until))
        return held

    def _drafted(
        self, going: Mapping[str, tuple[OutboundMessage, Ruling]]
    ) -> tuple[dict[str, Draft], Collection[str]]:
        """These messages' words by what is true now, and ids without. A look that holds words all it covers at once."""
        look = self._look
        if not going.keys() <= look.drafts.keys() | look.failures:
            told = {name: (look.asked[name], each) for name, (_, each) in look.rulings.items() if each.still}
            drafts, failures = worded(
                self._words, going if self._tables.asks else {**told, **going}, look.truths
            )
            look.drafts.update({draft.covers[0].idempotency_key: draft for draft in drafts})
            look.failures.update(failures)
        drafts_of = {name: look.drafts[name] for name in going if name in look.drafts}
        return drafts_of, [name for name in going if name in look.failures]

    def _word(
        self, going: Mapping[str, tuple[OutboundMessage, Ruling]]
    ) -> tuple[dict[str, OutboundMessage], Collection[str]]:
        """The messages that say something else now, stored with their new words; ids that could not be worded."""
        if not going:
            return {}, ()
        drafts, failures = self._drafted(going)
        changes = []
        for name, draft in drafts.items():
            message, each = going[name]
            dropped = _dropped(self._look.rulings[name][0], each)
            if dropped or differs(draft, message, self._app.settings.messages):
                changes.append(Reworded(name, draft, dropped))
        if changes:
            with self._ledger.write() as tx:
                rewording.reword(tx, changes, self._app.clock())
        anew = {
            change.message_id: replace(
                going[change.message_id][0],
                text=change.draft.rendered.text,
                params=change.draft.params,
                recipient_name=change.draft.recipient_name,
            )
            for change in changes
        }
        return anew, failures


def known_now(app: App, ledger: Ledger) -> Known:
    """What the ledger has on record at this moment."""
    with ledger.read() as tx:
        return Known(Identity(app.lender.lender_id, ledger.cipher.phone_hash), Recorded.read(tx))


NOWHERE: Final = Standing(
    frames.empty(frames.STANDING), frames.empty(frames.DUES), frames.empty(frames.FINDINGS)
)
"""No standing: it is worked out for the loans that are asked about."""


def _dropped(message: Waiting, each: Ruling) -> tuple[str, ...]:
    still = {cover.idempotency_key for cover, _ in each.still}
    return tuple(c.idempotency_key for c in message.covers if c.idempotency_key not in still)


def cancel(ledger: Ledger, judged: Iterable[tuple[Waiting, Ruling]], now: datetime) -> set[str]:
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


def cancel_what_is_over(app: App, ledger: Ledger, portfolio: Portfolio, *, but_run: str = "") -> None:
    """After a night has read its tables: end what earlier runs queued and what is over by them.

    `but_run` planned from the very same tables on the same day: they have nothing new to say of its messages.
    JudgedMessages on the recipients' own today: the business date of a night that is made up lies before the days of
    which messages of later nights speak.
    """
    with ledger.read() as tx:
        waiting = views.waiting(tx, views.of_other_runs(tx, but_run) if but_run else None)
    if waiting:
        judged = judge(app, portfolio, waiting, known_now(app, ledger))
        cancel(ledger, zip(waiting, judged.rulings, strict=True), app.clock())
