"""Options of a loan's standing: how payments settle, when a loan is late and what lateness costs."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from carloan_notify.loans.settings import Rounding, ScheduleSettings
from carloan_notify.loans.tolerance import Tolerance
from carloan_notify.loans.waterfall import PRESETS, Waterfall
from carloan_notify.records import PPB
from carloan_notify.settings import Settings

FIRST_BUCKET: Final = "M0"
"""Of loans that are not late, or too little to count."""
BUCKET_PRESETS: Mapping[str, Mapping[str, int]] = {
    "m1_from_day_1": {"M1": 1, "M2": 31, "M3": 61, "M3+": 91},
    "m1_from_day_30": {"M1": 30, "M2": 60, "M3": 90, "M3+": 120},
}


class DayCount(StrEnum):
    """How days past due are counted."""

    CALENDAR = "calendar"
    THIRTY_360 = "30/360"


class PenaltyBase(StrEnum):
    """The amount on which penalty interest runs."""

    OVERDUE_PRINCIPAL = "overdue_principal"
    OVERDUE_INTEREST = "overdue_interest"
    OVERDUE_AMOUNT = "overdue_amount"
    OUTSTANDING_PRINCIPAL = "outstanding_principal"
    ORIGINAL_PRINCIPAL = "original_principal"


class PenaltySettings(Settings):
    """Penalty interest (罚息). It accrues for every calendar day, weekends and holidays included."""

    enabled: bool = Field(
        default=False,
        description="Whether penalty interest is computed. Off by default: it is owed only where the "
        "contract says so.",
        examples=[True],
    )
    rate_multiplier: Decimal = Field(
        default=Decimal("1.5"),
        ge=0,
        le=10,
        description="The penalty rate as a multiple of the contract rate. PBC notice 银发〔2003〕251号 "
        "allows the contract rate plus 30 to 50 percent.",
        examples=["1.5", "1.3"],
    )
    annual_rate: Decimal | None = Field(
        default=None,
        ge=0,
        le=10,
        description="A fixed penalty rate per year as a fraction, instead of a multiple of the contract "
        "rate. A daily rate of 0.05 % over 360 days is 0.18.",
        examples=["0.18"],
    )
    day_basis: Literal[360, 365] = Field(
        default=360,
        description="Days of a year. Consumer contracts commonly say: yearly rate / 360 × 1.5.",
        examples=[360],
    )
    base: PenaltyBase = Field(
        default=PenaltyBase.OVERDUE_PRINCIPAL,
        description="What it is charged on: overdue_principal (default, from a consumer contract), "
        "overdue_interest, overdue_amount (principal, interest and fees), outstanding_principal or "
        "original_principal of the whole loan while anything is overdue.",
        examples=["overdue_principal"],
    )
    compounding: Literal["simple", "compound"] = Field(
        default="simple",
        description="simple: penalty bears no penalty. compound: unpaid penalty joins the base every day "
        "(银发〔2003〕251号 allows compounding; use it only if the contract says so).",
        examples=["simple"],
    )
    starts: Literal["day_1", "after_grace"] = Field(
        default="day_1",
        description="When the grace period has passed unpaid: charge from the first day after the due "
        "date, or only for the days after the grace period. Within the grace period nothing is charged.",
        examples=["day_1"],
    )
    rounding: Rounding = Field(
        default=Rounding.HALF_UP,
        description="How penalty is rounded to the smallest currency unit, at each payment and on the "
        "business date.",
        examples=["half_up"],
    )


class ToleranceSettings(Settings):
    """How small a rest has to be to be no arrears (Fineract: the product's `inArrearsTolerance`)."""

    amount: Decimal = Field(
        default=Decimal("1.00"),
        ge=0,
        description="An installment of which no more than this is unpaid counts as paid for days past due "
        "and notices; the rest is carried to the next installment. Rests add up: beyond the sum the "
        "installment is late. An installment of which nothing was paid is never one. What is unpaid only because "
        "payments settled penalty first (Civil Code art. 561) may be unpaid besides, up to half of the "
        "installment: penalty alone makes none late. With 0 here and in `share` every fen counts.",
        examples=["1.00", "0"],
    )
    share: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=Decimal("0.5"),
        description="The same as a fraction of the installment; the larger of both counts.",
        examples=["0", "0.02"],
    )
    settled_below: Decimal = Field(
        default=Decimal("1.00"),
        ge=0,
        description="A loan counts as settled when no more than this is left after its last installment, "
        "penalty and fees included. What is more than that has its own notice (`remainder_left`).",
        examples=["1.00", "0"],
    )


