"""The contact policy: which of tonight's notices may be told, when, and why the others may not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.caps import over_cap
from carloan_notify.notices.checks import refusals, resolved_languages
from carloan_notify.notices.membership import among
from carloan_notify.notices.merge import leaders, totals
from carloan_notify.notices.reasons import DECISION_OF, Reason
from carloan_notify.notices.release import Tonight, releases
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.records import Decision

SUPPRESSIONS: Final = dict.fromkeys(("phone_hash", "customer_id", "message_class", "reason"), frames.TEXT)
"""`message_class` "" for every class; `reason` dispute and wrong_number hold, any other is an opt-out."""
RECENT: Final = {
    **dict.fromkeys(("phone_hash", "customer_id", "message_class", "channel"), frames.TEXT),
    "sent_on": frames.DATE,
}
DECISION_COLUMNS: Final = {**frames.DECISIONS, "recipient_no": frames.COUNT, "phone_hash": frames.TEXT}


@dataclass(frozen=True, slots=True)
class ContactHistory:
    """What is on record: keys told before, SUPPRESSIONS, RECENT contacts, languages with templates."""

    already_sent: Collection[str]
    suppressions: pd.DataFrame
    recent: pd.DataFrame
    languages: Sequence[str]
    doubtful_loans: Collection[str] = frozenset()
    doubtful_customers: Collection[str] = frozenset()


def apply_policy(
    notices: pd.DataFrame, policy: PolicySettings, history: ContactHistory, tonight: Tonight
) -> pd.DataFrame:
    """A decision per notice (DECISION_COLUMNS), in the order of `notices`, each "no" with its Reason.

    `notices` is what `decide` gives with a text column `phone_hash` (the ledger's keyed hash of the phone).
    Merging and caps look across loans: give all notices of the night at once. `amount_minor` and `loan_count`
    of a queued message cover every loan it tells; `language` is one that has templates, or the person's own
    where none has.

    Raises:
        ConfigError: a rule's own window shares no time with the policy's hours.
    """
    rows = notices.reset_index(drop=True)
    language = resolved_languages(rows["language"], history.languages, policy.default_language)
    hours = releases(rows, policy, tonight)
    refused = refusals(rows.assign(language=language), policy, history.suppressions)
    personal = _first(refused, _where(_doubtful(rows, history), Reason.INCOMPLETE_DATA), hours["reason"])
    rows = rows.assign(
        language=language.where(language != "", rows["language"]),
        reason=_refused(rows, personal, history),
        merged_into="",
        loan_count=1,
        not_before=hours["not_before"],
        expires_at=hours["expires_at"],
    )
    tellable = rows["reason"] == ""
    told = _merged_and_capped(rows[tellable], policy, history, tonight)
    return _finished(pd.concat([rows[~tellable], told]).sort_index())


def _refused(rows: pd.DataFrame, personal: pd.Series, history: ContactHistory) -> pd.Series:
    """The first reason not to tell each notice by itself: sent before, replaced, or the person's own."""
    sent = among(rows["idempotency_key"], history.already_sent)
    replaced = _superseded(rows, personal, sent)
    return _first(_where(sent, Reason.ALREADY_SENT), _where(replaced, Reason.SUPERSEDED), personal)


def _doubtful(rows: pd.DataFrame, history: ContactHistory) -> pd.Series:
    """Notices about loans or people of whom the export told only a part."""
    loans, customers = list(history.doubtful_loans), list(history.doubtful_customers)
    return rows["loan_id"].isin(loans) | rows["customer_id"].isin(customers)


def _superseded(rows: pd.DataFrame, personal: pd.Series, sent: pd.Series) -> pd.Series:
    """Which notices a later stage for the same loan and person replaces tonight.

    A later stage that will not be told for a reason of its own (its channel is refused) replaces nothing.
    """
    person = ["loan_id", "role", "recipient_no", "notice"]
    untold = personal.isin([code.value for code, kind in DECISION_OF.items() if kind is Decision.SUPPRESSED])
    later = rows.loc[
        (rows["supersedes"] != "") & (sent | ~untold), ["loan_id", "role", "recipient_no", "supersedes"]
    ]
    replaced = (
        later.assign(notice=later["supersedes"].str.split(",")).explode("notice")[person].drop_duplicates()
    )
    found = rows[person].merge(replaced, on=person, how="left", indicator=True)
    return (found["_merge"] == "both").set_axis(rows.index)


def _merged_and_capped(
    rows: pd.DataFrame, policy: PolicySettings, history: ContactHistory, tonight: Tonight
) -> pd.DataFrame:
    """The tellable notices as messages: one leads, the others are merged into it; a cap holds all of them."""
    leader = leaders(rows) if policy.merge else rows["idempotency_key"]
    leads = rows["idempotency_key"] == leader
    messages = rows[leads]
    held = over_cap(messages, history.recent, policy.caps, tonight.as_of)
    held_keys = messages.loc[held, "idempotency_key"]
    capped, follows = among(leader, held_keys), ~leads
    together = totals(rows, leader)
    queued = ~capped & leads
    return rows.assign(
        reason=_first(_where(capped, Reason.OVER_CAP), _where(follows, Reason.MERGED)),
        merged_into=leader.where(follows & ~capped, ""),
        loan_count=together["loan_count"].where(queued, 1),
        amount_minor=together["amount_minor"].where(queued, rows["amount_minor"]),
    )


def _finished(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as DECISION_COLUMNS; only what is queued has a time."""
    decision_of = {reason.value: kind.value for reason, kind in DECISION_OF.items()}
    queued = rows["reason"] == ""
    rows = rows.assign(
        decision=rows["reason"].map(decision_of).fillna(Decision.QUEUED.value),
        not_before=rows["not_before"].where(queued),
        expires_at=rows["expires_at"].where(queued),
    )
    return rows.astype(dict(DECISION_COLUMNS))[list(DECISION_COLUMNS)]


def _first(*reasons: pd.Series) -> pd.Series:
    """In each row the first reason that is not blank."""
    chosen, *rest = reasons
    for other in rest:
        chosen = chosen.where(chosen != "", other)
    return chosen


def _where(mask: pd.Series, reason: Reason) -> pd.Series:
    """The reason where the mask holds, else ""."""
    return pd.Series("", index=mask.index, dtype="str").mask(mask, reason.value)
