"""Options of `rules` (who hears what, and when), `policy` (may we, at what hours) and `guards` (is it plausible)."""

import datetime as dt
from enum import StrEnum
from itertools import product
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from carloan_notify.errors import ConfigError
from carloan_notify.notices.hours import WINDOW_PATTERN, Window, intersect, parse_window
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
REPEATABLE = frozenset({EventType.PAYMENT_RECEIVED, EventType.SETTLEMENT_QUOTED, *FROM_CHANGES})
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


class CapSubject(StrEnum):
    """Whom a cap protects."""

    BORROWER = "borrower"
    NUMBER = "number"


NoticeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
WindowText = Annotated[str, StringConstraints(pattern=WINDOW_PATTERN)]


def _checked_window(text: str) -> str:
    """The text of a window, or an error that says how to write one; blank passes."""
    if text and parse_window(text) is None:
        raise ValueError(f"{text!r} ends before it starts; write local hours of one day, such as 08:00-21:00")
    return text


MOMENTS = ("days_before_due", "days_past_due", "event")


class When(Settings):
    """When a rule fires: exactly one of days_before_due, days_past_due and event."""

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
    event: EventType | None = Field(
        default=None,
        description="When this has happened to the loan.",
        examples=["loan_disbursed"],
    )
    days_after: int = Field(
        default=0,
        ge=0,
        le=365,
        description="With event: this many days after it. The ladder asks a second time for what is left of a loan.",
        examples=[0, 30],
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in MOMENTS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "nothing"
            raise ValueError(f"give exactly one of days_before_due, days_past_due and event; found {found}")
        if self.days_after and self.event is None:
            raise ValueError("days_after counts from an event; write event beside it, or take it out")
        return self


class RuleSettings(Settings):
    """One notice on one channel. A notice that goes out on two channels has two rules."""

    model_config = ConfigDict(populate_by_name=True)

    notice: NoticeName = Field(
        description="Name of the notice, in small letters, digits and _. It is its identity: never rename.",
        examples=["due_in_7_days"],
    )
    when: When = Field(
        description="When it fires: days_before_due, days_past_due or event.",
        examples=[{"days_before_due": 7}],
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

    _window = field_validator("window")(lambda text: text and _checked_window(text))

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
        return self.until is Until.PAID if self.until else self.when.event is None

    @property
    def template_name(self) -> str:
        """The template that words it."""
        return self.template or self.notice


class HoursSettings(Settings):
    """Local hours in which messages of a kind may reach a person."""

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
    window: WindowText = Field(description="From-to in the person's own time zone.", examples=["08:00-21:00"])

    _window = field_validator("window")(_checked_window)

    def covers(self, channel: str, message_class: str) -> bool:
        """Whether these hours bind messages of that channel and class."""
        return self.channel in {None, channel} and self.message_class in {None, message_class}


class CapSettings(Settings):
    """At most `limit` messages of a kind within `days` days."""

    model_config = ConfigDict(populate_by_name=True)

    per: CapSubject = Field(
        description="Counted per borrower (all of a customer's numbers) or per number (all its loans).",
        examples=["number"],
    )
    channel: Channel | None = Field(
        default=None, description="Only this channel; empty for every channel.", examples=["voice"]
    )
    message_class: MessageClass | None = Field(
        default=None,
        alias="class",
        description="Only this class; empty for every class.",
        examples=["collection"],
    )
    days: int = Field(default=1, ge=1, le=366, description="Length of the period in days.", examples=[1, 7])
    limit: int = Field(ge=0, description="Most messages in the period.", examples=[3])


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

    hours: tuple[HoursSettings, ...] = Field(
        default=DEFAULT_HOURS,
        min_length=1,
        description=(
            "Local contact hours. Every entry that fits a message binds it: what remains is the time common "
            "to all of them. Defaults follow GB/T 45251-2025 and the stricter older pledge; counsel decides."
        ),
        examples=[
            [{"window": "08:00-21:00"}, {"channel": "voice", "class": "collection", "window": "09:00-20:00"}]
        ],
    )
    caps: tuple[CapSettings, ...] = Field(
        default=DEFAULT_CAPS,
        description="Most messages per borrower or number; what is over a cap waits for a later night.",
        examples=[[{"per": "number", "channel": "voice", "class": "collection", "days": 1, "limit": 3}]],
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
            if self.hours_for(channel, message_class) is None:
                raise ValueError(
                    f"hours leave no time for {message_class} messages by {channel}; add or widen hours"
                )
        return self

    def may_reach(self, phone: str) -> bool:
        """Whether the country of a number in E.164 may be told."""
        return not self.countries or country_of(phone) in self.countries

    def hours_for(self, channel: str, message_class: str) -> Window | None:
        """The time common to all hours that bind such messages; None when there is none."""
        bound = [parse_window(entry.window) for entry in self.hours if entry.covers(channel, message_class)]
        windows = [window for window in bound if window is not None]
        return intersect(*windows) if windows else None


# How far a night may differ from the nights before it.


def permitted_hours(policy: PolicySettings, channel: str, message_class: str, rule_window: str) -> Window:
    """The policy's hours for such a message, narrowed by the rule's own window ("" for none).

    Raises:
        ConfigError: they share no time.
    """
    windows = [policy.hours_for(channel, message_class), parse_window(rule_window) if rule_window else None]
    common = intersect(*(window for window in windows if window is not None))
    if common is None:
        raise ConfigError([f"rules: {outside_hours(rule_window, message_class, channel)}"])
    return common


def outside_hours(rule_window: str, message_class: str, channel: str) -> str:
    """What to say of a rule's window that shares no time with the policy's hours."""
    kind = f"{message_class} messages by {channel}"
    return f"window {rule_window} lies outside policy.hours for {kind}; widen one of them"
