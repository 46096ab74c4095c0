"""Put what came back on disk: receipts settled, what cannot be read kept as it came, replies read and acted on."""

import base64
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from carloan_notify.app import App, any_number
from carloan_notify.delivery.provider import Inquiry, LookUp, MessageFate, Provider, ReturnPage
from carloan_notify.hold_codes import HoldReason
from carloan_notify.inbound.lexicon import (
    Lexicon,
    Reading,
    ReplyKind,
    action_for,
    as_opt_out,
    lexicon_text,
    parse_lexicon,
    shipped_lexicon,
    shipped_text,
)
from carloan_notify.inbound.times import REHEARSED, TimeSpan, dated_receipts, dated_replies, span_around
from carloan_notify.ledger import receipts, unknowns, unread
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.promises import Proposal
from carloan_notify.ledger.replies import PER_TRANSACTION, Judged, ReplyHold, Taken, take
from carloan_notify.ledger.unknowns import Unknown
from carloan_notify.pipeline.proposals import proposal_from_reply
from carloan_notify.records import Receipt, Reply
from carloan_notify.text import mask_digits

RECEIPT_FIGURES: Final = ("receipts", "settled", "repeated", "unmatched", "refused", "replies", "problems")
REPLY_FIGURES: Final = ("replies", "known", "work_list", "stopping", "cancelled", "strangers", "problems")
"""Of the replies, so many were known already. Of the new ones, so many are on the work list, so many stop
messages (which cancels some that waited), and so many came from numbers that we had not written to lately."""
_E164: Final = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)
_WORK_LIST: Final = "work list"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a page: `RECEIPT_FIGURES` and `REPLY_FIGURES`, and every problem in words.

    A problem names no person. The figure `problems` counts them but for those of `refused` receipts.
    """

    figures: dict[str, int]
    problems: tuple[str, ...] = ()


Keep = Callable[[App, Ledger, str, ReturnPage], Kept]


def lexicon_in_use(app: App) -> str:
    """The text of the lexicon: the lender's own, else the one that comes with the package.

    Raises:
        ConfigError: the lender's own cannot be read.
    """
    own = app.settings.inbound.lexicon_file
    return lexicon_text(app.path(own)) if own else shipped_text()


def open_lexicon(app: App) -> Lexicon:
    """The lexicon, ready to read replies.

    Raises:
        ConfigError: with every problem of the lender's own.
    """
    own = app.settings.inbound.lexicon_file
    return parse_lexicon(lexicon_in_use(app), str(app.path(own))) if own else shipped_lexicon()


def keeper(app: App) -> Keep:
    """What puts a page of a provider on disk: receipts first, then what cannot be read, then replies.

    In that order, so that nothing in a borrower's text can cost a receipt. The lexicon is read once, here.

    Raises:
        ConfigError: the lexicon is wrong.
    """
    lexicon = open_lexicon(app)

    def keep(app: App, ledger: Ledger, provider: str, page: ReturnPage) -> Kept:
        now = app.clock()
        page = dated(app, page)
        with ledger.write() as tx:
            settled = receipts.settle(tx, page.receipts, now)
        if page.unread:
            with ledger.write() as tx:
                unread.keep(tx, provider, page.unread, page.problems, now)
        taken = take_replies(app, ledger, lexicon, page.replies)
        figures = {
            **taken.figures,
            "receipts": len(page.receipts),
            "settled": settled.settled,
            "repeated": settled.repeated,
            "unmatched": settled.unmatched,
            "refused": len(settled.refused),
            "problems": len(page.problems) + len(taken.problems),
        }
        return Kept(figures, (*masked([*page.problems, *settled.refused]), *taken.problems))

    return keep


def believed_times(app: App) -> TimeSpan:
    """Between which instants what is told now may have happened."""
    return REHEARSED if app.rehearsal else span_around(app.clock())


def dated(app: App, page: ReturnPage) -> ReturnPage:
    """The page with every odd time replaced by that of arrival; each is a problem. Done again, it changes nothing."""
    span, now = believed_times(app), app.clock()
    receipts, odd = dated_receipts(page.receipts, span, now)
    replies, also_odd = dated_replies(page.replies, span, now)
    return replace(page, receipts=receipts, replies=replies, problems=(*page.problems, *odd, *also_odd))


def masked(problems: Sequence[str]) -> tuple[str, ...]:
    """Problems with what may be somebody's number masked."""
    return tuple(map(mask_digits, problems))


