"""What borrowers can be told of a change: how it was before and how it is after."""

from datetime import date

import pandas as pd

from carloan_notify import frames
from carloan_notify.loans.schedule import describe_changes
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.pipeline.portfolio import Portfolio

DUE_DAY = "due_day"
CHANGES_TOLD = {**frames.CHANGES, "before": frames.TEXT, "after": frames.TEXT}


def changes_told(portfolio: Portfolio, settings: ScheduleSettings, since: date) -> pd.DataFrame | None:
    """Due-day changes that take effect from `since` on (CHANGES_TOLD); None without a changes table.

    `after` is the new due day. `before` is the old one where the schedule is computed here, else "".
    """
    table = portfolio.sources.changes
    if table is None:
        return None
    changes = table.frame
    fresh = changes[(changes["type"] == DUE_DAY) & (changes["effective_on"] >= pd.Timestamp(since))]
    if settings.basis != "computed" or fresh.empty:
        return fresh.assign(before="", after=fresh["value"])
    loans = portfolio.loans[portfolio.loans["loan_id"].isin(fresh["loan_id"])]
    mine = changes[changes["loan_id"].isin(loans["loan_id"])]
    effects, _ = describe_changes(loans, mine, settings)  # its findings are the standing's too
    told = fresh.merge(effects[["change_id", "due_on_before"]], on="change_id")
    before = told["due_on_before"].dt.day.astype("Int64").astype(frames.TEXT)
    return told.assign(before=before, after=told["value"])[list(CHANGES_TOLD)]
