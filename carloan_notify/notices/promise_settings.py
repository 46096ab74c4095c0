"""Options of `promises`: who confirms a promise to pay, how long it holds, and when it counts as kept."""

from enum import StrEnum
from typing import Final

from pydantic import Field

from carloan_notify.settings import Settings


class Confirm(StrEnum):
    """Who makes a proposal from a reply or a page a promise."""

    CLERK = "clerk"
    AUTO = "auto"


STAGE_DAYS: Final = 31
"""How far back promises of a loan that is not late count as of one stage: a month has one due date."""
LOAN_DAYS: Final = 365
"""How far back promises count against `most_per_loan`."""


class PromisesSettings(Settings):
    """What becomes of promises to pay. No rule of law found sets these figures: the lender's collections decide."""

    confirm: Confirm = Field(
        default=Confirm.CLERK,
        description="clerk: a proposal waits for `promises confirm`. auto: `send` and `run` confirm what leaves no "
        "doubt (one day, one sum or all, no condition, no question) and lies within the limits below.",
        examples=["auto"],
    )
    grace_days: int = Field(
        default=1,
        ge=0,
        le=30,
        description="Days after the promised one on which payments still count and collection still waits: money "
        "that was sent in time is often booked a day later.",
        examples=[1],
    )
    threshold_percent: int = Field(
        default=100,
        ge=1,
        le=100,
        description="From how many per cent of the promised amount on a promise is kept; less is partly kept.",
        examples=[80],
    )
    max_days_ahead: int = Field(
        default=30,
        ge=0,
        le=366,
        description="A promise for a later day is refused: collection would wait too long.",
        examples=[14],
    )
    most_per_stage: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Most promises of a loan in one bucket of one delinquency (a month, while it is not late); "
        "further ones are refused, so that promises cannot put off collection for ever.",
        examples=[2],
    )
    most_per_loan: int = Field(
        default=6, ge=1, le=1000, description="Most promises of a loan within a year.", examples=[6]
    )
    revise_days: int = Field(
        default=60,
        ge=0,
        le=366,
        description="For so many days after its end an outcome is revised when a payment is booked late or reversed. "
        "The payments table must reach as far back.",
        examples=[60],
    )
    remind_days: int = Field(
        default=1,
        ge=0,
        le=30,
        description="How many days before the promised one the event promise_due happens, for a rule that reminds.",
        examples=[1],
    )