class Reader(Protocol):
    """What tells what a reply is about: the lexicon, or somebody who was told."""

    def read(self, text: str) -> Reading:
        """What `text` says."""


def take_replies(app: App, ledger: Ledger, lexicon: Reader, replies: Sequence[Reply]) -> Kept:
    """Read replies, keep them once each and do what they ask for.

    A sender without a number stops nobody: that is a problem, and for a person.
    """
    judged = [_judged(app, lexicon, reply) for reply in replies]
    done = Taken(0)
    for start in range(0, len(judged), PER_TRANSACTION):
        with ledger.write() as tx:
            part = judged[start : start + PER_TRANSACTION]
            done += take(tx, part, app.clock(), app.settings.policy.holds)
    problems = [
        f"{each.reply.provider}: reply {place}: its sender is no number; it stops nothing, see the work list"
        for place, each in enumerate(judged)
        if not _E164.fullmatch(each.reply.phone)
    ]
    figures = {
        "replies": len(judged),
        "known": done.repeated,
        "work_list": done.opened,
        "stopping": done.stopped,
        "cancelled": done.cancelled,
        "strangers": done.strangers,
        "problems": len(problems),
    }
    return Kept(figures, tuple(problems))


def _judged(app: App, lexicon: Reader, reply: Reply) -> Judged:
    reading = lexicon.read(reply.text)
    if reply.opted_out:
        reading = as_opt_out(reading)
    action = action_for(reading, app.settings.inbound.opt_out_stops)
    phone = _e164(app, reply.phone)
    judged = Judged(
        reply=replace(reply, phone=phone or reply.phone),
        kind=reading.kind.value,
        rule=reading.rule,
        action=action.summary,
        stops=action.stops,
        work_list=action.work_list,
        holds=tuple(ReplyHold(kind, _last_day(app, kind)) for kind in action.holds),
        reassigned=action.reassigned,
        day=app.business_date(),
        promise=_promise(app, reply, reading.kinds),
    )
    if phone:
        return judged
    return replace(
        judged, action=_WORK_LIST, stops=(), holds=(), reassigned=False, promise=None, work_list=True
    )


def _promise(app: App, reply: Reply, kinds: Sequence[ReplyKind]) -> Proposal | None:
    """What a reply proposes that promises, and neither refuses, disputes nor says that it is paid."""
    if ReplyKind.PROMISE not in kinds or set(kinds) - {ReplyKind.PROMISE, *_BESIDE_A_PROMISE}:
        return None
    return proposal_from_reply(app, reply.text, reply.received_at)


_BESIDE_A_PROMISE: Final = (
    ReplyKind.ASKS_FOR_TIME,
    ReplyKind.ASKS_FOR_CALL,
    ReplyKind.HARDSHIP,
    ReplyKind.OTHER,
)


def _last_day(app: App, kind: HoldReason) -> date | None:
    return app.settings.policy.holds.rule(kind).last_day(app.business_date(), None)


def _e164(app: App, phone: str) -> str:
    """The number as our messages know it, "" when it is none: a short code, a masked or a spoilt one.

    One in full E.164 counts even where no numbering plan is known to us that has it.
    """
    found = any_number(app, phone)
    return found.e164 or (phone if _E164.fullmatch(phone) else "")


# Ask a provider about messages: accepted ones whose receipt never came, because it hands none out.

