"""The law that binds a person: the lender's own policy and the presets of where they are; the strictest counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.loans.calendar import is_public_holiday, region_code
from carloan_notify.notices.hours import Window, intersect, parse_window
from carloan_notify.notices.law_settings import (
    HoursSettings,
    Preset,
    PresetHours,
    Shut,
    common_hours,
    on_weekday,
)
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.phones import CODE_HEAD, calling_code, country_of, one_country

AGREED: Final = "hours"
"""The word in `consent` of who agreed to be told at other hours than a place prescribes."""
PLACE: Final = ("country", "region")
FREE: Final = 1 << 20
"""More days past due than anybody is; stands for "beyond every limit that hours name"."""


class Whom(NamedTuple):
    """What decides by which hours a message may arrive, besides the day; the names are columns of `whom`."""

    channel: str
    message_class: str
    country: str
    region: str
    days_past_due: int
    agreed: bool


def located(people: pd.DataFrame) -> pd.DataFrame:
    """`country` and `region` of each row: what its tables say, else the country of its number; "" where unknown.

    A region that its country does not have is not known either.
    """
    told = people["country"] != ""
    country = people["country"].where(told, _countries_of_numbers(people["phone"].where(~told, "")))
    where = country.str.cat(people["region"], sep="|")
    return pd.DataFrame({"country": country, "region": frames.per_value(where, _region)}, index=people.index)


def _countries_of_numbers(phones: pd.Series) -> pd.Series:
    """The country of each number, by its calling code where that has one country alone."""
    heads = phones.str[:CODE_HEAD]
    found = frames.per_value(heads, lambda head: one_country(calling_code(head)))
    shared = (found == "") & (phones != "")
    found[shared] = frames.per_value(phones[shared], country_of)
    return found


def _region(where: str) -> str:
    country, _, region = where.partition("|")
    return region_code(country, region) if region else ""


def whom(notices: pd.DataFrame, policy: PolicySettings) -> pd.DataFrame:
    """The columns of `Whom` of each notice, as few different ones as the policy tells apart."""
    limits = sorted(
        {
            entry.until_days_past_due
            for preset in policy.law
            for entry in preset.hours
            if entry.until_days_past_due is not None
        }
    )
    up_to = np.array([*limits, FREE])
    beyond = up_to[np.searchsorted(limits, notices["days_past_due"].to_numpy(), side="left")]
    tells_agreed = any(entry.unless_agreed for preset in policy.law for entry in preset.hours)
    agreed = frames.per_value(notices["consent"], lambda text: AGREED if _agreed(text) else "") == AGREED
    return pd.DataFrame(
        {
            **{name: notices[name] for name in ("channel", "message_class")},
            **(dict(located(notices)) if policy.needs_places else dict.fromkeys(PLACE, "")),
            "days_past_due": beyond,
            "agreed": agreed & tells_agreed,
        },
        index=notices.index,
    )


def _agreed(consent: str) -> bool:
    return AGREED in {part.strip() for part in consent.split(",")}


def binding(policy: PolicySettings, country: str, region: str) -> tuple[Preset, ...]:
    """The presets that bind a person there, in the order in which the policy names them."""
    return tuple(preset for preset in policy.law if preset.binds(country, region))


def bound_by(notices: pd.DataFrame, policy: PolicySettings) -> pd.Series:
    """Of each notice the names of the presets that bind it, as a comma list."""
    if not policy.law:
        return pd.Series("", index=notices.index, dtype=frames.TEXT)
    where = located(notices)
    return frames.per_value(
        where["country"].str.cat(where["region"], sep="|"), lambda text: _names(policy, text)
    )


def _names(policy: PolicySettings, where: str) -> str:
    country, _, region = where.partition("|")
    return ",".join(preset.name for preset in binding(policy, country, region))


# The hours of a day.


class HoursGroup(NamedTuple):
    """Hours that bind together: the lender's own or those of a preset, and the country whose holidays they mean."""

    entries: Sequence[HoursSettings]
    calendar: str
    preset: str = ""


@dataclass
class Timetable:
    """The hours in which messages to `whom` may arrive, day by day; `window` is the rule's own, "" for none."""

    policy: PolicySettings
    whom: Whom
    window: str = ""
    _days: dict[date, Window | Shut] = field(default_factory=dict, repr=False)

    def on(self, day: date) -> Window | Shut:
        """The time common to all hours that bind on a local day."""
        if day not in self._days:
            self._days[day] = self._on(day)
        return self._days[day]

    def weekly(self) -> list[Window | Shut]:
        """The same by weekday, Monday first, for days that are no public holiday."""
        return [
            self._common(on_weekday(group.entries, weekday) for group in self.groups())
            for weekday in range(7)
        ]

    def on_holidays(self) -> list[Window | Shut]:
        """The same for public holidays, by weekday."""
        return [
            self._common(on_weekday(group.entries, weekday, holiday=True) for group in self.groups())
            for weekday in range(7)
        ]

    @cached_property
    def open_weekdays(self) -> list[Window]:
        """The hours of those weekdays that have some where no holiday falls on them."""
        return [window for window in self.weekly() if isinstance(window, Window)]

    @property
    def ever_open(self) -> bool:
        """Whether there are hours on any weekday: a rule's own window may lie outside what binds a person."""
        return bool(self.open_weekdays)

    def groups(self) -> Iterator[HoursGroup]:
        """What binds together: the lender's own hours, and those of each preset that has some for such messages."""
        country = self.whom.country
        yield HoursGroup([entry for entry in self.policy.hours if entry.covers(*self.whom[:2])], country)
        for preset in binding(self.policy, country, self.whom.region):
            if group := [entry for entry in preset.hours if self._binds(entry)]:
                yield HoursGroup(group, country or preset.countries[0], preset.name)

    def _binds(self, entry: PresetHours) -> bool:
        if not entry.covers(*self.whom[:2]) or (entry.unless_agreed and self.whom.agreed):
            return False
        return entry.until_days_past_due is None or self.whom.days_past_due <= entry.until_days_past_due

    def _on(self, day: date) -> Window | Shut:
        if day in self.policy.no_contact_dates:
            return Shut()
        return self._common(on_day(group, day) for group in self.groups())

    def _common(self, windows: Iterator[Window | Shut]) -> Window | Shut:
        found = [*windows, *([parsed] if (parsed := parse_window(self.window)) else [])]
        if shut := [each for each in found if isinstance(each, Shut)]:
            return Shut(unknown=all(each.unknown for each in shut))
        return intersect(*(each for each in found if isinstance(each, Window))) or Shut()


def on_day(group: HoursGroup, day: date) -> Window | Shut:
    """The time common to the entries of a group that speak of a day."""
    return common_hours(
        [entry for entry in group.entries if entry.names(day.weekday())],
        [
            (entry, is_public_holiday(entry.calendar or group.calendar, day))
            for entry in group.entries
            if entry.names_holidays
        ],
    )
