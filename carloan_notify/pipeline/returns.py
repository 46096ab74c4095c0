"""Fetch what providers hand out, so that nothing that some queue hands out once is lost on the way to the ledger."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from carloan_notify.app import App, require_rehearsable
from carloan_notify.delivery.provider import LookUp, MessageFate, Provider, ReceiptMode, ReturnPage
from carloan_notify.errors import LedgerError
from carloan_notify.inbound.listen import place_of
from carloan_notify.ledger import audit, outbox, receipts, unknowns
from carloan_notify.ledger.answers import record
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.unknowns import Unknown, Verdict
from carloan_notify.ledger.unread import FOLDER, Spool
from carloan_notify.pipeline.inbox import (
    RECEIPT_FIGURES,
    REPLY_FIGURES,
    Keep,
    Kept,
    ask_about_accepted,
    dated,
    endings,
    inquiry,
    keeper,
    masked,
    page_of,
    text_of,
)
from carloan_notify.records import AuditEvent, Outcome, SendResult

_log = structlog.get_logger()

Tell = Callable[[str], None]
"""Told of every problem as a sentence, without personal data."""
_UNREADABLE: Final = (LedgerError, ValueError, LookupError, TypeError, OSError)


def log_problem(problem: str) -> None:
    """Tell of a problem in the log."""
    _log.warning("problem with what came back", problem=problem)


def spool_of(app: App, ledger: Ledger) -> Spool:
    """The folder beside the ledger's file, or beside the configuration where the ledger has none."""
    folder = ledger.store.file.parent if ledger.store.file else app.folder
    return Spool(folder / FOLDER, ledger.cipher)


def pull(provider: Provider, since: datetime, most: int = 10_000) -> Iterator[ReturnPage]:
    """What a provider hands out: pages until there are no more, at most so many.

    Put each page on disk before taking the next: some queues hand out a record only once, and asking for the
    next page is what confirms the last. A provider whose cursor stands still ends the pull.
    """
    cursor = ""
    for _ in range(most):
        page = provider.pull(since, cursor)
        yield page
        if not page.more or page.cursor == cursor:
            return
        cursor = page.cursor


@dataclass(slots=True)
class Pulling:
    """One pull over all providers. `figures` by provider grow as it goes."""

    app: App
    ledger: Ledger
    keep: Keep
    tell: Tell
    spool: Spool
    figures: dict[str, Counter[str]] = field(default_factory=dict)

    def take_up(self) -> None:
        """Take what an earlier pull fetched and could not put into the ledger."""
        for name in self.spool.names():
            try:
                text = self.spool.text(name)
                found = page_of(text) if text is not None else None
            except _UNREADABLE as error:
                problem = f"{self.spool.folder / name}.page: cannot be read ({type(error).__name__})"
                self._told("", [f"{problem}; it stays there, see docs/receiving.md"])
                continue
            if found is not None:
                self._into_ledger(*found, name)

    def fetch(self, provider: Provider, since: datetime) -> None:
        """Every page of a provider, each on disk before the next; or ask, where it hands nothing out."""
        window = provider.capabilities.look_up_window
        if provider.capabilities.receipts is ReceiptMode.PULL:
            self.figures.setdefault(provider.name, Counter())
            for page in pull(provider, since):
                self._take(provider.name, page)
        elif window is not None:
            self._ask(provider, window)

    def _ask(self, provider: Provider, window: timedelta) -> None:
        kept = ask_about_accepted(self.app, self.ledger, provider, window)
        self._count(provider.name, kept)

    def _take(self, provider: str, page: ReturnPage) -> None:
        page = dated(self.app, page)
        self._into_ledger(provider, page, self._put_aside(provider, page))

    def _put_aside(self, provider: str, page: ReturnPage) -> str:
        """The page's name in the spool; "" for an empty one, and where there is no room for it."""
        if not (page.receipts or page.replies or page.unread):
            return ""
        try:
            return self.spool.put(text_of(provider, page), self.app.clock())
        except OSError as error:
            self.tell(f"{provider}: no room to put a page aside first ({error.strerror}); make room")
            return ""

    def _into_ledger(self, provider: str, page: ReturnPage, name: str) -> None:
        """Into the ledger, then out of the spool. What fails for a bug stays there and keeps nobody else."""
        try:
            kept = self.keep(self.app, self.ledger, provider, page)
        except LedgerError:  # the run cannot go on; the next one takes the page up
            raise
        except Exception as error:  # noqa: BLE001 - the page stays, is told of and tried again; others must not wait for it
            where = (
                f"stays in {self.spool.folder / name}.page" if name else "is lost, ask the provider for it"
            )
            what = f"a page could not be taken, a bug ({type(error).__name__} at {place_of(error)})"
            self._count(provider, Kept({"problems": 1}, (f"{provider}: {what}; it {where}",)))
            return
        if name:
            self.spool.drop(name)
        self._count(provider, kept)

    def _count(self, provider: str, kept: Kept) -> None:
        self.figures.setdefault(provider, Counter()).update(kept.figures)
        self._told(provider, kept.problems)

    def _told(self, provider: str, problems: Sequence[str]) -> None:
        """Tell at once, whatever comes after; then the audit."""
        for problem in problems:
            self.tell(problem)
        if problems:
            event = AuditEvent("return.problem", provider, {"problems": list(masked(problems))})
            with self.ledger.write() as tx:
                audit.append(tx, [event], self.app.clock())


# What comes back: receipts and replies pulled or imported, and the fate of messages nobody knows about.

