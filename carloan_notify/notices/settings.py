"""Options of `rules` (who hears what, and when), `policy` (may we, at what hours) and `guards` (is it plausible)."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from itertools import product
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, StringConstraints, field_validator, model_validator

from carloan_notify.notices.hold_settings import HoldsSettings, NumbersSettings
from carloan_notify.notices.hours import Window, intersect, parse_window
from carloan_notify.notices.law_settings import (
    WEEKDAYS,
    CapSettings,
    CapSubject,
    CoolOffSettings,
    GapSettings,
    HoursSettings,
    Limit,
    LimitEntry,
    Preset,
    WindowText,
    checked_window,
    listed,
    on_weekday,
)
from carloan_notify.notices.where import Condition
from carloan_notify.phones import country_of, known_country
from carloan_notify.records import Channel, MessageClass
from carloan_notify.settings import Settings

# The words rules are written in.


class EventType(StrEnum):
    """What can happen to a loan that its borrower may hear of."""

    APPLICATION_RECEIVED = "application_received"
    APPLICATION_APPROVED = "application_approved"
    APPLICATION_REJECTED = "application_rejected"
    CONTRACT_SIGNED = "contract_signed"
    LOAN_DISBURSED = "loan_disbursed"
    PAYMENT_RECEIVED = "payment_received"
    DUE_DAY_CHANGED = "due_day_changed"
    LOAN_DEFERRED = "loan_deferred"
    LOAN_EXTENDED = "loan_extended"
    RATE_CHANGED = "rate_changed"
    LOAN_PREPAID = "loan_prepaid"
    SETTLEMENT_QUOTED = "settlement_quoted"
    LOAN_SETTLED = "loan_settled"
    LIEN_OPEN = "lien_open"
    LIEN_RELEASED = "lien_released"
    REMAINDER_LEFT = "remainder_left"
    PROMISE_DUE = "promise_due"
    PROMISE_KEPT = "promise_kept"
    PROMISE_PARTLY_KEPT = "promise_partly_kept"
    PROMISE_BROKEN = "promise_broken"


FROM_CHANGES = (
    EventType.DUE_DAY_CHANGED,
    EventType.LOAN_DEFERRED,
    EventType.LOAN_EXTENDED,
    EventType.RATE_CHANGED,
    EventType.LOAN_PREPAID,
)
"""Events that rows of the changes table tell of."""
DERIVABLE = (
    EventType.PAYMENT_RECEIVED,
    EventType.LOAN_SETTLED,
    EventType.LIEN_OPEN,
    EventType.REMAINDER_LEFT,
    *FROM_CHANGES,
)
"""Events that need no events table."""
OF_PROMISES = (
    EventType.PROMISE_DUE,
    EventType.PROMISE_KEPT,
    EventType.PROMISE_PARTLY_KEPT,
    EventType.PROMISE_BROKEN,
)
"""Events of promises to pay: the ledger alone knows of them, never an events table."""
REPEATABLE = frozenset({EventType.PAYMENT_RECEIVED, EventType.SETTLEMENT_QUOTED, *FROM_CHANGES, *OF_PROMISES})
"""Events that may happen to one loan many times; the others happen once."""


class Role(StrEnum):
    """What a person is to a loan."""

    BORROWER = "borrower"
    CO_BORROWER = "co_borrower"
    GUARANTOR = "guarantor"


class Until(StrEnum):
    """What cancels a queued message."""

    PAID = "paid"
    NONE = "none"


NoticeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class EventSettings(Settings):
    """A kind of event of the lender's own: rows of the events table name it."""

    words: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        default=(),
        description="What your events table calls it in its `type` column, besides its name here.",
        examples=[["保险到期"]],
    )


MOMENTS = ("days_before_due", "days_past_due", "event", "date")
DATE_MOMENT = "date:"
"""Begins the moment of a date column, which no event type can be called."""


