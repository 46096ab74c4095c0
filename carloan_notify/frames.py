"""The frames that cross floors: column names, types and units, in one place.

Conventions of every frame: text is pandas `str` and "" when missing, never NA; money is int64 minor units
(suffix `_minor`); a rate is int64 parts per billion (suffix `_ppb`, 12 % a year = 120_000_000); a date is naive
`datetime64[s]` at midnight, NaT when missing; a count or a day of month is int64, 0 when missing; a flag is bool.
Frames carry a plain RangeIndex; a loan is named by its `loan_id` column. Columns beyond the listed ones
are the lender's own and pass through to templates: text, but those that the settings give another kind.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT: Final = "str"
MONEY: Final = "int64"
RATE: Final = "int64"
COUNT: Final = "int64"
DATE: Final = "datetime64[s]"
FLAG: Final = "bool"

# --- canonical inputs, one per table of docs/configuration.md -------------------------------------------------
LOANS: Final[Mapping[str, str]] = {
    "loan_id": TEXT,
    "customer_id": TEXT,
    "borrower_name": TEXT,
    "phone": TEXT,  # E.164
    "product": TEXT,
    "principal_minor": MONEY,
    "annual_rate_ppb": RATE,
    "term_months": COUNT,  # number of installments
    "disbursed_on": DATE,
    "first_due_on": DATE,
    "due_day": COUNT,  # 0: the day of first_due_on
    "repayment_method": TEXT,  # codes.Method
    "status": TEXT,  # pending | active | settled | charged_off | cancelled
    "paid_to_date_minor": MONEY,
    "language": TEXT,  # BCP 47, e.g. zh-CN
    "timezone": TEXT,  # IANA, "" when unknown
    "country": TEXT,  # ISO 3166, "" for that of the phone number
    "region": TEXT,  # of the country, as the lender writes it
    "account_tail": TEXT,
    "plate_no": TEXT,
    "in_dispute": FLAG,
    "hold": TEXT,  # comma list of hold_codes.HoldReason
    "hold_until": DATE,  # the last day of these holds
    "balloon_minor": MONEY,
    "next_due_on": DATE,  # snapshot basis
    "amount_due_minor": MONEY,  # snapshot basis
    "overdue_minor": MONEY,  # snapshot basis
    "days_past_due": COUNT,  # snapshot basis
    "next_installment_no": COUNT,  # snapshot basis, optional
}
INSTALLMENTS: Final[Mapping[str, str]] = {
    "loan_id": TEXT,
    "installment_no": COUNT,
    "due_on": DATE,
    "principal_minor": MONEY,
    "interest_minor": MONEY,
    "fees_minor": MONEY,
    "total_minor": MONEY,
    "paid_minor": MONEY,
}
PAYMENTS: Final[Mapping[str, str]] = {
    "payment_id": TEXT,
    "loan_id": TEXT,
    "paid_on": DATE,
    "amount_minor": MONEY,  # negative: a reversal
}
CHANGES: Final[Mapping[str, str]] = {
    "change_id": TEXT,
    "loan_id": TEXT,
    "type": TEXT,  # due_day | deferral | extension | rate | prepayment | settlement | pause
    "effective_on": DATE,
    "value": TEXT,
}
EVENTS: Final[Mapping[str, str]] = {
    "event_id": TEXT,
    "loan_id": TEXT,
    "type": TEXT,  # see notices.settings.EventType
    "occurred_on": DATE,
    "amount_minor": MONEY,
    "detail": TEXT,
}
CONTACTS: Final[Mapping[str, str]] = {
    "customer_id": TEXT,
    "loan_id": TEXT,  # "" for every loan of the customer
    "role": TEXT,  # borrower | co_borrower | guarantor | emergency_contact, who is told nothing
    "name": TEXT,
    "phone": TEXT,
    "language": TEXT,
    "timezone": TEXT,
    "country": TEXT,
    "region": TEXT,
    "channels": TEXT,  # comma list, "" for every channel
    "preferred_hours": TEXT,  # "18:00-20:00" or ""
    "consent": TEXT,  # comma list of message classes
    "opt_out": TEXT,  # comma list of message classes
    "do_not_contact": FLAG,
    "in_dispute": FLAG,
    "hold": TEXT,  # comma list of hold_codes.HoldReason
    "hold_until": DATE,
    "phone_verified_on": DATE,  # on which somebody made sure that the number is this person's
}

# --- between loans and notices ---------------------------------------------------------------------------------
SCHEDULE: Final[Mapping[str, str]] = {
    "loan_id": TEXT,
    "installment_no": COUNT,
    "due_on": DATE,
    "original_due_on": DATE,  # before any change and any business-day shift: the installment's identity
    "principal_minor": MONEY,
    "interest_minor": MONEY,
    "fees_minor": MONEY,
    "total_minor": MONEY,
    "balance_after_minor": MONEY,
}
STANDING: Final[Mapping[str, str]] = {
    "loan_id": TEXT,
    "status": TEXT,  # as in LOANS; settled also when the payments prove it
    "settled_on": DATE,
    "installments": COUNT,  # 0 when unknown (snapshot)
    "next_installment_no": COUNT,  # next unpaid installment due on or after as-of; 0 when there is none
    "next_due_on": DATE,
    "next_original_due_on": DATE,
    "next_due_minor": MONEY,  # what is still unpaid of it
    "oldest_installment_no": COUNT,  # oldest unpaid installment due before as-of; 0 when there is none
    "oldest_due_on": DATE,
    "oldest_original_due_on": DATE,
    "overdue_minor": MONEY,  # unpaid of all installments due before as-of, when it is beyond the tolerance
    "carried_minor": MONEY,  # unpaid of installments due before as-of that the tolerance counts as paid
    "remainder_on": DATE,  # since when nothing else is left: the last payment, or the day after the last due date
    "remainder_minor": MONEY,  # all that is left once the last installment is past and counts as paid
    "days_past_due": COUNT,
    "bucket": TEXT,  # M0, M1, ...
    "penalty_minor": MONEY,
    "outstanding_principal_minor": MONEY,
    "paid_minor": MONEY,
}
DUES: Final[Mapping[str, str]] = {
    "loan_id": TEXT,
    "installment_no": COUNT,
    "due_on": DATE,
    "original_due_on": DATE,
    "total_minor": MONEY,
    "unpaid_minor": MONEY,
}

# --- between notices and everything after ----------------------------------------------------------------------
NOTICES: Final[Mapping[str, str]] = {
    "idempotency_key": TEXT,
    "loan_id": TEXT,
    "customer_id": TEXT,
    "notice": TEXT,
    "channel": TEXT,
    "role": TEXT,
    "message_class": TEXT,
    "template": TEXT,
    "installment_no": COUNT,
    "due_on": DATE,
    "original_due_on": DATE,
    "amount_minor": MONEY,  # what the message asks for or reports
    "days_past_due": COUNT,
    "event_id": TEXT,
    "occurred_on": DATE,
    "event_detail": TEXT,
    "recipient_name": TEXT,
    "phone": TEXT,
    "language": TEXT,
    "timezone": TEXT,
    "country": TEXT,
    "region": TEXT,
    "channels": TEXT,
    "preferred_hours": TEXT,
    "consent": TEXT,
    "opt_out": TEXT,
    "do_not_contact": FLAG,
    "holds": TEXT,  # what the tables say of this person, see notices.holds.column_holds
    "phone_verified_on": DATE,
    "until_paid": FLAG,
    "catch_up_days": COUNT,
    "window": TEXT,  # the rule's own release window, "" for the policy's
}
DECISIONS: Final[Mapping[str, str]] = {
    **NOTICES,
    "decision": TEXT,  # records.Decision
    "reason": TEXT,  # stable code, "" when queued
    "merged_into": TEXT,  # idempotency key of the notice that tells this one too
    "loan_count": COUNT,  # loans told by this message, 1 unless merged
    "not_before": "datetime64[s, UTC]",
    "expires_at": "datetime64[s, UTC]",
}
FINDINGS: Final[Mapping[str, str]] = {
    "code": TEXT,  # stable
    "loan_id": TEXT,
    "place": TEXT,  # file:row:column, or the column alone
    "value": TEXT,  # masked when personal
    "message": TEXT,  # what is wrong and how to fix it
}


def empty(columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame of no rows with exactly these columns and types."""
    return _empty(tuple(columns.items())).copy()


