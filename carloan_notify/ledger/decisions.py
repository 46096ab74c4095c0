"""What was decided about every notice of a night, told or not, and why; without personal data."""

from collections.abc import Callable
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa

from carloan_notify.ledger.tables import NOTICES

_CHUNK: Final = 10_000
_DATES: Final = ("due_on", "original_due_on")
_INSTANTS: Final = ("not_before", "expires_at")
_SAME: Final = (
    "loan_id",
    "notice",
    "channel",
    "role",
    "message_class",
    "installment_no",
    "amount_minor",
    "days_past_due",
    "decision",
    "reason",
    "idempotency_key",
    "merged_into",
)
_SHOWN: Final = tuple(name for name in NOTICES.c.keys() if name not in {"notice_no", "customer_ref"})  # noqa: SIM118 - a column collection is no dict


def to_rows(run_id: str, decisions: pd.DataFrame, customer_ref: Callable[[str], str]) -> pd.DataFrame:
    """The rows of table `notices` for a frame of `frames.DECISIONS`, same order."""
    rows = decisions[list(_SAME)].copy()
    rows["run_id"] = run_id
    customers = decisions["customer_id"]
    rows["customer_ref"] = customers.map({name: customer_ref(name) for name in customers.unique()})
    for names, form in ((_DATES, "%Y-%m-%d"), (_INSTANTS, "%Y-%m-%dT%H:%M:%S.%fZ")):
        for name in names:
            rows[name] = pd.Series(_texts(decisions[name], form), index=rows.index, dtype=object)
    return rows


def _texts(instants: pd.Series, form: str) -> list[str | None]:
    texts = instants.dt.strftime(form)
    return [text if there else None for text, there in zip(texts, instants.notna(), strict=True)]


def record(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Insert what `to_rows` made, a chunk at a time."""
    for start in range(0, len(rows), _CHUNK):
        connection.execute(sa.insert(NOTICES), _records(rows.iloc[start : start + _CHUNK]))


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in rows.columns]
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(rows[name].tolist() for name in names), strict=True)
    ]


def tally(decisions: pd.DataFrame) -> dict[str, int]:
    """How many notices per decision and reason, e.g. `{"queued": 7, "suppressed:opted_out": 2}`."""
    labels = decisions["decision"].where(
        decisions["reason"] == "", decisions["decision"] + ":" + decisions["reason"]
    )
    return {str(label): int(count) for label, count in labels.value_counts().sort_index().items()}


def of_loan(connection: sa.Connection, loan_id: str) -> pd.DataFrame:
    """Every decision about one loan, oldest first; dates and instants as text, None when missing."""
    query = sa.select(*(NOTICES.c[name] for name in _SHOWN)).order_by(NOTICES.c.notice_no)
    rows = connection.execute(query.where(NOTICES.c.loan_id == loan_id))
    return pd.DataFrame([tuple(row) for row in rows], columns=list(_SHOWN))


def of_run(connection: sa.Connection, run_id: str) -> pd.DataFrame:
    """Every decision of one run, in the order it was made."""
    query = sa.select(*(NOTICES.c[name] for name in _SHOWN)).order_by(NOTICES.c.notice_no)
    rows = connection.execute(query.where(NOTICES.c.run_id == run_id))
    return pd.DataFrame([tuple(row) for row in rows], columns=list(_SHOWN))
