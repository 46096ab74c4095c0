"""Told before reported: of which loans negative data may go to the credit bureau, and why not of the others.

征信业管理条例 §15: whoever reports negative data tells the person before. So a loan may be reported only where its
borrower was told of *this* delinquency, and the message is known to have arrived, before the day of the report. What
is not known says no.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.bureau_settings import CreditBureauSettings
from carloan_notify.proof_codes import MayReport
from carloan_notify.records import MessageState

TOLD: Final[Mapping[str, str]] = {
    "loan_id": frames.TEXT,
    "original_due_on": frames.DATE,  # of the installment that the message was about
    "message_id": frames.TEXT,
    "state": frames.TEXT,
    "arrived_on": frames.DATE,  # the lender's day of delivery; of acceptance for what has no receipt
    "wrong_number": "bool",
}
"""A row for each message and loan that it told of the report."""
LISTED: Final[Mapping[str, str]] = {
    "loan_id": frames.TEXT,
    "may_report": "bool",
    "reason": frames.TEXT,  # MayReport
    "oldest_due_on": frames.DATE,
    "days_past_due": frames.COUNT,
    "overdue_minor": frames.MONEY,
    "message_id": frames.TEXT,  # the message that speaks most for reporting
    "told_on": frames.DATE,
}


@dataclass(frozen=True, slots=True)
class Against:
    """Loans (ids) that may not be reported whatever was told, by why."""

    in_doubt: Collection[str] = field(default_factory=frozenset)
    in_dispute: Collection[str] = field(default_factory=frozenset)
    open_reply: Collection[str] = field(default_factory=frozenset)


_RANKED: Final = (
    MayReport.TOLD,
    MayReport.TOO_RECENT,
    MayReport.TOO_LATE,
    MayReport.NO_RECEIPT,
    MayReport.UNKNOWN,
    MayReport.WAITS,
    MayReport.UNDELIVERED,
    MayReport.REJECTED,
    MayReport.CANCELLED,
    MayReport.NOT_THEIRS,
    MayReport.OTHER_PERIOD,
)
"""What a message says, the one that speaks most for reporting first: of several, the best counts."""
_ARRIVED: Final = _RANKED.index(MayReport.NO_RECEIPT)
"""Those before this place arrived."""
_OF_STATE: Final = {
    MessageState.DELIVERED: MayReport.TOLD,
    MessageState.ACCEPTED: MayReport.NO_RECEIPT,
    MessageState.UNKNOWN: MayReport.UNKNOWN,
    MessageState.UNDELIVERED: MayReport.UNDELIVERED,
    MessageState.REJECTED: MayReport.REJECTED,
    MessageState.CANCELLED: MayReport.CANCELLED,
    MessageState.EXPIRED: MayReport.CANCELLED,
}
"""Any other state: it still waits, or is on its way."""


def may_report(
    standing: pd.DataFrame, told: pd.DataFrame, against: Against, as_of: date, settings: CreditBureauSettings
) -> pd.DataFrame:
    """LISTED, by loan: every loan that is overdue on `as_of`, and every one that was told of a report.

    `standing` (frames.STANDING) is that of `as_of`, `told` (TOLD) what the ledger knows. A loan that was told and is
    in no table, or not active, is in doubt. Several loans in `standing` of one id raise `ValueError`.
    """
    if standing["loan_id"].duplicated().any():
        raise ValueError("a loan stands twice in the standing")
    best = _best(
        told.merge(standing[["loan_id", "oldest_original_due_on"]], on="loan_id", how="left"), as_of, settings
    )
    late = standing["overdue_minor"].gt(0) & standing["days_past_due"].gt(0) & standing["status"].eq("active")
    rows = standing[late | standing["loan_id"].isin(told["loan_id"])]
    listed = rows.merge(best, on="loan_id", how="left")
    absent = best[~best["loan_id"].isin(standing["loan_id"])]
    listed = frames.stack([_filled(listed), _filled(absent)], _JOINED)
    return _listed(listed, against)


_JOINED: Final[Mapping[str, str]] = {
    **{
        name: frames.STANDING[name]
        for name in ("loan_id", "status", "oldest_due_on", "oldest_original_due_on")
    },
    **{name: frames.STANDING[name] for name in ("days_past_due", "overdue_minor")},
    "rank": frames.COUNT,
    "message_id": frames.TEXT,
    "told_on": frames.DATE,
}
_NEVER: Final = len(_RANKED)


def _filled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with every column of _JOINED; a loan without a message was never told."""
    whole = rows.reindex(columns=list(_JOINED)).fillna({"rank": _NEVER})
    texts = {
        name: whole[name].astype(object).fillna("") for name, kind in _JOINED.items() if kind == frames.TEXT
    }
    counts = {
        name: whole[name].fillna(0) for name, kind in _JOINED.items() if kind in (frames.COUNT, frames.MONEY)
    }
    return whole.assign(**texts, **counts).astype(dict(_JOINED))


