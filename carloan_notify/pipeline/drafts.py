"""From decisions to messages: render each queued notice, or hold it and say why."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carloan_notify import frames
from carloan_notify.messages.render import RenderFailure, TemplateSet
from carloan_notify.pipeline.portfolio import Portfolio
from carloan_notify.pipeline.wording import Wording, day_or_none
from carloan_notify.records import Channel, CoveredNotice, Decision, Draft, MessageClass, Rendered

REFERENCE_LENGTH = 26


@dataclass(frozen=True, slots=True)
class Drafted:
    """The messages of a night. `failures` maps the key of a notice that could not be worded to the reason."""

    drafts: tuple[Draft, ...]
    failures: Mapping[str, RenderFailure]

    def findings(self) -> pd.DataFrame:
        """One finding (frames.FINDINGS) per way in which a template failed."""
        told = sorted({(failure.code.value, failure.message) for failure in self.failures.values()})
        return frames.stack([frames.findings(code, [""], message) for code, message in told], frames.FINDINGS)


def message_reference(run_id: str, idempotency_key: str) -> str:
    """Our reference for a message: 26 characters A-Z 2-7, the same whenever the same run words the same notice."""
    digest = hashlib.sha256(f"{run_id}|{idempotency_key}".encode()).digest()
    return base64.b32encode(digest).decode()[:REFERENCE_LENGTH]


def draft_messages(
    run_id: str, decisions: pd.DataFrame, portfolio: Portfolio, templates: TemplateSet, wording: Wording
) -> Drafted:
    """Render every queued row of `decisions` (frames.DECISIONS); rows merged into it become what it covers."""
    queued = decisions[decisions["decision"] == Decision.QUEUED]
    covers = _covers(decisions)
    drafts: list[Draft] = []
    failures: dict[str, RenderFailure] = {}
    contexts = wording.contexts(queued, portfolio.loans, portfolio.standing.loans)
    for row, context in zip(queued.to_dict("records"), contexts, strict=True):
        key = str(row["idempotency_key"])
        found = templates.find(row["template"], row["language"], Channel(row["channel"]))
        if isinstance(found, RenderFailure):
            failures[key] = found
            continue
        rendered = found.render(context)
        if isinstance(rendered, RenderFailure):
            failures[key] = rendered
            continue
        filters = templates.environment(found.language, found.channel).filters
        params = wording.parameters(context, filters, found.channel)
        drafts.append(_draft(message_reference(run_id, key), row, rendered, covers[key], params))
    return Drafted(tuple(drafts), failures)


def hold_failures(decisions: pd.DataFrame, failures: Mapping[str, RenderFailure]) -> pd.DataFrame:
    """The same decisions, with what could not be worded held, and what was merged into it held with it."""
    if not failures:
        return decisions
    held = decisions.copy()
    told_by = held["merged_into"].where(held["merged_into"] != "", held["idempotency_key"])
    failed = told_by.isin(list(failures))
    held.loc[failed, "decision"] = Decision.HELD.value
    held.loc[failed, "reason"] = told_by[failed].map(lambda key: failures[key].code)
    held.loc[failed, "merged_into"] = ""
    return held


def _covers(decisions: pd.DataFrame) -> dict[str, tuple[CoveredNotice, ...]]:
    """Per queued key: the notices its message tells, its own first."""
    merged = decisions["merged_into"] != ""
    told = decisions[merged | (decisions["decision"] == Decision.QUEUED)]
    told = told.assign(told_by=told["merged_into"].where(told["merged_into"] != "", told["idempotency_key"]))
    grouped: dict[str, list[CoveredNotice]] = {}
    for row in told.sort_values("merged_into", kind="stable").to_dict("records"):
        covered = CoveredNotice(
            row["idempotency_key"],
            row["loan_id"],
            int(row["installment_no"]),
            day_or_none(row["original_due_on"]),
        )
        grouped.setdefault(row["told_by"], []).append(covered)
    return {key: tuple(group) for key, group in grouped.items()}


def _draft(
    message_id: str,
    row: Mapping[Any, Any],
    rendered: Rendered,
    covers: tuple[CoveredNotice, ...],
    params: Mapping[str, str],
) -> Draft:
    return Draft(
        message_id=message_id,
        covers=covers,
        customer_id=row["customer_id"],
        notice=row["notice"],
        channel=Channel(row["channel"]),
        role=row["role"],
        message_class=MessageClass(row["message_class"]),
        language=row["language"],
        phone=row["phone"],
        recipient_name=row["recipient_name"],
        rendered=rendered,
        params=params,
        due_on=day_or_none(row["due_on"]),
        amount_minor=int(row["amount_minor"]),
        not_before=row["not_before"].to_pydatetime(),
        expires_at=row["expires_at"].to_pydatetime(),
        until_paid=bool(row["until_paid"]),
    )
