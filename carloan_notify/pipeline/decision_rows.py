"""Decisions as rows for people: what is told or not, why, to whom, from when, in which words."""

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.app import App
from carloan_notify.codes import Reason, RenderCode
from carloan_notify.notices import endings
from carloan_notify.records import Draft
from carloan_notify.text import mask_phone
from carloan_notify.words import Word


def why(reason: str, language: str = "en") -> str:
    """The sentence for a reason's code. The code of a failed template is its own sentence in English."""
    if given_up := endings.sentence(reason, language):
        return given_up
    if reason in set(Reason):
        return Reason(reason).sentence(language)
    if language.startswith("zh") and reason in set(RenderCode):
        return RenderCode(reason).chinese
    return reason.replace("_", " ")


def fell_back(person: str, words: str, language: str = "en") -> str:
    """What to say of a message in another language than its person's; "" where it is in that one."""
    return Word.FALLS_BACK.sentence(language).format(person=person, words=words) if words != person else ""


def preview_rows(app: App, decisions: pd.DataFrame, drafted: Iterable[Draft]) -> list[dict[str, Any]]:
    """One row per decision (frames.DECISIONS), with the words where there are any, and in which language."""
    drafts = {draft.covers[0].idempotency_key: draft for draft in drafted}
    zone = ZoneInfo(app.lender.timezone)
    return [_row(row, drafts.get(row["idempotency_key"]), zone) for row in decisions.to_dict("records")]


def _row(row: Mapping[Any, Any], draft: Draft | None, zone: ZoneInfo) -> dict[str, Any]:
    spoken = draft.language if draft else row["language"]
    return {
        "loan_id": row["loan_id"],
        "notice": row["notice"],
        "channel": row["channel"],
        "role": row["role"],
        "decision": row["decision"],
        "reason": row["reason"],
        "why": why(row["reason"]) if row["reason"] else fell_back(row["language"], spoken),
        "language": spoken,
        "phone": mask_phone(row["phone"]),
        "not_before": draft.not_before.astimezone(zone).isoformat(timespec="minutes") if draft else "",
        "segments": draft.rendered.segments if draft else 0,
        "text": draft.rendered.text if draft else "",
    }
