"""The law that binds a loan's people, and what it does to the ladder: `policy show` and `policy lint`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.notices.decide import Identity
from carloan_notify.notices.hours import Window
from carloan_notify.notices.law import Timetable, Whom, binding, located, on_day, whom
from carloan_notify.notices.law_settings import (
    WEEKDAYS,
    CapSettings,
    CapSubject,
    CoolOffSettings,
    Day,
    GapSettings,
    KindSettings,
    Preset,
    Shut,
    Sourced,
)
from carloan_notify.notices.limits import rests_until, used
from carloan_notify.notices.policy import ContactHistory
from carloan_notify.notices.recipients import recipients
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.pipeline.one_loan import read_with_neighbours, recall_people
from carloan_notify.pipeline.plan import contact_history
from carloan_notify.pipeline.portfolio import frame_of
from carloan_notify.records import Channel, MessageClass
from carloan_notify.reports.tables import frame_rows

AHEAD: Final = 60
"""For so many days are days without contact told."""
KINDS: Final = tuple(product(Channel, MessageClass))
POLICY: Final = "policy"
"""Stands where a preset's name would: the lender's own policy."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody, or anybody in a place: where, how far past due, whether other hours were agreed, whom limits count."""

    who: str
    country: str
    region: str
    timezone: str
    days_past_due: int = 0
    agreed: bool = False
    because: str = ""
    whose: Mapping[CapSubject, str] | None = None


def show_policy(app: App, loan_id: str, as_of: date) -> dict[str, Any]:
    """What binds each person of a loan; without a loan, what binds in the place of each preset.

    Raises:
        SourceError: neither the tables nor their rejects know the loan.
    """
    policy = app.settings.policy
    if not loan_id:
        places_of = [_place(preset) for preset in policy.law] or [Subject("anybody", "", "", "")]
        return {
            "loan_id": "",
            "as_of": as_of.isoformat(),
            "people": [_law(policy, one, as_of, None) for one in places_of],
        }
    people, history = _people(_then(app, as_of), loan_id, as_of)
    return {
        "loan_id": loan_id,
        "as_of": as_of.isoformat(),
        "people": [_law(policy, one, as_of, history) for one in people],
    }


def _then(app: App, as_of: date) -> App:
    """The app, at the end of a day that is over: contacts are looked for from that day back, not from today."""
    if as_of >= app.business_date():
        return app
    end = datetime.combine(as_of, time.max, ZoneInfo(app.lender.timezone)).astimezone(UTC)
    return replace(app, clock=lambda: end)


def _place(preset: Preset) -> Subject:
    return Subject(preset.name, preset.countries[0], next(iter(preset.regions), ""), "")


def _people(app: App, loan_id: str, as_of: date) -> tuple[list[Subject], ContactHistory]:
    portfolio = read_with_neighbours(app, loan_id, as_of)
    loans = portfolio.loans[portfolio.loans["loan_id"] == loan_id]
    known = recipients(loans, frame_of(portfolio.sources.contacts)).merge(
        loans[["loan_id", "customer_id"]], on="loan_id"
    )
    standing = portfolio.standing.loans.set_index("loan_id")["days_past_due"]
    memory = recall_people(app, portfolio)
    identity = Identity(app.lender.lender_id, memory.phone_hash)
    rows = known.assign(
        phone_hash=frames.per_value(known["phone"], identity.ref),
        days_past_due=int(standing.get(loan_id, 0)),
        channel=Channel.SMS.value,
        message_class=MessageClass.COLLECTION.value,
        **dict.fromkeys(("idempotency_key", "number_key", "name_key"), ""),
    )
    history = contact_history(rows, memory, (), portfolio)
    where = located(rows)
    agreed = whom(rows, app.settings.policy)["agreed"]
    facts = zip(where["country"], where["region"], agreed, frame_rows(rows), strict=True)
    return [
        Subject(
            row["role"],
            country,
            region,
            row["timezone"],
            row["days_past_due"],
            agreed=bool(agrees),
            because=_because(row["country"], country, region),
            whose={
                CapSubject.NUMBER: row["phone_hash"],
                CapSubject.BORROWER: row["customer_id"] or row["phone_hash"],
                CapSubject.LOAN: loan_id,
            },
        )
        for country, region, agrees, row in facts
    ], history