LOOK_UP_AFTER: Final = timedelta(minutes=2)
"""Accepted messages without a receipt are asked about once they are so old."""
MOST_LOOKED_UP: Final = 2000
"""Messages asked about at a time: at 20 questions a second, a pull of two minutes. The next one goes on from there."""
_PER_QUESTION: Final = 100


def ask_about_accepted(app: App, ledger: Ledger, provider: Provider, window: timedelta) -> Kept:
    """Settle what the provider knows the end of, of messages old enough and sent within its look-up `window`.

    Figures: how many answers were `receipts` (delivered or not), how many messages they `settled`, `refused`.
    """
    now = app.clock()
    ripe = now - LOOK_UP_AFTER
    with ledger.read() as tx:
        silent = unknowns.accepted_ids(tx, provider.name, now - window, ripe)
        last = unknowns.last_asked(tx, provider.name)
    chosen = turn(silent, MOST_LOOKED_UP, last)
    counts, problems = Counter[str](), list[str]()
    for start in range(0, len(chosen), _PER_QUESTION):
        part = chosen[start : start + _PER_QUESTION]
        with ledger.read() as tx:
            asked = [inquiry(message) for message in unknowns.accepted(tx, part)]
        ended = endings(provider.name, provider.look_up(asked), app.clock()) if asked else []
        with ledger.write() as tx:
            settled = receipts.settle(tx, ended, app.clock())
            unknowns.note_asked(tx, provider.name, part[-1])
        counts["receipts"] += len(ended)
        counts["settled"] += settled.settled
        counts["refused"] += len(settled.refused)
        problems += masked(settled.refused)
    return Kept(dict(counts), tuple(problems))


def turn(names: Sequence[str], most: int, last: str) -> list[str]:
    """At most `most` of the sorted `names`: those behind `last`, then from the beginning.

    So each gets its turn, however many there are and however seldom somebody asks.
    """
    start = bisect_right(names, last)
    return [*names[start:], *names[:start]][:most]


def inquiry(message: Unknown) -> Inquiry:
    """The question about a message."""
    return Inquiry(message.message_id, message.channel, message.provider_ref, message.sent_at, message.phone)


def endings(provider: str, answers: Sequence[LookUp], now: datetime) -> list[Receipt]:
    """The receipts that answers amount to: of messages that the network is done with."""
    return [
        Receipt(
            provider=provider,
            provider_ref=a.provider_ref,
            message_id=a.message_id,
            delivered=a.standing is MessageFate.DELIVERED,
            code=a.code,
            detail=a.detail,
            occurred_at=now,
            blocked=a.blocked,
            dead=a.dead,
        )
        for a in answers
        if a.standing in (MessageFate.DELIVERED, MessageFate.UNDELIVERED)
    ]


# A page of what came back as text, to keep it in the spool, and back.


def text_of(provider: str, page: ReturnPage) -> str:
    """Everything in a page but where the next one stands, in ASCII, whatever characters are in it."""
    return json.dumps(
        {
            "provider": provider,
            "receipts": [asdict(receipt) for receipt in page.receipts],
            "replies": [asdict(reply) for reply in page.replies],
            "problems": page.problems,
            "unread": base64.b64encode(page.unread).decode(),
        },
        default=datetime.isoformat,
    )


def page_of(text: str) -> tuple[str, ReturnPage]:
    """Provider and page again. Raises `ValueError`, `LookupError` or `TypeError` when the text is none."""
    fields = json.loads(text)
    page = ReturnPage(
        receipts=tuple(
            Receipt(**{**each, "occurred_at": datetime.fromisoformat(each["occurred_at"])})
            for each in fields["receipts"]
        ),
        replies=tuple(
            Reply(**{**each, "received_at": datetime.fromisoformat(each["received_at"])})
            for each in fields["replies"]
        ),
        problems=tuple(fields["problems"]),
        unread=base64.b64decode(fields["unread"]),
    )
    return fields["provider"], page
