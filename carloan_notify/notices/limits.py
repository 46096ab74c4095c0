"""At most so many messages, so far apart, and none soon after a conversation: what binds one person over many days."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import pandas as pd

from carloan_notify import frames
from carloan_notify.codes import Reason
from carloan_notify.frames import among
from carloan_notify.notices.law_settings import (
    CapSettings,
    CapSubject,
    CoolOffSettings,
    Counted,
    GapSettings,
    KindSettings,
    Limit,
    LimitEntry,
)
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.records import MessageClass

AND: Final = "\n"
"""Stands between the loans that one message tells."""
INSTANT: Final = "datetime64[s, UTC]"
RECENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("phone_hash", "customer_id", "loan_ids", "message_class", "channel"), frames.TEXT),
    "sent_on": frames.DATE,  # the person's own date
    "failed": frames.FLAG,  # the network says that it did not arrive
    "leaves_at": INSTANT,  # the earliest and the latest moment at which it left, or still may
    "left_by": INSTANT,
}
"""Messages that left or still may; `loan_ids` are those it tells, joined by AND."""
CONVERSATIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("phone_hash", "customer_id", "loan_ids"), frames.TEXT),
    "held_on": frames.DATE,  # the person's own date
}
"""Answered calls and replies; `loan_ids` "" where nobody knows what a reply was about."""
PRESSED: Final = ("on", "leaves_at", "left_by", "loan_ids", "bound")
"""What `limited` needs of a message besides its notice: its date, its hours, all loans it tells, its presets."""


def reach(policy: PolicySettings, message_class: str = "") -> int:
    """For how many days messages of a class (of any: "") and conversations of the past matter."""
    entries = [limit.entry for limit in policy.limits]
    return max(
        (_days(one) for one in entries if not message_class or one.message_class in {None, message_class}),
        default=0,
    )


def _days(entry: LimitEntry) -> int:
    return max(entry.days, -(-entry.hours // 24)) if isinstance(entry, GapSettings) else entry.days


def asks_conversations(policy: PolicySettings) -> bool:
    """Whether any rest follows a conversation."""
    return any(isinstance(limit.entry, CoolOffSettings) for limit in policy.limits)


def asks_loans(policy: PolicySettings) -> bool:
    """Whether any of them is counted per loan."""
    return any(limit.entry.per is CapSubject.LOAN for limit in policy.limits)


# Whom an entry counts for.


def _subjects(rows: pd.DataFrame, per: CapSubject) -> pd.Series:
    """Whom each row counts for, one row for each; a loan without a customer is counted by its number."""
    if per is CapSubject.NUMBER:
        return rows["phone_hash"]
    if per is CapSubject.LOAN:
        return rows["loan_ids"].str.split(AND).explode()
    return rows["customer_id"].where(rows["customer_id"] != "", rows["phone_hash"])


def _bound(rows: pd.DataFrame, limit: Limit) -> pd.Series:
    """Which of tonight's messages it binds."""
    mask = _of_kind(rows, limit.entry)
    if limit.preset:
        named = [text for text in rows["bound"].unique() if limit.preset in text.split(",")]
        mask &= among(rows["bound"], named)
    return mask


def _of_kind(rows: pd.DataFrame, entry: KindSettings) -> pd.Series:
    """Which rows are of the kind that it speaks of."""
    mask = pd.Series(data=True, index=rows.index)
    if entry.channel is not None:
        mask &= rows["channel"] == entry.channel.value
    if entry.message_class is not None:
        mask &= rows["message_class"] == entry.message_class.value
    return mask


def _covered(rows: pd.DataFrame, entry: LimitEntry) -> pd.DataFrame:
    """Rows of the past that it counts."""
    mask = _of_kind(rows, entry)
    if isinstance(entry, CapSettings) and entry.counts is Counted.CONTACTS:
        mask &= ~rows["failed"]
    return rows[mask]


# Soon after a conversation.


def cooling_off(messages: pd.DataFrame, conversations: pd.DataFrame, policy: PolicySettings) -> pd.Series:
    """Which messages fall into the days after a conversation; the day of the conversation is the first of them."""
    held = pd.Series(data=False, index=messages.index)
    for limit in policy.limits:
        if isinstance(limit.entry, CoolOffSettings) and len(conversations):
            mine = messages[_bound(messages, limit)]
            held |= _after_one(mine, conversations, limit.entry).reindex(held.index, fill_value=False)
    return held


def _after_one(messages: pd.DataFrame, conversations: pd.DataFrame, entry: CoolOffSettings) -> pd.Series:
    """Conversations of which nobody knows the loan count for everything of their customer and number."""
    by_loan = entry.per is CapSubject.LOAN
    known = conversations[conversations["loan_ids"] != ""] if by_loan else conversations
    found = _lately(messages, known, entry.per, entry.days)
    if by_loan:
        unknown = conversations[conversations["loan_ids"] == ""]
        for per in (CapSubject.BORROWER, CapSubject.NUMBER):
            found |= _lately(messages, unknown, per, entry.days)
    return found