PULL_SPAN = timedelta(days=3)
"""`receipts pull` asks for receipts of so long: Monday's pull makes good what failed on Friday."""
ABSENCE_COUNTS_AFTER = timedelta(minutes=10)
"""A gateway may read a request late, after our time-out; sent again too soon, the message would go twice."""
TOO_SOON = "not_arrived_yet"
PER_QUESTION = 20
"""Messages asked about before the answers are written down."""


def configured_providers(app: App) -> list[Provider]:
    """Every provider of the configuration, also one that no channel names any more: what it sent comes back late."""
    return [app.provider(name) for name in sorted(app.settings.delivery.providers)]


def pull_returns(app: App, tell: Tell = log_problem) -> list[dict[str, Any]]:
    """Fetch receipts and replies from every provider that hands them out, each page put on disk before the next.

    What an earlier pull could not put into the ledger is taken up first. A provider that hands nothing out but
    can be asked is asked about accepted messages without a receipt. Every problem is told as it is met, and
    audited. Returns one row per provider: its name, `RECEIPT_FIGURES` and `REPLY_FIGURES`.
    """
    since = app.clock() - PULL_SPAN
    keep = keeper(app)
    with app.open_ledger() as ledger:
        pulling = Pulling(app, ledger, keep, tell, spool_of(app, ledger))
        pulling.take_up()
        for provider in configured_providers(app):
            pulling.fetch(provider, since)
    blank = dict.fromkeys((*RECEIPT_FIGURES, *REPLY_FIGURES), 0)
    return [{"provider": name, **blank, **counts} for name, counts in pulling.figures.items()]


def reconcile(app: App) -> list[dict[str, Any]]:
    """Ask providers about unknown messages within their declared window; what stays unknown is for an operator.

    Returns one row per message that is or was unknown: message_id, provider, before, now, code.
    """
    require_rehearsable(app)
    with app.open_ledger() as ledger:
        with ledger.write() as tx:
            outbox.recover(tx, app.clock())
            waiting = unknowns.waiting(tx)
        providers = {provider.name: provider for provider in configured_providers(app)}
        answers: dict[str, LookUp] = {}
        for name, provider in providers.items():
            its = [m for m in waiting if m.provider == name and _in_window(app, provider, m)]
            for start in range(0, len(its), PER_QUESTION):
                asked = {message.message_id: message for message in its[start : start + PER_QUESTION]}
                found = _found(app, provider, asked)
                _apply(app, ledger, name, found, asked)
                answers |= {answer.message_id: answer for answer in found}
    return [
        _row(message, answers.get(message.message_id), _unasked(message, providers.get(message.provider)))
        for message in waiting
    ]


def _in_window(app: App, provider: Provider, message: Unknown) -> bool:
    window = provider.capabilities.look_up_window
    return window is not None and app.clock() - message.sent_at <= window


def _unasked(message: Unknown, provider: Provider | None) -> str:
    """Why a message was not asked about."""
    if not message.provider:  # a restored ledger cannot know
        return "not asked: nobody knows which provider had it"
    if provider is None:
        return "not asked: its provider is no longer configured"
    if provider.capabilities.look_up_window is None:
        return "not asked: its provider cannot be asked"
    return "not asked: outside the provider's look-up window"


def _found(app: App, provider: Provider, asked: Mapping[str, Unknown]) -> list[LookUp]:
    answers = provider.look_up([inquiry(message) for message in asked.values()])
    return [_believed(answer, asked[answer.message_id].sent_at, app.clock()) for answer in answers]


def _believed(answer: LookUp, sent_at: datetime, now: datetime) -> LookUp:
    """The answer; but "never arrived" says nothing while the request may still be on its way."""
    if answer.standing is MessageFate.ABSENT and now - sent_at < ABSENCE_COUNTS_AFTER:
        return replace(answer, standing=MessageFate.UNCLEAR, code=TOO_SOON)
    return answer


def _apply(
    app: App, ledger: Ledger, provider: str, answers: list[LookUp], asked: Mapping[str, Unknown]
) -> None:
    """Write down what the provider says. ABSENT means the request never arrived: the message may go again.

    What went out again while we asked is another attempt, of which the answer says nothing.
    """
    now = app.clock()
    results = [
        SendResult(a.message_id, OUTCOMES[a.standing], a.provider_ref, a.code, a.detail)
        for a in answers
        if a.standing in OUTCOMES
    ]
    ended = endings(provider, answers, now)
    tries = {message_id: message.attempts for message_id, message in asked.items()}
    with ledger.write() as tx:
        if results:
            record(tx, results, provider, now, tries=tries)
        receipts.settle(tx, ended, now)


OUTCOMES = {
    MessageFate.ACCEPTED: Outcome.ACCEPTED,
    MessageFate.REJECTED: Outcome.REJECTED,
    MessageFate.ABSENT: Outcome.RETRYABLE,
}


def _row(message: Unknown, answer: LookUp | None, unasked: str) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "notice": message.notice,
        "provider": message.provider,
        "sent_at": message.sent_at.isoformat(timespec="seconds"),
        "found": answer.standing.value if answer else unasked,
        "code": answer.code if answer else message.code,
    }


def mark_unknown(app: App, message_id: str, verdict: str, operator: str, reason: str) -> None:
    """An operator's word on an unknown message.

    Raises:
        LedgerError: no such message, or it is not unknown.
    """
    with app.open_ledger() as ledger, ledger.write() as tx:
        unknowns.mark(tx, message_id, Verdict(verdict.replace("-", "_")), operator, reason, app.clock())


def still_unknown(app: App) -> int:
    """How many messages nobody knows the fate of."""
    with app.open_ledger() as ledger, ledger.read() as tx:
        return len(unknowns.waiting(tx))
