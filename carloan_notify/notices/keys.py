"""The identity of a notice: equal keys mean the same thing told to the same person by the same way."""

import hashlib

import pandas as pd

VERSION = "carloan-notify/1"


def idempotency_keys(lender_id: str, notices: pd.DataFrame) -> pd.Series:
    """One SHA-256 (64 hex digits) per row, in the frame's order; it depends on nothing but that row.

    Hashed are the lender, `loan_id`, `installment_no`, `original_due_on`, `event_id`, `notice`, `channel`,
    `role` and `recipient_no`, each written as length:text, so that no two different rows run into one text.
    `event_id` names an event that may repeat (a payment, a change) and is "" for all else; events that happen
    once per loan have installment 0, no date and no event id. Never in it: run, file, wording, phone, name.
    """
    dates = notices["original_due_on"].dt.strftime("%Y-%m-%d").fillna("")
    parts = [
        notices["loan_id"],
        notices["installment_no"].astype(str),
        dates,
        notices["event_id"],
        notices["notice"],
        notices["channel"],
        notices["role"],
        notices["recipient_no"].astype(str),
    ]
    head = _field(VERSION) + _field(lender_id)
    written = [_fields(part) for part in parts]
    rows = (head + "".join(row) for row in zip(*written, strict=True))
    return pd.Series(
        [hashlib.sha256(row.encode()).hexdigest() for row in rows], index=notices.index, dtype="str"
    )


def _fields(texts: pd.Series) -> list[str]:
    return [_field(text) for text in texts.tolist()]


def _field(text: str) -> str:
    return f"{len(text)}:{text}"
