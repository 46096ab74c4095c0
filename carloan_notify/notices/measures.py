"""What guards measure in tonight's tables and against the last night's portfolio: shares, by name. Pure.

A measure maps the tables (and, where it needs them, the pairs of loans of both nights) to a `Share`: so many of
so many. Whether that is too many is the guards' question.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
import phonenumbers
from babel.core import get_global

from carloan_notify import frames
from carloan_notify.notices.fingerprints import ACTIVE, MOST_MINOR, SETTLED, Pairs, day_number
from carloan_notify.phones import calling_code


@dataclass(frozen=True, slots=True)
class Share:
    """So many (`part`) of so many (`whole`); `shown` names the commonest of them where that helps."""

    part: int
    whole: int
    shown: str = ""

    @property
    def value(self) -> float:
        """The share, 0 of nothing."""
        return self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class Tables:
    """Tonight's tables (frames.*), None for one that is not configured, and who lost a row in each.

    `owners` holds, per table, the owners of its rejected rows ("" unknown), `home` the lender's countries (ISO
    3166), `null_names` how many borrowers' names were a word for nothing.
    """

    as_of: date
    loans: pd.DataFrame
    standing: pd.DataFrame
    payments: pd.DataFrame | None = None
    changes: pd.DataFrame | None = None
    events: pd.DataFrame | None = None
    contacts: pd.DataFrame | None = None
    owners: Mapping[str, pd.Series] = field(default_factory=dict)
    home: frozenset[str] = frozenset()
    null_names: int = 0


# Tonight's tables alone: these need no night before.

CROWD: Final = 5
"""A number that this many customers share is no family's."""
CODE_LENGTH: Final = 4
"""A plus sign and the longest country calling code."""
FIRST_DUE_WITHIN: Final = 75
"""A first installment later than this after the disbursement is no ordinary one; days."""
SHIFT_DAYS: Final = 4  # a business-day calendar moves a date by no more
OVERDUE_TIMES_PAID: Final = 9
PAID_TIMES_PRINCIPAL: Final = 2
PPB: Final = 1_000_000_000
MONTHS: Final = 12
_ALL_PLACEHOLDER: Final = re.compile(r"(?i)[?？�\s]*[?？�]{2,}[?？�\s]*|.*�.*|null|none|nan|nat|#n/a|\\n")
_READ_AS_LATIN: Final = re.compile(  # Latin-1, and what Windows-1252 puts in place of its control characters
    r"[\u0080-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u02c6\u02dc\u2013-\u2122]{4,}"
)
_ALL_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]+")
_GARBLED: Final = ("锟斤拷", "烫烫烫", "屯屯屯")


def phones_shared(tables: Tables) -> Share:
    """Loans whose number stands with at least `CROWD` customers."""
    loans = tables.loans[tables.loans["phone"] != ""]
    persons = loans[["phone", "customer_id"]].drop_duplicates()["phone"].value_counts()
    crowded = persons[persons >= CROWD].index
    return Share(int(loans["phone"].isin(crowded).sum()), len(loans))


def names_unreadable(tables: Tables) -> Share:
    """Loans whose borrower's name is question marks, a null word, or text read in the wrong encoding."""
    names = tables.loans["borrower_name"]
    counts = names[names != ""].value_counts()
    bad = [number for name, number in counts.items() if unreadable(str(name))]
    return Share(int(sum(bad)) + tables.null_names, int(counts.sum()) + tables.null_names)


def unreadable(name: str) -> bool:
    """Whether a name shows the traces of a wrong encoding; a single right name may, by chance (1 of 50)."""
    if _ALL_PLACEHOLDER.fullmatch(name) or any(trace in name for trace in _GARBLED):
        return True
    return bool(_READ_AS_LATIN.search(name)) or _utf8_read_as_gbk(name)