def _best(told: pd.DataFrame, as_of: date, settings: CreditBureauSettings) -> pd.DataFrame:
    """Of each loan the message that speaks most for reporting: loan_id, rank, message_id, told_on."""
    ranks = _ranks(told, as_of, settings)
    rows = pd.DataFrame(
        {
            "loan_id": told["loan_id"],
            "rank": ranks,
            "message_id": told["message_id"],
            "told_on": told["arrived_on"].where(ranks < _ARRIVED),
        }
    )
    return rows.sort_values(["rank", "told_on", "message_id"], kind="stable").drop_duplicates("loan_id")


def _ranks(told: pd.DataFrame, as_of: date, settings: CreditBureauSettings) -> np.ndarray:
    """The place in _RANKED of what each message says."""
    place = {reason: number for number, reason in enumerate(_RANKED)}
    of_state = {state.value: place[_OF_STATE.get(state, MayReport.WAITS)] for state in MessageState}
    ranks = told["state"].map(of_state).to_numpy(dtype="int64")
    counts = told["state"].eq(MessageState.DELIVERED.value)
    if settings.without_receipt:
        counts |= told["state"].eq(MessageState.ACCEPTED.value)
    days = (pd.Timestamp(as_of) - told["arrived_on"]).dt.days
    same = told["original_due_on"].eq(told["oldest_original_due_on"])  # not known is not the same
    cases = {
        MayReport.OTHER_PERIOD: ~same,
        MayReport.NOT_THEIRS: told["wrong_number"],
        MayReport.NO_RECEIPT: counts & days.isna(),
        MayReport.TOO_LATE: counts & days.lt(1),
        MayReport.TOO_RECENT: counts & days.lt(settings.days_before),
        MayReport.TOLD: counts,
    }
    masks = [case.to_numpy(dtype=bool) for case in cases.values()]
    return np.select(masks, [place[each] for each in cases], ranks)


def _listed(rows: pd.DataFrame, against: Against) -> pd.DataFrame:
    reasons = np.array([*(each.value for each in _RANKED), MayReport.NEVER_TOLD.value], dtype=object)
    ids = rows["loan_id"]
    doubtful = frames.among(ids, against.in_doubt) | rows["status"].isin(["active", "settled"]).eq(
        other=False
    )
    cases = {
        MayReport.IN_DOUBT: doubtful,
        MayReport.NOT_OVERDUE: rows["overdue_minor"].le(0) | rows["days_past_due"].le(0),
        MayReport.IN_DISPUTE: frames.among(ids, against.in_dispute),
        MayReport.OPEN_REPLY: frames.among(ids, against.open_reply),
    }
    masks = [mask.to_numpy(dtype=bool) for mask in cases.values()]
    reason = np.select(masks, [each.value for each in cases], reasons[rows["rank"].to_numpy()])
    found = rows.assign(reason=reason, may_report=reason == MayReport.TOLD.value)
    ordered = found.sort_values("loan_id", kind="stable", ignore_index=True)
    return ordered[list(LISTED)].astype(dict(LISTED))
