"""Promises to pay: who confirms proposals, and what people see of promises and do with them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.app import App
from carloan_notify.errors import ConfigError, LedgerError
from carloan_notify.finding_codes import CellProblem
from carloan_notify.ledger import audit, promises
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.promises import PromiseFilter, Terms
from carloan_notify.ledger.store import Transaction
from carloan_notify.messages.values import Money
from carloan_notify.notices.promise_settings import LOAN_DAYS, Confirm
from carloan_notify.notices.promise_terms import Asked, LoanNow, Refused, refused
from carloan_notify.pipeline.one_loan import read_alone
from carloan_notify.pipeline.planned import newest_night
from carloan_notify.pipeline.portfolio import Portfolio
from carloan_notify.pipeline.proposals import FILE, MOST_MINOR, Said, proposal_said, propose
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.promise_codes import PromiseDoubt, PromiseRefusal, PromiseState
from carloan_notify.records import currency_exponent
from carloan_notify.sources.files import small_table
from carloan_notify.sources.spelling import one_spelling
from carloan_notify.sources.tables import HEADERS
from carloan_notify.sources.values import parse_amount, parse_date

RULE: Final = "rule"
"""The operator of what `promises.confirm: auto` confirms."""

# Confirming: by a clerk, or by the rule.


@dataclass(frozen=True, slots=True)
class Completion:
    """What a clerk gives with a confirmation; None or "" leaves the proposal's own. `everything` overrides a sum."""

    loan_id: str = ""
    pay_on: date | None = None
    amount_minor: int = 0
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What became of a confirmation: the promise and what waited for it, or the reason why not."""

    promise_id: str
    terms: Terms | None = None
    refused: Refused | None = None
    cancelled: int = 0


def confirm(app: App, promise_id: str, given: Completion, operator: str) -> Confirmed:
    """Make a proposal a promise, with what the clerk gives; what waits to collect is cancelled.

    Raises:
        LedgerError: there is none of this id, or it is no proposal any more.
        SourceError: a table cannot be read.
    """
    with app.open_ledger() as ledger:
        proposal = _proposal(ledger, promise_id)
        asked = _asked(proposal, given)
        portfolio = _read(app, ledger, [asked.loan_id] if asked.loan_id else [])
        with ledger.write() as tx:
            return _confirmed(app, tx, promise_id, asked, (portfolio, operator))


def _proposal(ledger: Ledger, promise_id: str) -> Mapping[str, Any]:
    with ledger.read() as tx:
        rows = promises.listed(tx, PromiseFilter(promise_id=promise_id))
    if not rows:
        raise LedgerError(f"promise {promise_id}: there is none; see: carloan-notify promises list --all")
    return rows[0]


def _asked(proposal: Mapping[str, Any], given: Completion) -> Asked:
    pay_on = given.pay_on or (date.fromisoformat(proposal["pay_on"]) if proposal["pay_on"] else None)
    amount = given.amount_minor or proposal["amount_minor"]
    everything = given.everything or (proposal["everything"] and not given.amount_minor)
    made_on = date.fromisoformat(proposal["made_on"])
    return Asked(
        given.loan_id or proposal["loan_id"], made_on, pay_on, 0 if everything else amount, everything
    )


def _read(app: App, ledger: Ledger, loan_ids: Collection[str]) -> Portfolio:
    """These loans as the tables of the newest night have them."""
    return read_alone(app, loan_ids, newest_night(app, ledger).as_of)


def _confirmed(
    app: App, tx: Transaction, promise_id: str, asked: Asked, by: tuple[Portfolio, str]
) -> Confirmed:
    (portfolio, operator), settings = by, app.settings.promises
    loan = loan_now(portfolio, asked)
    earlier = promises.made_since(tx, app.business_date() - timedelta(days=LOAN_DAYS), asked.loan_id)
    against = refused(asked, loan, earlier, settings, app.business_date())
    if against is not None or loan is None or asked.pay_on is None:
        return Confirmed(promise_id, refused=against)
    terms = Terms(
        loan_id=asked.loan_id,
        pay_on=asked.pay_on,
        ends_on=asked.pay_on + timedelta(days=settings.grace_days),
        amount_minor=asked.amount_minor or loan.owed_minor,
        threshold_percent=settings.threshold_percent,
        bucket=loan.bucket,
        paid_before_minor=loan.paid_minor,
        overdue_before_minor=loan.overdue_minor,
        customer_ref=_customer_ref(tx, portfolio, asked.loan_id),
    )
    confirming = (operator, app.settings.policy.holds)
    cancelled = promises.confirm(tx, promise_id, terms, confirming, app.clock())
    return Confirmed(promise_id, terms, cancelled=len(cancelled))


def _customer_ref(tx: Transaction, portfolio: Portfolio, loan_id: str) -> str:
    owners = portfolio.loans.loc[portfolio.loans["loan_id"] == loan_id, "customer_id"]
    return tx.cipher.customer_ref(str(owners.iloc[0])) if len(owners) else ""


def loan_now(portfolio: Portfolio, asked: Asked) -> LoanNow | None:
    """What the tables say of a loan; None where they have none that could be computed."""
    rows = portfolio.standing.loans
    rows = rows[rows["loan_id"] == asked.loan_id]
    if rows.empty or asked.loan_id in portfolio.incomplete_loans:
        return None
    row = rows.iloc[0]
    return LoanNow(
        status=str(row["status"]),
        bucket=str(row["bucket"]),
        overdue_minor=int(row["overdue_minor"]),
        next_due_minor=int(row["next_due_minor"]),
        paid_minor=int(row["paid_minor"]),
        oldest_due_on=day_or_none(row["oldest_due_on"]),
        received_minor=_received(portfolio, asked),
    )


def _received(portfolio: Portfolio, asked: Asked) -> int:
    """What the payments table has of the loan since the promise was made, reversals taken off."""
    table = portfolio.sources.payments
    if table is None:
        return 0
    since = table.frame["paid_on"].between(pd.Timestamp(asked.made_on), pd.Timestamp(portfolio.as_of))
    mine = table.frame[since & (table.frame["loan_id"] == asked.loan_id)]
    return max(int(mine["amount_minor"].sum()), 0)


# The rule: `promises.confirm: auto`.


def confirm_by_rule(app: App, ledger: Ledger) -> tuple[Confirmed, ...]:
    """Confirm proposals that leave no doubt, where the settings say so; those that a limit refuses wait for a clerk.

    Raises:
        SourceError: a table cannot be read.
    """
    if app.settings.promises.confirm is not Confirm.AUTO:
        return ()
    with ledger.read() as tx:
        waiting = promises.listed(tx, PromiseFilter(states=(PromiseState.PROPOSED,)))
    firm = [each for each in waiting if not each["doubts"] and each["loan_id"] and each["pay_on"]]
    firm = [each for each in firm if each["pay_on"] >= app.business_date().isoformat()]
    if not firm:
        return ()
    portfolio = _read(app, ledger, sorted({each["loan_id"] for each in firm}))
    done = []
    for each in firm:
        with ledger.write() as tx:
            still = PromiseFilter(promise_id=each["promise_id"], states=(PromiseState.PROPOSED,))
            if not promises.listed(tx, still):  # a clerk was quicker
                continue
            done.append(
                _confirmed(app, tx, each["promise_id"], _asked(each, Completion()), (portfolio, RULE))
            )
    return tuple(done)


# What people do with promises.


def reject(app: App, promise_id: str, operator: str, note: str) -> None:
    """Do not accept a proposal. `LedgerError` where it is none."""
    with app.open_ledger() as ledger, ledger.write() as tx:
        promises.reject(tx, promise_id, operator, note, app.clock())


def withdraw(app: App, promise_id: str, operator: str, note: str) -> None:
    """Take an open promise back. `LedgerError` where it is not open."""
    with app.open_ledger() as ledger, ledger.write() as tx:
        promises.withdraw(tx, promise_id, operator, note, app.clock())


def add(app: App, said: Said, operator: str) -> Confirmed:
    """Enter and confirm a promise that a clerk took; refused, it stays a proposal, with the reason.

    Raises:
        LedgerError: it stands already, and is no proposal any more.
        SourceError: a table cannot be read.
    """
    with app.open_ledger(create=True) as ledger, ledger.write() as tx:
        name, _ = propose(app, tx, said)
    return confirm(app, name, Completion(), operator)


# For people.

WAITING: Final = (PromiseState.PROPOSED, PromiseState.OPEN)
COLUMNS: Final = (
    *(
        "promise_id",
        "loan_id",
        "state",
        "made_on",
        "pay_on",
        "ends_on",
        "amount",
        "paid",
        "threshold_percent",
    ),
    *("bucket", "decided_on", "source", "source_ref", "doubts", "taken_at", "confirmed_at", "ended_at"),
    *("operator", "note"),
)
SHORT: Final = (*COLUMNS[:8], "source", "doubts")
ALL_OWED: Final = "all"
"""Stands for the sum of a proposal of all that is owed; the confirmation puts a figure there."""


def rows(app: App, wanted: PromiseFilter) -> list[dict[str, Any]]:
    """Promises (COLUMNS) with sums in currency units, in order of the promised day."""
    if not app.has_ledger():
        return []
    with app.open_ledger() as ledger, ledger.read() as tx:
        return [_line(app, row) for row in promises.listed(tx, wanted)]


def _line(app: App, row: Mapping[str, Any]) -> dict[str, Any]:
    currency = app.lender.currency
    amount = Money(row["amount_minor"], currency).plain() if row["amount_minor"] else ""
    told = {**row, "amount": amount or (ALL_OWED if row["everything"] else "")}
    told["paid"] = Money(row["paid_minor"], currency).plain() if row["decided_on"] else ""
    return {name: told[name] for name in COLUMNS}


def show(app: App, promise_id: str) -> dict[str, Any]:
    """A promise (COLUMNS) and its `history`: the audit's rows about it.

    Raises:
        LedgerError: there is none of this id.
    """
    found = rows(app, PromiseFilter(promise_id=promise_id))
    if not found:
        raise LedgerError(f"promise {promise_id}: there is none; see: carloan-notify promises list --all")
    with app.open_ledger() as ledger, ledger.read() as tx:
        told = audit.show(tx, mentions=promise_id)
    mine = told[told["subject"] == promise_id]
    history = [{name: row[name] for name in ("at", "kind", "data")} for row in mine.to_dict("records")]
    return {**found[0], "history": history}


def sentence(row: Mapping[str, Any], language: str) -> str:
    """What a promise's state says to people."""
    return PromiseState(row["state"]).sentence(language)


