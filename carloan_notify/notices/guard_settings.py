"""Options of `guards`: how far a night may differ from what is plausible, and from the nights before it."""

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
        description="Most days the loan export may be older than the business date. Most of its rows decide.",
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
            "Messages and cost may be at most this many times more, or fewer, than the last night's portfolio, "
            "carried forward by the rules, lets expect."
        ),
        examples=[3.0],
    )
    message_slack: int = Field(
        default=50,
        ge=0,
        description="A difference of up to this many messages from what was expected never stops a night.",
        examples=[50],
    )
    cost_slack_minor: int = Field(
        default=500,
        ge=0,
        description="A difference from the expected cost up to this stops no night; minor units (分, cents).",
        examples=[500],
    )
    max_reject_rate: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest share of input rows, and of each table's rows, that may be rejected.",
        examples=[0.05],
    )
    reject_rows: int = Field(
        default=5,
        ge=1,
        description="Fewer rejected rows of one table, or of one word that nobody mapped, than this stop no night "
        "by themselves; fewer than twice this stop it from four times `max_reject_rate` on.",
        examples=[5],
    )
    max_orphan_share: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="Largest share of payments, changes and contacts that may match no loan (of events: half); "
        "once accepted, such a share is usual and may grow by half of this.",
        examples=[0.1],
    )
    max_unpaid_dues: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Largest share of what fell due since the last night that may still be unpaid, unless it "
        "is usual.",
        examples=[0.5],
    )
    max_drift: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest share of loans of which one thing (number, status, amount, due date, product, "
        "readable name, time zone) may be wrong or change overnight without a reason.",
        examples=[0.05],
    )
    drift_loans: int = Field(
        default=10,
        ge=1,
        description="Fewer loans than this of which one thing changed stop no night.",
        examples=[10],
    )
    max_paid_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description=(
            "Largest share of waiting messages that may turn out paid (or moved, or refused) at one look of `send`; "
            "more is not believed and held. Raise it where a collection run books most payments of the day before "
            "messages leave."
        ),
        examples=[0.5],
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
