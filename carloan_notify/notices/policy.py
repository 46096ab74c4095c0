"""The contact policy: which of tonight's notices may be told, when, and why the others may not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.codes import Reason
from carloan_notify.frames import among
from carloan_notify.hold_codes import NumberStatus
from carloan_notify.notices.decide import KEYS
from carloan_notify.notices.holds import HOLDS, REASON_OF, held
from carloan_notify.notices.landlines import landlines
from carloan_notify.notices.law import bound_by, located
from carloan_notify.notices.limits import AND, CONVERSATIONS, cooling_off, limited
from carloan_notify.notices.numbers import NUMBERS, known_as
from carloan_notify.notices.release import Tonight, local_dates, releases
from carloan_notify.notices.settings import PolicySettings, Role
from carloan_notify.records import Channel, Decision, MessageClass

# May this person be told this, on this channel? One mask per reason, without hours and counts.

_BINDS_THE_NUMBER: Final = (
    Reason.ALREADY_SENT,
    Reason.SUPERSEDED,
    Reason.DO_NOT_CONTACT,
    Reason.OPTED_OUT,
    Reason.WRONG_NUMBER,
    Reason.NUMBER_DEAD,
    *REASON_OF.values(),
)
"""Reasons that speak against the telephone, not only against one of those who share it."""

DECISION_OF = MappingProxyType(
    {
        Reason.ALREADY_SENT: Decision.ALREADY_SENT,
        Reason.SUPERSEDED: Decision.SUPPRESSED,
        Reason.DO_NOT_CONTACT: Decision.SUPPRESSED,
        Reason.OPTED_OUT: Decision.SUPPRESSED,
        Reason.WRONG_NUMBER: Decision.HELD,
        **dict.fromkeys(REASON_OF.values(), Decision.HELD),
        Reason.NO_CONSENT: Decision.SUPPRESSED,
        Reason.NO_PHONE: Decision.HELD,
        Reason.NUMBER_DEAD: Decision.HELD,
        Reason.LANDLINE: Decision.HELD,
        Reason.COUNTRY_REFUSED: Decision.HELD,
        Reason.CHANNEL_REFUSED: Decision.SUPPRESSED,
        Reason.LANGUAGE_UNKNOWN: Decision.HELD,
        Reason.INCOMPLETE_DATA: Decision.HELD,
        Reason.TIMEZONE_UNKNOWN: Decision.HELD,
        Reason.PREFERRED_HOURS_UNREADABLE: Decision.HELD,
        Reason.PREFERRED_HOURS_OUTSIDE: Decision.HELD,
        Reason.HOURS_OUTSIDE: Decision.HELD,
        Reason.HOLIDAYS_UNKNOWN: Decision.HELD,
        Reason.NO_CONTACT_DATE: Decision.SUPPRESSED,
        Reason.TOO_LATE: Decision.SUPPRESSED,
        Reason.NO_LONGER_TRUE: Decision.SUPPRESSED,
        Reason.PAYMENT_AHEAD: Decision.HELD,
        Reason.SAME_NUMBER: Decision.SUPPRESSED,
        Reason.COOLING_OFF: Decision.HELD,
        Reason.OVER_CAP: Decision.HELD,
        Reason.TOO_SOON: Decision.HELD,
        Reason.EXPIRED: Decision.SUPPRESSED,
        Reason.MERGED: Decision.SUPPRESSED,
    }
)
"""SUPPRESSED will not be told; HELD may be, on a following night or once its data is put right."""


SUPPRESSIONS: Final = dict.fromkeys(("phone_hash", "customer_id", "message_class", "reason"), frames.TEXT)
"""Opt-outs; `message_class` "" for every class."""


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What is on record against telling somebody: SUPPRESSIONS (opt-outs), HOLDS and NUMBERS."""

    suppressions: pd.DataFrame = field(default_factory=partial(frames.empty, SUPPRESSIONS))
    holds: pd.DataFrame = field(default_factory=partial(frames.empty, HOLDS))
    numbers: pd.DataFrame = field(default_factory=partial(frames.empty, NUMBERS))


