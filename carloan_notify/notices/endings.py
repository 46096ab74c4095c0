"""Every notice that is held ends: it is told on a later night, or its last night gives it a final decision."""

from collections.abc import Collection
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.codes import Reason
from carloan_notify.notices.policy import DECISION_COLUMNS
from carloan_notify.records import Decision

EXPIRED: Final = "expired_"
"""Stands before the reason for which a notice was held to its end: `expired_over_cap`."""
OPEN: Final = {
    **dict.fromkeys(
        ("idempotency_key", "loan_id", "notice", "channel", "role", "message_class"), frames.TEXT
    ),
    "installment_no": frames.COUNT,
    "reason": frames.TEXT,
}
"""What earlier nights held and no night has decided since."""


def ended(decisions: pd.DataFrame) -> pd.DataFrame:
    """The same decisions (DECISION_COLUMNS), with what a cap holds on its last night given up.

    Other holds wait for somebody to put data or a template right, and the night may be run again until its day
    is over: those end with the next night (`overdue_endings`).
    """
    over = (decisions["reason"] == Reason.OVER_CAP.value) & (decisions["catch_up_days"] <= 0)
    if not over.any():
        return decisions
    return decisions.assign(
        decision=decisions["decision"].mask(over, Decision.SUPPRESSED.value),
        reason=decisions["reason"].mask(over, EXPIRED + decisions["reason"]),
    )


def overdue_endings(held: pd.DataFrame, tonight: Collection[str]) -> pd.DataFrame:
    """Final decisions (DECISION_COLUMNS) for what was `held` (OPEN) and is not among tonight's keys any more.

    Nights that were missed, or data that changed, took its last night away.
    """
    gone = held[~frames.among(held["idempotency_key"], tonight)]
    known = {name: gone[name].to_numpy() for name in OPEN if name != "reason"}
    rows = frames.blank_rows(DECISION_COLUMNS, len(gone)).assign(
        **known, decision=Decision.SUPPRESSED.value, reason=(EXPIRED + gone["reason"]).to_numpy()
    )
    return rows.astype(dict(DECISION_COLUMNS))


def sentence(reason: str, language: str) -> str | None:
    """For people: why a notice was given up; None for any other reason's code."""
    code = reason.removeprefix(EXPIRED)
    if code == reason or code not in set(Reason):
        return None
    last = Reason.EXPIRED.sentence(language)
    return f"{last}{'' if language.lower().startswith('zh') else ' '}{Reason(code).sentence(language)}"