def doubts(row: Mapping[str, Any], language: str) -> list[str]:
    """What a proposal leaves in doubt, for people."""
    return [PromiseDoubt(code).sentence(language) for code in str(row["doubts"]).split(",") if code]


# Sums and files that people give.


def minor_amount(app: App, text: str) -> int:
    """A sum that somebody typed, in minor units.

    Raises:
        ConfigError: it is none, or not above 0.
    """
    currency = app.lender.currency
    minor = parse_amount(text, currency=currency, digits=currency_exponent(currency))
    if isinstance(minor, CellProblem):
        raise ConfigError([f"--amount: {minor.english}"])
    if not 0 < minor < MOST_MINOR:
        raise ConfigError([f"--amount: {text} is no sum to promise; write one above 0, such as 500"])
    return minor


def read_amount(app: App, text: str) -> Decimal:
    """The same in currency units. `ConfigError` where it is none."""
    return Money(minor_amount(app, text), app.lender.currency).decimal()


@dataclass(frozen=True, slots=True)
class PromisesImported:
    """What became of a file's rows: rows = entered + known + those with a problem, each `file:row:column: what`."""

    rows: int
    entered: int
    known: int
    problems: tuple[str, ...]


FILE_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "loan_id": HEADERS["loan_id"],
    "pay_on": ("承诺还款日", "承诺日期", "promise_date"),
    "amount": ("承诺金额", "金额"),
}


