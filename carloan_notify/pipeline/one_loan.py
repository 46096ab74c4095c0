"""One loan: what a night decides about it, and why, read from the rows that can change the answer and no others."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.certificate_codes import CertificateFinding
from carloan_notify.codes import RenderCode
from carloan_notify.errors import SourceError
from carloan_notify.finding_codes import CellProblem, Finding
from carloan_notify.hold_codes import HoldReason, HoldSubject, Then
from carloan_notify.ledger import views
from carloan_notify.messages.values import Money
from carloan_notify.notices.explain import explain
from carloan_notify.notices.hold_settings import HoldsSettings
from carloan_notify.notices.holds import counts, parsed, stands
from carloan_notify.notices.recipients import recipients
from carloan_notify.pipeline.decision_rows import fell_back, preview_rows, why
from carloan_notify.pipeline.plan import Memory, Worded, blank_memory, decide_and_word, remember_people
from carloan_notify.pipeline.portfolio import (
    Portfolio,
    frame_of,
    inputs_of,
    judged_promises,
    portfolio_of,
    read_context,
)
from carloan_notify.pipeline.promise_nights import recall_promises
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.reports.tables import frame_rows
from carloan_notify.sources.picking import read_connected, read_loans
from carloan_notify.words import Word

NO_RUN: Final = ""
"""Nothing is queued, so no run is named."""


def read_with_neighbours(app: App, loan_id: str, as_of: date) -> Portfolio:
    """The loan with every loan whose messages may be merged or counted with its own.

    Raises:
        SourceError: a table cannot be read, or neither the tables nor their rejects know the loan.
    """
    sources = read_connected(app.settings.sources, read_context(app, as_of), loan_id)
    if loan_id not in set(sources.loans.frame["loan_id"]) and not (sources.rejects["owner"] == loan_id).any():
        raise SourceError(
            f"loan {loan_id}: in no table of {as_of}, and no rejected row names it; check the number"
        )
    return recall_promises(app, portfolio_of(app, as_of, sources))


def read_alone(app: App, loan_ids: Collection[str], as_of: date) -> Portfolio:
    """These loans and their people, without the loans that only share a customer or a number.

    SourceError: a table cannot be read.
    """
    return portfolio_of(app, as_of, read_loans(app.settings.sources, read_context(app, as_of), loan_ids))


def recall_people(app: App, portfolio: Portfolio) -> Memory:
    """What the ledger knows of these loans' people, or nothing where there is none yet; writes nothing."""
    if not app.has_ledger():
        return blank_memory()
    contacts = portfolio.sources.contacts
    tables = [portfolio.loans, *([contacts.frame] if contacts else [])]
    people = {
        name: {text for rows in tables for text in rows[name]} - {""} for name in ("phone", "customer_id")
    }
    with app.open_ledger() as ledger:
        return remember_people(app, ledger, people["phone"], people["customer_id"])


def preview_loan(app: App, loan_id: str, as_of: date) -> list[dict[str, Any]]:
    """What would go out about one loan, and what would not and why; a row per notice. No guard is asked.

    A loan that is in no table has no row.

    Raises:
        SourceError: a table cannot be read.
    """
    sources = read_connected(app.settings.sources, read_context(app, as_of), loan_id)
    portfolio = recall_promises(app, portfolio_of(app, as_of, sources))
    worded = decide_and_word(app, portfolio, recall_people(app, portfolio), NO_RUN)
    return [row for row in preview_rows(app, worded.decisions, worded.drafted) if row["loan_id"] == loan_id]


# Why one loan gets what it gets.


