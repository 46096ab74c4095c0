"""The page behind a link: what one person sees, and what becomes of an answer."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.app import App, build_app
from carloan_notify.errors import ConfigError, LedgerError, SourceError
from carloan_notify.inbound.lexicon import Reading, ReplyKind
from carloan_notify.inbound.page import (
    ANSWER_WORDS,
    LANGUAGES,
    Answer,
    Caller,
    LinkPage,
    PageState,
    PageView,
    Refusal,
)
from carloan_notify.inbound.settings import PLACEHOLDER
from carloan_notify.ledger import numbers, replies, views
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.views import Bearing
from carloan_notify.messages.links import (
    VALID_DAYS,
    LinkClaim,
    Purpose,
    form_proof,
    is_form_proof,
)
from carloan_notify.messages.values import Money, build_filters
from carloan_notify.notices.hours import zone_named
from carloan_notify.page_codes import LinkFault, PageWord
from carloan_notify.pipeline.inbox import take_replies
from carloan_notify.pipeline.links import Owes, People, owes, proven, read_people
from carloan_notify.pipeline.listen import OpenLedger
from carloan_notify.pipeline.planned import Planned, newest_night
from carloan_notify.pipeline.portfolio import table_stamps, unchanged
from carloan_notify.pipeline.wording import TAIL
from carloan_notify.records import Channel, Reply
from carloan_notify.text import mask_name

PROVIDER: Final = "page"
"""The provider of replies that were given on the page."""
RULE: Final = "page"
FRESH_FOR_S: Final = 30.0
"""Whether the tables changed is asked so often; a database is asked for its people anew every ten times as long."""
CALL_DAYS: Final = 4
"""Days, today among them, for which a call may be asked."""
KINDS: Final[Mapping[Answer, tuple[ReplyKind, ...]]] = {
    Answer.PAID: (ReplyKind.PAID_ALREADY,),
    Answer.TIME: (ReplyKind.ASKS_FOR_TIME, ReplyKind.PROMISE),
    Answer.CALL: (ReplyKind.ASKS_FOR_CALL,),
    Answer.WRONG: (ReplyKind.WRONG_PERSON,),
}
"""What each answer is in the work list; a day until which somebody needs time is a proposal of a promise as well."""
_ANSWER_OF: Final = {kinds[0].value: answer for answer, kinds in KINDS.items()}
_OPEN: Final = {
    PageState.DUE: tuple(Answer),
    PageState.UNCLEAR: tuple(Answer),
    PageState.CLEAR: (Answer.PAID, Answer.CALL, Answer.WRONG),
}
"""The answers that each state leaves open; a settled loan, and a stranger, has none."""


# The page: one person's view, and what becomes of an answer.


@dataclass(frozen=True, slots=True)
class Opened:
    """A token whose claim is proven: the person it is for, their own time, and the message it stood in."""

    token: str
    claim: LinkClaim
    person: pd.Series = field(repr=False)
    now: datetime
    bearing: Bearing | None
    stranger: bool
    answered: tuple[tuple[Answer, datetime], ...]

    @property
    def day(self) -> date:
        """The person's own date."""
        return self.now.date()


