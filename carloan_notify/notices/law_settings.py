"""The words of a contact policy, a lender's or a preset's: hours, caps, gaps and cool-offs."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from carloan_notify.notices.hours import WINDOW_PATTERN, Window, intersect, parse_window
from carloan_notify.phones import known_country
from carloan_notify.records import Channel, MessageClass
from carloan_notify.settings import Settings

NO_WINDOW = "none"
"""Stands for a window where there is no contact at all."""
WindowText = Annotated[str, StringConstraints(pattern=WINDOW_PATTERN)]
HoursText = Annotated[str, StringConstraints(pattern=rf"{WINDOW_PATTERN}|^{NO_WINDOW}$")]


class Day(StrEnum):
    """A day that hours are for. A public holiday has its weekday's hours and, where there are such, its own."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"
    HOLIDAY = "holiday"


WEEKDAYS = tuple(day for day in Day if day is not Day.HOLIDAY)
"""By `date.weekday()`."""


class CapSubject(StrEnum):
    """Whom a cap protects."""

    BORROWER = "borrower"
    NUMBER = "number"
    LOAN = "loan"


class Counted(StrEnum):
    """What a cap counts."""

    ATTEMPTS = "attempts"
    CONTACTS = "contacts"


def checked_window(text: str) -> str:
    """The text of a window, or an error that says how to write one; blank and `none` pass."""
    if text and text != NO_WINDOW and parse_window(text) is None:
        raise ValueError(f"{text!r} ends before it starts; write local hours of one day, such as 08:00-21:00")
    return text


def checked_country(code: str) -> str:
    """The code of a country, or an error that says how to write one; blank passes."""
    if code and not known_country(code):
        raise ValueError(f"no country: {code}; write an ISO 3166 code such as CN or US")
    return code


def listed(value: object) -> object:
    """One word where a list is asked for is a list of one."""
    return (value,) if isinstance(value, str) else value


def not_at_all(value: object) -> object:
    """`no` and `off`, which YAML takes for false, are no window either."""
    return NO_WINDOW if value is False else value


class KindSettings(Settings):
    """Which messages something is said of: those of a channel, of a class, or all."""

    model_config = ConfigDict(populate_by_name=True)

    channel: Channel | None = Field(
        default=None, description="Only this channel; empty for every channel.", examples=["voice"]
    )
    message_class: MessageClass | None = Field(
        default=None,
        alias="class",
        description="Only this class; empty for every class.",
        examples=["collection"],
    )

    def covers(self, channel: str, message_class: str) -> bool:
        """Whether it speaks of messages of that channel and class."""
        return self.channel in {None, channel} and self.message_class in {None, message_class}


class HoursSettings(KindSettings):
    """Local hours in which messages of a kind may reach a person."""

    days: tuple[Day, ...] = Field(
        default=(),
        description="Only these days: mon tue wed thu fri sat sun, and holiday for public holidays; empty for every "
        "day. What is said of holidays narrows the hours of their weekday, and never widens them. A weekday "
        "that no entry for such messages names has no hours.",
        examples=[["mon", "tue", "wed", "thu", "fri"], ["holiday"]],
    )
    calendar: str = Field(
        default="",
        description="Country (ISO 3166) whose public holidays these are; empty for the person's own country.",
        examples=["CN"],
    )
    window: HoursText = Field(
        description="From-to in the person's own time zone, or none for no contact on these days.",
        examples=["08:00-21:00", "none"],
    )

    _days = field_validator("days", mode="before")(listed)
    _no_window = field_validator("window", mode="before")(not_at_all)
    _window = field_validator("window")(checked_window)
    _calendar = field_validator("calendar")(checked_country)

    @property
    def span(self) -> Window | None:
        """The window; None where there is no contact."""
        return parse_window(self.window)

    def names(self, weekday: int) -> bool:
        """Whether it speaks of that weekday (Monday is 0)."""
        return not self.days or WEEKDAYS[weekday] in self.days

    @property
    def names_holidays(self) -> bool:
        """Whether it speaks of public holidays as such."""
        return Day.HOLIDAY in self.days


class CapSettings(KindSettings):
    """At most `limit` messages of a kind within `days` days."""

    per: CapSubject = Field(
        description="Counted per borrower (all of a customer's numbers), per number (all its loans) or per loan (all "
        "its people).",
        examples=["number", "loan"],
    )
    counts: Counted = Field(
        default=Counted.ATTEMPTS,
        description="attempts: every message that left or still may. contacts: not those of which the network says "
        "that they did not arrive or that nobody answered; what is not known yet counts.",
        examples=["attempts", "contacts"],
    )
    days: int = Field(
        default=1,
        ge=1,
        le=366,
        description="Length of the period in days of the person's own calendar; 1 is the day itself.",
        examples=[1, 7, 30],
    )
    limit: int = Field(ge=0, description="Most messages in the period.", examples=[3])


class GapSettings(KindSettings):
    """At least so much time between two messages of a kind."""

    per: CapSubject = Field(
        default=CapSubject.BORROWER,
        description="Between messages to one borrower, to one number, or about one loan.",
        examples=["borrower"],
    )
    hours: int = Field(
        default=0, ge=0, le=720, description="At least so many hours from one to the next.", examples=[24]
    )
    days: int = Field(
        default=0,
        ge=0,
        le=90,
        description="At least so many days of the person's own calendar: 1 is not on the same day, 2 leaves one free.",
        examples=[2],
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.hours or self.days):
            raise ValueError("a gap of nothing; give hours or days")
        return self