@cache
def _empty(columns: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    """Made once per kind: a night asks for thousands of them."""
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in columns})


def blank_row(columns: Mapping[str, str]) -> dict[str, object]:
    """One row of these columns with nothing in it: 0, "", False or NaT."""
    blank = {TEXT: "", COUNT: 0, FLAG: False}
    return {name: blank.get(kind, pd.NaT) for name, kind in columns.items()}


def blank_rows(columns: Mapping[str, str], count: int) -> pd.DataFrame:
    """So many rows of these columns and types with nothing in them."""
    row = blank_row(columns)
    return pd.DataFrame({name: pd.Series([row[name]] * count, dtype=kind) for name, kind in columns.items()})


def findings(
    code: str,
    loan_ids: Sequence[str] | pd.Series,
    message: str,
    *,
    place: str = "",
    value: Sequence[str] | str = "",
) -> pd.DataFrame:
    """One finding per loan, all with the same code and sentence. `value` is one text or one per loan."""
    if not len(loan_ids):  # nearly always, and asked for thousands of times in a night
        return empty(FINDINGS)
    rows = pd.DataFrame({"loan_id": pd.Series(list(loan_ids), dtype=TEXT)})
    rows["code"] = code
    rows["place"] = place
    rows["value"] = value
    rows["message"] = message
    return rows.astype(dict(FINDINGS))[list(FINDINGS)]


def stack(frames: Sequence[pd.DataFrame], columns: Mapping[str, str]) -> pd.DataFrame:
    """Frames of one kind below each other, with a fresh index; no frames give an empty one."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else empty(columns)


# Is each text one of a set of texts?


def per_value(texts: pd.Series, function: Callable[[str], str]) -> pd.Series:
    """`function` of each text, asked once per distinct one; text, on the same index."""
    return texts.map({text: function(text) for text in texts.unique()}).astype(TEXT)


def places(wanted: pd.Series, texts: pd.Series) -> np.ndarray:
    """Where each wanted text stands among `texts`, by position from 0; -1 where it does not (int64)."""
    found = pc.index_in(pa.array(wanted), value_set=pa.array(texts))
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)


def among(texts: pd.Series, allowed: Iterable[str]) -> pd.Series:
    """A mask on the index of `texts`. `allowed` is any collection of texts, each as often as it likes."""
    wanted = pa.array(allowed if isinstance(allowed, pd.Series) else list(allowed), pa.large_string())
    mask = pc.is_in(pa.array(texts, pa.large_string()), value_set=wanted)
    return pd.Series(bools(mask), index=texts.index, dtype=bool)


def bools(mask: pa.Array) -> np.ndarray:
    """An Arrow mask without nulls as numpy's, of its own."""
    return np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)


def counted(texts: pd.Series) -> Counter[str]:
    """How often each text stands there."""
    return Counter({str(text): int(number) for text, number in texts.value_counts().items()})
