"""Small text tables that an accountant can read, as the frames the code takes."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.decide import Identity, decide
from carloan_notify.notices.events import DecideInputs
from carloan_notify.notices.ladder import DEFAULT_LADDER
from carloan_notify.notices.limits import RECENT
from carloan_notify.notices.policy import SUPPRESSIONS, ContactHistory, apply_policy
from carloan_notify.notices.release import Tonight
from carloan_notify.notices.settings import PolicySettings, RuleSettings

AS_OF = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # in Shanghai
_BLANK = {frames.TEXT: "", frames.COUNT: 0, frames.FLAG: False}


def table(text: str, columns: Mapping[str, str], **defaults: object) -> pd.DataFrame:
    """Rows of `a | b` under a header row; what is missing is `defaults`, else "", 0, False or NaT."""
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    cells = pd.DataFrame(rows, columns=header, dtype="str")
    filled = {name: _column(name, kind, cells, defaults) for name, kind in columns.items()}
    return pd.DataFrame(filled)


def _column(name: str, kind: str, cells: pd.DataFrame, defaults: Mapping[str, object]) -> pd.Series:
    if name not in cells:
        value = defaults.get(name, _BLANK.get(kind, pd.NaT))
        return pd.Series([value] * len(cells), dtype=kind)
    given = cells[name]
    if kind == frames.FLAG:
        return given.eq("yes")
    if kind == frames.COUNT:
        return given.mask(given == "", "0").astype("int64")
    return given.mask(given == "").astype("datetime64[s]") if kind == frames.DATE else given


def loans_table(text: str) -> pd.DataFrame:
    return table(text, frames.LOANS, borrower_name="Li Lei", language="zh-CN", timezone="Asia/Shanghai")


def standing_table(text: str) -> pd.DataFrame:
    return table(text, frames.STANDING, status="active")


def dues_table(text: str) -> pd.DataFrame:
    frame = table(text, frames.DUES, installment_no=1, unpaid_minor=30000, total_minor=30000)
    return frame.assign(original_due_on=frame["original_due_on"].fillna(frame["due_on"]))


def late(days: int, loan_id: str = "L1", as_of: date = AS_OF) -> pd.DataFrame:
    """Standing of one loan whose oldest unpaid installment (no. 3, 328.00) is so many days past due."""
    due = (pd.Timestamp(as_of) - pd.Timedelta(days=days)).date()
    return standing_table(f"""
        loan_id|days_past_due|oldest_installment_no|oldest_due_on|oldest_original_due_on|overdue_minor
        {loan_id}|{days}|3|{due}|{due}|32800
    """)


def one_loan(**more: str) -> pd.DataFrame:
    fields = {"loan_id": "L1", "customer_id": "C1", "phone": "+12025550100", **more}
    return loans_table(f"{' | '.join(fields)}\n{' | '.join(fields.values())}")


def no_dues() -> pd.DataFrame:
    return frames.empty(frames.DUES)


def decided(
    inputs: DecideInputs,
    rules: list[RuleSettings] | None = None,
    as_of: date = AS_OF,
    policy: PolicySettings | None = None,
) -> pd.DataFrame:
    """Notices by these rules (the default ladder), with a phone hash that shows the phone."""
    found = decide(
        inputs, rules or DEFAULT_LADDER, policy or PolicySettings(), as_of, Identity("andacar", str)
    ).notices
    return found.assign(phone_hash=found["phone"])


def lines(frame: pd.DataFrame) -> list[Any]:
    """The rows as named tuples, for plain code that reads them one by one."""
    return list(frame.itertuples())


def told(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Loan, notice and channel of each row."""
    return list(zip(frame["loan_id"], frame["notice"], frame["channel"], strict=True))


def history(
    *,
    sent: set[str] | None = None,
    suppressions: pd.DataFrame | None = None,
    recent: pd.DataFrame | None = None,
    languages: tuple[str, ...] = ("zh-CN", "en"),
) -> ContactHistory:
    """What is on record; nothing unless given."""
    return ContactHistory(
        sent or set(),
        frames.empty(SUPPRESSIONS) if suppressions is None else suppressions,
        frames.empty(RECENT) if recent is None else recent,
        languages,
    )


def judged(
    notices: pd.DataFrame,
    policy: PolicySettings | None = None,
    known: ContactHistory | None = None,
    now: datetime = NOON,
    as_of: date = AS_OF,
) -> pd.DataFrame:
    """Decisions on these notices at noon in Shanghai."""
    return apply_policy(notices, policy or PolicySettings(), known or history(), Tonight(now, as_of))