class DelinquencySettings(Settings):
    """When a loan is late, how late, and in which band."""

    grace_days: int = Field(
        default=0,
        ge=0,
        le=90,
        description="Days after the due date that are not yet delinquent (宽限期), by contract; product "
        "texts often say 3. They change the bucket and the penalty, not the count of days past due.",
        examples=[0, 3],
    )
    counts_from: Literal["due_date", "grace_end"] = Field(
        default="due_date",
        description="Once the grace period has passed: bucket by the days since the due date, or only by "
        "the days after the grace period.",
        examples=["due_date"],
    )
    dpd_convention: DayCount = Field(
        default=DayCount.CALENDAR,
        description="Days past due in calendar days, or with months of 30 days (30/360, as some lenders "
        "report).",
        examples=["calendar"],
    )
    tolerance: ToleranceSettings = Field(
        default_factory=ToleranceSettings, description="Rests that are too small to be arrears."
    )
    buckets: Literal["m1_from_day_1", "m1_from_day_30"] | Mapping[str, int] = Field(
        default="m1_from_day_1",
        description="Bands of days past due. m1_from_day_1: M1 1-30, M2 31-60, M3 61-90, then M3+. "
        "m1_from_day_30: M1 30-59, M2 60-89, M3 90-119, then M3+. Or your own names, each with its first "
        "day. Below the first is M0. Sources disagree on where M1 starts, so ask who reads the figures.",
        examples=["m1_from_day_1", {"M1": 1, "M2": 31, "M3": 61, "M4": 91}],
    )
    penalty: PenaltySettings = Field(default_factory=PenaltySettings, description="Penalty interest (罚息).")

    @field_validator("buckets")
    @classmethod
    def _buckets_ascend(cls, buckets: str | Mapping[str, int]) -> str | Mapping[str, int]:
        if isinstance(buckets, str):
            return buckets
        days = list(buckets.values())
        if not days or days[0] < 1 or any(late <= early for early, late in pairwise(days)):
            raise ValueError(
                "first days must be 1 or more and rise from band to band; write them in that order"
            )
        return buckets

    @property
    def bucket_edges(self) -> Mapping[str, int]:
        """First day past due of each bucket above M0, ascending."""
        return BUCKET_PRESETS[self.buckets] if isinstance(self.buckets, str) else self.buckets