class LinkDesk:
    """Knows what tokens stand for, and takes answers. Safe for many threads."""

    def __init__(self, app: App, ledger: OpenLedger, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing is read yet."""
        self._house = app
        self._ledger = ledger
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._night: Planned | None = None
        self._stamps: Mapping[str, str] = {}
        self._people: People | None = None
        self._looked_at = self._read_at = 0.0

    def look(self, token: str, language: str) -> PageView | LinkFault:
        """What to show to whoever opens this link."""
        with self._failing_closed():
            opened, night, people = self._opened(token)
            if isinstance(opened, LinkFault):
                return opened
            return self._view(opened, night, people, language)

    def take(self, token: str, form: Mapping[str, str]) -> LinkFault | Refusal | None:
        """Keep an answer. The same answer to one link on one day is one reply, however often it comes."""
        app = self._house
        with self._failing_closed():
            opened, night, people = self._opened(token)
            if isinstance(opened, LinkFault):
                return opened
            view = self._view(opened, night, people, "")
            if not is_form_proof(app.link_keys(), token, form.get("form", ""), app.clock()):
                return Refusal(None, PageWord.ONCE_MORE)
            answer = next((each for each in view.answers if each == form.get("answer")), None)
            if answer is None:
                return None  # what it was about is over meanwhile: the page says so
            value = _value(answer, form, view)
            if isinstance(value, Refusal):
                return value
            reply = _reply(app, opened, view.language, answer, value)
            take_replies(app, self._ledger.get(), _Tapped(KINDS[answer]), [reply])
            return None

    def healthy(self) -> bool:
        """Whether the ledger answers and the tables can be read."""
        try:
            self._current()
        except (LedgerError, SourceError):
            self._ledger.drop()
            return False
        return True

    def _failing_closed(self) -> "_Drop":
        return _Drop(self._ledger)

    def _opened(self, token: str) -> tuple[Opened | LinkFault, Planned, People]:
        app = self._house
        night, people = self._current()
        now = app.clock()
        found = proven(people, token, app.link_keys(), now)
        if isinstance(found, LinkFault):
            return found, night, people
        claim, person = found
        if claim.purpose is not Purpose.PAY:
            return LinkFault.FORGED, night, people  # this page has nothing to say of a certificate
        zone = zone_named(person["timezone"]) or ZoneInfo(app.lender.timezone)
        with self._ledger.get().read() as tx:
            bearing = views.bearing(tx, claim.loan_id, claim.phone, token)
            opened = Opened(
                token, claim, person, now.astimezone(zone), bearing, numbers.is_somebody_elses(tx, claim.phone),
                tuple(_answered(tx, claim, bearing, now)),
            )  # fmt: skip
        return opened, night, people

    def _current(self) -> tuple[Planned, People]:
        """The last night, and the people of its tables as they are now."""
        with self._lock:
            now = self._monotonic()
            if self._people is None or self._night is None or now - self._looked_at > FRESH_FOR_S:
                self._look_again(now)
            return self._night, self._people  # type: ignore[return-value]  # both were read above

    def _look_again(self, now: float) -> None:
        app = self._house
        night = newest_night(app, self._ledger.get())
        stamps = table_stamps(app, night.as_of, self._stamps)
        asked_lately = now - self._read_at <= 10 * FRESH_FOR_S
        same = unchanged(self._stamps, stamps) or (asked_lately and self._stamps == stamps)
        if self._people is None or self._night != night or not (self._stamps and same):
            self._people = read_people(app, night, app.link_keys())
            self._read_at = now
        self._night, self._stamps, self._looked_at = night, stamps, now

    def _view(self, opened: Opened, night: Planned, people: People, chosen: str) -> PageView:
        language = chosen or _page_language(opened, self._house.settings.messages.default_language)
        if opened.stranger:
            return PageView(language, PageState.STRANGER)
        debt = (
            Owes(PageState.UNCLEAR, opened.day)
            if people.doubted
            else owes(self._house, night, opened.claim.loan_id, opened.day)
        )
        return view_of(self._house, opened, debt, language)


class _Drop:
    """Opens the ledger anew after a failure, and lets the failure through."""

    def __init__(self, ledger: OpenLedger) -> None:
        self._ledger = ledger

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Drop it if the ledger failed."""
        if kind is not None and issubclass(kind, LedgerError):
            self._ledger.drop()


def _page_language(opened: Opened, default: str) -> str:
    """The page's language that is nearest to the message's."""
    wanted = (opened.bearing.language if opened.bearing else default).partition("-")[0]
    return next((tag for tag in LANGUAGES if tag.partition("-")[0] == wanted), "en")


def _answered(
    tx: Transaction, claim: LinkClaim, bearing: Bearing | None, now: datetime
) -> Iterator[tuple[Answer, datetime]]:
    since = now - timedelta(days=VALID_DAYS)
    message_id = bearing.message_id if bearing else ""
    for kind, at in replies.kinds_from(tx, PROVIDER, claim.phone, message_id, since):
        if kind in _ANSWER_OF:
            yield _ANSWER_OF[kind], at


def view_of(app: App, opened: Opened, debt: Owes, language: str) -> PageView:
    """What one person sees: amounts and days in words, a masked name, the end of the loan's number."""
    filters = build_filters(language, Channel.SMS, app.lender)
    written: Callable[[date], str] = filters["long_date"]
    days = opened.day + timedelta(days=1), opened.day + timedelta(days=app.settings.links.longest_wait_days)
    says = debt.state in {PageState.DUE, PageState.CLEAR}
    return PageView(
        language=language,
        state=debt.state,
        name=mask_name(opened.person["recipient_name"]),
        tail=opened.claim.loan_id[-TAIL:],
        lines=tuple(_lines(debt, language, written, lambda minor: filters["money"](Money(minor, app.lender.currency)))),
        as_of=written(debt.day) if says else "",
        payment=_payment(app, opened, debt, language),
        answered=tuple(
            dict.fromkeys(
                (answer, written(at.astimezone(opened.now.tzinfo).date())) for answer, at in opened.answered
            )
        ),
        answers=_OPEN.get(debt.state, ()),
        days=(days[0].isoformat(), days[1].isoformat()),
        told_days=(written(days[0]), written(days[1])),
        times=tuple(_times(app.settings.links.call_hours, opened.now, written)),
        form=form_proof(app.link_keys(), opened.token, app.clock()),
    )  # fmt: skip


def _lines(
    debt: Owes, language: str, written: Callable[[date], str], money: Callable[[int], str]
) -> Iterator[tuple[str, str]]:
    """What is due, one amount a line; the sum where it is not plain to see."""

    def say(word: PageWord, day: date | None = None) -> str:
        return word.sentence(language).format(day=written(day) if day else "")

    if debt.overdue_on:
        yield say(PageWord.OVERDUE, debt.overdue_on), money(debt.overdue_minor)
    if debt.penalty_minor:
        yield say(PageWord.PENALTY), money(debt.penalty_minor)
    if debt.next_on and debt.next_minor:
        yield say(PageWord.NEXT, debt.next_on), money(debt.next_minor)
    if debt.today_minor:
        yield say(PageWord.TOTAL), money(debt.today_minor)


def _payment(app: App, opened: Opened, debt: Owes, language: str) -> str:
    """Where to pay: the configured address and no other, with what it asks for filled in."""
    minor = debt.today_minor or debt.next_minor
    if not minor or debt.state not in {PageState.DUE, PageState.CLEAR}:
        return ""
    values = {
        "token": opened.token,
        "loan_id": opened.claim.loan_id,
        "amount": Money(minor, app.lender.currency).plain(),
        "currency": app.lender.currency,
        "language": language,
    }
    return PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), app.settings.links.payment_url)


