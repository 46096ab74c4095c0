"""Which notices tonight's business date calls for. Whether they may be told is the policy's question."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.frames import among
from carloan_notify.notices.events import HAPPENED, DecideInputs, date_moments, happened
from carloan_notify.notices.fits import fitting, fitting_people
from carloan_notify.notices.recipients import recipients
from carloan_notify.notices.settings import PolicySettings, Role, RuleSettings

# How long each kind of rule goes on firing: the one definition that deciding and explaining share.


@dataclass(frozen=True, slots=True)
class FiringDays:
    """Days `first` ≤ d ≤ `last`, as the rule counts them: to the due date, past due, or since (to) the event."""

    first: int
    last: int


def firing_days(rule: RuleSettings) -> FiringDays:
    """On which days a rule fires: its own day, and up to `catch_up_days` later when nights were missed.

    A reminder before the due date is never caught up on the due date or after it, a bill never after its
    date: from then on the past-due rules speak. So it is with what is told some days before a date.
    """
    lead = rule.when.days_before_due if rule.when.days_before_due is not None else rule.when.days_before
    if lead or rule.when.days_before_due is not None:
        return FiringDays(max(lead - rule.catch_up_days, min(lead, 1)), lead)
    first = rule.when.days_past_due or rule.when.days_after
    return FiringDays(first, first + rule.catch_up_days)


# When rules fire: one row per rule and the installment or event it fires for. Persons play no part.

OCCASIONS: Final[Mapping[str, str]] = {
    "rule_no": frames.COUNT,
    "loan_id": frames.TEXT,
    "installment_no": frames.COUNT,
    "due_on": frames.DATE,
    "original_due_on": frames.DATE,
    "amount_minor": frames.MONEY,
    "days_past_due": frames.COUNT,
    "event_id": frames.TEXT,
    "occurred_on": frames.DATE,
    "event_detail": frames.TEXT,
    "catch_up_days": frames.COUNT,  # nights left in which it may still be told, 0: tonight only
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at on one business date.

    `coming` are unpaid installments not yet past due, with `days` to their due date; `overdue` the oldest
    unpaid installment of each late loan, with `days` past due; `events` what happened and is
    still true, with `days` since.
    """

    coming: pd.DataFrame
    overdue: pd.DataFrame
    events: pd.DataFrame


def facts(inputs: DecideInputs, events: pd.DataFrame, as_of: date) -> Facts:
    """Facts of the active loans; none that is paid, settled, pending, cancelled or charged off falls due."""
    today = pd.Timestamp(as_of)
    active = inputs.standing[inputs.standing["status"] == "active"]
    coming = inputs.dues[(inputs.dues["due_on"] >= today) & (inputs.dues["unpaid_minor"] > 0)]
    coming = coming[among(coming["loan_id"], active["loan_id"])]
    late = active[
        (active["days_past_due"] > 0) & (active["overdue_minor"] > 0) & active["oldest_due_on"].notna()
    ]
    stays = events["good_until"].isna() | (events["good_until"] >= today)
    events = events[stays]
    return Facts(
        coming=coming.assign(days=(coming["due_on"] - today).dt.days),
        overdue=late.assign(days=late["days_past_due"]),
        events=events.assign(days=(today - events["occurred_on"]).dt.days),
    )


def occasions(rules: Sequence[RuleSettings], known: Facts) -> pd.DataFrame:
    """OCCASIONS of all rules; `rule_no` is the rule's place in `rules`."""
    return frames.stack([_of_rule(number, rule, known) for number, rule in enumerate(rules)], OCCASIONS)


def _of_rule(number: int, rule: RuleSettings, known: Facts) -> pd.DataFrame:
    days = firing_days(rule)
    if rule.when.moment:
        rows = known.events[known.events["type"] == rule.when.moment]
        if rule.when.days_before:
            rows = _within(rows.assign(days=-rows["days"]), days.first, days.last)
            return _complete(rows.assign(catch_up_days=rows["days"] - days.first), number)
        rows = _within(rows, days.first, days.last)
        return _complete(rows.assign(catch_up_days=days.last - rows["days"]), number)
    if rule.when.days_past_due is not None:
        rows = _within(known.overdue, days.first, days.last)
        return _complete(_overdue_columns(rows).assign(catch_up_days=days.last - rows["days"]), number)
    rows = _within(known.coming, days.first, days.last)
    rows = rows.rename(columns={"unpaid_minor": "amount_minor"})
    return _complete(rows.assign(catch_up_days=rows["days"] - days.first), number)


