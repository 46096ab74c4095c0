"""Options of the guards (`guards`): how far a night may differ from the nights before it."""

from pydantic import Field

from carloan_notify.settings import Settings


class GuardSettings(Settings):
    """Bounds of a plausible night. A guard that trips stops the night before its first message."""

    export_date_column: str = Field(
        default="",
        description=(
            "Column of the loans table that holds the date of the export; empty to go by the file's time. "
            "A database without such a column is not judged by age."
        ),
        examples=["data_date"],
    )
    max_export_age_days: int = Field(
        default=1,
        ge=0,
        description="Most days the loan export may be older than the business date.",
        examples=[1],
    )
    max_row_drop: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="Largest share by which the number of loans may fall from one night to the next.",
        examples=[0.1],
    )
    max_payment_age_days: int | None = Field(
        default=7,
        ge=0,
        description="Most days the newest payment may be older than the business date; empty for any age.",
        examples=[7],
    )
    payment_age_from_loans: int = Field(
        default=50,
        ge=0,
        description="With fewer active loans than this, weeks without a payment are nothing unusual and stop no night.",
        examples=[50],
    )
    overdue_jump_factor: float = Field(
        default=2.0,
        ge=1,
        description="The overdue share of active loans may grow at most this many times overnight.",
        examples=[2.0],
    )
    overdue_jump_points: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description="A growth of the overdue share below this (0.03: 3 percentage points) stops no night.",
        examples=[0.03],
    )
    overdue_jump_loans: int = Field(
        default=10,
        ge=0,
        description="A growth by fewer overdue loans than this stops no night: in a small portfolio shares leap.",
        examples=[10],
    )
    message_factor: float = Field(
        default=3.0,
        ge=1,
        description=(
            "Messages and cost may be at most this many times more, or fewer, than the median of recent "
            "nights of the same weekday."
        ),
        examples=[3.0],
    )
    message_slack: int = Field(
        default=50,
        ge=0,
        description="A difference of up to this many messages from the median never stops a night.",
        examples=[50],
    )
    cost_slack_minor: int = Field(
        default=500,
        ge=0,
        description="A difference from the median cost up to this stops no night; minor units (分, cents).",
        examples=[500],
    )
    nights_compared: int = Field(
        default=8,
        ge=3,
        description="How many recent nights of the same weekday the median is taken of.",
        examples=[8],
    )
    nights_needed: int = Field(
        default=3,
        ge=3,
        description="With fewer such nights on record, message count and cost are not judged.",
        examples=[3],
    )
    max_reject_rate: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest share of input rows that may be rejected.",
        examples=[0.05],
    )
    daily_cost_cap_minor: int | None = Field(
        default=None,
        ge=0,
        description="Most that one business date may cost, in minor units (分, cents); empty for no cap.",
        examples=[50000],
    )
    monthly_cost_cap_minor: int | None = Field(
        default=None,
        ge=0,
        description="Most that one calendar month may cost, in minor units (分, cents); empty for no cap.",
        examples=[1000000],
    )
