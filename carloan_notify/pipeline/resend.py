"""Send one message again: with a key, a reason and an operator of its own, and the same care as the first time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App, one_night, require_rehearsable
from carloan_notify.codes import Repeated
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, intake, notices, runs, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.states import PENDING
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.views import Stored, Waiting
from carloan_notify.notices.decide import KEY_DIGITS, NOTICE_COLUMNS, Identity
from carloan_notify.notices.policy import apply_policy
from carloan_notify.notices.recipients import recipients
from carloan_notify.notices.release import Tonight
from carloan_notify.pipeline.addressees import Known
from carloan_notify.pipeline.decision_rows import why
from carloan_notify.pipeline.drafts import message_reference, reference_key
from carloan_notify.pipeline.holds import Recorded
from carloan_notify.pipeline.last_look import Words, differs, worded
from carloan_notify.pipeline.night import new_run_id
from carloan_notify.pipeline.one_loan import read_alone
from carloan_notify.pipeline.plan import contact_history, contacts_of, remember
from carloan_notify.pipeline.portfolio import Portfolio, frame_of
from carloan_notify.pipeline.verdicts import judge
from carloan_notify.records import CoveredNotice, Decision, Draft, MessageState
from carloan_notify.reports.tables import frame_rows

RESEND = "resend"
NAME = "***"
IN_DOUBT = frozenset({MessageState.SENDING, MessageState.UNKNOWN})
SHOWN = ("message_id", "notice", "channel", "phone", "state", "queued_at", "sent_at", "code", "resend_of")


@dataclass(frozen=True, slots=True)
class ResendOrder:
    """Which message again, who wants it and why; `same_words` repeats the stored text instead of wording it anew."""

    message_id: str
    operator: str
    reason: str
    same_words: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be sent: the text as it was and as it is now, and the draft to queue, or None and why not.

    Both texts are for a screen: without the person's name.
    """

    text_before: str
    text_now: str
    draft: Draft | None
    run_id: str = ""
    as_of: date = date.min
    refusal: str = ""
    contacts: str = ""
    """What was known of this person's messages and conversations when it was proposed."""


def earlier_attempts(
    app: App, *, message_id: str = "", loan_id: str = "", notice: str = ""
) -> list[dict[str, Any]]:
    """Every earlier message about the same loan and notice, newest first, masked.

    Raises:
        LedgerError: nothing of the kind was ever queued.
    """
    with app.open_ledger() as ledger:
        if message_id:
            original = _original(ledger, message_id)
            loan_id, notice = original.covers[0].loan_id, original.notice
        with ledger.read() as tx:
            found = frame_rows(views.messages(tx, views.MessageFilter(loan_id=loan_id, notice=notice)))
    if not found:
        raise LedgerError(
            f"loan {loan_id}: {notice} was never queued, so there is nothing to send again; see `explain`"
        )
    return [{name: row[name] for name in SHOWN} for row in found]


def propose(app: App, order: ResendOrder) -> Proposal:
    """Word the message once more by what is true now; opt-outs, hours and payments count as on any night.

    What the tables still hold is worded anew by them; the text of an event that they hold no more is repeated.

    Raises:
        LedgerError: no such message, or its notice is free to be told by the next night.
        SourceError: the tables that say what is still owed cannot be read.
    """
    require_rehearsable(app)
    with app.open_ledger() as ledger:
        original = _original(ledger, order.message_id)
        with ledger.read() as tx:
            refusal = _in_the_way(tx, original)
        before = _nameless(original.rendered.text, original.recipient_name)
        if refusal:
            return Proposal(before, before, None, refusal=refusal)
        told = {cover.loan_id for cover in original.covers}
        portfolio = read_alone(app, told, app.business_date())
        identity = Identity(app.lender.lender_id, ledger.cipher.phone_hash)
        refusal, drafted = _worded(app, ledger, original, portfolio)
        now = _nameless(drafted.rendered.text, drafted.recipient_name) if drafted else before
        if (
            not refusal
            and drafted
            and order.same_words
            and differs(drafted, original.outbound, app.settings.messages)
        ):
            refusal = "what it says is no longer true; send it again without --same-words"
        if refusal:
            return Proposal(before, now, None, refusal=refusal)
        with ledger.read() as tx:
            seen = _contacts(app, ledger, tx, original.phone)
        row = _decision(app, ledger, original, portfolio)
        if row["decision"] != Decision.QUEUED:
            return Proposal(before, now, None, refusal=why(row["reason"]))
        run_id = new_run_id(app, portfolio.as_of)
        words = _words(original, drafted, same=order.same_words)
        return Proposal(
            before,
            before if order.same_words else now,
            _draft(words, order, row, (run_id, reference_key(identity, run_id))),
            run_id,
            portfolio.as_of,
            contacts=seen,
        )


