"""One message where several loans of one borrower fall due together."""

from typing import Final

import pandas as pd

_TOGETHER: Final = [
    "customer_id",
    "phone_hash",
    "notice",
    "channel",
    "role",
    "due_on",
    "language",
    "timezone",
    "preferred_hours",
]


def leaders(notices: pd.DataFrame) -> pd.Series:
    """For each notice the idempotency key of the one whose message tells it; its own where it stands alone.

    Told together is what has the same customer, number, notice, channel, role and due date, so that one
    sentence is true of all; the lowest loan_id leads. Events are told one by one.
    """
    mergeable = notices[
        (notices["event_id"] == "") & notices["due_on"].notna() & (notices["customer_id"] != "")
    ]
    ordered = mergeable.sort_values(["loan_id", "installment_no", "idempotency_key"])
    first = ordered.groupby(_TOGETHER, sort=False)["idempotency_key"].transform("first")
    return first.reindex(notices.index).fillna(notices["idempotency_key"]).astype("str")


def totals(notices: pd.DataFrame, leader: pd.Series) -> pd.DataFrame:
    """`loan_count` and `amount_minor` of all that is told by the message of each notice's leader."""
    groups = notices.groupby(leader, sort=False)
    return pd.DataFrame(
        {
            "loan_count": groups["loan_id"].transform("nunique").astype("int64"),
            "amount_minor": groups["amount_minor"].transform("sum").astype("int64"),
        }
    )
