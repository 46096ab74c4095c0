"""Put what came back on disk: receipts settled, what cannot be read kept as it came, replies read and acted on."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.inbound.actions import EVERY_CLASS, Stop, action_for
from carloan_notify.inbound.lexicon import (
    Lexicon,
    as_opt_out,
    lexicon_text,
    parse_lexicon,
    shipped_lexicon,
    shipped_text,
)
from carloan_notify.inbound.times import Span, dated_receipts, dated_replies, span_around
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.masking import mask_digits
from carloan_notify.ledger.replies import Hold, Judged
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.clock import system_clock
from carloan_notify.pipeline.numbers import any_number
from carloan_notify.records import MessageClass, Reply

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


Keep = Callable[[House, Ledger, str, ReturnPage], Kept]


def lexicon_in_use(house: House) -> str:
    """The text of the lexicon: the lender's own, else the one that comes with the package.

    Raises:
        ConfigError: the lender's own cannot be read.
    """
    own = house.settings.inbound.lexicon_file
    return lexicon_text(house.path(own)) if own else shipped_text()


def open_lexicon(house: House) -> Lexicon:
    """The lexicon, ready to read replies.

    Raises:
        ConfigError: with every problem of the lender's own.
    """
    own = house.settings.inbound.lexicon_file
    return parse_lexicon(lexicon_in_use(house), str(house.path(own))) if own else shipped_lexicon()


def keeper(house: House) -> Keep:
    """What puts a page of a provider on disk: receipts first, then what cannot be read, then replies.

    In that order, so that nothing in a borrower's text can cost a receipt. The lexicon is read once, here.

    Raises:
        ConfigError: the lexicon is wrong.
    """
    lexicon = open_lexicon(house)

    def keep(house: House, ledger: Ledger, provider: str, page: ReturnPage) -> Kept:
        now = house.clock()
        page = dated(house, page)
        settled = ledger.outbox.settle(page.receipts, now)
        if page.unread:
            ledger.inbox.keep_unread(provider, page.unread, page.problems, now)
        replies = take_replies(house, ledger, lexicon, page.replies)
        figures = {
            **replies.figures,
            "receipts": len(page.receipts),
            "settled": settled.settled,
            "repeated": settled.repeated,
            "unmatched": settled.unmatched,
            "refused": len(settled.refused),
            "problems": len(page.problems) + len(replies.problems),
        }
        return Kept(figures, (*masked([*page.problems, *settled.refused]), *replies.problems))

    return keep


def believed_times(house: House) -> Span:
    """Between which instants what is told now may have happened. In a rehearsal others keep the real time."""
    return span_around(house.clock(), *([system_clock()] if house.rehearsal else []))


def dated(house: House, page: ReturnPage) -> ReturnPage:
    """The page with every odd time replaced by that of arrival; each is a problem. Doing it twice is once."""
    span, now = believed_times(house), house.clock()
    receipts, odd = dated_receipts(page.receipts, span, now)
    replies, also_odd = dated_replies(page.replies, span, now)
    return replace(page, receipts=receipts, replies=replies, problems=(*page.problems, *odd, *also_odd))


def masked(problems: Sequence[str]) -> tuple[str, ...]:
    """Problems with what may be somebody's number masked."""
    return tuple(map(mask_digits, problems))


def take_replies(house: House, ledger: Ledger, lexicon: Lexicon, replies: Sequence[Reply]) -> Kept:
    """Read replies, keep them once each and do what they ask for.

    A sender without a number stops nobody: that is a problem, and for a person.
    """
    judged = [_judged(house, lexicon, reply) for reply in replies]
    done = ledger.inbox.take(judged, house.clock())
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


def _judged(house: House, lexicon: Lexicon, reply: Reply) -> Judged:
    reading = lexicon.read(reply.text)
    if reply.opted_out:
        reading = as_opt_out(reading)
    action = action_for(reading, house.settings.inbound.opt_out_stops)
    phone = _e164(house, reply.phone)
    judged = Judged(
        reply=replace(reply, phone=phone or reply.phone),
        kind=reading.kind.value,
        rule=reading.rule,
        action=action.summary,
        holds=tuple(map(_hold, action.stops)),
        work_list=action.work_list,
    )
    return judged if phone else replace(judged, action=_WORK_LIST, holds=(), work_list=True)


def _hold(stop: Stop) -> Hold:
    message_class = None if stop.message_class == EVERY_CLASS else MessageClass(stop.message_class)
    return Hold(message_class, stop.reason, stop.customer)


def _e164(house: House, phone: str) -> str:
    """The number as our messages know it, "" when it is none: a short code, a masked or a spoilt one.

    One in full E.164 counts even where no numbering plan is known to us that has it.
    """
    found = any_number(house, phone)
    return found.e164 or (phone if _E164.fullmatch(phone) else "")
