"""The rule of `notices.bureau` loan by loan, as one would explain it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from carloan_notify.notices.bureau import Against
from carloan_notify.notices.bureau_settings import CreditBureauSettings
from carloan_notify.proof_codes import MayReport

BEST_FIRST = (
    "told",
    "told_recently",
    "told_after",
    "told_without_receipt",
    "told_unknown",
    "told_waits",
    "told_undelivered",
    "told_rejected",
    "told_cancelled",
    "told_wrong_number",
    "other_period",
)


def of_message(
    message: Mapping[str, Any], oldest: date | None, as_of: date, settings: CreditBureauSettings
) -> MayReport:
    """What one message says."""
    if oldest is None or message["original_due_on"] != oldest:
        return MayReport.OTHER_PERIOD
    if message["wrong_number"]:
        return MayReport.NOT_THEIRS
    state, arrived = message["state"], message["arrived_on"]
    if state == "delivered" or (state == "accepted" and settings.without_receipt):
        if arrived is None:
            return MayReport.NO_RECEIPT
        if arrived >= as_of:
            return MayReport.TOO_LATE
        return MayReport.TOLD if (as_of - arrived).days >= settings.days_before else MayReport.TOO_RECENT
    return {
        "accepted": MayReport.NO_RECEIPT,
        "unknown": MayReport.UNKNOWN,
        "undelivered": MayReport.UNDELIVERED,
        "rejected": MayReport.REJECTED,
        "cancelled": MayReport.CANCELLED,
        "expired": MayReport.CANCELLED,
    }.get(state, MayReport.WAITS)


def plainly(
    loans: Sequence[Mapping[str, Any]],
    messages: Sequence[Mapping[str, Any]],
    against: Against,
    as_of: date,
    settings: CreditBureauSettings,
) -> dict[str, MayReport]:
    """The verdict on each loan that is listed."""
    by_id = {loan["loan_id"]: loan for loan in loans}
    told = {message["loan_id"] for message in messages}
    late = {
        name
        for name, loan in by_id.items()
        if loan["status"] == "active" and loan["days"] > 0 and loan["owed"] > 0
    }
    found: dict[str, MayReport] = {}
    for name in late | told:
        loan = by_id.get(name)
        if loan is None or name in against.in_doubt or loan["status"] not in ("active", "settled"):
            found[name] = MayReport.IN_DOUBT
        elif loan["days"] <= 0 or loan["owed"] <= 0:
            found[name] = MayReport.NOT_OVERDUE
        elif name in against.in_dispute:
            found[name] = MayReport.IN_DISPUTE
        elif name in against.open_reply:
            found[name] = MayReport.OPEN_REPLY
        else:
            mine = [each for each in messages if each["loan_id"] == name]
            said = [of_message(each, loan["oldest"], as_of, settings) for each in mine]
            found[name] = min(said, key=BEST_FIRST.index, default=MayReport.NEVER_TOLD)
    return found