def refusals(notices: pd.DataFrame, policy: PolicySettings, record: OnRecord, day: date) -> pd.Series:
    """The first reason (text) not to tell each notice on `day`, "" where there is none.

    `notices` has `phone_hash` and a resolved `language`. A suppression (text columns phone_hash, customer_id,
    message_class, reason) without a class is for every class; it binds its number and its customer.
    """
    known = known_as(notices, record.numbers, policy.numbers)
    needs_consent = notices["message_class"].isin([each.value for each in policy.consent_required])
    masks = {
        Reason.DO_NOT_CONTACT: notices["do_not_contact"],
        Reason.OPTED_OUT: _names(notices["opt_out"], notices["message_class"])
        | _suppressed(notices, record.suppressions),
        Reason.WRONG_NUMBER: known[NumberStatus.REASSIGNED],
        **held(notices, record.holds, policy.holds, day),
        Reason.NO_CONSENT: needs_consent & ~_names(notices["consent"], notices["message_class"]),
        Reason.NO_PHONE: notices["phone"] == "",
        Reason.NUMBER_DEAD: known[NumberStatus.QUARANTINED],
        Reason.LANDLINE: (notices["channel"] == Channel.SMS.value)
        & (among(notices["phone"], landlines(notices["phone"])) | known[NumberStatus.LANDLINE]),
        Reason.COUNTRY_REFUSED: _unreachable(notices["phone"], policy),
        Reason.CHANNEL_REFUSED: (notices["channels"] != "")
        & ~_names(notices["channels"], notices["channel"]),
        Reason.LANGUAGE_UNKNOWN: notices["language"] == "",
    }
    speaking = {code.value: mask.to_numpy(bool) for code, mask in masks.items() if mask.any()}
    chosen = np.select(list(speaking.values()), list(speaking), "") if speaking else ""
    return pd.Series(chosen, index=notices.index, dtype="str")


def _unreachable(phones: pd.Series, policy: PolicySettings) -> pd.Series:
    """Numbers of countries that the policy does not name, where it names any."""
    if not policy.countries:
        return pd.Series(data=False, index=phones.index)
    return among(phones, [phone for phone in phones.unique() if phone and not policy.may_reach(phone)])


def resolved_languages(wanted: pd.Series, known: Sequence[str], default: str) -> pd.Series:
    """One of `known` for each: the same, else one of the same primary tag, else the default's, else blank."""
    return frames.per_value(wanted, lambda text: _resolve(text, known) or _resolve(default, known))


def _resolve(wanted: str, known: Sequence[str]) -> str:
    folded = wanted.casefold().replace("_", "-")
    exact = [language for language in known if language.casefold() == folded]
    primary = folded.split("-")[0]
    related = [language for language in sorted(known) if language.casefold().split("-")[0] == primary]
    return next(iter([*exact, *related]), "")


def _names(lists: pd.Series, items: pd.Series) -> pd.Series:
    """Whether each comma list names the item beside it."""
    mask = pd.Series(data=False, index=lists.index)
    for item in items.unique():
        naming = [text for text in lists.unique() if item in {part.strip() for part in text.split(",")}]
        mask |= (items == item) & among(lists, naming)
    return mask


def _suppressed(notices: pd.DataFrame, suppressions: pd.DataFrame) -> pd.Series:
    """Whether a suppression of the notice's class, or of every class, names its number or its customer."""
    mask = pd.Series(data=False, index=notices.index)
    for message_class in notices["message_class"].unique():
        binding = suppressions[suppressions["message_class"].isin([message_class, ""])]
        for subject in ("phone_hash", "customer_id"):
            named = binding.loc[binding[subject] != "", subject]
            mask |= (notices["message_class"] == message_class) & among(notices[subject], named)
    return mask


# One message where several loans of one borrower fall due together.

_TOGETHER: Final = [
    "customer_id",
    "phone_hash",
    "notice",
    "channel",
    "role",
    "due_on",
    "language",
    "timezone",
    "preferred_hours",
    "country",
    "region",
    "consent",
    *("template", "message_class", "until_paid", "window"),  # rules of one notice may differ in these
]

_ALIKE: Final = ["customer_id", "notice", "channel"]
"""Few share even these, and only their rows are compared in full."""


def leaders(notices: pd.DataFrame) -> pd.Series:
    """For each notice the idempotency key of the one whose message tells it; its own where it stands alone.

    Told together is what has the same customer, number, notice, channel, role and due date, so that one
    sentence is true of all; the lowest loan_id leads. Events are told one by one, and so is everything to
    other parties, who hear of the loan they stand for.
    """
    mergeable = notices[
        (notices["event_id"] == "")
        & notices["due_on"].notna()
        & (notices["customer_id"] != "")
        & (notices["role"] == Role.BORROWER.value)
    ]
    mergeable = mergeable[mergeable.duplicated(_ALIKE, keep=False)]
    ordered = mergeable.sort_values(["loan_id", "installment_no", "idempotency_key"])
    first = ordered.groupby(_TOGETHER, sort=False)["idempotency_key"].transform("first")
    return first.reindex(notices.index).fillna(notices["idempotency_key"]).astype("str")