def _because(told: str, country: str, region: str) -> str:
    """How it is known where somebody is: from the tables, from the number, or not at all."""
    if not country:
        return "unknown"
    source = "country" if told else "phone"
    return f"{source}, region" if region else source


# One subject's law, as plain values.


def _law(policy: PolicySettings, one: Subject, as_of: date, history: ContactHistory | None) -> dict[str, Any]:
    mine = [limit for limit in policy.limits if _binds_subject(policy, one, limit.preset)]
    caps = [(limit.entry, limit.preset) for limit in mine if isinstance(limit.entry, CapSettings)]
    gaps = [(limit.entry, limit.preset) for limit in mine if isinstance(limit.entry, GapSettings)]
    rests = [(limit.entry, limit.preset) for limit in mine if isinstance(limit.entry, CoolOffSettings)]
    return {
        "who": one.who,
        "country": one.country,
        "region": one.region,
        "timezone": one.timezone,
        "days_past_due": one.days_past_due,
        "presets": [
            {
                "preset": each.name,
                "says": each.english,
                "says_zh": each.chinese,
                "because": _why_bound(each, one),
            }
            for each in binding(policy, one.country, one.region)
        ],
        "hours": [_hours(policy, one, *kind) for kind in KINDS],
        "caps": [_cap(cap, name, one, as_of, history) for cap, name in caps],
        "gaps": [
            {
                **_kind(gap),
                "per": gap.per.value,
                "hours": gap.hours,
                "in_days": gap.days,
                **_origin(gap, name),
            }
            for gap, name in gaps
        ],
        "cool_offs": [_rest(rest, name, one, history) for rest, name in rests],
        "no_contact": [*_closed_days(policy, one, as_of)],
        "duties": [
            {
                "duty": duty.duty.value,
                "says": duty.english,
                "says_zh": duty.chinese,
                **_origin(duty, each.name),
            }
            for each in binding(policy, one.country, one.region)
            for duty in each.duties
        ],
    }


def _binds_subject(policy: PolicySettings, one: Subject, preset: str) -> bool:
    return not preset or preset in {each.name for each in binding(policy, one.country, one.region)}


def _why_bound(preset: Preset, one: Subject) -> str:
    """Which of its country and region bind somebody, and how that is known."""
    if not one.because:
        return ", ".join([*preset.countries, *preset.regions])
    known = [one.country or "?", *([one.region or "?"] if preset.regions else [])]
    return f"{'-'.join(known)} ({one.because})"


def _origin(entry: KindSettings | Sourced, preset: str) -> dict[str, str]:
    """Where a rule is from; the lender's own has no source but the configuration."""
    if not isinstance(entry, Sourced):
        return {"by": preset or POLICY, "source": "", "gathered": "", "certainty": "", "reading": ""}
    return {
        "by": preset,
        "source": entry.source,
        "gathered": entry.gathered.isoformat(),
        "certainty": entry.certainty.value,
        "reading": entry.reading,
    }


def _kind(entry: KindSettings) -> dict[str, str]:
    channel, message_class = entry.channel, entry.message_class
    return {
        "channel": channel.value if channel else "",
        "class": message_class.value if message_class else "",
    }


def _whom(one: Subject, channel: Channel, message_class: MessageClass) -> Whom:
    return Whom(channel, message_class, one.country, one.region, one.days_past_due, one.agreed)