def _lately(messages: pd.DataFrame, conversations: pd.DataFrame, per: CapSubject, days: int) -> pd.Series:
    whose = _subjects(conversations, per)
    last = conversations["held_on"].reindex(whose.index).groupby(whose.to_numpy()).max()
    mine = _subjects(messages, per)
    until = last.reindex(mine.to_numpy()).set_axis(mine.index) + pd.Timedelta(days=days)
    resting = until > messages["on"].reindex(mine.index)
    return resting.groupby(level=0).any().reindex(messages.index, fill_value=False).astype("bool")


# Caps and gaps: recent messages and tonight's counted together.

_CLASS_ORDER: Final = {MessageClass.SERVICE: 0, MessageClass.COLLECTION: 1, MessageClass.MARKETING: 2}
_ORDER: Final = ["class_order", "days_past_due", "loan_id", "notice", "place"]
"""Beyond these the order of the rules counts, so that a call goes before the text that follows it."""


class Leaving(NamedTuple):
    """When a message left or may leave: its date as a number of days, and the earliest and latest moment."""

    on: int
    earliest: datetime
    latest: datetime


def limited(messages: pd.DataFrame, recent: pd.DataFrame, policy: PolicySettings) -> pd.DataFrame:
    """Per message: `reason` (OVER_CAP, TOO_SOON or ""), and `not_before`, which a gap in hours may put off.

    `messages` are notices with the columns PRESSED, `recent` is RECENT. A period of n days is any n days in a row of
    the person's own calendar. Places are given to service before collection before marketing, to the longest overdue
    first, then by loan_id, notice and the order of the rows; what is held takes no place.
    """
    rules = [limit for limit in policy.limits if not isinstance(limit.entry, CoolOffSettings)]
    told = pd.DataFrame({"reason": "", "not_before": messages["leaves_at"]}, index=messages.index)
    near = messages[_near(messages, recent, rules)]
    if near.empty:
        return told.astype({"reason": frames.TEXT})
    # A sort by several columns keeps no order of its own (pandas), so the place of each row is one of them.
    order = near.assign(class_order=near["message_class"].map(_CLASS_ORDER), place=range(len(near)))
    order = order.sort_values(_ORDER, ascending=[True, False, True, True, True])
    book = Book(rules, _past(recent, rules, order))
    entered = [book.enter(*row) for row in _plain(order)]
    told.loc[order.index, "reason"] = [reason for reason, _ in entered]
    told.loc[order.index, "not_before"] = [opens for _, opens in entered]
    return told.astype({"reason": frames.TEXT, "not_before": INSTANT})


def _near(messages: pd.DataFrame, recent: pd.DataFrame, rules: Sequence[Limit]) -> pd.Series:
    """Messages of those who would break some rule if all were sent: of the others none can be held."""
    near = pd.Series(data=False, index=messages.index)
    for limit in rules:
        mine = messages[_bound(messages, limit)]
        subject = _subjects(mine, limit.entry.per)
        past = _subjects(_covered(_in_reach(recent, limit, mine), limit.entry), limit.entry.per)
        total = subject.value_counts().add(past.value_counts(), fill_value=0)
        most = limit.entry.limit if isinstance(limit.entry, CapSettings) else 1
        over = among(subject, total[total > most].index)
        near |= over.groupby(level=0).any().reindex(near.index, fill_value=False).astype("bool")
    return near


def _in_reach(recent: pd.DataFrame, limit: Limit, messages: pd.DataFrame) -> pd.DataFrame:
    since = messages["on"].min() - pd.Timedelta(days=_days(limit.entry))
    return recent[recent["sent_on"] >= since] if len(messages) else recent[:0]


def _past(
    recent: pd.DataFrame, rules: Sequence[Limit], messages: pd.DataFrame
) -> dict[tuple[int, str], list[Leaving]]:
    """By rule and subject what it counts of the past, of those who have a message tonight."""
    found: dict[tuple[int, str], list[Leaving]] = defaultdict(list)
    for number, limit in enumerate(rules):
        rows = _covered(_in_reach(recent, limit, messages), limit.entry)
        subject = _subjects(rows, limit.entry.per)
        subject = subject[among(subject, _subjects(messages, limit.entry.per))]
        rows = rows.loc[subject.index]
        for whose, leaving in zip(subject, _leavings(rows, "sent_on"), strict=True):
            found[number, whose].append(leaving)
    return found


def _leavings(rows: pd.DataFrame, day: str) -> Iterator[Leaving]:
    days = rows[day].to_numpy().astype("datetime64[D]").astype("int64").tolist()
    return map(Leaving, days, rows["leaves_at"].tolist(), rows["left_by"].tolist())