def explain_loan(app: App, loan_id: str, as_of: date, language: str) -> dict[str, Any]:
    """The loan's standing, what each rule says of it, what the policy decided, what the tables lack, what was told.

    Raises:
        SourceError: neither the tables nor their rejects know the loan.
    """
    portfolio = read_with_neighbours(app, loan_id, as_of)
    rejects = portfolio.sources.rejects
    memory = recall_people(app, portfolio)
    worded = decide_and_word(app, portfolio, memory, NO_RUN)
    rules = explain(inputs_of(app, portfolio), app.settings.rules, app.settings.policy, as_of, loan_id)
    findings = worded.findings[worded.findings["loan_id"] == loan_id]
    return {
        "loan_id": loan_id,
        "as_of": as_of.isoformat(),
        "standing": _standing(portfolio.standing.loans, loan_id, app.lender.currency),
        "rejected_rows": [
            f"{row['file']}:{row['line']}: {row['code']}: {_said(row['code'], row['cure'], language)}"
            for row in frame_rows(rejects[rejects["owner"] == loan_id])
        ],
        # Many rows may say the same: a payment of each month for a loan that is not there, say.
        "findings": list(
            dict.fromkeys(
                f"{row['code']}: {_said(row['code'], row['message'], language)}"
                for row in frame_rows(findings)
            )
        ),
        "rules": [
            {
                "notice": rule.notice,
                "channel": rule.channel,
                "says": rule.sentence(language),
                "next_on": rule.next_on.isoformat() if rule.next_on else "",
            }
            for rule in rules
        ],
        "holds": _holds(app, portfolio, memory, loan_id, as_of),
        "promises": _promised(app, portfolio, loan_id),
        "tonight": _tonight(worded, loan_id, language),
        "told": _told(app, loan_id),
    }


LOAN_HOLDS: Final = ("kind", "on", "set_by", "set_on", "until", "then", "holds")


def holds_of_loan(app: App, loan_id: str, as_of: date) -> list[dict[str, Any]]:
    """Every hold (LOAN_HOLDS) that binds a loan, its people or their numbers, of the tables and of the ledger.

    Raises:
        SourceError: neither the tables nor their rejects know the loan.
    """
    portfolio = read_with_neighbours(app, loan_id, as_of)
    return _holds(app, portfolio, recall_people(app, portfolio), loan_id, as_of)


def _holds(app: App, portfolio: Portfolio, memory: Memory, loan_id: str, as_of: date) -> list[dict[str, Any]]:
    """Who set each, when it ends and what happens then; `holds` tells whether it keeps something back on `as_of`."""
    loans = portfolio.loans[portfolio.loans["loan_id"] == loan_id]
    people = recipients(loans, frame_of(portfolio.sources.contacts)).merge(
        loans[["loan_id", "customer_id"]], on="loan_id"
    )
    people = people.assign(phone_hash=frames.per_value(people["phone"], memory.phone_hash))
    settings = app.settings.policy.holds
    rows = [*_of_tables(people, settings, as_of)]
    record = memory.recorded.about(loans["customer_id"].unique()).holds
    for name in ("loan_id", "customer_id", "phone_hash"):
        mine = record[(record[name] != "") & record[name].isin(people[name])]
        standing = stands(mine, settings, as_of)
        for row, holding in zip(frame_rows(mine), standing, strict=True):
            until = day_or_none(row["until"])
            rows.append(
                _hold(
                    row["kind"], name.partition("_")[0], until, holds=bool(holding), settings=settings, by=row
                )
            )
    return rows


def _of_tables(people: pd.DataFrame, settings: HoldsSettings, as_of: date) -> Iterator[dict[str, Any]]:
    """The holds that the tables name, each person's own and the loan's."""
    for role, text in zip(people["role"], people["holds"], strict=True):
        for one in parsed(text):
            if not one.of_loan:
                holding = counts(one, settings, as_of)
                yield _hold(
                    one.kind, role, one.until, holds=holding, settings=settings, by={"set_by": "tables"}
                )


def hold_lines(rows: Sequence[Mapping[str, Any]], language: str) -> list[dict[str, str]]:
    """Holds (LOAN_HOLDS) as a table for people: those that keep something back, each code as its sentence."""
    return [
        {
            "kind": HoldReason(row["kind"]).sentence(language),
            "on": _on(row["on"], language),
            "set_by": Word.REPLY.sentence(language) if row["set_by"].startswith("reply:") else row["set_by"],
            "set_on": row["set_on"],
            "until": row["until"],
            "then": Then(row["then"]).sentence(language),
        }
        for row in rows
        if row["holds"]
    ]


