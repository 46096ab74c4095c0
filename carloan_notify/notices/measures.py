"""What guards measure in tonight's tables alone: shares, by name. Pure.

A measure maps the tables to a `Share`: so many of so many (`drifts`: the pairs of loans of both nights as well).
Whether that is too many is the guards' question.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
import phonenumbers
from babel.core import get_global

from carloan_notify import frames
from carloan_notify.loans.calendar import WorkingDays
from carloan_notify.loans.methods import METHODS
from carloan_notify.phones import CODE_HEAD, calling_code
from carloan_notify.records import PPB


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


_OF_STANDING: Final = (
    "loan_id",
    "status",
    "next_due_on",
    "next_due_minor",
    "next_installment_no",
    "installments",
    "overdue_minor",
    "paid_minor",
)
_OF_LOANS: Final = (
    "loan_id",
    "product",
    "principal_minor",
    "balloon_minor",
    "annual_rate_ppb",
    "term_months",
    "repayment_method",
    "first_due_on",
    "disbursed_on",
    "due_day",
)


@dataclass(frozen=True)
class Tables:
    """Tonight's tables (frames.*), None for one that is not configured, and who lost a row in each.

    `owners` holds, per table, the owners of its rejected rows ("" unknown), `home` the lender's countries (ISO
    3166), `null_names` how many borrowers' names were a word for nothing, `working` the lender's working days.
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
    working: WorkingDays | None = None

    @cached_property
    def stood(self) -> pd.DataFrame:
        """Terms (_OF_LOANS) and standing (_OF_STANDING) of every loan that runs or ran to its end."""
        return _stood(self.loans, self.standing, ("active", "settled"))

    @cached_property
    def active(self) -> pd.DataFrame:
        """The same of those that run."""
        return self.stood[self.stood["status"] == "active"].reset_index(drop=True)


# Tonight's tables alone: these need no night before.

CROWD: Final = 5
"""A number that this many customers share is no family's."""
FIRST_DUE_WITHIN: Final = 75
"""A first installment later than this after the disbursement is no ordinary one; days."""
SHIFT_DAYS: Final = 4  # a business-day calendar moves a date by no more
OVERDUE_TIMES_PAID: Final = 9
PAID_TIMES_PRINCIPAL: Final = 2
MONTHS: Final = 12
BEYOND: Final = 20
"""An amount this many times a loan's usual installment is beyond any plausible one."""
FAR_BEYOND: Final = 100
"""The same where the usual one is only that of other loans, and this may be a last, large one."""
FEW: Final = 3
"""So many loans asked for as much are no slip of one cell."""
PEERS: Final = 5
"""With fewer loans of a product, those of all products tell what is usual."""
LONGEST: Final = 60
"""Months of a loan whose term is unknown."""
_ALL_PLACEHOLDER: Final = re.compile(r"(?i)[?？�\s]*[?？�]{2,}[?？�\s]*|.*�.*|null|none|nan|nat|#n/a|\\n")
_READ_AS_LATIN: Final = re.compile(  # Latin-1, and what Windows-1252 puts in place of its control characters
    r"[\u0080-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u02c6\u02dc\u2013-\u2122]{4,}"
)
_ALL_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]+")
_GARBLED: Final = ("锟斤拷", "烫烫烫", "屯屯屯")


def phones_shared(tables: Tables) -> Share:
    """Loans whose number stands with at least `CROWD` customers."""
    loans = tables.loans.loc[tables.loans["phone"] != "", ["phone", "customer_id"]]
    often = loans["phone"].value_counts()
    many = loans[
        frames.among(loans["phone"], often[often >= CROWD].index)
    ]  # few, of whom persons are counted
    persons = many.drop_duplicates()["phone"].value_counts()
    return Share(int(frames.among(many["phone"], persons[persons >= CROWD].index).sum()), len(loans))


def phones_scattered(tables: Tables) -> Share:
    """Customers with several loans of which one number is not the other's; a shift by a row parts most of them."""
    loans = tables.loans[(tables.loans["phone"] != "") & (tables.loans["customer_id"] != "")]
    loans = loans.loc[loans["customer_id"].duplicated(keep=False), ["customer_id", "phone"]]
    each = loans.groupby("customer_id")["phone"].agg(["size", "nunique"])
    several = each[each["size"] > 1]
    return Share(int((several["nunique"] > 1).sum()), len(several))


def phones_crossed(tables: Tables) -> Share:
    """Borrowers whose number in the contacts is another than in the loans, where it is another customer's."""
    if tables.contacts is None:
        return Share(0, 0)
    loans = tables.loans[(tables.loans["phone"] != "") & (tables.loans["customer_id"] != "")]
    known = loans[["customer_id", "phone"]].drop_duplicates()
    told = tables.contacts[(tables.contacts["role"] == "borrower") & (tables.contacts["phone"] != "")]
    told = told[frames.among(told["customer_id"], known["customer_id"])]
    pairs = told[["customer_id", "phone"]].drop_duplicates().merge(known, on="phone", suffixes=("", "_loans"))
    own = pairs.loc[pairs["customer_id"] == pairs["customer_id_loans"], "customer_id"]
    crossed = set(pairs["customer_id"]) - set(own)
    return Share(len(crossed), told["customer_id"].nunique())


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
    heads = (loans["phone"].str.slice(0, CODE_HEAD) + " " + loans["timezone"]).value_counts()
    codes = [f"{calling_code(str(head)[:CODE_HEAD])}{str(head)[CODE_HEAD:]}" for head in heads.index]
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