def totals(notices: pd.DataFrame, leader: pd.Series) -> pd.DataFrame:
    """`loan_count` and `amount_minor` of all that is told by the message of each notice's leader."""
    told = pd.DataFrame({"loan_count": 1, "amount_minor": notices["amount_minor"]}, index=notices.index)
    together = leader.duplicated(keep=False)
    groups = notices[together].groupby(leader[together], sort=False)
    told.loc[together, "loan_count"] = groups["loan_id"].transform("nunique").astype("int64")
    told.loc[together, "amount_minor"] = groups["amount_minor"].transform("sum").astype("int64")
    return told


DECISION_COLUMNS: Final = {
    **frames.DECISIONS,
    **dict.fromkeys(("number_key", "name_key", "person", "phone_hash"), frames.TEXT),
}


@dataclass(frozen=True, slots=True)
class ContactHistory:
    """What is on record: keys told before, SUPPRESSIONS, HOLDS, NUMBERS, RECENT contacts, CONVERSATIONS, languages.

    `no_longer_true` are keys that would be untrue on the day of reading, `replaced` those of which a later stage
    was queued or sent before; loans in `paid_ahead` have a payment dated after today.
    """

    already_sent: Collection[str]
    suppressions: pd.DataFrame
    recent: pd.DataFrame
    languages: Sequence[str]
    holds: pd.DataFrame = field(default_factory=partial(frames.empty, HOLDS))
    numbers: pd.DataFrame = field(default_factory=partial(frames.empty, NUMBERS))
    doubtful_loans: Collection[str] = frozenset()
    doubtful_customers: Collection[str] = frozenset()
    paid_ahead: Collection[str] = frozenset()
    no_longer_true: Collection[str] = frozenset()
    replaced: Collection[str] = frozenset()
    conversations: pd.DataFrame = field(default_factory=partial(frames.empty, CONVERSATIONS))


def apply_policy(
    notices: pd.DataFrame, policy: PolicySettings, history: ContactHistory, tonight: Tonight
) -> pd.DataFrame:
    """A decision per notice (DECISION_COLUMNS), in the order of `notices`, each "no" with its Reason.

    `notices` is what `decide` gives with a text column `phone_hash` (the ledger's keyed hash of the phone).
    Merging and caps look across loans: give all notices of the night at once. `amount_minor` and `loan_count`
    of a queued message cover every loan it tells; `language` is one that has templates, or the person's own
    where none has.
    """
    rows = notices.reset_index(drop=True)
    if policy.needs_places:
        rows = rows.assign(**dict(located(rows)))
    language = resolved_languages(rows["language"], history.languages, policy.default_language)
    hours = releases(rows, policy, tonight)
    record = OnRecord(history.suppressions, history.holds, history.numbers)
    refused = refusals(rows.assign(language=language), policy, record, tonight.as_of)
    personal = _first(
        refused,
        _where(_doubtful(rows, history), Reason.INCOMPLETE_DATA),
        hours["reason"],
        _untellable(rows, history),
    )
    rows = rows.assign(
        language=language.where(language != "", rows["language"]),
        reason=_refused(rows, personal, history),
        merged_into="",
        loan_count=1,
        not_before=hours["not_before"],
        expires_at=hours["expires_at"],
    )
    tellable = rows["reason"] == ""
    told = _merged_and_limited(rows[tellable], policy, history)
    return _finished(pd.concat([rows[~tellable], told]).sort_index())


def _refused(rows: pd.DataFrame, personal: pd.Series, history: ContactHistory) -> pd.Series:
    """The first reason not to tell each notice by itself: sent before, replaced, or the person's own."""
    sent = pd.Series(data=False, index=rows.index)
    for name in KEYS:
        sent |= (rows[name] != "") & among(rows[name], history.already_sent)
    replaced = _superseded(rows, personal, sent) | among(rows["idempotency_key"], history.replaced)
    first = _first(_where(sent, Reason.ALREADY_SENT), _where(replaced, Reason.SUPERSEDED), personal)
    return _first(first, _where(_told_by_another(rows, first), Reason.SAME_NUMBER))


