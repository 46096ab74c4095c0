"""What each template may say: from a decision row, its loan and its standing to the values of a message."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.messages.context import parameters
from carloan_notify.messages.links import certificate_link, pay_link
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.messages.values import Money
from carloan_notify.notices.events import DETAIL_ARROW
from carloan_notify.records import Decision

Row = Mapping[Any, Any]
TAIL = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What messages speak of: the loans as read, and their STANDING by the day on which a message is read."""

    loans: pd.DataFrame
    standings: Mapping[date, pd.DataFrame]

    def standing_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The STANDING of each row's loan when the row is read, on the index of `rows`."""
        days = reading_days(rows, rows["not_before"])
        first = next(iter(self.standings))
        parts = [_looked_up(rows[days == day], self.standings[day]) for day in self.standings if day != first]
        parts.append(_looked_up(rows[~days.isin(list(self.standings)[1:])], self.standings[first]))
        return pd.concat(parts).reindex(rows.index).fillna(_NOTHING)


def _looked_up(rows: pd.DataFrame, standing: pd.DataFrame) -> pd.DataFrame:
    return rows[["loan_id"]].merge(standing, on="loan_id", how="left").set_axis(rows.index)


def reading_days(rows: pd.DataFrame, not_before: pd.Series) -> pd.Series:
    """The recipient's own date (plain dates, None without a time) on which each row may first leave."""
    days = pd.Series([None] * len(rows), index=rows.index, dtype="object")
    known = not_before.notna()
    for zone in rows.loc[known, "timezone"].unique():
        mine = known & (rows["timezone"] == zone)
        days[mine] = not_before[mine].dt.tz_convert(ZoneInfo(zone)).dt.date
    return days


def _shared_text(values: pd.Series) -> str:
    """The text that all have, else ""."""
    first, *others = set(values.tolist())
    return "" if others else str(first)


def _shared_number(values: pd.Series) -> int:
    """The number that all have, else 0."""
    first, *others = set(values.tolist())
    return 0 if others else int(first)


