"""Proposals of promises to pay: the one door by which replies, pages, clerks and files enter what somebody promises."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from carloan_notify.app import App
from carloan_notify.inbound.promise_text import PromiseText, read_promise
from carloan_notify.ledger import promises
from carloan_notify.ledger.promises import Proposal
from carloan_notify.ledger.store import Transaction
from carloan_notify.promise_codes import PromiseDoubt
from carloan_notify.records import currency_exponent

REPLY: Final = "reply"
PAGE: Final = "page"
CLERK: Final = "clerk"
FILE: Final = "file"


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody promises today: `amount` in currency units, None for all that is owed, `pay_on` None for no day.

    `source` is reply, page, clerk or file; `source_ref` names the reply, token or file it comes from.
    """

    loan_id: str
    pay_on: date | None
    amount: Decimal | None
    source: str
    source_ref: str = ""


def propose(app: App, tx: Transaction, said: Said) -> tuple[str, bool]:
    """Keep what somebody promises, for a clerk or the rule to confirm: the one door of pages, clerks and files.

    Gives the id of the proposal, and False where the very same was proposed before. A proposal holds nothing back.
    What replies promise is kept with them (`ledger.replies.take`), from `proposal_from_reply`.
    """
    return promises.propose(tx, proposal_said(app, said), app.clock())


def proposal_said(app: App, said: Said) -> Proposal:
    """What is said, as a proposal of today."""
    read = PromiseText(said.pay_on, said.amount, doubts=() if said.pay_on else (PromiseDoubt.DATE_MISSING,))
    proposal = proposal_of(app, read, app.business_date(), said.source)
    return replace(proposal, loan_id=said.loan_id, source_ref=said.source_ref)


def proposal_from_reply(app: App, text: str, received_at: datetime) -> Proposal | None:
    """What a reply promises, of no loan yet; None where it promises nothing.

    Its days count from the lender's date when it was received: where a number's owner is at that hour nobody knows.
    """
    said_on = received_at.astimezone(ZoneInfo(app.lender.timezone)).date()
    said = read_promise(text, said_on)
    return None if said is None else proposal_of(app, said, said_on, REPLY)


def proposal_of(app: App, said: PromiseText, said_on: date, source: str) -> Proposal:
    """A proposal of no loan yet; a sum in another currency, or finer than the lender's, is a doubt."""
    minor, doubts = _minor(app.lender.currency, said)
    return Proposal(
        loan_id="",
        made_on=said_on,
        pay_on=said.pay_on,
        amount_minor=minor,
        everything=said.amount is None and PromiseDoubt.AMOUNT_UNCLEAR not in doubts,
        source=source,
        doubts=tuple(dict.fromkeys((*said.doubts, *doubts))),
    )


MOST_MINOR: Final = 10**15
"""No car loan comes near it, and a sum beyond it would overflow what is worked out from it."""


def _minor(currency: str, said: PromiseText) -> tuple[int, tuple[PromiseDoubt, ...]]:
    if said.currencies and currency not in said.currencies:
        return 0, (PromiseDoubt.CURRENCY_OTHER,)
    if said.amount is None:
        return 0, tuple(doubt for doubt in said.doubts if doubt is PromiseDoubt.AMOUNT_UNCLEAR)
    minor = said.amount.scaleb(currency_exponent(currency))
    whole = minor == minor.to_integral_value() and 0 < minor < MOST_MINOR
    return (int(minor), ()) if whole else (0, (PromiseDoubt.AMOUNT_UNCLEAR,))