def import_file(app: App, path: Path, operator: str, language: str) -> PromisesImported:
    """Enter and confirm the promises of a CSV file (FILE_COLUMNS); the rows with a problem are named and left out.

    Raises:
        SourceError: the file or a table cannot be read, or a column is missing.
    """
    table = small_table(path, FILE_COLUMNS, ("loan_id", "pay_on"))
    read = [(line, _row(app, path, row)) for line, row in table]
    problems = [f"{path.name}:{line}:{said}" for line, said in read if isinstance(said, str)]
    good = [(line, said) for line, said in read if isinstance(said, Said)]
    entered = known = 0
    with app.open_ledger(create=True) as ledger:
        portfolio = _read(app, ledger, sorted({said.loan_id for _, said in good}))
        for line, said in good:
            done, fresh = _entered(app, ledger, said, (portfolio, operator))
            if done is not None and done.refused is not None:
                problems.append(
                    f"{path.name}:{line}:{_column_of(done.refused)}: {done.refused.sentence(language)}"
                )
            else:
                entered, known = entered + fresh, known + (not fresh)
    return PromisesImported(len(table), entered, known, tuple(problems))


def _entered(
    app: App, ledger: Ledger, said: Said, by: tuple[Portfolio, str]
) -> tuple[Confirmed | None, bool]:
    """Propose and confirm in one transaction; nothing of either is kept where it is refused or confirmed already."""
    with ledger.read() as tx:
        name = promises.id_of(tx, proposal_said(app, said))
        there = promises.listed(tx, PromiseFilter(promise_id=name))
    if there and there[0]["state"] != PromiseState.PROPOSED:
        return None, False
    with ledger.write() as tx:
        name, _ = propose(app, tx, said)
        amount = 0 if said.amount is None else int(said.amount.scaleb(currency_exponent(app.lender.currency)))
        asked = Asked(said.loan_id, app.business_date(), said.pay_on, amount, said.amount is None)
        return _confirmed(app, tx, name, asked, by), True


def _column_of(against: Refused) -> str:
    return "loan_id" if against.reason in _OF_LOAN else "pay_on"


_OF_LOAN: Final = (PromiseRefusal.NOT_ACTIVE, PromiseRefusal.NO_LOAN, PromiseRefusal.NOTHING_OWED)


def _row(app: App, path: Path, row: Mapping[str, str]) -> Said | str:
    """What a row says, or its column and what is wrong there."""
    loan_id = one_spelling(row["loan_id"])
    if not loan_id:
        return "loan_id: is blank; write the loan's number"
    pay_on = parse_date(row["pay_on"], zone=ZoneInfo(app.lender.timezone))
    if isinstance(pay_on, CellProblem):
        return f"pay_on: {pay_on.english}"
    try:
        amount = read_amount(app, row["amount"]) if row["amount"] else None
    except ConfigError as error:
        return str(error).removeprefix("--")
    return Said(loan_id, pay_on, amount, FILE, path.name)