def _on(name: str, language: str) -> str:
    return HoldSubject(name).sentence(language) if name in set(HoldSubject) else name


def _hold(
    kind: str, on: str, until: date | None, *, holds: bool, settings: HoldsSettings, by: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "kind": kind,
        "on": on,
        "set_by": by["set_by"],
        "set_on": by.get("set_on", ""),
        "until": until.isoformat() if until else "",
        "then": settings.rule(kind).then.value,
        "holds": holds,
    }


def _promised(app: App, portfolio: Portfolio, loan_id: str) -> list[dict[str, Any]]:
    """The loan's promises as the tables judge them now."""
    found = judged_promises(app, portfolio)
    rows = [] if found is None else frame_rows(found[found["loan_id"] == loan_id])
    return [
        {
            "promise_id": row["promise_id"],
            "state": row["state"],
            **{name: day.isoformat() if (day := day_or_none(row[name])) else "" for name in _PROMISE_DAYS},
            "amount": str(Money(row["amount_minor"], app.lender.currency).decimal()),
            "paid": str(Money(row["paid_minor"], app.lender.currency).decimal()),
        }
        for row in rows
    ]


_PROMISE_DAYS: Final = ("made_on", "pay_on", "ends_on")


def _standing(loans: pd.DataFrame, loan_id: str, currency: str) -> dict[str, str]:
    rows = frame_rows(loans[loans["loan_id"] == loan_id])
    if not rows:
        return {}
    row = rows[0]
    days = {name: day_or_none(row[name]) for name in ("next_due_on", "oldest_due_on")}
    return {
        "status": row["status"],
        **{name: day.isoformat() if day else "" for name, day in days.items()},
        "next_due": str(Money(row["next_due_minor"], currency).decimal()),
        "overdue": str(Money(row["overdue_minor"], currency).decimal()),
        "carried": str(Money(row["carried_minor"], currency).decimal()),
        "penalty": str(Money(row["penalty_minor"], currency).decimal()),
        "remainder": str(Money(row["remainder_minor"], currency).decimal()),
        "days_past_due": str(row["days_past_due"]),
        "bucket": row["bucket"],
    }


def _said(code: str, english: str, language: str) -> str:
    """What a finding or a rejected row says: its own text with its values in English, its code's in Chinese."""
    catalogues = (CellProblem, Finding, RenderCode, CertificateFinding)
    catalogue = next((kind for kind in catalogues if code in set(kind)), None)
    return catalogue(code).chinese if catalogue and language.startswith("zh") else english


def _tonight(worded: Worded, loan_id: str, language: str) -> list[dict[str, str]]:
    decisions = worded.decisions
    spoken = {draft.covers[0].idempotency_key: draft.language for draft in worded.drafted}
    return [
        {
            "notice": row["notice"],
            "channel": row["channel"],
            "role": row["role"],
            "decision": row["decision"],
            "why": why(row["reason"], language)
            if row["reason"]
            else fell_back(row["language"], words, language),
            "language": words,
        }
        for row in frame_rows(decisions[decisions["loan_id"] == loan_id])
        for words in (spoken.get(row["idempotency_key"], row["language"]),)
    ]


def _told(app: App, loan_id: str) -> list[dict[str, Any]]:
    """Every message that ever told this loan, newest first."""
    if not app.has_ledger():
        return []
    with app.open_ledger() as ledger, ledger.read() as tx:
        rows = frame_rows(views.messages(tx, views.MessageFilter(loan_id=loan_id)))
    names = ("message_id", "notice", "channel", "state", "queued_at", "sent_at")
    return [{name: "" if pd.isna(row[name]) else row[name] for name in names} for row in rows]