def _words(original: Stored, drafted: Draft | None, *, same: bool) -> Stored:
    """What is to be said, with the values of its template, which are kept only where a provider asks for them."""
    if drafted is None:
        return original
    return (
        replace(original, params=original.params or drafted.params) if same else _reworded(original, drafted)
    )


def _nameless(text: str, name: str) -> str:
    return text.replace(name, NAME) if name else text


def queue_proposal(app: App, proposal: Proposal) -> Proposal:
    """Queue what was proposed, for `send` to send; the same proposal, or refused after all.

    Somebody else, or the same command before it crashed, may have repeated the message since it was proposed, or told
    the same person something else.

    Raises:
        LockedError: a night runs; it would not count this message.
    """
    if proposal.draft is None:
        return proposal
    # A night counts what is queued before it plans: what came in between would go over its caps.
    with one_night(app, proposal.draft.operator, "sends a message again"), app.open_ledger() as ledger:
        with ledger.write() as tx:
            audit.lock_head(tx)  # two who repeat the same message stand in line
            refusal = _in_the_way(tx, _stored(tx, proposal.draft.resend_of))
            if not refusal and _contacts(app, ledger, tx, proposal.draft.phone) != proposal.contacts:
                refusal = Repeated.NEWS.english
            if refusal:
                return replace(proposal, draft=None, refusal=refusal)
            runs.start(tx, proposal.run_id, proposal.as_of, RESEND, app.clock())
            intake.enqueue(tx, proposal.run_id, [proposal.draft], app.clock())
            runs.finish(tx, proposal.run_id, runs.FINISHED, {"queued": 1}, None, app.clock())
        ledger.write_digest(proposal.run_id, app.clock())
    return proposal


def _contacts(app: App, ledger: Ledger, tx: Transaction, phone: str) -> str:
    """A hash of the messages and conversations that caps, gaps and rests count of a number and its customer."""
    recent, talked = contacts_of(app, tx, {ledger.cipher.phone_hash(phone)})
    customers = {*recent["customer_ref"], *talked["customer_ref"]} - {""}
    recent, talked = contacts_of(app, tx, {ledger.cipher.phone_hash(phone), *customers})
    told = [*recent["message_id"], *(at.isoformat() for at in talked["held_at"])]
    return hashlib.sha256("|".join(sorted(told)).encode()).hexdigest()


def _in_the_way(tx: Transaction, original: Stored) -> str:
    """Why it may not be repeated: it, or a message that repeats it, still waits or may have left; "" for nothing."""
    attempts = _attempts(tx, original)
    for why_not, states in ((Repeated.WAITS, PENDING), (Repeated.IN_DOUBT, IN_DOUBT)):
        found = next((name for name, state in attempts.items() if state in states), "")
        if found:
            return why_not.english.format(message_id=found)
    return ""


def _attempts(tx: Transaction, original: Stored) -> dict[str, MessageState]:
    """By id the state of the message and of every one that repeats it, is repeated by it or repeats the same."""
    rows = {
        row["message_id"]: row
        for loan_id in {cover.loan_id for cover in original.covers}
        for row in frame_rows(
            views.messages(tx, views.MessageFilter(loan_id=loan_id, notice=original.notice))
        )
    }
    family, pairs = {original.message_id}, [(name, row["resend_of"]) for name, row in rows.items()]
    while more := {name for pair in pairs if "" not in pair and family & {*pair} for name in pair} - family:
        family |= more
    return {name: MessageState(row["state"]) for name, row in rows.items() if name in family}


def _worded(app: App, ledger: Ledger, original: Stored, portfolio: Portfolio) -> tuple[str, Draft | None]:
    """Why it may not be told again, else "" and its words of now; no words for what is told as it was."""
    identity = Identity(app.lender.lender_id, ledger.cipher.phone_hash)
    waiting = Waiting(
        original.message_id,
        "",
        original.notice,
        original.channel.value,
        original.role,
        original.message_class.value,
        identity.ref(original.phone),
        original.until_paid,
        tuple(
            replace(cover, idempotency_key=notices.again(cover.idempotency_key, ""))
            for cover in original.covers
        ),
    )
    nobody = Known(identity, Recorded.nothing())  # of people the policy speaks, below
    judged = judge(app, portfolio, [waiting], nobody, of_people=False)
    found = judged.rulings[0]
    against = found.cancel or found.hold
    if against:
        return against.english, None
    if not found.still:
        return "", None
    words = Words.of(app, ledger, portfolio.as_of)
    drafts, failures = worded(words, {original.message_id: (original.outbound, found)}, judged.truths)
    failure = next((failed.message for failed in failures.values()), "")
    return failure, next(iter(drafts), None)