def _utf8_read_as_gbk(name: str) -> bool:
    """Whether the GBK bytes of a name are Chinese characters in UTF-8, but for a last one that lost a byte."""
    data = name.rstrip("?？\ufffd").encode("gb18030")
    return any(_ALL_CHINESE.fullmatch(_decoded(data[: len(data) - lost])) for lost in range(3))


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def zones_foreign(tables: Tables) -> Share:
    """Loans whose time zone lies in no country of their phone number, and not in the lender's."""
    loans = tables.loans[(tables.loans["phone"] != "") & (tables.loans["timezone"] != "")]
    heads = (loans["phone"].str.slice(0, CODE_LENGTH) + " " + loans["timezone"]).value_counts()
    codes = [f"{calling_code(str(head)[:CODE_LENGTH])}{str(head)[CODE_LENGTH:]}" for head in heads.index]
    pairs = heads.groupby(codes).sum().sort_values(ascending=False)
    foreign = {
        str(pair): int(number) for pair, number in pairs.items() if not _zone_fits(str(pair), tables.home)
    }
    shown = ", ".join(f"+{pair} ×{number}" for pair, number in list(foreign.items())[:3])
    return Share(sum(foreign.values()), len(loans), shown)


_REGIONS: Final = phonenumbers.COUNTRY_CODE_TO_REGION_CODE


def _zone_fits(code_and_zone: str, home: frozenset[str]) -> bool:
    """A number of no known country fits everywhere; a zone of no country (UTC) fits no known number."""
    code, zone = code_and_zone.split(" ", 1)
    return not code or country_of_zone(zone) in home.union(_REGIONS[int(code)])


def country_of_zone(zone: str) -> str:
    """ISO 3166 country of an IANA zone (CLDR); ZZ for one of none (UTC), "" for an unknown one."""
    return str(get_global("zone_territories").get(get_global("zone_aliases").get(zone, zone), ""))


ORPHAN_TABLES: Final = ("payments", "changes", "events", "contacts")
_NOBODY: Final = pd.Series([], dtype=frames.TEXT)