def _hours(
    policy: PolicySettings, one: Subject, channel: Channel, message_class: MessageClass
) -> dict[str, Any]:
    """The hours of each weekday and of public holidays (as wide as on any weekday), and all that they are made of."""
    timetable = Timetable(policy, _whom(one, channel, message_class))
    groups = list(timetable.groups())
    holidays = [said(window) for window in timetable.on_holidays()]
    return {
        "channel": channel.value,
        "class": message_class.value,
        **{day.value: said(window) for day, window in zip(WEEKDAYS, timetable.weekly(), strict=True)},
        Day.HOLIDAY.value: " / ".join(dict.fromkeys(holidays)),
        "by": ", ".join(group.preset or POLICY for group in groups),
        "sources": [
            {
                "on_days": ",".join(entry.days),
                "window": entry.window,
                "calendar": entry.calendar or group.calendar,
                **_origin(entry, group.preset),
            }
            for group in groups
            for entry in group.entries
        ],
    }


def said(window: Window | Shut) -> str:
    """A window as it is written in a configuration."""
    if isinstance(window, Shut):
        return "none"
    (first, start), (last, end) = divmod(window.start, 60), divmod(window.end, 60)
    return f"{first:02}:{start:02}-{last:02}:{end:02}"


def _cap(
    cap: CapSettings, preset: str, one: Subject, as_of: date, history: ContactHistory | None
) -> dict[str, Any]:
    places_used = used(history.recent, cap, one.whose, as_of) if history and one.whose else None
    return {
        **_kind(cap),
        "per": cap.per.value,
        "counts": cap.counts.value,
        "in_days": cap.days,
        "limit": cap.limit,
        "used": "" if places_used is None else places_used,
        "left": "" if places_used is None else max(cap.limit - places_used, 0),
        **_origin(cap, preset),
    }


def _rest(rest: CoolOffSettings, preset: str, one: Subject, history: ContactHistory | None) -> dict[str, Any]:
    until = rests_until(history.conversations, rest, one.whose) if history and one.whose else None
    return {
        **_kind(rest),
        "per": rest.per.value,
        "in_days": rest.days,
        "rests_until": until.isoformat() if until else "",
        **_origin(rest, preset),
    }


def _closed_days(policy: PolicySettings, one: Subject, as_of: date) -> Iterator[dict[str, str]]:
    """Days ahead without contact where their weekday has some."""
    tables = {kind: Timetable(policy, _whom(one, *kind)) for kind in KINDS}
    for later in range(AHEAD):
        day = as_of + timedelta(days=later)
        shut = [kind for kind, table in tables.items() if _is_closed(table, day)]
        if shut:
            dated = day in policy.no_contact_dates
            yield {
                "date": day.isoformat(),
                "messages": "" if len(shut) == len(KINDS) else ", ".join(" ".join(kind) for kind in shut),
                "why": "no_contact_dates" if dated else "holiday",
                "by": POLICY if dated else ", ".join(_closing(tables[shut[0]], day)),
            }


def _is_closed(table: Timetable, day: date) -> bool:
    return isinstance(table.on(day), Shut) and isinstance(table.weekly()[day.weekday()], Window)


def _closing(table: Timetable, day: date) -> list[str]:
    return [group.preset or POLICY for group in table.groups() if isinstance(on_day(group, day), Shut)]


# The same for a screen.

_ORDER: Final = ("presets", "hours", "sources", "caps", "gaps", "cool_offs", "no_contact", "duties")


def sections(law: Mapping[str, Any], language: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What binds one person as titled tables; those without rows are left out."""
    told = {
        **law,
        "hours": [_without(row, "sources") for row in law["hours"]],
        "sources": _sources(law["hours"]),
    }
    for name in _ORDER:
        if rows := [_in_language(row, language) for row in told[name]]:
            yield name, rows


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _sources(hours: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each entry once, whatever kinds of messages it binds; the lender's own says nothing that `hours` does not."""
    found = [source for row in hours for source in row["sources"] if source["source"]]
    return [dict(each) for each in dict.fromkeys(tuple(source.items()) for source in found)]


def _in_language(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The row with its sentence in the reader's language."""
    said_in = {"says": row["says_zh"]} if language.startswith("zh") and "says_zh" in row else {}
    return _without({**row, **said_in}, "says_zh")