def _told_by_another(rows: pd.DataFrame, reasons: pd.Series) -> pd.Series:
    """Which notices would tell one number twice: a couple with one phone hears of one debt once.

    The first role speaks, borrower before co-borrower before guarantor. One that was told before, or may not be
    contacted, silences the others as well: it is the same telephone. One that cannot be told by reason of its
    own data leaves the word to the next.
    """
    shares = (rows["number_key"] != "") & rows.duplicated("number_key", keep=False)
    if not shares.any():
        return shares
    speaks = shares & (reasons.isin(list(_BINDS_THE_NUMBER)) | (reasons == ""))
    order = rows["role"].map({role.value: place for place, role in enumerate(Role)})
    first = order.where(speaks).groupby(rows["number_key"]).transform("min")
    return shares & (order > first)


def _doubtful(rows: pd.DataFrame, history: ContactHistory) -> pd.Series:
    """Notices about loans or people of whom the export told only a part."""
    loans, customers = list(history.doubtful_loans), list(history.doubtful_customers)
    return rows["loan_id"].isin(loans) | rows["customer_id"].isin(customers)


def _untellable(rows: pd.DataFrame, history: ContactHistory) -> pd.Series:
    """What the passing of time, or a payment of a day to come, speaks against."""
    collection = rows["message_class"] == MessageClass.COLLECTION.value
    return _first(
        _where(among(rows["idempotency_key"], history.no_longer_true), Reason.NO_LONGER_TRUE),
        _where(collection & among(rows["loan_id"], history.paid_ahead), Reason.PAYMENT_AHEAD),
    )


def _superseded(rows: pd.DataFrame, personal: pd.Series, sent: pd.Series) -> pd.Series:
    """Which notices a later stage for the same loan and person replaces tonight.

    A later stage that will not be told for a reason of its own (its channel is refused) replaces nothing.
    """
    person = ["loan_id", "role", "person", "notice"]
    untold = personal.isin([code.value for code, kind in DECISION_OF.items() if kind is Decision.SUPPRESSED])
    later = rows.loc[
        (rows["supersedes"] != "") & (sent | ~untold), ["loan_id", "role", "person", "supersedes"]
    ]
    replaced = (
        later.assign(notice=later["supersedes"].str.split(",")).explode("notice")[person].drop_duplicates()
    )
    found = rows[person].merge(replaced, on=person, how="left", indicator=True)
    return (found["_merge"] == "both").set_axis(rows.index)


def _merged_and_limited(rows: pd.DataFrame, policy: PolicySettings, history: ContactHistory) -> pd.DataFrame:
    """The tellable notices as messages: one leads, the others are merged into it; a limit holds all of them."""
    leader = leaders(rows) if policy.merge else rows["idempotency_key"]
    follows = rows["idempotency_key"] != leader
    messages = _messages(rows, leader, policy)
    resting = cooling_off(messages, history.conversations, policy)
    limits = limited(messages[~resting], history.recent, policy).reindex(messages.index)
    reasons = _first(_where(resting, Reason.COOLING_OFF), limits["reason"]).set_axis(
        messages["idempotency_key"]
    )
    held = leader.map(reasons).astype("str")
    opens = limits["not_before"].reindex(rows.index).fillna(rows["not_before"])
    together = totals(rows, leader)
    queued = (held == "") & ~follows
    return rows.assign(
        reason=_first(held, _where(follows, Reason.MERGED)),
        merged_into=leader.where(follows & (held == ""), ""),
        loan_count=together["loan_count"].where(queued, 1),
        amount_minor=together["amount_minor"].where(queued, rows["amount_minor"]),
        not_before=opens,
    )


def _messages(rows: pd.DataFrame, leader: pd.Series, policy: PolicySettings) -> pd.DataFrame:
    """The notices that lead, with what limits look at (limits.PRESSED)."""
    leads = rows[rows["idempotency_key"] == leader]
    told = leads["loan_id"].copy()
    together = rows[leader.duplicated(keep=False)]
    if len(together):
        loans = together["loan_id"].groupby(leader[together.index]).agg(AND.join)
        several = among(leads["idempotency_key"], loans.index)
        told[several] = leads.loc[several, "idempotency_key"].map(loans)
    return leads.assign(
        on=local_dates(leads["not_before"], leads["timezone"]),
        leaves_at=leads["not_before"],
        left_by=leads["expires_at"],
        loan_ids=told,
        bound=bound_by(leads, policy),
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