def paid_at_rest(tables: Tables) -> Share:
    """Payments dated on days of rest: next to none where the lender posts on working days only."""
    if tables.payments is None or tables.working is None:
        return Share(0, 0)
    resting = tables.working.resting(tables.payments["paid_on"].to_numpy())
    return Share(int(resting.sum()), len(resting))


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
    rows = tables.active
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
    Loans without a principal are not judged here (but in `amounts_unusual`).
    """
    rows = tables.active
    principal = rows["principal_minor"] + rows["balloon_minor"]
    rate = np.minimum(rows["annual_rate_ppb"] / PPB, 1.0)
    years = np.maximum(rows["term_months"] / MONTHS, 1.0)
    one = rows["next_due_minor"] > principal * (1 + rate) * 1.2
    all_of_it = rows["overdue_minor"] > principal * (1 + rate * years) * 1.5
    return Share(int(((one | all_of_it) & (principal > 0)).sum()), len(rows))


def amounts_unusual(tables: Tables) -> Share:
    """Loans asked for far more than an installment of theirs, by their terms, else by the loans of their product.

    Left out are last installments, methods that leave a large one, and loans with a change. Where other loans
    tell what is usual, `FEW` that are asked for as much are no slip. Arrears may reach all that such a loan costs.
    """
    rows = tables.active
    term = np.maximum(rows["term_months"], rows["installments"])
    large = rows["repayment_method"].isin(_LARGE_AT_THE_END) | (rows["balloon_minor"] > 0)
    changed = rows["loan_id"].isin([] if tables.changes is None else tables.changes["loan_id"].unique())
    coming = ~large & ~changed & ((term == 0) | (rows["next_installment_no"] < term))
    years = np.maximum(term / MONTHS, 1.0)
    own: pd.Series = (
        rows["principal_minor"] * (1 + rows["annual_rate_ppb"] / PPB * years) / np.maximum(term, 1)
    )
    by_terms = (rows["principal_minor"] > 0) & (term > 0)
    usual = _usual_of_product(rows)
    placed = (term > 0) & (rows["next_installment_no"] > 0)
    alone = placed & (_asked_as_much(rows, usual) < FEW)
    times = np.where(alone, BEYOND, FAR_BEYOND)
    limit = np.where(by_terms, BEYOND * own, np.where(usual > 0, times * usual, np.inf))
    in_all = 2 * np.where(term > 0, term, LONGEST) * np.where(usual > 0, usual, np.inf)
    asked = coming & (rows["next_due_minor"] > limit)
    late = ~by_terms & ~large & (rows["overdue_minor"] > in_all)
    return Share(int((asked | late).sum()), len(rows))


_LARGE_AT_THE_END: Final = [method.value for method, rules in METHODS.items() if rules.ends_large]


def _usual_of_product(rows: pd.DataFrame) -> np.ndarray:
    """The median of what is asked next in each loan's product, else in all products; 0 where too few are asked."""
    asked = rows["next_due_minor"].where(rows["next_due_minor"] > 0)
    product = asked.groupby(rows["product"])
    known = product.transform("count") >= PEERS
    overall = asked.median() if asked.count() >= PEERS else 0.0
    usual: np.ndarray = product.transform("median").where(known, overall).fillna(0.0).to_numpy()
    return usual


def _asked_as_much(rows: pd.DataFrame, usual: np.ndarray) -> np.ndarray:
    """How many loans of the same product are asked for more than half of what this one is; 0 where that is usual."""
    counts = np.zeros(len(rows), dtype=np.int64)
    amounts = rows["next_due_minor"].to_numpy()
    beyond = np.flatnonzero(amounts > BEYOND * np.where(usual > 0, usual, np.inf))
    products = rows["product"].to_numpy(dtype=object)
    for product in set(products[beyond]):
        ordered = np.sort(amounts[products == product])
        at = beyond[products[beyond] == product]
        counts[at] = len(ordered) - np.searchsorted(ordered, amounts[at] // 2, side="right")
    return counts


def payments_out_of_scale(tables: Tables) -> Share:
    """Loans that paid far more than they ever borrowed, or a small part of what fell due so far."""
    rows = tables.stood
    rows = rows[(rows["paid_minor"] > 0) & (rows["principal_minor"] > 0)]
    much = rows["paid_minor"] > PAID_TIMES_PRINCIPAL * rows["principal_minor"] * (
        1 + rows["annual_rate_ppb"] / PPB * np.maximum(rows["term_months"] / MONTHS, 1.0)
    )
    little = rows["overdue_minor"] > OVERDUE_TIMES_PAID * rows["paid_minor"]
    return Share(int((much | little).sum()), len(rows))


def _stood(loans: pd.DataFrame, standing: pd.DataFrame, statuses: tuple[str, ...]) -> pd.DataFrame:
    stands = standing.loc[standing["status"].isin(statuses), list(_OF_STANDING)]
    places = frames.places(stands["loan_id"], loans["loan_id"])
    known = places >= 0
    own = loans[list(_OF_LOANS)].take(places[known]).reset_index(drop=True)
    return own.join(stands[known].drop(columns="loan_id").reset_index(drop=True))


MEASURES: Final[Mapping[str, Callable[[Tables], Share]]] = {
    "phones_shared": phones_shared,
    "phones_scattered": phones_scattered,
    "phones_crossed": phones_crossed,
    "names_unreadable": names_unreadable,
    "zones_foreign": zones_foreign,
    **{f"orphans_{table}": orphans(table) for table in ORPHAN_TABLES},
    "rows_of_the_future": rows_of_the_future,
    "paid_at_rest": paid_at_rest,
    "nobody_paid": nobody_paid,
    "none_active": none_active,
    "due_today_oddly": due_today_oddly,
    "amounts_impossible": amounts_impossible,
    "amounts_unusual": amounts_unusual,
    "payments_out_of_scale": payments_out_of_scale,
}