class AllocationSettings(Settings):
    """In which order a payment settles what is owed."""

    waterfall: Literal["civil_code_561", "car_finance_2013"] | tuple[str, ...] = Field(
        default="civil_code_561",
        description="civil_code_561: oldest installment first, and in it fees, penalty, interest, "
        "principal (Civil Code art. 561; the default where nothing else is agreed). car_finance_2013: "
        "overdue principal, overdue interest, penalty, current principal, current interest, fees (a "
        "car-finance contract quoted by a court). Or your own steps, in order: `overdue` or `current` "
        "(neither: both), then components with commas. A step is gone through installment by installment, "
        "oldest first.",
        examples=[
            "civil_code_561",
            ["overdue interest, principal", "penalty", "current interest, principal", "fees"],
        ],
    )
    overpayment: Literal["carried", "applied"] = Field(
        default="carried",
        description="What a payment leaves after everything due and the current installment: carried to "
        "the coming installments, or applied as an early repayment of principal with a new schedule "
        "(computed basis only).",
        examples=["carried"],
    )
    applied_as: Literal["shorter_term", "smaller_installment", "next_installments"] = Field(
        default="shorter_term",
        description="With `overpayment: applied`: what the early repayment changes. shorter_term: the installments "
        "stay as large, the last ones go. smaller_installment: as many, each computed anew from what is left. "
        "next_installments: the next ones need not repay it, then all is as before (with a product's "
        "`recalculation`; without, that is what `carried` does). In Apache Fineract: REDUCE_NUMBER_OF_INSTALLMENTS, "
        "REDUCE_EMI_AMOUNT, RESCHEDULE_NEXT_REPAYMENTS.",
        examples=["shorter_term"],
    )

    @field_validator("waterfall")
    @classmethod
    def _steps_are_complete(cls, waterfall: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(waterfall, str):
            Waterfall.parse(waterfall)
        return waterfall

    @property
    def steps(self) -> Waterfall:
        """The order as steps."""
        return Waterfall.parse(PRESETS[self.waterfall] if isinstance(self.waterfall, str) else self.waterfall)


class PayoffSettings(Settings):
    """The fee for early settlement. How far interest runs is the product's `settlement_interest`."""

    fee_rate: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=1,
        description="Early settlement fee as a fraction of the principal that is not yet due.",
        examples=["0.03"],
    )
    fee_fixed: Decimal = Field(
        default=Decimal(0), ge=0, description="Fixed early settlement fee.", examples=["100.00"]
    )
    fee_free_after: int = Field(
        default=0,
        ge=0,
        description="No fee once this many installments have fallen due; 0: always a fee.",
        examples=[0, 12],
    )
    rounding: Rounding = Field(
        default=Rounding.HALF_UP, description="How the fee is rounded.", examples=["half_up"]
    )


class DueDaySettings(Settings):
    """Limits within which a due day is proposed for a new loan (系统自动分配)."""

    allowed_days: tuple[int, ...] = Field(
        default=tuple(range(1, 29)),
        min_length=1,
        description="Days of the month that contracts may use.",
        examples=[[5, 10, 15, 20, 25]],
    )
    days_after_payday: tuple[int, int] = Field(
        default=(1, 5),
        description="The due day lies this many days after the borrower's payday, where the payday is known.",
        examples=[[1, 5]],
    )
    days_to_first: tuple[int, int] = Field(
        default=(20, 50),
        description="Fewest and most days from disbursement to the first installment.",
        examples=[[20, 50]],
    )

    @model_validator(mode="after")
    def _limits_make_sense(self) -> "DueDaySettings":
        if any(day < 1 or day > 31 for day in self.allowed_days):  # noqa: PLR2004 - days of a month
            raise ValueError("allowed_days holds days of the month, 1 to 31")
        for name in ("days_after_payday", "days_to_first"):
            least, most = getattr(self, name)
            if not 0 <= least <= most:
                raise ValueError(f"{name}: write the smaller number first, none below 0")
        return self


class StandingSettings(Settings):
    """Everything that decides a loan's standing."""

    schedule: ScheduleSettings = Field(
        default_factory=ScheduleSettings, description="Where due dates come from."
    )
    delinquency: DelinquencySettings = Field(
        default_factory=DelinquencySettings, description="When a loan is late."
    )
    allocation: AllocationSettings = Field(
        default_factory=AllocationSettings, description="How payments settle installments."
    )
    horizon_days: int = Field(
        default=31,
        ge=0,
        le=366,
        description="How far ahead unpaid installments are handed to the notices.",
        examples=[31],
    )

    @property
    def tolerance(self) -> Tolerance:
        """The tolerance in minor units."""
        chosen, minor = self.delinquency.tolerance, self.schedule.minor
        return Tolerance(minor(chosen.amount), int(chosen.share * PPB), minor(chosen.settled_below))