class CoolOffSettings(KindSettings):
    """No message of a kind for some days after a conversation: an answered call, or a reply."""

    per: CapSubject = Field(
        default=CapSubject.BORROWER,
        description="After a conversation with one borrower, by one number, or about one loan. A reply of which nobody "
        "knows what loan it is about counts for all loans of its borrower and number.",
        examples=["loan"],
    )
    days: int = Field(
        ge=1,
        le=90,
        description="So many days of the person's own calendar; the day of the conversation is the first.",
        examples=[7],
    )


# What hours say of one day together.


class Shut(NamedTuple):
    """No hours on a day. `unknown` because nobody knows whether it is a public holiday there."""

    unknown: bool = False


def on_weekday(group: Sequence[HoursSettings], weekday: int, *, holiday: bool = False) -> Window | Shut:
    """The same for such a weekday that is, or is not, a public holiday in every calendar."""
    return common_hours(
        [entry for entry in group if entry.names(weekday)],
        [(entry, holiday) for entry in group if entry.names_holidays],
    )


def common_hours(
    usual: Sequence[HoursSettings], holidays: Sequence[tuple[HoursSettings, bool | None]]
) -> Window | Shut:
    """The time common to the `usual` hours of a day and to those of `holidays`, each with whether it is one.

    A day for which nothing usual is said is shut, and so is one of which nobody knows whether it is a holiday.
    """
    spans = [entry.span for entry in (*usual, *(entry for entry, is_holiday in holidays if is_holiday))]
    windows = [span for span in spans if span is not None]
    if not usual or len(windows) < len(spans):
        return Shut()
    if any(is_holiday is None for _, is_holiday in holidays):
        return Shut(unknown=True)
    return intersect(*windows) or Shut()


# A preset: the same words, each with where it comes from. `config/presets` holds them as data.


class Certainty(StrEnum):
    """How a rule is known: its own text was seen, a law firm or the news tell it, or a vendor documents it."""

    TEXT = "T"
    NEWS = "N"
    VENDOR = "V"


class Sourced(Settings):
    """Where a rule is from."""

    source: str = Field(min_length=8, description="The rule, as it is cited.")
    gathered: dt.date = Field(description="When it was looked up.")
    certainty: Certainty = Field(description="T: its own text seen; N: news or a law firm; V: a vendor.")
    reading: str = Field(
        default="", description="Which reading was taken where the text leaves doubt: the stricter one."
    )


class PresetHours(HoursSettings, Sourced):
    """Hours that a place prescribes."""

    until_days_past_due: int | None = Field(
        default=None, ge=0, description="They bind up to so many days past due, and no longer after."
    )
    unless_agreed: bool = Field(
        default=False, description="They do not bind who agreed to other hours (`hours` in contacts.consent)."
    )


class PresetCap(CapSettings, Sourced):
    """A cap that a place prescribes."""


class PresetCoolOff(CoolOffSettings, Sourced):
    """A cool-off that a place prescribes."""


class DutyName(StrEnum):
    """What a place prescribes besides hours and counts, as far as the program knows how to check it."""

    OPT_OUT_TEXT = "opt_out_text"  # `words`: one of them stands in each text message of the class
    REVOCATION = "revocation"  # `words`: a reply with one of them is an opt-out, within `limit_days`
    OTHER = "other"  # told by `policy show`; nothing checks it


class PresetDuty(Sourced):
    """What a place prescribes besides hours and counts."""

    duty: DutyName = Field(default=DutyName.OTHER, description="What the program checks of it, if anything.")
    english: str = Field(min_length=8, description="What it asks, in English.")
    chinese: str = Field(min_length=4, description="The same in Chinese.")
    words: tuple[str, ...] = Field(default=(), description="Words that it is about.")
    limit_days: int | None = Field(default=None, ge=0, description="Within how many days, where it says so.")


class Preset(Settings):
    """What the law of a place asks of those who remind and collect."""

    name: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)*$", description="Its name in `policy.presets`.")
    english: str = Field(min_length=4, description="What it is, in English.")
    chinese: str = Field(min_length=2, description="The same in Chinese.")
    countries: tuple[str, ...] = Field(
        min_length=1, description="Countries (ISO 3166) whose people it binds."
    )
    regions: tuple[str, ...] = Field(
        default=(), description="Regions of them, as ISO 3166-2 has them after the country; empty for all."
    )
    hours: tuple[PresetHours, ...] = Field(default=(), description="Hours.")
    caps: tuple[PresetCap, ...] = Field(default=(), description="Caps.")
    cool_offs: tuple[PresetCoolOff, ...] = Field(default=(), description="Cool-offs.")
    duties: tuple[PresetDuty, ...] = Field(default=(), description="What it asks besides.")

    def binds(self, country: str, region: str) -> bool:
        """Whether it binds a person there. Who is nobody knows where is bound: "" is a place not known."""
        return country in {"", *self.countries} and (not self.regions or region in {"", *self.regions})


LimitEntry = CapSettings | GapSettings | CoolOffSettings


class Limit(NamedTuple):
    """A cap, gap or cool-off, and the preset it is of; "" is the lender's own, which binds everybody."""

    entry: LimitEntry
    preset: str = ""

    def binds(self, channel: str, message_class: str, bound: str) -> bool:
        """Whether it binds a message of that kind to a person bound by those presets (a comma list)."""
        theirs = not self.preset or self.preset in bound.split(",")
        return theirs and self.entry.covers(channel, message_class)
