"""What each template may say: from decision rows, their loans and their standing to the values of messages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.messages.columns import Columns, extra
from carloan_notify.messages.context import VARIABLES
from carloan_notify.messages.links import pay_links
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.messages.values import Money
from carloan_notify.notices.details import Detail, read_detail
from carloan_notify.records import Channel, Decision
from carloan_notify.sources.tables import MINOR

TAIL = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What messages speak of: the loans as read, and their STANDING by the day on which a message is read."""

    loans: pd.DataFrame
    standings: Mapping[date, pd.DataFrame]

    def of(self, loan_ids: pd.Series) -> "Told":
        """Of these loans alone, so that they are quickly found."""
        standings = {day: _only(table, loan_ids) for day, table in self.standings.items()}
        return Told(_only(self.loans, loan_ids), standings)

    def loans_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The loan of each row, on the index of `rows`."""
        return _looked_up(rows, self.loans, self.loans.columns)

    def standing_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What messages say of the standing of each row's loan when the row is read, on the index of `rows`."""
        first, *later = self.standings
        if not later:
            return _looked_up(rows, self.standings[first], _STANDING)
        days = reading_days(rows, rows["not_before"])
        parts = [_looked_up(rows[days == day], self.standings[day], _STANDING) for day in later]
        parts.append(_looked_up(rows[~days.isin(later)], self.standings[first], _STANDING))
        return pd.concat(parts).reindex(rows.index)


_STANDING: Final = ("installments", "overdue_minor", "penalty_minor", "next_due_on", "next_due_minor")


def _only(table: pd.DataFrame, loan_ids: pd.Series) -> pd.DataFrame:
    return table[frames.among(table["loan_id"], loan_ids)]


