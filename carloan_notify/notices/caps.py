"""At most so many messages to one person: recent contacts and tonight's messages counted together."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import pandas as pd

from carloan_notify.notices.settings import CapSettings
from carloan_notify.notices.vocabulary import CapSubject
from carloan_notify.records import MessageClass

_CLASS_ORDER: Final = {MessageClass.SERVICE: 0, MessageClass.COLLECTION: 1, MessageClass.MARKETING: 2}


def over_cap(
    messages: pd.DataFrame, recent: pd.DataFrame, caps: Sequence[CapSettings], as_of: date
) -> pd.Series:
    """Which of tonight's messages a cap holds back.

    `recent` has the text columns phone_hash, customer_id, message_class, channel and the date sent_on; a
    period of n days is the business date and the n - 1 days before it. Places are given to service before
    collection before marketing, to the longest overdue first, then by loan_id and notice. Caps are asked in
    their order: what one holds takes no place in the next.
    """
    order = messages.assign(class_order=messages["message_class"].map(_CLASS_ORDER))
    keys = ["class_order", "days_past_due", "loan_id", "notice", "idempotency_key"]
    order = order.sort_values(keys, ascending=[True, False, True, True, True])
    held = pd.Series(data=False, index=order.index)
    for cap in caps:
        waiting = order[_counted(order, cap) & ~held]
        subject = _subject(waiting, cap)
        place = (
            waiting.groupby(subject).cumcount()
            + _used(recent, cap, as_of).reindex(subject, fill_value=0).to_numpy()
        )
        held |= (place >= cap.limit).reindex(held.index, fill_value=False)
    return held.reindex(messages.index)


def _counted(rows: pd.DataFrame, cap: CapSettings) -> pd.Series:
    """Which rows the cap counts."""
    mask = pd.Series(data=True, index=rows.index)
    if cap.channel is not None:
        mask &= rows["channel"] == cap.channel.value
    if cap.message_class is not None:
        mask &= rows["message_class"] == cap.message_class.value
    return mask


def _subject(rows: pd.DataFrame, cap: CapSettings) -> pd.Series:
    """Whom the cap counts them for; a loan without a customer is counted by its number."""
    if cap.per is CapSubject.NUMBER:
        return rows["phone_hash"]
    return rows["customer_id"].where(rows["customer_id"] != "", rows["phone_hash"])


def _used(recent: pd.DataFrame, cap: CapSettings, as_of: date) -> pd.Series:
    """Contacts in the period per subject."""
    since = pd.Timestamp(as_of - timedelta(days=cap.days - 1))
    rows = recent[_counted(recent, cap) & (pd.to_datetime(recent["sent_on"]) >= since)]
    return _subject(rows, cap).value_counts()