class When(Settings):
    """When a rule fires: exactly one of days_before_due, days_past_due, event and date."""

    days_before_due: int | None = Field(
        default=None,
        ge=0,
        le=60,
        description="This many days before the due date of an unpaid installment; 0 is the due date itself.",
        examples=[7, 0],
    )
    days_past_due: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="When the oldest unpaid installment is this many days past due.",
        examples=[1, 30],
    )
    event: EventType | NoticeName | None = Field(
        default=None,
        union_mode="left_to_right",
        description="When this has happened to the loan: one of the built-in events, or one of your own in `events`.",
        examples=["loan_disbursed"],
    )
    date: NoticeName | None = Field(
        default=None,
        description="The day in this date column of the loans: disbursed_on, first_due_on or one of your own "
        "(`extra`). Told of active loans, unless `where` names a status.",
        examples=["insurance_ends_on"],
    )
    days_before: int = Field(
        default=0,
        ge=0,
        le=365,
        description="With date, or with an event of your own whose row comes early: this many days before the day.",
        examples=[0, 30],
    )
    days_after: int = Field(
        default=0,
        ge=0,
        le=365,
        description="With event or date: this many days after it. The ladder asks a second time for what is left of a "
        "loan.",
        examples=[0, 30],
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in MOMENTS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "nothing"
            raise ValueError(
                f"give exactly one of days_before_due, days_past_due, event and date; found {found}"
            )
        if (self.days_after or self.days_before) and not self.moment:
            name = "days_after" if self.days_after else "days_before"
            raise ValueError(
                f"{name} counts from an event or a date; write event or date beside it, or take it out"
            )
        if self.days_after and self.days_before:
            raise ValueError("days_before and days_after cannot both be; keep one")
        if self.days_before and isinstance(self.event, EventType):
            raise ValueError(f"days_before: nobody knows of {self.event} before it happens; take it out")
        return self

    @property
    def moment(self) -> str:
        """The type of what it waits for, "" where it counts from a due date."""
        return f"{DATE_MOMENT}{self.date}" if self.date else str(self.event or "")

    @property
    def counts_from(self) -> str:
        """What its days are counted from: a moment, or before or after a due date."""
        return self.moment or next(name for name in MOMENTS if getattr(self, name) is not None)

    @property
    def own(self) -> bool:
        """Whether it waits for a date, or an event of the lender's own: told once for each day it falls on."""
        return bool(self.moment) and not isinstance(self.event, EventType)

    @property
    def repeats(self) -> bool:
        """Whether what it waits for may happen to one loan many times."""
        return self.own or self.event in REPEATABLE


class RuleSettings(Settings):
    """One notice on one channel. A notice that goes out on two channels has two rules.

    So has one that is told otherwise to other loans: their `where` name different values of one column.
    """

    model_config = ConfigDict(populate_by_name=True)

    notice: NoticeName = Field(
        description="Name of the notice, in small letters, digits and _. It is its identity: never rename.",
        examples=["due_in_7_days"],
    )
    when: When = Field(
        description="When it fires: days_before_due, days_past_due, event or date.",
        examples=[{"days_before_due": 7}],
    )
    where: dict[NoticeName, Condition] = Field(
        default_factory=dict,
        description="For which loans, by column: a value, a list of values, {not: ...}, or {from: ..., to: ...} for "
        "numbers, amounts and dates. All must hold; empty for all loans. Columns are product, status, bucket, "
        "language, days_past_due, overdue_amount and the others of docs/configuration.md, and your own (`extra` of "
        "loans and contacts). A blank number counts as 0.",
        examples=[
            {
                "product": ["ev", "used"],
                "bucket": "M1",
                "region": {"not": ["MA"]},
                "days_past_due": {"from": 3},
            }
        ],
    )
    who: tuple[Role, ...] = Field(
        default=(Role.BORROWER,),
        min_length=1,
        description="Who is told: borrower, co_borrower, guarantor.",
        examples=[["borrower", "co_borrower"]],
    )
    channel: Channel = Field(default=Channel.SMS, description="How: sms or voice.", examples=["sms"])
    template: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9_]{0,63})?$",
        description="Template that words it; empty for the one named like the notice.",
        examples=["due_today"],
    )
    message_class: MessageClass = Field(
        default=MessageClass.SERVICE,
        alias="class",
        description="What it is for: service, collection or marketing. Hours and opt-outs go by class.",
        examples=["collection"],
    )
    catch_up_days: int = Field(
        default=2,
        ge=0,
        le=30,
        description="How many days late it may still go out when a night was missed.",
        examples=[2],
    )
    until: Until | None = Field(
        default=None,
        description="What cancels it while it waits: paid or none. Empty: paid, but none for events.",
        examples=["paid"],
    )
    supersedes: tuple[NoticeName, ...] = Field(
        default=(),
        description="Notices this one replaces: when both fall due for the same loan in one night, and, of the same "
        "installment, when they still wait from another night or were not told yet.",
        examples=[["overdue_1"]],
    )
    after: Channel | None = Field(
        default=None,
        description="Channel of the same notice that goes first; this one waits until that message has had its "
        "receipt. Where no rule tells it there, this one does not wait.",
        examples=["voice"],
    )
    unless: Literal["answered"] | None = Field(
        default=None,
        description="With after: not at all when that message was answered (delivered).",
        examples=["answered"],
    )
    wait_minutes: int = Field(
        default=60,
        ge=1,
        le=720,
        description="With after: how long to wait for the receipt of that message before this one goes.",
        examples=[60],
    )
    window: WindowText | None = Field(
        default=None,
        description="Local hours in which it may go out, narrower than the policy's; empty for the policy's.",
        examples=["09:00-20:00"],
    )

    _window = field_validator("window")(lambda text: text and checked_window(text))

    @model_validator(mode="after")
    def _stages_in_order(self) -> Self:
        if self.after is self.channel:
            raise ValueError(
                f"after: {self.channel} is this rule's own channel; name the other one, or take it out"
            )
        if self.unless and self.after is None:
            raise ValueError("unless says nothing without after; name the channel that goes first")
        return self

    @property
    def until_paid(self) -> bool:
        """Whether a payment cancels it."""
        return self.until is Until.PAID if self.until else not self.when.moment

    @property
    def template_name(self) -> str:
        """The template that words it."""
        return self.template or self.notice