def _times(spans: Sequence[str], now: datetime, written: Callable[[date], str]) -> Iterator[tuple[str, str]]:
    """When a call may be asked for: each span of the next days that is not over yet."""
    for ahead in range(CALL_DAYS):
        day = now.date() + timedelta(days=ahead)
        for span in spans:
            if ahead or f"{now:%H:%M}" < span.partition("-")[2]:
                yield f"{day.isoformat()} {span}", f"{written(day)} {span}"


def _value(answer: Answer, form: Mapping[str, str], view: PageView) -> str | Refusal:
    """The day or the time that an answer names, "" for one that names none."""
    if answer is Answer.TIME:
        try:
            day = date.fromisoformat(form.get("until", "")).isoformat()
        except ValueError:
            day = ""
        return day if view.days[0] <= day <= view.days[1] else Refusal(answer, PageWord.CHOOSE_DAY)
    if answer is Answer.CALL:
        when = form.get("when", "")
        return when if when in {value for value, _ in view.times} else Refusal(answer, PageWord.CHOOSE_TIME)
    return ""


def _reply(app: App, opened: Opened, language: str, answer: Answer, value: str) -> Reply:
    """The answer as a reply to the message that the link stood in."""
    words = (ANSWER_WORDS[answer][0], *([PageWord.UNTIL] if answer is Answer.TIME else []))
    said = " ".join([*(word.sentence(language) for word in words), value])
    return Reply(
        provider=PROVIDER,
        reply_id=f"{opened.token}:{answer.value}:{value}:{opened.day.isoformat()}",
        phone=opened.claim.phone,
        text=said.strip(),
        received_at=app.clock(),
        message_id=opened.bearing.message_id if opened.bearing else "",
    )


@dataclass(frozen=True, slots=True)
class _Tapped:
    """Reads a reply that was tapped on the page: what it is about needs no lexicon."""

    kinds: tuple[ReplyKind, ...]

    def read(self, text: str) -> Reading:  # noqa: ARG002 - as a lexicon is asked
        """What was tapped, for a person to look at."""
        return Reading(self.kinds[0], self.kinds, (RULE,) * len(self.kinds), asks=True)


def application(config_path: str | Path) -> LinkPage:
    """The page of a configuration as a WSGI application, for gunicorn, uWSGI or any other server.

    Raises:
        ConfigError: the configuration is wrong, or no message holds a link that leads to a page.
        LedgerError: the ledger or the key of links cannot be read.
    """
    app = build_app(Path(config_path))
    base = app.settings.messages.pay_link_base
    if not base.endswith("/"):
        said = "is empty, so no message holds a link" if not base else "does not end with /"
        raise ConfigError(
            [f"messages.pay_link_base: {said}; write the page's address, as https://pay.example.com/p/"]
        )
    app.link_keys()
    caller = Caller(app.lender.name, app.lender.hotline, _caller_language(app))
    return LinkPage(LinkDesk(app, OpenLedger(app)), caller, app.settings.links.proxies)


def _caller_language(app: App) -> str:
    default = app.settings.messages.default_language.partition("-")[0]
    return next((tag for tag in LANGUAGES if tag.partition("-")[0] == default), "en")
