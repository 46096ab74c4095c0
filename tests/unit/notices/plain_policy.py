"""A slow plain twin of `apply_policy`: notice by notice; only the hours of a day are the real code's."""

from collections.abc import Hashable
from datetime import date, timedelta
from typing import Any

import pandas as pd

from carloan_notify.codes import Reason
from carloan_notify.notices.hours import ContactSpan, intersect, parse_window
from carloan_notify.notices.law_settings import CapSettings, CapSubject, Counted, Shut
from carloan_notify.notices.policy import DECISION_OF, ContactHistory
from carloan_notify.notices.release import Tonight, first_span
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.records import Decision

Row = dict[Hashable, Any]
LANDLINES = ("+8610", "+322")
CODES = {"CN": "+86", "US": "+1202", "BE": "+32"}
"""What begins the numbers that these tests use."""
ORDER = {"service": 0, "collection": 1, "marketing": 2}


def plain_policy(
    notices: pd.DataFrame, policy: PolicySettings, history: ContactHistory, tonight: Tonight
) -> dict[str, tuple[str, str, int, int]]:
    """Reason, key of the leader it is merged into, loans told and amount, by idempotency key."""
    rows: list[Row] = notices.to_dict("records")
    for row in rows:
        row["own"] = personal(row, policy, history, tonight)
    for row in rows:
        row["reason"] = first_reason(row, rows, history)
    tellable = [row for row in rows if not row["reason"]]
    groups: dict[object, list[Row]] = {}
    for row in sorted(tellable, key=lambda row: row["loan_id"]):
        groups.setdefault(together(row) if policy.merge else row["idempotency_key"], []).append(row)
    for group in groups.values():
        group[0]["loan_ids"] = "\n".join(row["loan_id"] for row in group)
    capped = held_by_caps([group[0] for group in groups.values()], history, policy)
    for group in groups.values():
        finish(group, held=group[0]["idempotency_key"] in capped)
    return {
        row["idempotency_key"]: (row["reason"], row.get("into", ""), row.get("loans", 1), row["amount_minor"])
        for row in rows
    }


def first_reason(row: Row, rows: list[Row], history: ContactHistory) -> str:
    if row["idempotency_key"] in history.already_sent:
        return Reason.ALREADY_SENT
    return Reason.SUPERSEDED if is_superseded(row, rows, history) else row["own"]


def is_superseded(row: Row, rows: list[Row], history: ContactHistory) -> bool:
    if row["idempotency_key"] in history.replaced:
        return True
    for other in rows:
        same = all(row[name] == other[name] for name in ("loan_id", "role", "person"))
        gone = other["own"] and DECISION_OF[other["own"]] is Decision.SUPPRESSED
        lives = other["idempotency_key"] in history.already_sent or not gone
        if same and lives and row["notice"] in other["supersedes"].split(","):
            return True
    return False


def opted_out(row: Row, history: ContactHistory) -> bool:
    for entry in history.suppressions.to_dict("records"):
        binds = entry["message_class"] in {"", row["message_class"]}
        number = entry["phone_hash"] != "" and entry["phone_hash"] == row["phone_hash"]
        customer = entry["customer_id"] != "" and entry["customer_id"] == row["customer_id"]
        if binds and (number or customer):
            return True
    return False


def in_dispute(row: Row, history: ContactHistory) -> bool:
    """The only kind of hold that these nights have; all kinds stand in test_holds."""
    if row["message_class"] not in {"collection", "marketing"}:
        return False
    on_record = history.holds.to_dict("records")
    mine = [hold for hold in on_record if hold["phone_hash"] and hold["phone_hash"] == row["phone_hash"]]
    mine += [hold for hold in on_record if hold["customer_id"] and hold["customer_id"] == row["customer_id"]]
    return row["holds"] == "dispute" or bool(mine)


def before(verified: pd.Timestamp, known_on: pd.Timestamp) -> bool:
    """Whether nobody has verified the number since."""
    return bool(pd.isna(verified) or pd.isna(known_on) or verified <= known_on)


def number_known_as(row: Row, history: ContactHistory, policy: PolicySettings) -> str:
    for known in history.numbers.to_dict("records"):
        if known["phone_hash"] != row["phone_hash"]:
            continue
        status, verified = known["status"], row["phone_verified_on"]
        failed = known["failures"] >= policy.numbers.quarantine_after
        if failed and before(verified, known["failed_on"]) and status != "reassigned":
            return "dead"
        if before(verified, known["status_on"]):
            return "dead" if status in {"invalid", "quarantined"} else str(status)
        return "dead" if failed and before(verified, known["failed_on"]) else ""
    return ""


