"""What borrowers can be told of changes, payments and quotes: how it was before, and how it is after."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, TypeAlias

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.loans.change_requests import ChangeType, Mode, read_changes
from carloan_notify.loans.changes import CHANGE_EFFECTS
from carloan_notify.loans.effects import payment_effects, schedule_is_agreed
from carloan_notify.loans.questions import payoff
from carloan_notify.loans.schedule import describe_changes
from carloan_notify.loans.standing import LoanTables
from carloan_notify.loans.standing_settings import PayoffSettings, StandingSettings
from carloan_notify.notices.details import detail_text, percent, read_detail
from carloan_notify.notices.events import CHANGE_EVENTS, CHANGES_TOLD, DETAILS, QUOTES
from carloan_notify.notices.settings import EventType

Part: TypeAlias = tuple[Sequence[str], Sequence[str]]
"""A part of details, row by row: the texts before and after, "" where nobody knows them."""
TOLD: Final = ["change_id", "loan_id"]


def changes_told(tables: LoanTables, settings: StandingSettings, since: date) -> pd.DataFrame | None:
    """Changes that take effect from `since` on (events.CHANGES_TOLD); None without a changes table.

    What was before is known where the schedule is computed here. Elsewhere the change's own value says what is so
    now, and nothing more is told. Amounts and counts are those that the schedule agrees on: they are told only where
    no payment alters them.
    """
    if tables.changes is None:
        return None
    changes = tables.changes
    taking_effect = changes["effective_on"] >= pd.Timestamp(since)
    fresh = changes[changes["type"].isin(list(CHANGE_EVENTS)) & taking_effect]
    if fresh.empty:
        return frames.empty(CHANGES_TOLD)
    loans = tables.loans[frames.among(tables.loans["loan_id"], fresh["loan_id"])]
    if settings.schedule.basis != "computed":
        return _told(_by_their_values(fresh, loans, settings), np.zeros(0, dtype="str"), 0)
    mine = changes[frames.among(changes["loan_id"], loans["loan_id"])]
    effects, _ = describe_changes(loans, mine, settings.schedule)  # its findings are the standing's too
    agreed = [name for name in loans["product"].unique() if schedule_is_agreed(settings, name)]
    exact = loans.loc[loans["product"].isin(agreed), "loan_id"]
    known = fresh[TOLD].merge(effects, on=TOLD)
    return _told(known, exact, settings.schedule.currency_exponent)


def _by_their_values(fresh: pd.DataFrame, loans: pd.DataFrame, settings: StandingSettings) -> pd.DataFrame:
    """CHANGE_EFFECTS as far as the values of the changes tell them; the rest is blank."""
    read, _ = read_changes(fresh, loans, settings.schedule)  # its findings are the standing's too
    deferral, dated = read["type"] == ChangeType.DEFERRAL, read["mode"] == Mode.TO_DATE
    return frames.blank_rows(CHANGE_EFFECTS, len(read)).assign(
        **{
            name: read[name].to_numpy() for name in ("change_id", "loan_id", "type", "effective_on", "number")
        },
        installment_no=read["number"].where(deferral, 0).to_numpy(),
        due_on_after=read["on"].where(deferral & dated).to_numpy(),
    )


def _told(effects: pd.DataFrame, exact: "pd.Series[str] | np.ndarray", digits: int) -> pd.DataFrame:
    """CHANGES_TOLD of CHANGE_EFFECTS; amounts and counts of the loans `exact` alone."""
    kind, certain = effects["type"], frames.among(effects["loan_id"], exact)
    paid = effects["number"].where(kind == ChangeType.PREPAYMENT, 0)
    details = _details(_parts(effects, certain, digits))
    told = effects.assign(event_detail=details, amount_minor=paid)
    return told.astype(dict(CHANGES_TOLD))[list(CHANGES_TOLD)]


def _parts(effects: pd.DataFrame, certain: pd.Series, digits: int) -> dict[str, Part]:
    kind, number = effects["type"], effects["number"]
    due_day, rate = kind == ChangeType.DUE_DAY, kind == ChangeType.RATE
    computed = effects["installments_after"] > 0
    total = [_amounts(effects[f"total_{when}_minor"], certain, digits) for when in ("before", "after")]
    count = [_counts(effects[f"installments_{when}"].where(certain, 0)) for when in ("before", "after")]
    return {
        "": (
            _counts(effects["due_on_before"].dt.day.where(due_day).fillna(0)),
            _counts(number.where(due_day, 0)),
        ),
        "rate": (
            _rates(effects["rate_before_ppb"], rate & computed),
            _rates(number, rate),
        ),
        "installment": ([""] * len(kind), _counts(effects["installment_no"].where(~due_day, 0))),
        "due_on": (_days(effects["due_on_before"]), _days(effects["due_on_after"])),
        "last_due_on": (_days(effects["last_due_on_before"]), _days(effects["last_due_on_after"])),
        "installments": (count[0], count[1]),
        "amount": (total[0], total[1]),
    }


def _details(parts: Mapping[str, Part]) -> list[str]:
    """The details of rows whose parts these are."""
    rows = zip(*(zip(*part, strict=True) for part in parts.values()), strict=True)
    return [detail_text(dict(zip(parts, row, strict=True))) for row in rows]


def _days(days: pd.Series) -> list[str]:
    texts: list[str] = days.dt.strftime("%Y-%m-%d").fillna("").tolist()
    return texts


def _counts(numbers: pd.Series) -> list[str]:
    return [str(int(number)) if number else "" for number in numbers.tolist()]


def _rates(rates: pd.Series, told: pd.Series) -> list[str]:
    return [percent(rate) if known else "" for rate, known in zip(rates.tolist(), told.tolist(), strict=True)]


def _amounts(amounts: pd.Series, told: pd.Series, digits: int) -> list[str]:
    rows = zip(amounts.tolist(), told.tolist(), strict=True)
    return [decimal_text(minor, digits) if known else "" for minor, known in rows]


def decimal_text(minor: int, digits: int) -> str:
    """Minor units as a decimal string: 123456 → "1234.56"."""
    return str(Decimal(int(minor)).scaleb(-digits))


# Payments: which installments they paid off, and what they left.


def payment_details(
    tables: LoanTables, settings: StandingSettings, as_of: date, since: date
) -> pd.DataFrame | None:
    """What payments from `since` on did (events.DETAILS by payment); None without a payments table."""
    if tables.payments is None:
        return None
    effects = payment_effects(tables, settings, as_of, since)
    nothing = [""] * len(effects)
    pairs = zip(effects["paid_from"].tolist(), effects["paid_to"].tolist(), strict=True)
    paid = ["" if not first else f"{first}-{last}" for first, last in pairs]
    parts = {
        "paid": (nothing, paid),
        "part": (nothing, _counts(effects["part_paid"])),
        "open": (nothing, _counts(effects["open_installments"])),
    }
    told = effects.rename(columns={"payment_id": "event_id"}).assign(event_detail=_details(parts))
    return told.astype(dict(DETAILS))[list(DETAILS)]


# Quotes for early settlement: the lender names the amount, or it is computed for the quote's last day.


def computed_quotes(
    tables: LoanTables,
    events: pd.DataFrame | None,
    settings: StandingSettings,
    terms: PayoffSettings,
    since: date,
) -> pd.DataFrame | None:
    """What settles each loan on the last day of its quotes from `since` on that name no amount (events.QUOTES).

    None without events.
    """
    if events is None:
        return None
    fresh = events["occurred_on"] >= pd.Timestamp(since)
    rows = events[fresh & (events["type"] == EventType.SETTLEMENT_QUOTED) & (events["amount_minor"] == 0)]
    until = [read_detail(text).days("until")[1] for text in rows["detail"].tolist()]
    last = pd.Series(until, index=rows.index, dtype="object")
    days = sorted({day for day in until if day is not None})
    found = [_settling(tables, rows[last == day], day, settings, terms) for day in days]
    return frames.stack(found, QUOTES)


def _settling(
    tables: LoanTables, quotes: pd.DataFrame, day: date, settings: StandingSettings, terms: PayoffSettings
) -> pd.DataFrame:
    mine = tables.loans[frames.among(tables.loans["loan_id"], quotes["loan_id"])]
    figures, _ = payoff(LoanTables(mine, *_rest(tables, mine)), settings, terms, day)
    priced = quotes[["loan_id", "event_id"]].merge(figures[["loan_id", "payoff_minor"]], on="loan_id")
    return priced.rename(columns={"payoff_minor": "amount_minor"}).astype(dict(QUOTES))[list(QUOTES)]


def _rest(tables: LoanTables, loans: pd.DataFrame) -> list[pd.DataFrame | None]:
    """The rows of the other tables that are of these loans."""
    others = (tables.installments, tables.payments, tables.changes)
    return [
        None if table is None else table[frames.among(table["loan_id"], loans["loan_id"])] for table in others
    ]