def _looked_up(rows: pd.DataFrame, table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """These columns of each row's loan. A loan that is not there (its application is still open) owes nothing."""
    places = frames.places(rows["loan_id"], table["loan_id"])
    found = table[list(names)].take(np.maximum(places, 0)).set_axis(rows.index) if len(table) else None
    if found is not None and (places >= 0).all():
        return found
    blank = frames.blank_rows({name: table[name].dtype.name for name in names}, len(rows)).set_axis(
        rows.index
    )
    return blank if found is None else found.where(pd.Series(places >= 0, index=rows.index), blank)


def reading_days(rows: pd.DataFrame, not_before: pd.Series) -> pd.Series:
    """The recipient's own date (plain dates, None without a time) on which each row may first leave."""
    return pd.Series(
        local_days(rows["timezone"], not_before).astype(object), index=rows.index, dtype="object"
    )


def local_days(timezones: pd.Series, instants: pd.Series) -> np.ndarray:
    """The local date (datetime64[D], NaT without an instant) of each aware instant in its time zone."""
    days = np.full(len(instants), np.datetime64("NaT"), dtype="datetime64[D]")
    zones = timezones.to_numpy(dtype=object)
    known = instants.notna().to_numpy()
    for zone in dict.fromkeys(zones[known]):
        mine = known & (zones == zone)
        local = instants[mine].dt.tz_convert(ZoneInfo(zone)).dt.tz_localize(None)
        days[mine] = local.to_numpy().astype("datetime64[D]")
    return days


# What one message says of several loans: what is true of all of them, and of what they do not share, nothing.

_SUMS: Final = ("overdue_minor", "penalty_minor")


def extra_name(column: str) -> str:
    """What templates call one of the lender's own columns of the frame."""
    return column.removesuffix(MINOR)


def extra_values(cells: pd.Series, currency: str) -> pd.Series:
    """One of the lender's own columns as templates take it: amounts as Money, days as dates, None without a day."""
    if cells.dtype.kind == "M":
        return pd.Series(days_or_none(cells), index=cells.index, dtype="object")
    if cells.dtype.kind == "i" and str(cells.name).endswith(MINOR):
        return pd.Series(
            [Money(each, currency) for each in cells.tolist()], index=cells.index, dtype="object"
        )
    return cells


def in_common(decisions: pd.DataFrame, told: Told, extras: Sequence[str], currency: str) -> pd.DataFrame:
    """Per message (by key) that tells several loans: sums, and what these loans share; "" and 0 elsewhere."""
    merged = decisions["merged_into"] != ""
    if not merged.any():
        return pd.DataFrame()
    teller = decisions["merged_into"].where(merged, decisions["idempotency_key"])
    rows = decisions[frames.among(teller, decisions.loc[merged, "merged_into"])]
    teller = teller[rows.index]
    leaves = rows.set_index("idempotency_key")["not_before"]  # the others leave with their teller
    rows = rows.assign(not_before=leaves.reindex(teller).set_axis(rows.index))
    loans, stands = told.loans_of(rows), told.standing_of(rows)
    texts = {
        "contract_tail": rows["loan_id"].str[-TAIL:],
        "account_tail": loans["account_tail"],
        "product": loans["product"],
        "plate_tail": loans["plate_no"].str[-TAIL:],
        **{extra(extra_name(name)): extra_values(loans[name], currency) for name in extras},
    }
    numbers = {
        "installment_no": rows["installment_no"],
        "installments": stands["installments"],
        "due_day": loans["due_day"],
    }
    groups = pd.DataFrame({**texts, **numbers}).groupby(teller)
    first, alike = groups.first(), groups.nunique().eq(1)
    blank = first.assign(**dict.fromkeys(texts, ""), **dict.fromkeys(numbers, 0))
    sums = stands[list(_SUMS)].groupby(teller).sum()
    return first.where(alike, blank).astype(dict.fromkeys(numbers, "int64")).join(sums)


# The values of many messages, column by column.

CertificateCodes = Callable[[Sequence[str]], Mapping[str, str]]
"""Of these loans, the verification codes of their certificates by loan; loans without one are left out."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Makes template values for one night. `link_key` signs links; without a link base it is not used.

    `asking` are the channels of which some provider asks for the values themselves. `certificate_codes` gives, of some
    loans, the codes of those whose settlement certificate can be fetched when the message is read.
    """

    currency: str
    messages: MessagesSettings
    link_key: bytes
    as_of: date
    now: datetime
    asking: frozenset[Channel]
    certificate_codes: CertificateCodes


@dataclass(frozen=True)
class MessageValues:
    """The values of these messages by the names of `messages.context.VARIABLES`, each made when first asked for.

    `rows` are queued rows of frames.DECISIONS; `common` is what `in_common` gives for the whole night.
    """

    wording: Wording
    told: Told
    common: pd.DataFrame
    rows: pd.DataFrame

    def columns(self, names: Iterable[str]) -> Columns | None:
        """These values, one per message; None when a lender's own column is asked for that the loans lack."""
        wanted = list(names)
        if any(name not in self._makers for name in wanted):
            return None
        return {name: self._column(name) for name in wanted}

    def context(self, row: int) -> dict[str, Any]:
        """All values of one message, as `CompiledTemplate.render` takes them."""
        context = {name: self._column(name)[row] for name in self._makers if name in VARIABLES}
        names = map(extra_name, self._extras)
        return context | {"extra": {name: self._column(extra(name))[row] for name in names}}

    def _column(self, name: str) -> Sequence[Any]:
        if name not in self._made:
            column = list(self._makers[name]())
            if name in self._merged:
                for row, value in zip(self._merged_rows, self._merged[name], strict=True):
                    column[row] = value
            self._made[name] = column
        return self._made[name]

    @cached_property
    def _made(self) -> dict[str, Sequence[Any]]:
        return {}

    @cached_property
    def _extras(self) -> list[str]:
        return [str(name) for name in self.told.loans.columns if name not in frames.LOANS]

    @cached_property
    def loans(self) -> pd.DataFrame:
        """The loan of each message."""
        return self.told.loans_of(self.rows)

    @cached_property
    def standing(self) -> pd.DataFrame:
        """The standing of each message's loan."""
        return self.told.standing_of(self.rows)

    @cached_property
    def _makers(self) -> dict[str, Callable[[], Iterable[Any]]]:
        """How each value is made. Links are signed, and loans looked up, only where a text uses them."""
        rows, wording = self.rows, self.wording
        return {
            **{name: partial(_listed, self, "rows", column) for name, column in _OF_ROWS.items()},
            **{name: partial(_listed, self, "loans", name) for name in _OF_LOANS},
            **{extra(extra_name(name)): partial(self._extra, name) for name in self._extras},
            "contract_tail": lambda: _tails(rows["loan_id"]),
            "plate_tail": lambda: _tails(self.loans["plate_no"]),
            "installments": partial(_listed, self, "standing", "installments"),
            "due_on": lambda: days_or_none(rows["due_on"]),
            "days_to_due": self._days_to_due,
            "amount": lambda: self._money(rows["amount_minor"]),
            "overdue_amount": lambda: self._money(self.standing["overdue_minor"]),
            "penalty": lambda: self._money(self.standing["penalty_minor"]),
            "total_due": lambda: self._money(self.standing[list(_SUMS)].sum(axis=1)),
            "occurred_on": lambda: days_or_none(rows["occurred_on"]),
            "next_due_on": lambda: days_or_none(self.standing["next_due_on"]),
            "next_amount": lambda: self._money(self.standing["next_due_minor"]),
            "effective_on": lambda: [
                day if detail.changes else None
                for day, detail in zip(days_or_none(rows["occurred_on"]), self._details, strict=True)
            ],
            **{name: partial(self._told, tell) for name, tell in _OF_DETAILS.items()},
            **{
                name: partial(self._told_money, place)
                for place, name in enumerate(("old_amount", "new_amount"))
            },
            "pay_link": lambda: pay_links(
                wording.messages,
                wording.link_key,
                loan_ids=rows["loan_id"].tolist(),
                phones=rows["phone"].tolist(),
                now=wording.now,
            ),
            "certificate_link": self._certificate_links,
            "as_of": lambda: [wording.as_of] * len(rows),
        }

    @cached_property
    def _merged_rows(self) -> list[int]:
        """The places of the messages that tell several loans."""
        if self.common.empty:
            return []
        return np.flatnonzero(frames.among(self.rows["idempotency_key"], self.common.index)).tolist()

    @cached_property
    def _merged(self) -> Mapping[str, Sequence[Any]]:
        """What those messages say instead, by name."""
        if not self._merged_rows:
            return {}
        mine = self.common.loc[self.rows["idempotency_key"].iloc[self._merged_rows]]
        same = [name for name in mine.columns if name not in _SUMS]
        return {
            **{str(name): mine[name].tolist() for name in same},
            "overdue_amount": self._money(mine["overdue_minor"]),
            "penalty": self._money(mine["penalty_minor"]),
            "total_due": self._money(mine[list(_SUMS)].sum(axis=1)),
            "pay_link": [""] * len(mine),  # it leads to one loan
            "certificate_link": [""] * len(mine),  # same
        }

    def _extra(self, column: str) -> Sequence[Any]:
        return extra_values(self.loans[column], self.wording.currency).tolist()

    def _days_to_due(self) -> list[int]:
        due = self.rows["due_on"].to_numpy().astype("datetime64[D]")
        days = (due - local_days(self.rows["timezone"], self.rows["not_before"])).astype("int64")
        return np.where(np.isnat(due), 0, days).tolist()  # type: ignore[no-any-return]  # whole numbers

    @cached_property
    def _details(self) -> list[Detail]:
        """What the detail of each row says."""
        return [read_detail(text) for text in self.rows["event_detail"].tolist()]

    def _told(self, tell: Callable[[Detail], Any]) -> list[Any]:
        return [tell(detail) for detail in self._details]

    def _told_money(self, place: int) -> list[Money]:
        currency = self.wording.currency
        return [Money.of(detail.amounts("amount")[place], currency) for detail in self._details]

    def _certificate_links(self) -> list[str]:
        """Where each loan's certificate is fetched, "" where there is none or no address is configured."""
        loan_ids, base = self.rows["loan_id"].tolist(), self.wording.messages.certificate_link_base
        codes = self.wording.certificate_codes(loan_ids) if base else {}
        return [base + codes[loan_id] if loan_id in codes else "" for loan_id in loan_ids]

    def _money(self, minor: pd.Series) -> list[Money]:
        amounts = minor.tolist()
        known = {amount: Money(amount, self.wording.currency) for amount in set(amounts)}
        return [known[amount] for amount in amounts]


_OF_ROWS: Final = {
    "borrower_name": "recipient_name",
    **{name: name for name in ("installment_no", "days_past_due", "event_detail", "loan_count", "role")},
}
_OF_DETAILS: Final[Mapping[str, Callable[[Detail], Any]]] = {
    "old_value": lambda detail: detail.texts("")[0],
    "new_value": lambda detail: detail.texts("")[1],
    "old_rate": lambda detail: detail.texts("rate")[0],
    "new_rate": lambda detail: detail.texts("rate")[1],
    "old_due_on": lambda detail: detail.days("due_on")[0],
    "new_due_on": lambda detail: detail.days("due_on")[1],
    "old_last_due_on": lambda detail: detail.days("last_due_on")[0],
    "new_last_due_on": lambda detail: detail.days("last_due_on")[1],
    "old_installments": lambda detail: detail.numbers("installments")[0],
    "new_installments": lambda detail: detail.numbers("installments")[1],
    "changed_installment": lambda detail: detail.numbers("installment")[1],
    "valid_until": lambda detail: detail.days("until")[1],
    "paid_from": lambda detail: detail.paid[0],
    "paid_to": lambda detail: detail.paid[1],
    "part_paid": lambda detail: detail.numbers("part")[1],
    "open_installments": lambda detail: detail.numbers("open")[1],
}
"""What templates may say of an event's detail."""
_OF_LOANS: Final = ("account_tail", "product", "due_day")


def _listed(sheet: MessageValues, table: str, column: str) -> Sequence[Any]:
    return getattr(sheet, table)[column].tolist()  # type: ignore[no-any-return]  # plain values


def _tails(texts: pd.Series) -> list[str]:
    return [text[-TAIL:] for text in texts.tolist()]


def queued(decisions: pd.DataFrame) -> pd.DataFrame:
    """The rows that become messages."""
    return decisions[decisions["decision"] == Decision.QUEUED]


def make_wording(app: App, as_of: date, certificate_codes: CertificateCodes) -> Wording:
    """The wording of a night."""
    settings, key = app.settings, app.link_key()
    asking = settings.delivery.asking_values
    return Wording(app.lender.currency, settings.messages, key, as_of, app.clock(), asking, certificate_codes)


def days_or_none(values: pd.Series) -> list[date | None]:
    """A frame's dates as plain ones, None for NaT."""
    return values.to_numpy().astype("datetime64[D]").astype(object).tolist()


def day_or_none(value: pd.Timestamp) -> date | None:
    """A frame's date as a plain one, None for NaT."""
    return None if pd.isna(value) else value.date()