def personal(row: Row, policy: PolicySettings, history: ContactHistory, tonight: Tonight) -> Reason | str:  # noqa: PLR0911 - one return per reason reads as the order it is
    kind, number = row["message_class"], number_known_as(row, history, policy)
    if row["do_not_contact"]:
        return Reason.DO_NOT_CONTACT
    if kind in row["opt_out"].split(",") or opted_out(row, history):
        return Reason.OPTED_OUT
    if number == "reassigned":
        return Reason.WRONG_NUMBER
    if in_dispute(row, history):
        return Reason.IN_DISPUTE
    if kind in policy.consent_required and kind not in row["consent"].split(","):
        return Reason.NO_CONSENT
    if reason := unreachable(row, policy, number):
        return reason
    if row["channels"] and row["channel"] not in row["channels"].split(","):
        return Reason.CHANNEL_REFUSED
    if row["language"] not in history.languages:
        return Reason.LANGUAGE_UNKNOWN
    return hours(row, policy, tonight)


def unreachable(row: Row, policy: PolicySettings, number: str) -> Reason | str:
    if not row["phone"]:
        return Reason.NO_PHONE
    if number == "dead":
        return Reason.NUMBER_DEAD
    if row["channel"] == "sms" and (row["phone"].startswith(LANDLINES) or number == "landline"):
        return Reason.LANDLINE
    named = [CODES[country] for country in policy.countries]
    return Reason.COUNTRY_REFUSED if named and not row["phone"].startswith(tuple(named)) else ""


def hours(row: Row, policy: PolicySettings, tonight: Tonight) -> Reason | str:
    windows = [
        parse_window(entry.window)
        for entry in policy.hours
        if entry.covers(row["channel"], row["message_class"])
    ]
    window = intersect(*(window for window in windows if window))
    assert window is not None
    if row["preferred_hours"]:
        preferred = parse_window(row["preferred_hours"])
        if preferred is None:
            return Reason.PREFERRED_HOURS_UNREADABLE
        window = intersect(window, preferred)
        if window is None:
            return Reason.PREFERRED_HOURS_OUTSIDE
    closed = policy.no_contact_dates
    found = first_span(
        lambda day: Shut() if day in closed else window, row["timezone"], tonight, row["catch_up_days"]
    )
    if not isinstance(found, ContactSpan):
        return found
    row["opens"] = found.opens
    return ""


def together(row: Row) -> object:
    if row["event_id"] or pd.isna(row["due_on"]) or not row["customer_id"] or row["role"] != "borrower":
        return row["idempotency_key"]
    names = ("customer_id", "phone_hash", "notice", "channel", "role", "due_on", "language", "timezone")
    return tuple(row[name] for name in (*names, "preferred_hours", "country", "region", "consent"))


def held_by_caps(leads: list[Row], history: ContactHistory, policy: PolicySettings) -> set[str]:
    leads = sorted(
        leads,
        key=lambda row: (ORDER[row["message_class"]], -row["days_past_due"], row["loan_id"], row["notice"]),
    )
    told: list[Row] = [
        {**contact, "on": contact["sent_on"].date()} for contact in history.recent.to_dict("records")
    ]
    held: set[str] = set()
    for row in leads:
        on = pd.Timestamp(row["opens"]).tz_convert(row["timezone"]).date()
        if any(counts(row, cap) and too_many(cap, row, on, told) for cap in policy.caps):
            held.add(row["idempotency_key"])
        else:
            told.append({**row, "on": on})
    return held


def too_many(cap: CapSettings, row: Row, on: date, told: list[Row]) -> bool:
    """Whether some period of so many days that holds `on` has no place left."""
    for whose in subjects(row, cap):
        mine = [other["on"] for other in told if counts(other, cap) and whose in subjects(other, cap)]
        if is_full(cap, on, mine):
            return True
    return False


def is_full(cap: CapSettings, on: date, mine: list[date]) -> bool:
    periods = [on - timedelta(days=back) for back in range(cap.days)]
    return any(
        sum(first <= day < first + timedelta(days=cap.days) for day in mine) >= cap.limit for first in periods
    )


def counts(row: Row, cap: CapSettings) -> bool:
    if cap.counts is Counted.CONTACTS and row.get("failed"):
        return False
    return cap.channel in {None, row["channel"]} and cap.message_class in {None, row["message_class"]}


def subjects(row: Row, cap: CapSettings) -> set[str]:
    if cap.per is CapSubject.LOAN:
        return set(row["loan_ids"].split("\n"))
    return {row["phone_hash"] if cap.per is CapSubject.NUMBER else row["customer_id"] or row["phone_hash"]}


def finish(group: list[Row], *, held: bool) -> None:
    lead, *others = group
    if held:
        for row in group:
            row["reason"] = Reason.OVER_CAP
        return
    for row in others:
        row["reason"], row["into"] = Reason.MERGED, lead["idempotency_key"]
    lead["loans"] = len({row["loan_id"] for row in group})
    lead["amount_minor"] = sum(row["amount_minor"] for row in group)