@dataclass(frozen=True, slots=True)
class Wording:
    """Makes template values for one night. `link_key` signs links; without a link base it is not used."""

    currency: str
    messages: MessagesSettings
    link_key: bytes
    as_of: date
    now: datetime

    def contexts(self, decisions: pd.DataFrame, told: Told) -> Iterator[dict[str, Any]]:
        """One context per queued row of `decisions` (frames.DECISIONS), in their order."""
        loans, rows = told.loans, decisions[decisions["decision"] == Decision.QUEUED]
        extra = [str(name) for name in loans.columns if name not in frames.LOANS]
        facts = rows[["loan_id"]].merge(loans, on="loan_id", how="left")
        common = self._in_common(decisions, told, extra)
        plain = zip(
            rows.to_dict("records"),
            facts.to_dict("records"),
            told.standing_of(rows).to_dict("records"),
            strict=True,
        )
        for row, loan, where in plain:
            context = self._context(row, loan, where) | {"extra": {name: loan[name] for name in extra}}
            yield context | common.get(row["idempotency_key"], {})

    def _in_common(
        self, decisions: pd.DataFrame, told: Told, extra: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Per message (by key) that tells several loans: what is true of all of them."""
        merged = decisions["merged_into"] != ""
        if not merged.any():
            return {}
        teller = decisions["merged_into"].where(merged, decisions["idempotency_key"])
        rows = decisions[frames.among(teller, decisions.loc[merged, "merged_into"])]
        teller = teller[rows.index]
        leaves = rows.set_index("idempotency_key")["not_before"]  # the others leave with their teller
        rows = rows.assign(not_before=leaves.reindex(teller).set_axis(rows.index))
        loans = rows[["loan_id"]].merge(told.loans, on="loan_id", how="left").set_axis(rows.index)
        stands = told.standing_of(rows)
        return {
            str(key): self._of_all(mine, loans.loc[mine.index], stands.loc[mine.index], extra)
            for key, mine in rows.groupby(teller)
        }

    def _of_all(
        self,
        rows: pd.DataFrame,
        loans: pd.DataFrame,
        stands: pd.DataFrame,
        extra: Sequence[str],
    ) -> dict[str, Any]:
        """Sums, and what all these loans share; what they do not share is empty, so that no part stands for all."""
        overdue, penalty = int(stands["overdue_minor"].sum()), int(stands["penalty_minor"].sum())
        return {
            "contract_tail": _shared_text(rows["loan_id"].str[-TAIL:]),
            "account_tail": _shared_text(loans["account_tail"]),
            "product": _shared_text(loans["product"]),
            "plate_tail": _shared_text(loans["plate_no"].str[-TAIL:]),
            "installment_no": _shared_number(rows["installment_no"]),
            "installments": _shared_number(stands["installments"]),
            "due_day": _shared_number(loans["due_day"]),
            "overdue_amount": self._money(overdue),
            "penalty": self._money(penalty),
            "total_due": self._money(overdue + penalty),
            "pay_link": "",  # it leads to one installment of one loan
            "extra": {name: _shared_text(loans[name]) for name in extra},
        }

    def _context(self, row: Row, loan: Row, where: Row) -> dict[str, Any]:
        """The values that messages.context.VARIABLES names, but for those the renderer knows itself."""
        due_on, occurred_on = day_or_none(row["due_on"]), day_or_none(row["occurred_on"])
        read_on = _local_day(row["not_before"], str(row["timezone"]))
        overdue, penalty = int(where["overdue_minor"]), int(where["penalty_minor"])
        old_value, _, new_value = str(row["event_detail"]).partition(DETAIL_ARROW)
        loan_id, installment_no = str(row["loan_id"]), int(row["installment_no"])
        return {
            "borrower_name": row["recipient_name"],
            "contract_tail": loan_id[-TAIL:],
            "account_tail": loan["account_tail"],
            "product": loan["product"],
            "plate_tail": loan["plate_no"][-TAIL:],
            "installment_no": installment_no,
            "installments": int(where["installments"]),
            "due_on": due_on,
            "due_day": int(loan["due_day"]),
            "days_to_due": (due_on - read_on).days if due_on else 0,
            "amount": self._money(int(row["amount_minor"])),
            "overdue_amount": self._money(overdue),
            "penalty": self._money(penalty),
            "total_due": self._money(overdue + penalty),
            "days_past_due": int(row["days_past_due"]),
            "occurred_on": occurred_on,
            "event_detail": row["event_detail"],
            "old_value": old_value,
            "new_value": new_value,
            "effective_on": occurred_on if new_value else None,
            "pay_link": pay_link(
                self.messages, self.link_key, loan_id=loan_id, installment_no=installment_no, now=self.now
            ),
            "certificate_link": certificate_link(self.messages, self.link_key, loan_id=loan_id, now=self.now),
            "loan_count": int(row["loan_count"]),
            "as_of": self.as_of,
            "role": row["role"],
        }

    def parameters(
        self, context: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]], channel: str
    ) -> dict[str, str]:
        """What a gateway that fills approved templates needs; `filters` are the message's own."""
        return parameters(context, filters, self.messages.link_bases, channel)

    def _money(self, minor: int) -> Money:
        return Money(minor, self.currency)


# A loan that is not in the standing (its application is still open) owes nothing.
_NOTHING = {"installments": 0, "overdue_minor": 0, "penalty_minor": 0}


def make_wording(app: App, as_of: date) -> Wording:
    """The wording of a night."""
    return Wording(app.lender.currency, app.settings.messages, app.link_key(), as_of, app.clock())


def _local_day(instant: pd.Timestamp, timezone: str) -> date:
    """The recipient's own date at an instant: a message that waits for the morning counts days from there."""
    return instant.tz_convert(ZoneInfo(timezone)).date()


def day_or_none(value: pd.Timestamp) -> date | None:
    """A frame's date as a plain one, None for NaT."""
    return None if pd.isna(value) else value.date()