def _plain(
    rows: pd.DataFrame,
) -> Iterator[tuple[tuple[str, str, str], Mapping[CapSubject, Sequence[str]], Leaving]]:
    """Each message as its kind, whom it counts for, and when it leaves."""
    kinds = zip(rows["channel"], rows["message_class"], rows["bound"], strict=True)
    borrower, number = (_subjects(rows, per).tolist() for per in (CapSubject.BORROWER, CapSubject.NUMBER))
    loans = [text.split(AND) for text in rows["loan_ids"]]
    for kind, one, phone, told, leaving in zip(
        kinds, borrower, number, loans, _leavings(rows, "on"), strict=True
    ):
        yield kind, {CapSubject.BORROWER: [one], CapSubject.NUMBER: [phone], CapSubject.LOAN: told}, leaving


@dataclass
class Book:
    """What each rule has counted for each subject so far; messages enter it one by one."""

    rules: Sequence[Limit]
    entered: dict[tuple[int, str], list[Leaving]]
    _binding: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)

    def enter(
        self, kind: tuple[str, str, str], whose: Mapping[CapSubject, Sequence[str]], leaving: Leaving
    ) -> tuple[str, datetime]:
        """Why the message may not leave, or "" and when; it is counted then."""
        if kind not in self._binding:
            self._binding[kind] = [number for number, limit in enumerate(self.rules) if limit.binds(*kind)]
        pages = [
            (self.rules[number].entry, self.entered.setdefault((number, subject), []))
            for number in self._binding[kind]
            for subject in whose[self.rules[number].entry.per]
        ]
        if any(isinstance(entry, CapSettings) and is_full(entry, page, leaving.on) for entry, page in pages):
            return Reason.OVER_CAP.value, leaving.earliest
        opens = [after_gap(entry, page, leaving) for entry, page in pages if isinstance(entry, GapSettings)]
        soonest = [each for each in opens if each is not None]
        if len(soonest) < len(opens):
            return Reason.TOO_SOON.value, leaving.earliest
        moved = leaving._replace(earliest=max([leaving.earliest, *soonest]))
        self._count(kind, whose, moved)
        return "", moved.earliest

    def _count(
        self, kind: tuple[str, str, str], whose: Mapping[CapSubject, Sequence[str]], leaving: Leaving
    ) -> None:
        """Every rule counts what it covers, also those that do not bind this person: it may bind the next."""
        for number, limit in enumerate(self.rules):
            if limit.entry.covers(kind[0], kind[1]):
                for subject in whose[limit.entry.per]:
                    self.entered.setdefault((number, subject), []).append(leaving)


def is_full(cap: CapSettings, page: Sequence[Leaving], on: int) -> bool:
    """Whether one more on that day would make too many in some period of so many days in a row."""
    days = [each.on for each in page if abs(each.on - on) < cap.days]
    starts = {on, *(day for day in days if day <= on)}
    most = max(sum(start <= day < start + cap.days for day in days) for start in starts)
    return most >= cap.limit


def after_gap(gap: GapSettings, page: Sequence[Leaving], leaving: Leaving) -> datetime | None:
    """From when on the message keeps its distance to all of the page; None where it cannot while its hours last."""
    apart, opens = timedelta(hours=gap.hours), leaving.earliest
    for each in page:
        if abs(each.on - leaving.on) < gap.days:
            return None
        if gap.hours and each.earliest - apart < leaving.latest:  # else it comes long enough after this one
            opens = max(opens, each.latest + apart)
    return opens if opens < leaving.latest else None


def used(recent: pd.DataFrame, cap: CapSettings, whose: Mapping[CapSubject, str], on: date) -> int:
    """How many of its places somebody has used up in the period that ends on a day, what waits for later included."""
    rows = _covered(recent, cap)
    rows = rows[rows["sent_on"] > pd.Timestamp(on) - pd.Timedelta(days=cap.days)]
    return int((_subjects(rows, cap.per) == whose[cap.per]).sum())


def rests_until(
    conversations: pd.DataFrame, rest: CoolOffSettings, whose: Mapping[CapSubject, str]
) -> date | None:
    """The first day after the rest that follows somebody's last conversation; None where there was none."""
    unknown = conversations["loan_ids"] == ""
    mine = pd.Series(data=False, index=conversations.index)
    for per, subject in whose.items():
        rows = conversations if per is rest.per else conversations[unknown]
        if per is rest.per or rest.per is CapSubject.LOAN:
            hits = _subjects(rows, per) == subject
            mine |= hits.groupby(level=0).any().reindex(mine.index, fill_value=False)
    last = conversations.loc[mine, "held_on"].max()
    return None if pd.isna(last) else last.date() + timedelta(days=rest.days)
