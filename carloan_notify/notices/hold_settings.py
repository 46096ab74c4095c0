"""Options of `policy.holds` and `policy.numbers`: what holds keep back, for how long, and what happens at their end.

The defaults are a table of data with the source of each line. Where no source is named, none was found: the lender's
counsel decides, and until then the line is the cautious one.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final, Self

from pydantic import Field, model_validator

from carloan_notify.hold_codes import HoldReason, Then, Whom
from carloan_notify.records import Channel, MessageClass
from carloan_notify.settings import Settings


class HoldRule(Settings):
    """What holds of one kind do."""

    classes: tuple[MessageClass, ...] = Field(
        description="Message classes that wait: service, collection, marketing; empty to hold nothing."
    )
    channels: tuple[Channel, ...] = Field(
        default=(), description="Only these channels wait, sms or voice; empty for every channel."
    )
    whom: Whom = Field(
        default=Whom.EVERYONE,
        description="Whose messages wait where a loan or a customer is held: the borrower's or everyone's. "
        "A number that is held is held whoever has it.",
    )
    statutory: bool = Field(
        default=False, description="Whether the notices of policy.holds.statutory go on nevertheless."
    )
    days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="It ends after so many days where nobody names its last day; empty where one must be named, "
        "or for a hold that has no end.",
    )
    then: Then = Field(
        description="What happens when its last day is over: resumes (the ladder goes on), review (it goes on "
        "holding until a person looks) or stays (it has no last day)."
    )

    @model_validator(mode="after")
    def _end_and_days(self) -> Self:
        if self.then is Then.STAYS and self.days is not None:
            raise ValueError("days says nothing with then: stays; take one of the two out")
        return self

    def last_day(self, since: date, named: date | None) -> date | None:
        """The last day of a hold set on `since` of which the last day `named` is known; None where it has no end."""
        if self.then is Then.STAYS:
            return None
        if named is None and self.days is not None:
            return since + timedelta(days=self.days - 1)
        return named


_DUNNING: Final = (MessageClass.COLLECTION, MessageClass.MARKETING)
_EVERY_CLASS: Final = tuple(MessageClass)

DEFAULT_HOLDS: Final[Mapping[HoldReason, HoldRule]] = MappingProxyType(
    {
        # No last day is found in any rule: demands wait until somebody has settled it, and after 30 days every night
        # asks for that. GB/T 45251-2025 has a request to negotiate answered within 7 working days.
        HoldReason.DISPUTE: HoldRule(classes=_DUNNING, days=30, then=Then.REVIEW),
        # Two weeks are the 7 working days of GB/T 45251-2025 and a holiday among them. What falls due is still said.
        HoldReason.HARDSHIP: HoldRule(classes=_DUNNING, statutory=True, days=14, then=Then.RESUMES),
        # Nothing to the dead, and nothing about the debt to whoever holds the telephone now. GB/T 45251-2025 lets
        # other contacts be asked then; that is for a person, not for a ladder. Counsel decides.
        HoldReason.DECEASED: HoldRule(classes=_EVERY_CLASS, then=Then.STAYS),
        # 11 USC 362(a)(6): no act to collect a claim that arose before; 11 USC 1301: nor from who owes it with him.
        HoldReason.BANKRUPTCY: HoldRule(classes=_DUNNING, then=Then.STAYS),
        # 15 USC 1692c(a)(2), 12 CFR 1006.6(b)(2): not to the consumer who is known to be represented.
        HoldReason.LAWYER: HoldRule(classes=_DUNNING, whom=Whom.BORROWER, then=Then.STAYS),
        # Counsel decides.
        HoldReason.BEREAVEMENT: HoldRule(classes=_DUNNING, days=30, then=Then.RESUMES),
        # Until the date that the authority names; 30 days where nobody wrote one. Counsel decides.
        HoldReason.DISASTER: HoldRule(classes=_DUNNING, days=30, then=Then.RESUMES),
        # A promise pauses the ladder until it is due; its last day comes from the promise.
        HoldReason.PROMISE: HoldRule(classes=(MessageClass.COLLECTION,), statutory=True, then=Then.RESUMES),
        # Whoever asks for a pause names its last day. What a law asks for is still said.
        HoldReason.PAUSE: HoldRule(classes=_EVERY_CLASS, statutory=True, then=Then.RESUMES),
    }
)


class HoldsSettings(Settings):
    """What each kind of hold keeps back; what is not written stands as in the table of docs/configuration.md."""

    dispute: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.DISPUTE], description="The person disputes the debt."
    )
    hardship: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.HARDSHIP], description="The person cannot pay: no work, ill."
    )
    deceased: HoldRule = Field(default=DEFAULT_HOLDS[HoldReason.DECEASED], description="The person has died.")
    bankruptcy: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.BANKRUPTCY], description="The person is, or files to be, bankrupt."
    )
    lawyer: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.LAWYER], description="A lawyer speaks for the person."
    )
    bereavement: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.BEREAVEMENT], description="Somebody near the person has died."
    )
    disaster: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.DISASTER], description="The person lives where a disaster struck."
    )
    promise: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.PROMISE], description="The person has promised to pay by a date."
    )
    pause: HoldRule = Field(
        default=DEFAULT_HOLDS[HoldReason.PAUSE], description="Messages pause until a date, for any reason."
    )
    statutory: tuple[str, ...] = Field(
        default=("credit_bureau_notice",),
        description="Notices that a law asks for; holds with statutory: true do not keep them back.",
        examples=[["credit_bureau_notice"]],
    )

    @model_validator(mode="before")
    @classmethod
    def _what_is_not_written(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        """A kind of which only some options are written keeps its own defaults for the others."""
        return dict(_completed(given)) if isinstance(given, Mapping) else given

    def rule(self, kind: str) -> HoldRule:
        """What holds of a kind (`HoldReason`) do."""
        chosen: HoldRule = getattr(self, HoldReason(kind).value)
        return chosen


def _completed(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    kinds = {kind.value: rule for kind, rule in DEFAULT_HOLDS.items()}
    for name, value in given.items():
        default = kinds.get(name)
        partly = default is not None and isinstance(value, Mapping)
        yield name, {**default.model_dump(), **value} if default and partly else value


class NumbersSettings(Settings):
    """When a number is no longer tried."""

    quarantine_after: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Nothing goes to a number of which the network said on so many days in a row that there is none, "
        "until a message arrives there, a contact row verifies it (phone_verified_on) or `numbers release`.",
        examples=[3],
    )
