"""Links: whose a token is, what its loan owes today, and the key that signs them.

What is said is worked out anew from the tables at each look, as of the person's own day, with every payment that they
hold. It is never more than they say for sure: where a row was rejected, a payment is dated ahead, the last night was
stopped or the export shrank, the page says that nobody can tell, and gives the hotline.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.errors import CalendarError, SourceError
from carloan_notify.inbound.page import (
    PageState,
)
from carloan_notify.ledger import audit
from carloan_notify.ledger.keys import read_private, write_private
from carloan_notify.messages.links import (
    LinkClaim,
    LinkKeys,
    Purpose,
    ReadToken,
    Told,
    hints,
    prove,
    read_token,
    rotated,
)
from carloan_notify.messages.settings import LINK_KEY_FILE
from carloan_notify.notices.recipients import recipients
from carloan_notify.page_codes import LinkFault, PageWord
from carloan_notify.pipeline.planned import Planned, newest_night
from carloan_notify.pipeline.portfolio import frame_of, portfolio_of, read_context
from carloan_notify.pipeline.reading import on_day, payments_ahead
from carloan_notify.pipeline.verdicts import unclear
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.records import AuditEvent
from carloan_notify.sources.picking import read_loans
from carloan_notify.sources.read import Table, read_table
from carloan_notify.text import mask_name, mask_phone

# Whose token is it? The people of the loans table and the contacts, found by the three bytes that a token points with.


@dataclass(frozen=True)
class People:
    """Everybody a link may have been made for: loan_id, phone, recipient_name, role, timezone; and who read them.

    `places` maps what tokens point with to loan ids; `doubted` tells that the tables shrank since the night.
    """

    frame: pd.DataFrame = field(repr=False)
    places: Mapping[bytes, tuple[str, ...]] = field(repr=False)
    doubted: bool

    def pointed_at(self, token: ReadToken) -> pd.DataFrame:
        """The people of the loans that a token may be of."""
        return self.frame[frames.among(self.frame["loan_id"], self.places.get(token.hint, ()))]


_PERSON: Final = ["loan_id", "role", "recipient_name", "phone", "timezone"]


def read_people(app: App, night: Planned, keys: LinkKeys) -> People:
    """Everybody in the tables who has a number.

    SourceError: a table cannot be read.
    """
    context, settings = read_context(app, night.as_of), app.settings.sources
    loans = read_table("loans", settings.loans, context=context)
    contacts = read_table("contacts", settings.contacts, context=context) if settings.contacts else None
    people = recipients(loans.frame, frame_of(contacts))
    people = people.loc[people["phone"] != "", _PERSON].reset_index(drop=True)
    loan_ids = people["loan_id"].unique().tolist()
    places: dict[bytes, tuple[str, ...]] = {}
    for key in keys.all:
        for place, loan_id in zip(hints(key, loan_ids), loan_ids, strict=True):
            places[place] = (*places.get(place, ()), loan_id)
    return People(people, places, _shrunk(app, loans, night))


def _shrunk(app: App, loans: Table, night: Planned) -> bool:
    """Whether the loans table holds far less than on the night, or many more bad rows."""
    guards, facts = app.settings.guards, night.facts
    before, bad_before = (facts.loans_read, facts.rejected.get("loans", 0)) if facts else (0, 0)
    bad = len(loans.rejects) > max(guards.max_reject_rate * loans.rows_read, bad_before)
    return bad or loans.rows_read < (1 - guards.max_row_drop) * before


def proven(
    people: People, token: str, keys: LinkKeys, now: datetime
) -> tuple[LinkClaim, pd.Series] | LinkFault:
    """What a token proves and for whom, or why it is refused."""
    read = read_token(token)
    if isinstance(read, LinkFault):
        return read
    pointed = people.pointed_at(read)
    told = [Told(loan_id, phone) for loan_id, phone in zip(pointed["loan_id"], pointed["phone"], strict=True)]
    claim = prove(read, keys, told, now)
    if isinstance(claim, LinkFault):
        return claim
    mine = pointed[(pointed["loan_id"] == claim.loan_id) & (pointed["phone"] == claim.phone)]
    return claim, mine.iloc[0]


# What the loan owes on the person's own day.


@dataclass(frozen=True, slots=True)
class Owes:
    """What the tables say of a loan on `day`; amounts in minor units. Days are None where there is nothing.

    `today_minor` is all that is due on that day, penalty and remainder included.
    """

    state: PageState
    day: date
    overdue_on: date | None = None
    overdue_minor: int = 0
    penalty_minor: int = 0
    next_on: date | None = None
    next_minor: int = 0
    today_minor: int = 0


def owes(app: App, night: Planned, loan_id: str, day: date) -> Owes:
    """What a loan owes on a day, with every payment that the lender knows by its own today.

    `PageState.UNCLEAR` where the tables do not say it for sure, or cannot be read.
    """
    if not night.run_id:
        return Owes(PageState.UNCLEAR, day)  # there was no night, or a guard stopped it
    try:
        tables = read_loans(app.settings.sources, read_context(app, night.as_of), [loan_id])
        portfolio = portfolio_of(app, night.as_of, tables)
        if loan_id in unclear(portfolio) or len(payments_ahead(portfolio, app.business_date())):
            return Owes(PageState.UNCLEAR, day)
        stands = on_day(app, portfolio, day, [loan_id]).standing.loans
    except (SourceError, CalendarError):
        return Owes(PageState.UNCLEAR, day)
    mine = stands[stands["loan_id"] == loan_id]
    return _owes(mine.iloc[0], day) if len(mine) == 1 else Owes(PageState.UNCLEAR, day)


def _owes(row: pd.Series, day: date) -> Owes:
    if row["status"] != _ACTIVE:
        return Owes(PageState.SETTLED if row["status"] == _SETTLED else PageState.UNCLEAR, day)
    next_on, overdue = day_or_none(row["next_due_on"]), int(row["overdue_minor"])
    penalty, coming = int(row["penalty_minor"]), int(row["next_due_minor"])
    today = (overdue + penalty if overdue else 0) + (coming if next_on == day else 0)
    today = today or int(row["remainder_minor"])
    return Owes(
        PageState.DUE if today else PageState.CLEAR,
        day,
        day_or_none(row["oldest_due_on"]) if overdue else None,
        overdue,
        penalty if overdue else 0,
        next_on,
        coming,
        today,
    )


_ACTIVE: Final = "active"
_SETTLED: Final = "settled"


# `links verify`.


def verify_token(app: App, token: str, language: str) -> dict[str, Any]:
    """What a token proves, to whom, until when; and whether its link is alive. A link is taken for its token.

    Raises:
        SourceError: a table cannot be read.
    """
    keys, night = app.link_keys(), _night_of(app)
    found = proven(read_people(app, night, keys), token, keys, app.clock())
    if isinstance(found, LinkFault):
        return {**_BLANK, "valid": False, "code": found.value, "says": found.sentence(language)}
    claim, person = found
    debt = owes(app, night, claim.loan_id, app.business_date())
    fault = LinkFault.SETTLED if debt.state is PageState.SETTLED and claim.purpose is Purpose.PAY else None
    return {
        "valid": fault is None,
        "code": fault.value if fault else "",
        "says": fault.sentence(language) if fault else PageWord.PROVEN.sentence(language),
        "purpose": claim.purpose.value,
        "loan_id": claim.loan_id,
        "role": person["role"],
        "name": mask_name(person["recipient_name"]),
        "phone": mask_phone(claim.phone),
        "valid_until": claim.valid_until.isoformat(),
        "state": debt.state.value,
    }


_BLANK: Final = dict.fromkeys(
    ("valid", "code", "says", "purpose", "loan_id", "role", "name", "phone", "valid_until", "state"), ""
)


# `links rotate`.


def rotate_key(app: App, operator: str) -> tuple[Path, int]:
    """Make a new key for links; the key file, and how many earlier keys are still believed. Audited.

    Raises:
        ConfigError: the key file cannot be read as one.
        LedgerError: the file or the ledger cannot be read.
    """
    path, earlier = app.path(LINK_KEY_FILE), len(app.link_keys().all)
    with app.open_ledger() as ledger, ledger.write() as tx:
        new = rotated(read_private(path).decode(), secrets.token_hex(32), app.clock())
        write_private(path, new.encode(), replace=True)
        audit.append(tx, [AuditEvent("links.key_rotated", operator, {"earlier": earlier})], app.clock())
    return path, earlier


def _night_of(app: App) -> Planned:
    """The newest night, or today without its word where there is no ledger yet."""
    if not app.has_ledger():
        return Planned(app.business_date())
    with app.open_ledger() as ledger:
        return newest_night(app, ledger)
