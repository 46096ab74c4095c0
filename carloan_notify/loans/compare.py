"""Where the lender's own installments differ from the recomputed ones."""

from typing import Final

import pandas as pd

from carloan_notify.frames import FINDINGS, INSTALLMENTS, empty, findings, stack
from carloan_notify.loans.portfolio import LoanTables
from carloan_notify.loans.schedule import build_schedules, schedule_frame
from carloan_notify.loans.settings import ScheduleSettings

_KEY = ["loan_id", "installment_no"]
_MONEY = ["principal_minor", "interest_minor", "fees_minor", "total_minor"]

DIFFERS: Final = "supplied_schedule_differs"
"""The finding's code."""


def compare(tables: LoanTables, settings: ScheduleSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Supplied against recomputed installments: the rows that differ, and FINDINGS.

    Only loans that have supplied installments are compared. One row per differing installment: loan_id,
    installment_no, due_on and due_on_computed (NaT where one side has no such installment), and for each
    amount (minor units) the supplied one, the `_computed` one and the `_difference`, supplied less
    computed. One finding `supplied_schedule_differs` per loan names its first differing installment and
    counts them; a loan that cannot be recomputed has the finding that says why.
    """
    given = empty(INSTALLMENTS) if tables.installments is None else tables.installments
    with_table = tables.loans[tables.loans["loan_id"].isin(given["loan_id"])]
    with_table = with_table.assign(status="active")  # a settled loan's changes are part of its schedule too
    changes = tables.changes
    mine = None if changes is None else changes[changes["loan_id"].isin(with_table["loan_id"])]
    grids, problems = build_schedules(with_table, mine, settings)
    rows = differences(given, schedule_frame(grids))
    return rows, stack([problems, _told(rows)], FINDINGS)


def differences(supplied: pd.DataFrame, computed: pd.DataFrame) -> pd.DataFrame:
    """Rows that differ of an INSTALLMENTS and a SCHEDULE frame, loans in both only; columns as in `compare`."""
    ours = supplied[supplied["loan_id"].isin(computed["loan_id"])]
    columns = [*_KEY, "due_on", *_MONEY]
    both = ours[columns].merge(computed[columns], on=_KEY, how="outer", suffixes=("", "_computed"))
    differs = (both["due_on"] != both["due_on_computed"]).to_numpy()
    for name in _MONEY:
        filled = both[[name, f"{name}_computed"]].fillna(0).astype("int64")
        both[[name, f"{name}_computed"]] = filled
        both[f"{name}_difference"] = filled[name] - filled[f"{name}_computed"]
        differs = differs | (both[f"{name}_difference"] != 0).to_numpy()
    return (
        both[differs]
        .astype(dict.fromkeys(_money_columns(), "int64"))
        .sort_values(_KEY)
        .reset_index(drop=True)
    )


def _money_columns() -> list[str]:
    return [f"{name}{suffix}" for name in _MONEY for suffix in ("", "_computed", "_difference")]


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    loans = rows.groupby("loan_id", sort=True)
    first = loans.head(1).set_index("loan_id")
    told = [
        f"installment {number}: due {_day(due)} (computed {_day(computed)}), total {difference:+d} minor "
        f"units; "
        f"{count} installments differ"
        for number, due, computed, difference, count in zip(
            first["installment_no"],
            first["due_on"],
            first["due_on_computed"],
            first["total_minor_difference"],
            loans.size().reindex(first.index),
            strict=True,
        )
    ]
    return findings(
        DIFFERS,
        list(first.index),
        "the lender's installments differ from the recomputed ones; check the terms, or mend the table",
        place="installments",
        value=told,
    )


def _day(day: pd.Timestamp) -> str:
    return "none" if pd.isna(day) else f"{day:%Y-%m-%d}"