DEFAULT_HOURS = (
    # The older industry pledge (21:00-08:00 quiet) lies inside GB/T 45251-2025 (22:00-08:00 quiet).
    HoursSettings(window="08:00-21:00"),
    HoursSettings(channel=Channel.VOICE, message_class=MessageClass.COLLECTION, window="09:00-20:00"),
)
DEFAULT_CAPS = (
    # GB/T 45251-2025: collection calls at most three a day.
    CapSettings(
        per=CapSubject.BORROWER, channel=Channel.VOICE, message_class=MessageClass.COLLECTION, days=1, limit=3
    ),
    CapSettings(
        per=CapSubject.NUMBER, channel=Channel.VOICE, message_class=MessageClass.COLLECTION, days=1, limit=3
    ),
    CapSettings(
        per=CapSubject.NUMBER, channel=Channel.SMS, message_class=MessageClass.COLLECTION, days=1, limit=3
    ),
    CapSettings(per=CapSubject.NUMBER, channel=Channel.SMS, days=1, limit=6),
)


class PolicySettings(Settings):
    """May a notice be told, and when. What is unknown is held, never guessed."""

    presets: tuple[str, ...] = Field(
        default=(),
        description="Law of places that binds whoever is there, on top of everything below: cn, us-reg-f, us-ma, "
        "us-tcpa, in, th, id, au, ph. Of hours and caps the stricter binds. A person is where the columns `country` "
        "and `region` say, else in the country of the number; where that is not known, every preset binds. "
        "`policy show` prints them with their sources; counsel decides.",
        examples=[["cn"], ["us-reg-f", "us-ma", "us-tcpa"]],
    )
    hours: tuple[HoursSettings, ...] = Field(
        default=DEFAULT_HOURS,
        min_length=1,
        description=(
            "Local contact hours. Every entry that fits a message binds it: what remains is the time common "
            "to all of them. Defaults follow GB/T 45251-2025 and the stricter older pledge; counsel decides."
        ),
        examples=[
            [{"window": "08:00-21:00"}, {"channel": "voice", "class": "collection", "window": "09:00-20:00"}],
            [{"window": "08:00-20:00"}, {"days": ["sat", "sun"], "window": "09:00-18:00"}],
            [{"window": "08:00-20:00"}, {"days": ["holiday"], "window": "none"}],
        ],
    )
    caps: tuple[CapSettings, ...] = Field(
        default=DEFAULT_CAPS,
        description="Most messages per borrower, number or loan; what is over a cap waits for a later night.",
        examples=[
            [{"per": "number", "channel": "voice", "class": "collection", "days": 1, "limit": 3}],
            [{"per": "loan", "class": "collection", "days": 30, "limit": 8, "counts": "contacts"}],
        ],
    )
    gaps: tuple[GapSettings, ...] = Field(
        default=(),
        description="Least time between two messages; what comes too soon waits.",
        examples=[[{"per": "borrower", "class": "collection", "days": 2}]],
    )
    cool_offs: tuple[CoolOffSettings, ...] = Field(
        default=(),
        description="Days of rest after a conversation: a call that was answered, or a reply.",
        examples=[[{"per": "loan", "channel": "voice", "class": "collection", "days": 7}]],
    )
    consent_required: tuple[MessageClass, ...] = Field(
        default=(MessageClass.MARKETING,),
        description="Classes that only go to people whose contact row says they consented.",
        examples=[["marketing"]],
    )
    countries: frozenset[str] = Field(
        default=frozenset(),
        description="Countries (ISO 3166) whose numbers may be told, by text or voice; empty for every country. A "
        "foreign number counts only where it is written in full with + or 00.",
        examples=[["CN", "HK"]],
    )
    no_contact_dates: frozenset[dt.date] = Field(
        default=frozenset(),
        description="Days without contact; what may still be told later moves to the next day allowed.",
        examples=[["2027-02-06"]],
    )
    holds: HoldsSettings = Field(
        default=HoldsSettings(),
        description="What a hold of each kind keeps back, for how long, and what happens at its end.",
        examples=[{"hardship": {"days": 7}}],
    )
    numbers: NumbersSettings = Field(
        default=NumbersSettings(),
        description="After how many failures a number is no longer tried.",
        examples=[{"quarantine_after": 2}],
    )
    merge: bool = Field(
        default=True,
        description="One message where several loans of one borrower fall due together.",
        examples=[True],
    )
    derived_events: tuple[EventType, ...] = Field(
        default=DERIVABLE,
        description=(
            "Events worked out from payments, from the loan's standing and from changes; rows of these types "
            "in the events table are not used, so that nobody is told twice, unless the table that they are "
            f"worked out from is not there. Any of {', '.join(DERIVABLE)}."
        ),
        examples=[["payment_received", "loan_settled"]],
    )
    default_language: str = Field(
        default="",
        description="Language where a person's is missing or has no templates; empty to hold such notices.",
        examples=["zh-CN"],
    )

    _law: tuple[Preset, ...] | None = PrivateAttr(default=None)

    def with_law(self, presets: Sequence[Preset]) -> "PolicySettings":
        """The same policy with what its `presets` say, in their order."""
        chosen = self.model_copy()
        chosen._law = tuple(presets)  # noqa: SLF001 - of the same class
        return chosen

    @property
    def law(self) -> tuple[Preset, ...]:
        """What its presets say. Raises RuntimeError where they were named and not brought: nothing may go then."""
        if self._law is None and self.presets:
            raise RuntimeError("the presets of this policy were not brought; see config.presets")
        return self._law or ()

    @property
    def limits(self) -> list[Limit]:
        """Every cap, gap and cool-off of the policy and of its presets, the lender's own first."""
        own: tuple[LimitEntry, ...] = (*self.caps, *self.gaps, *self.cool_offs)
        found = [Limit(entry) for entry in own]
        for preset in self.law:
            theirs: tuple[LimitEntry, ...] = (*preset.caps, *preset.cool_offs)
            found += [Limit(entry, preset.name) for entry in theirs]
        return found

    @property
    def needs_places(self) -> bool:
        """Whether it matters where a person is."""
        return bool(self.law) or any(entry.names_holidays for entry in self.hours)

    _listed = field_validator("presets", mode="before")(listed)

    @field_validator("presets")
    @classmethod
    def _each_once(cls, presets: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in presets if presets.count(name) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}; keep one")
        return presets

    @field_validator("countries")
    @classmethod
    def _countries(cls, countries: frozenset[str]) -> frozenset[str]:
        if wrong := sorted(country for country in countries if not known_country(country)):
            raise ValueError(f"no country: {', '.join(wrong)}; write ISO 3166 codes such as CN or US")
        return countries

    @field_validator("derived_events")
    @classmethod
    def _derivable(cls, types: tuple[EventType, ...]) -> tuple[EventType, ...]:
        if wrong := [event for event in types if event not in DERIVABLE]:
            raise ValueError(f"cannot derive {', '.join(wrong)}; only {', '.join(DERIVABLE)}")
        return types

    @model_validator(mode="after")
    def _some_hours_for_all(self) -> Self:
        for channel, message_class in product(Channel, MessageClass):
            if not self.open_windows(channel, message_class):
                raise ValueError(
                    f"hours leave no time for {message_class} messages by {channel}; add or widen hours"
                )
        return self

    def may_reach(self, phone: str) -> bool:
        """Whether the country of a number in E.164 may be told."""
        return not self.countries or country_of(phone) in self.countries

    def open_windows(self, channel: str, message_class: str, rule_window: str = "") -> list[Window]:
        """The lender's own hours for such messages on those weekdays that have some, narrowed by a rule's window."""
        group = [entry for entry in self.hours if entry.covers(channel, message_class)]
        own = [parsed] if (parsed := parse_window(rule_window)) else []
        usual = (on_weekday(group, weekday) for weekday in range(len(WEEKDAYS)))
        common = (intersect(window, *own) for window in usual if isinstance(window, Window))
        return [window for window in common if window is not None]


def outside_hours(rule_window: str, message_class: str, channel: str) -> str:
    """What to say of a rule's window that shares no time with the policy's hours."""
    kind = f"{message_class} messages by {channel}"
    return f"window {rule_window} lies outside policy.hours for {kind}; widen one of them"