def moments(
    inputs: DecideInputs, rules: Sequence[RuleSettings], happened_so_far: pd.DataFrame, as_of: date
) -> pd.DataFrame:
    """What happened (HAPPENED), and the days in the date columns that some rule waits for, near enough to be told."""
    asked: dict[tuple[str, bool], list[tuple[date, date]]] = {}
    for rule in rules:
        if rule.when.date:
            kind = (rule.when.date, "status" not in rule.where)
            asked.setdefault(kind, []).append(_told_on(rule, as_of))
    found = [
        date_moments(
            inputs, column, min(first for first, _ in spans), max(last for _, last in spans), active=active
        )
        for (column, active), spans in asked.items()
    ]
    every = frames.stack([happened_so_far, *found], HAPPENED)
    return every.drop_duplicates(["loan_id", "type", "event_id"], ignore_index=True) if found else every


def _told_on(rule: RuleSettings, as_of: date) -> tuple[date, date]:
    """From which to which day a date is told of on `as_of`."""
    days = firing_days(rule)
    if rule.when.days_before:
        return as_of + timedelta(days=days.first), as_of + timedelta(days=days.last)
    return as_of - timedelta(days=days.last), as_of - timedelta(days=days.first)


def _within(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    return rows[rows["days"].between(first, last)]


def _overdue_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """The oldest unpaid installment names the notice; the amount is all that is overdue."""
    return pd.DataFrame(
        {
            "loan_id": rows["loan_id"],
            "installment_no": rows["oldest_installment_no"],
            "due_on": rows["oldest_due_on"],
            "original_due_on": rows["oldest_original_due_on"],
            "amount_minor": rows["overdue_minor"],
            "days_past_due": rows["days_past_due"],
        }
    )


def _complete(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows with every column of OCCASIONS; what does not apply is 0, "" or NaT."""
    rows = rows.assign(rule_no=number)
    known = {name: rows[name] for name in OCCASIONS if name in rows}
    missing = {
        name: pd.Series(_BLANK[kind], index=rows.index, dtype=kind)
        for name, kind in OCCASIONS.items()
        if name not in known
    }
    return pd.DataFrame(known | missing).astype(dict(OCCASIONS))[list(OCCASIONS)]


_BLANK: Final[Mapping[str, str | int | None]] = {frames.TEXT: "", frames.COUNT: 0, frames.DATE: None}


# The identity of a notice: equal keys mean the same thing told to the same person by the same way.

VERSION = "carloan-notify/2"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose notices these are. `ref` turns a number or a name into its keyed hash, so that no key tells it."""

    lender_id: str
    ref: Callable[[str], str]


KEY_DIGITS: Final = 32
"""128 bits: with a hundred million notices a day, two share one by chance in hundreds of millions of years."""
KEYS: Final = ("idempotency_key", "number_key", "name_key")
"""All that must be untold before a notice may be told. `number_key` stands for the number, whatever the role of who
has it; `name_key` for another party by name, whose number may change. Both are "" where they say nothing more."""


def notice_keys(identity: Identity, notices: pd.DataFrame, *, shared: pd.Series) -> pd.DataFrame:
    """KEYS per row, each half a SHA-256 (32 hex digits); they depend on nothing but that row and who shares its name.

    Hashed are the lender, `loan_id`, `installment_no`, `original_due_on`, `event_id`, `notice`, `channel`, the
    role and the person, each written as length:text, so that no two different rows run into one text.
    `event_id` names an event that may repeat (a payment, a change) and is "" for all else; events that happen
    once per loan have installment 0, no date and no event id. A borrower is one per loan and needs no name;
    other parties are told apart by number. Never in it: run, file, wording, place in a list, and phone or name
    only as keyed hash. `shared` tells which notices the rules address to several roles by that channel: only
    there may one number belong to two persons.
    """
    heads = _heads(identity.lender_id, notices)
    others = notices["role"] != Role.BORROWER.value
    who = _refs(notices["person"].where(others, ""), identity.ref)
    namesakes = notices.assign(head=heads).duplicated(["head", "role", "recipient_name"], keep=False)
    by_name = others & (notices["recipient_name"] != "") & ~namesakes
    by_number = (others | shared) & (notices["phone"] != "")
    return pd.DataFrame(
        {
            "idempotency_key": _hashed(heads, notices["role"], who),
            "number_key": _hashed_where(by_number, heads, "number", notices["phone"], identity.ref),
            "name_key": _hashed_where(
                by_name, heads, notices["role"] + ":name", notices["recipient_name"], identity.ref
            ),
        },
        index=notices.index,
        dtype="str",
    )


def _hashed_where(
    mask: pd.Series, heads: pd.Series, role: pd.Series | str, texts: pd.Series, ref: Callable[[str], str]
) -> pd.Series:
    """The keys of the masked rows, "" for the others: most nights have few, and a keyed hash takes its time."""
    keys = pd.Series("", index=heads.index, dtype="str")
    if mask.any():
        whose = role if isinstance(role, str) else role[mask]
        keys[mask] = _hashed(heads[mask], whose, _refs(texts[mask], ref))
    return keys


_STAGE: Final = ["loan_id", "installment_no", "original_due_on", "notice", "channel", "role", "person"]


def replaced_before(
    identity: Identity,
    notices: pd.DataFrame,
    rules: Sequence[RuleSettings],
    known: Callable[[Sequence[str]], Collection[str]],
) -> frozenset[str]:
    """Keys of those notices (NOTICE_COLUMNS) of which a later stage is `known`, that is: was queued or sent before.

    A later stage is a notice that supersedes this one, for the same installment and person, by any channel. Of events
    this is asked only where both happen once per loan: what came after the one may come again.
    """
    once = notices[(notices["event_id"] == "") & among(notices["notice"], _replaceable(rules))]
    if once.empty:
        return frozenset()
    stages = once.merge(_later_stages(rules), on=["notice", "role"])
    stages = stages.drop(columns=["notice", "channel"]).rename(columns={"later": "notice", "by": "channel"})
    each = stages.drop_duplicates(_STAGE)  # calls and texts of one notice ask for the same ones
    keys = notice_keys(identity, each, shared=pd.Series(data=True, index=each.index))
    told = known([key for name in KEYS for key in keys[name] if key])
    heard = keys.apply(lambda column: among(column, told)).any(axis=1)
    return frozenset(stages.merge(each.loc[heard, _STAGE], on=_STAGE)["idempotency_key"])


def _replaceable(rules: Sequence[RuleSettings]) -> set[str]:
    return {name for rule in rules for name in rule.supersedes}


def _later_stages(rules: Sequence[RuleSettings]) -> pd.DataFrame:
    """Per notice and role: the notices (`later`) that replace it, and the channel `by` which each is told."""
    pairs = {
        (name, role.value, rule.notice, rule.channel.value)
        for rule in rules
        if not rule.when.repeats
        for role in rule.who
        for name in rule.supersedes
    }
    return pd.DataFrame(sorted(pairs), columns=["notice", "role", "later", "by"]).astype("str")


def _heads(lender_id: str, notices: pd.DataFrame) -> pd.Series:
    dates = notices["original_due_on"].dt.strftime("%Y-%m-%d").fillna("")
    numbers = notices["installment_no"].astype(str)
    parts = [
        notices["loan_id"],
        numbers,
        dates,
        *(notices[name] for name in ("event_id", "notice", "channel")),
    ]
    head = _field(VERSION) + _field(lender_id)
    written = [_fields(part) for part in parts]
    return pd.Series(
        [head + "".join(row) for row in zip(*written, strict=True)], index=notices.index, dtype="str"
    )


def _hashed(heads: pd.Series, role: pd.Series | str, who: pd.Series) -> pd.Series:
    roles = [role] * len(heads) if isinstance(role, str) else role.tolist()
    rows = zip(heads.tolist(), roles, who.tolist(), strict=True)
    keys = [
        hashlib.sha256((head + _field(name) + _field(one)).encode()).hexdigest()[:KEY_DIGITS]
        for head, name, one in rows
    ]
    return pd.Series(keys, index=heads.index, dtype="str")


def _refs(texts: pd.Series, ref: Callable[[str], str]) -> pd.Series:
    """The keyed hash of each text; "" stays ""."""
    return frames.per_value(texts, lambda text: ref(text) if text else "")


def _fields(texts: pd.Series) -> list[str]:
    return [_field(text) for text in texts.tolist()]


def _field(text: str) -> str:
    return f"{len(text)}:{text}"


NOTICE_COLUMNS: Final = {
    **frames.NOTICES,
    **dict.fromkeys(("number_key", "name_key", "person", "supersedes"), frames.TEXT),
    "rule_no": frames.COUNT,
}
"""NOTICES, the other two KEYS, `person` (see RECIPIENTS), `supersedes` (comma list of the notices this one
replaces) and `rule_no`, the place of its rule."""


@dataclass(frozen=True, slots=True)
class Decided:
    """`notices` (NOTICE_COLUMNS, each key once, sorted by loan and rule) and `findings` (FINDINGS)."""

    notices: pd.DataFrame
    findings: pd.DataFrame


def decide(
    inputs: DecideInputs,
    rules: Sequence[RuleSettings],
    policy: PolicySettings,
    as_of: date,
    identity: Identity,
) -> Decided:
    """The notices that fall due on `as_of` by `rules`, one row per rule, occasion and recipient.

    A loan's notices depend on nothing but its own rows, so a night may be decided in any partition by loan.
    `amount_minor` is what is unpaid of the installment before its due date, all that is overdue after it, and
    what an event reports. `catch_up_days` counts the nights left in which the notice may still be told, 0 for
    tonight only.
    """
    longest = max((rule.catch_up_days for rule in rules), default=0)
    events, problems = happened(
        inputs, policy.derived_events, as_of - timedelta(days=longest), _told_later(rules, as_of)
    )
    due = occasions(rules, facts(inputs, moments(inputs, rules, events, as_of), as_of))
    if any(rule.where for rule in rules):
        due = due[fitting(due, rules, inputs.loans, inputs.standing)]
    notices = _addressed(due, inputs, rules)
    notices = notices.merge(_rule_columns(rules), on="rule_no")
    order = ["loan_id", "rule_no", "role", "recipient_name", "person", "installment_no", "due_on", "event_id"]
    notices = notices.sort_values(order, kind="stable", ignore_index=True)
    shared = notices["rule_no"].map(_several_roles(rules)).astype("bool")
    notices = notices.assign(**notice_keys(identity, notices, shared=shared))
    notices = notices.drop_duplicates("idempotency_key", ignore_index=True)
    return Decided(notices.astype(dict(NOTICE_COLUMNS))[list(NOTICE_COLUMNS)], problems)


def _told_later(rules: Sequence[RuleSettings], as_of: date) -> dict[str, date]:
    """Since when events count that are told some days after they happened."""
    reach: dict[str, int] = {}
    for rule in rules:
        if rule.when.event is not None and rule.when.days_after:
            last, event = firing_days(rule).last, str(rule.when.event)
            reach[event] = max(last, reach.get(event, 0))
    return {event: as_of - timedelta(days=days) for event, days in reach.items()}


def _several_roles(rules: Sequence[RuleSettings]) -> pd.Series:
    """Per rule: whether its notice and channel name several roles, in one rule or in several."""
    roles: dict[tuple[str, str], set[Role]] = {}
    for rule in rules:
        roles.setdefault((rule.notice, rule.channel), set()).update(rule.who)
    return pd.Series([len(roles[rule.notice, rule.channel]) > 1 for rule in rules], dtype="bool")


def _addressed(due: pd.DataFrame, inputs: DecideInputs, rules: Sequence[RuleSettings]) -> pd.DataFrame:
    """Each occasion once per recipient whom its rule names."""
    loans = inputs.loans[among(inputs.loans["loan_id"], due["loan_id"])]
    people = recipients(loans, inputs.contacts).merge(loans[["loan_id", "customer_id"]], on="loan_id")
    pairs = [(number, role.value) for number, rule in enumerate(rules) for role in dict.fromkeys(rule.who)]
    named = pd.DataFrame(pairs, columns=["rule_no", "role"]).astype({"rule_no": "int64", "role": "str"})
    told = due.merge(named, on="rule_no").merge(people, on=["loan_id", "role"])
    return told[fitting_people(told, rules, inputs.loans)]


def _rule_columns(rules: Sequence[RuleSettings]) -> pd.DataFrame:
    """What each rule says of its notices, by `rule_no`."""
    return pd.DataFrame(
        {
            "rule_no": pd.Series(range(len(rules)), dtype="int64"),
            "notice": _texts(rule.notice for rule in rules),
            "channel": _texts(rule.channel.value for rule in rules),
            "message_class": _texts(rule.message_class.value for rule in rules),
            "template": _texts(rule.template_name for rule in rules),
            "until_paid": pd.Series([rule.until_paid for rule in rules], dtype="bool"),
            "window": _texts(rule.window or "" for rule in rules),
            "supersedes": _texts(",".join(rule.supersedes) for rule in rules),
        }
    )


def _texts(values: Iterable[str]) -> pd.Series:
    return pd.Series(list(values), dtype="str")