def orphans(table: str) -> Callable[[Tables], Share]:
    """Rows of a table, rejected ones included, that match no row of the loans table, rejected ones included."""

    def measure(tables: Tables) -> Share:
        rows: pd.DataFrame | None = getattr(tables, table)
        if rows is None:
            return Share(0, 0)
        owner = "customer_id" if table == "contacts" else "loan_id"
        lost = tables.owners.get(table, _NOBODY)
        named = pd.concat([rows[owner], lost[lost != ""]])
        known = {*tables.loans[owner], *tables.owners.get("loans", _NOBODY)}
        counts = named.value_counts()
        missing = counts[~frames.among(counts.index.to_series(), known).to_numpy()]
        # A loan row too broken to tell its number still has its payments.
        nameless = int((tables.owners.get("loans", _NOBODY) == "").sum()) if owner == "loan_id" else 0
        strange = len(missing)
        return Share(int(missing.sum()) * max(strange - nameless, 0) // max(strange, 1), len(named))

    return measure


def rows_of_the_future(tables: Tables) -> Share:
    """Payments dated later than the day after the business date; a table of tomorrow is another night's."""
    if tables.payments is None:
        return Share(0, 0)
    late = tables.payments["paid_on"] > pd.Timestamp(tables.as_of + timedelta(days=1))
    return Share(int(late.sum()), len(late))


def nobody_paid(tables: Tables) -> Share:
    """Loans past their first due date, where not one of all loans has ever paid; else 0."""
    stands = tables.standing
    active = stands["status"] == "active"
    nothing = not stands["paid_minor"].any() and not tables.loans["paid_to_date_minor"].any()
    late = active & (stands["overdue_minor"] > 0) & (stands["days_past_due"] > 0)
    from_terms = tables.loans["days_past_due"].sum() == 0  # a snapshot says itself who is late
    return Share(int(late.sum()) if nothing and from_terms else 0, int(active.sum()))


def none_active(tables: Tables) -> Share:
    """All loans, where every one is settled; else 0: an export of what runs is never that."""
    settled = int((tables.standing["status"] == "settled").sum())
    return Share(settled if settled == len(tables.standing) else 0, len(tables.standing))


def due_today_oddly(tables: Tables) -> Share:
    """Loans due (for the first time) on the business date although their own due day, or their age, says otherwise."""
    rows = _active_loans(tables)
    today = pd.Timestamp(tables.as_of)
    due = rows["next_due_on"] == today
    first = rows["first_due_on"]
    late_first = (first == today) & ((first - rows["disbursed_on"]).dt.days > FIRST_DUE_WITHIN)
    other_day = _other_day(rows["due_day"].where(rows["due_day"] > 0, first.dt.day.fillna(0)), tables.as_of)
    other_first = _other_day(first.dt.day.fillna(0), tables.as_of) & (rows["due_day"] == tables.as_of.day)
    changed = rows["loan_id"].isin([] if tables.changes is None else tables.changes["loan_id"])
    odd = ~changed & (late_first | (due & (other_day | other_first)))
    return Share(int(odd.sum()), len(rows))


def _other_day(days: pd.Series, as_of: date) -> pd.Series:
    """Whether a day of the month is another than that of `as_of`, beyond what a calendar moves; 0 is any day."""
    apart = (days - as_of.day).abs()
    return (days > 0) & (np.minimum(apart, 31 - apart) > SHIFT_DAYS)


def amounts_impossible(tables: Tables) -> Share:
    """Loans asked for more than they can owe.

    An installment above principal and a year's interest, or arrears above all that the loan will ever cost.
    Loans without a principal are not judged.
    """
    rows = _active_loans(tables)
    principal = rows["principal_minor"] + rows["balloon_minor"]
    rate = np.minimum(rows["annual_rate_ppb"] / PPB, 1.0)
    years = np.maximum(rows["term_months"] / MONTHS, 1.0)
    one = rows["next_due_minor"] > principal * (1 + rate) * 1.2
    all_of_it = rows["overdue_minor"] > principal * (1 + rate * years) * 1.5
    return Share(int(((one | all_of_it) & (principal > 0)).sum()), len(rows))


def payments_out_of_scale(tables: Tables) -> Share:
    """Loans that paid far more than they ever borrowed, or a small part of what fell due so far."""
    rows = _active_or_settled(tables)
    rows = rows[(rows["paid_minor"] > 0) & (rows["principal_minor"] > 0)]
    much = rows["paid_minor"] > PAID_TIMES_PRINCIPAL * rows["principal_minor"] * (
        1 + rows["annual_rate_ppb"] / PPB * np.maximum(rows["term_months"] / MONTHS, 1.0)
    )
    little = rows["overdue_minor"] > OVERDUE_TIMES_PAID * rows["paid_minor"]
    return Share(int((much | little).sum()), len(rows))


def _active_loans(tables: Tables) -> pd.DataFrame:
    return _stood(tables, ("active",))


def _active_or_settled(tables: Tables) -> pd.DataFrame:
    return _stood(tables, ("active", "settled"))


def _stood(tables: Tables, statuses: tuple[str, ...]) -> pd.DataFrame:
    stands = tables.standing[tables.standing["status"].isin(statuses)]
    names = ["loan_id", "next_due_on", "next_due_minor", "overdue_minor", "paid_minor"]
    own = [name for name in tables.loans if name not in names[1:]]
    return tables.loans[own].merge(stands[names], on="loan_id")


MEASURES: Final[Mapping[str, Callable[[Tables], Share]]] = {
    "phones_shared": phones_shared,
    "names_unreadable": names_unreadable,
    "zones_foreign": zones_foreign,
    **{f"orphans_{table}": orphans(table) for table in ORPHAN_TABLES},
    "rows_of_the_future": rows_of_the_future,
    "nobody_paid": nobody_paid,
    "none_active": none_active,
    "due_today_oddly": due_today_oddly,
    "amounts_impossible": amounts_impossible,
    "payments_out_of_scale": payments_out_of_scale,
}


# Tonight's loans against those of the last finished night.

SAME_WITHIN: Final = 2
"""An amount twice as large, or half, is another amount; a penalty or a part payment changes it less."""
ABSURD: Final = 20
"""One loan whose installment is this many times what it was is enough."""
NEXT_DUE_FROM: Final = 23
"""A due date this many days later is the next installment's."""
RECENT: Final = 10
ENOUGH_ASKED: Final = 10
"""With fewer loans one may carry the whole total."""


def loans_vanished(pairs: Pairs, _: Tables) -> Share:
    """Active loans of the last night that tonight's table does not name."""
    gone = int((pairs.vanished["status"] == ACTIVE).sum())
    return Share(gone, gone + int((pairs.before["status"] == ACTIVE).sum()))


def arrears_dropped(pairs: Pairs, _: Tables) -> Share:
    """Overdue loans of the last night that tonight's table does not name: a group of its own."""
    gone, here = (
        int(((rows["status"] == ACTIVE) & (rows["past_due"] > 0)).sum())
        for rows in (pairs.vanished, pairs.before)
    )
    return Share(gone, gone + here)


def loans_new(pairs: Pairs, _: Tables) -> Share:
    """Active loans of tonight that the last night did not know."""
    new = int((pairs.fresh["status"] == ACTIVE).sum())
    return Share(new, new + int((pairs.after["status"] == ACTIVE).sum()))


def phones_changed(pairs: Pairs, _: Tables) -> Share:
    """Loans whose number is another."""
    both = (pairs.before["phone"] > 0) & (pairs.after["phone"] > 0)
    return Share(int((pairs.before["phone"] != pairs.after["phone"])[both].sum()), int(both.sum()))


def products_changed(pairs: Pairs, _: Tables) -> Share:
    """Loans whose product is another."""
    return Share(int((pairs.before["product"] != pairs.after["product"]).sum()), len(pairs.before))


def statuses_changed(pairs: Pairs, tables: Tables) -> Share:
    """Loans that were settled, cancelled or charged off and run again, or ended without a payment.

    Where payments are read, a loan that settled with one is right.
    """
    old, new = pairs.before["status"], pairs.after["status"]
    ended = (old == ACTIVE) & (new != ACTIVE)
    revived = (old >= SETTLED) & (new == ACTIVE)
    if tables.payments is not None:
        ended &= ~((new == SETTLED) & pairs.paid)
    return Share(int((ended | revived).sum()), len(old))


def due_dates_moved(pairs: Pairs, tables: Tables) -> Share:
    """Active loans whose next due date moved, without a change row, and not to the next installment."""
    before, after = pairs.before, pairs.after
    judged = (before["status"] == ACTIVE) & (after["status"] == ACTIVE) & (after["due"] > 0)
    judged &= (before["due"] >= day_number(pairs.until)) & ~pairs.changed
    later = after["due"].astype(np.int64) - before["due"].astype(np.int64)
    original = after["original"].astype(np.int64) - before["original"].astype(np.int64)
    same = (later == 0) | (original == 0) | (np.minimum(later, original) >= NEXT_DUE_FROM)
    if tables.payments is not None:
        same &= (later == 0) | (original == 0) | pairs.paid
    return Share(int((judged & ~same).sum()), int(judged.sum()))


def amounts_changed(pairs: Pairs, _: Tables) -> Share:
    """Loans whose principal, or what is asked for the same due date, is twice or half what it was, or more."""
    active = (pairs.before["status"] == ACTIVE) & (pairs.after["status"] == ACTIVE)
    due = _scaled(pairs, "due_minor", SAME_WITHIN) & (pairs.before["original"] == pairs.after["original"])
    due &= ~(pairs.changed | pairs.paid)
    return Share(int((active & (due | _scaled(pairs, "principal", SAME_WITHIN))).sum()), int(active.sum()))


def amounts_absurd(pairs: Pairs, _: Tables) -> Share:
    """Loans asked for twenty times what was asked the night before for the same or the next due date."""
    grown = pairs.after["due_minor"] > ABSURD * pairs.before["due_minor"].astype(np.int64)
    known = (pairs.before["due_minor"] > 0) & (pairs.before["status"] == ACTIVE)
    # The rest of a half-paid installment is small; what follows it is whole again.
    known &= pairs.before["original"] == pairs.after["original"]
    return Share(int((grown & known).sum()), int(known.sum()))


def asked_otherwise(pairs: Pairs, _: Tables) -> Share:
    """Minor units by which the total asked for the same due dates differs from what the last night promised."""
    before, after = pairs.before, pairs.after
    judged = (before["status"] == ACTIVE) & (after["status"] == ACTIVE) & (before["due"] == after["due"])
    judged &= (
        (before["due"] >= day_number(pairs.until)) & (before["due_minor"] > 0) & (after["due_minor"] > 0)
    )
    judged &= ~(pairs.changed | pairs.paid)
    old, new = (int(rows["due_minor"][judged].astype(np.int64).sum()) for rows in (before, after))
    return Share(abs(new - old) if judged.sum() >= ENOUGH_ASKED else 0, old)


def _scaled(pairs: Pairs, name: str, times: int) -> np.ndarray:
    old, new = (rows[name].astype(np.int64) for rows in (pairs.before, pairs.after))
    known = (old > 0) & (new > 0) & (np.maximum(old, new) < MOST_MINOR)
    far: np.ndarray = known & ((new >= times * old) | (old >= times * new))
    return far


def reasoned(pairs: Pairs, tables: Tables) -> Pairs:
    """The pairs, and which of their loans have a change row or a payment since shortly before the last night."""
    since = pd.Timestamp(pairs.since - timedelta(days=RECENT))
    changed = _NOBODY if tables.changes is None else tables.changes["loan_id"]
    paid = (
        _NOBODY
        if tables.payments is None
        else tables.payments.loc[tables.payments["paid_on"] >= since, "loan_id"]
    )
    return replace(pairs, changed=_named(pairs, tables, changed), paid=_named(pairs, tables, paid))


def _named(pairs: Pairs, tables: Tables, loan_ids: pd.Series) -> np.ndarray:
    mask: np.ndarray = frames.among(tables.loans["loan_id"], loan_ids.unique()).to_numpy()[pairs.place]
    return mask


def dues_unpaid(pairs: Pairs, _: Tables) -> Share:
    """Of the installments that fell due since the last night, those that are still unpaid."""
    fell = _fell_due(pairs)
    running = fell & (pairs.after["status"] == ACTIVE)
    return Share(int((running & (pairs.after["past_due"] > 0)).sum()), int(fell.sum()))


def newly_overdue(pairs: Pairs, _: Tables) -> Share:
    """Active loans that are overdue tonight although nothing of them fell due since the last night."""
    running = (pairs.after["status"] == ACTIVE) & (pairs.after["past_due"] > 0)
    sudden = running & (pairs.before["past_due"] == 0) & ~_fell_due(pairs)
    sudden &= pairs.before["status"] == ACTIVE
    fresh = int(((pairs.fresh["status"] == ACTIVE) & (pairs.fresh["past_due"] > 0)).sum())
    active = int((pairs.after["status"] == ACTIVE).sum()) + int((pairs.fresh["status"] == ACTIVE).sum())
    return Share(int(sudden.sum()) + fresh, active)


def no_longer_overdue(pairs: Pairs, tables: Tables) -> Share:
    """Overdue loans of the last night that owe nothing tonight although no payment of them came in."""
    late = (pairs.before["status"] == ACTIVE) & (pairs.before["past_due"] > 0)
    healed = late & (pairs.after["past_due"] == 0)
    if tables.payments is None:
        return Share(0, int(late.sum()))
    excused = pairs.paid | pairs.changed
    return Share(int((healed & ~excused).sum()), int(late.sum()))


def _fell_due(pairs: Pairs) -> np.ndarray:
    due = pairs.before["due"]
    fell: np.ndarray = (pairs.before["status"] == ACTIVE) & (due > 0)
    fell &= (due >= day_number(pairs.since)) & (due < day_number(pairs.until))
    return fell


DRIFTS: Final[Mapping[str, Callable[[Pairs, Tables], Share]]] = {
    "loans_vanished": loans_vanished,
    "arrears_dropped": arrears_dropped,
    "loans_new": loans_new,
    "phones_changed": phones_changed,
    "products_changed": products_changed,
    "statuses_changed": statuses_changed,
    "due_moves": due_dates_moved,
    "amounts_changed": amounts_changed,
    "amounts_absurd": amounts_absurd,
    "asked_otherwise": asked_otherwise,
    "dues_unpaid": dues_unpaid,
    "newly_overdue": newly_overdue,
    "no_longer_overdue": no_longer_overdue,
}


def measure(tables: Tables, pairs: Pairs | None) -> dict[str, Share]:
    """Every measure by name; those against the last night only where one is known."""
    alone = {name: function(tables) for name, function in MEASURES.items()}
    if pairs is None:
        return alone
    pairs = reasoned(pairs, tables)
    return alone | {name: function(pairs, tables) for name, function in DRIFTS.items()}
