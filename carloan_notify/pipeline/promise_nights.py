"""Promises to pay in the night: those of the ledger beside the tables, and what the tables say of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from carloan_notify.app import App
from carloan_notify.ledger import promises
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.promises import PromiseOutcome
from carloan_notify.messages.values import Money
from carloan_notify.notices.promises import PROMISES
from carloan_notify.pipeline.portfolio import Portfolio, judged_promises
from carloan_notify.promise_codes import PromiseState


def promises_of(app: App, ledger: Ledger, as_of: date) -> pd.DataFrame:
    """The promises (PROMISES) that may still change: open ones, and those that may be revised.

    With them earlier ones that may have taken the same payments.
    """
    settings = app.settings.promises
    reach = settings.revise_days + settings.max_days_ahead + settings.grace_days
    with ledger.read() as tx:
        return _frame(promises.counting(tx, as_of - timedelta(days=reach)))


def with_promises(app: App, ledger: Ledger, portfolio: Portfolio) -> Portfolio:
    """The portfolio with the promises of the ledger."""
    return replace(portfolio, promises=promises_of(app, ledger, portfolio.as_of))


def recall_promises(app: App, portfolio: Portfolio) -> Portfolio:
    """`with_promises` of the lender's ledger, where there is one yet; writes nothing."""
    if not app.has_ledger():
        return portfolio
    with app.open_ledger() as ledger:
        return with_promises(app, ledger, portfolio)


def _frame(found: Sequence[sa.RowMapping]) -> pd.DataFrame:
    """Rows of the ledger as PROMISES."""
    frame = pd.DataFrame([{name: row[name] for name in PROMISES} for row in found], columns=list(PROMISES))
    days = {name: pd.to_datetime(frame[name], format="%Y-%m-%d") for name in ("made_on", "pay_on", "ends_on")}
    return frame.assign(**days).astype(dict(PROMISES))


@dataclass(frozen=True, slots=True)
class PromiseNight:
    """What a night found: `counts` by state of the promises it looked at, and what is other than the ledger has it.

    `lines` say the same to people: loan, promise, what it was and is, what it received of what was promised.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    outcomes: tuple[PromiseOutcome, ...] = ()
    lines: tuple[str, ...] = ()


def promise_night(app: App, portfolio: Portfolio) -> PromiseNight:
    """What the portfolio's tables say of its promises on its day."""
    now, before = judged_promises(app, portfolio), portfolio.promises
    if now is None or before is None:
        return PromiseNight()
    decided = now["state"] != PromiseState.OPEN.value
    other = (now["state"] != before["state"]) | ((now["paid_minor"] != before["paid_minor"]) & decided)
    rows = now.assign(was=before["state"])[other].sort_values(["loan_id", "promise_id"]).to_dict("records")
    outcomes = tuple(
        PromiseOutcome(row["promise_id"], row["was"], row["state"], row["paid_minor"]) for row in rows
    )
    lines = tuple(_line(row, app.lender.currency) for row in rows)
    return PromiseNight(Counter(now["state"].tolist()), outcomes, lines)


def _line(row: Mapping[Any, Any], currency: str) -> str:
    paid, amount = (Money(row[name], currency).plain() for name in ("paid_minor", "amount_minor"))
    return f"{row['loan_id']}: promise {row['promise_id']}: {row['state']} (was {row['was']}), {paid} of {amount} paid"