def _reworded(original: Stored, drafted: Draft) -> Stored:
    """The original with the words and the amount of now, and without what is no longer owed."""
    still = {(cover.loan_id, cover.original_due_on) for cover in drafted.covers}
    return replace(
        original,
        recipient_name=drafted.recipient_name,
        rendered=drafted.rendered,
        params=dict(drafted.params),
        amount_minor=drafted.amount_minor,
        covers=tuple(c for c in original.covers if (c.loan_id, c.original_due_on) in still),
    )


def _stored(tx: Transaction, message_id: str) -> Stored:
    found = views.stored(tx, message_id)
    if found is None:
        raise LedgerError(f"message {message_id}: not in the ledger; see `carloan-notify ledger messages`")
    return found


def _original(ledger: Ledger, message_id: str) -> Stored:
    with ledger.read() as tx:
        found = _stored(tx, message_id)
    if found.is_free_again:
        raise LedgerError(
            f"message {message_id}: it never left and its notice is free again; the next `run` tells it"
        )
    return found


def _decision(app: App, ledger: Ledger, original: Stored, portfolio: Portfolio) -> dict[str, Any]:
    """The contact policy's word on telling it again."""
    notice = _notice(original, portfolio).assign(phone_hash=ledger.cipher.phone_hash(original.phone))
    history = contact_history(notice, remember(app, ledger), app.templates().languages, portfolio)
    history = replace(history, already_sent=frozenset())
    tonight = Tonight(app.clock(), portfolio.as_of)
    return frame_rows(apply_policy(notice, app.settings.policy, history, tonight))[0]


def _notice(original: Stored, portfolio: Portfolio) -> pd.DataFrame:
    """A one-row notice (frames.NOTICES) for the recipient as the tables describe them now.

    Raises:
        LedgerError: the tables no longer know a recipient with that number in that role.
    """
    loan_id = original.covers[0].loan_id
    loans = portfolio.loans[portfolio.loans["loan_id"] == loan_id]
    people = recipients(loans, frame_of(portfolio.sources.contacts))
    mine = people[(people["role"] == original.role) & (people["phone"] == original.phone)].head(1)
    if mine.empty:
        raise LedgerError(
            f"loan {loan_id}: its {original.role} no longer has that number; the next `run` uses the new one"
        )
    row = {
        **frame_rows(mine)[0],
        "idempotency_key": original.message_id,
        "customer_id": frame_rows(loans)[0]["customer_id"],
        "notice": original.notice,
        "channel": original.channel.value,
        "message_class": original.message_class.value,
        "language": original.language,
        "amount_minor": original.amount_minor,
        "until_paid": original.until_paid,
    }
    blank = frames.blank_row(NOTICE_COLUMNS)
    return pd.DataFrame([{**blank, **row}]).astype(dict(frames.NOTICES))


def _draft(original: Stored, order: ResendOrder, row: dict[str, Any], run: tuple[str, str]) -> Draft:
    """`run` is the id of the run and the key of its references."""
    run_id, references = run
    key = _resend_key(original.covers, run_id)
    return Draft(
        message_id=message_reference(references, key),
        covers=tuple(
            replace(c, idempotency_key=notices.again(c.idempotency_key, f"{key}{number:04d}"))
            for number, c in enumerate(original.covers)
        ),
        customer_id=row["customer_id"],
        notice=original.notice,
        channel=original.channel,
        role=original.role,
        message_class=original.message_class,
        language=original.language,
        phone=original.phone,
        recipient_name=original.recipient_name,
        rendered=original.rendered,
        params=original.params,
        due_on=original.due_on,
        amount_minor=original.amount_minor,
        not_before=row["not_before"].to_pydatetime(),
        expires_at=row["expires_at"].to_pydatetime(),
        until_paid=original.until_paid,
        resend_of=original.message_id,
        operator=order.operator,
        reason=order.reason,
    )


def _resend_key(covers: Sequence[CoveredNotice], run_id: str) -> str:
    """What makes a resend's keys its own in each run: the first message's keys stand in its way no more."""
    told = "|".join(cover.idempotency_key for cover in covers)
    return hashlib.sha256(f"resend|{run_id}|{told}".encode()).hexdigest()[:KEY_DIGITS]
