"""Options of calendars and schedules: everything a product's contract decides about dates and amounts."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from carloan_notify.records import currency_exponent
from carloan_notify.settings import Settings

FIRST_YEAR, LAST_YEAR = 1990, 2099
"""The years that calendars hold."""


class Convention(StrEnum):
    """What happens to a due date that is not a business day."""

    UNADJUSTED = "unadjusted"
    FOLLOWING = "following"
    MODIFIED_FOLLOWING = "modified_following"
    PRECEDING = "preceding"


class Frequency(StrEnum):
    """How far two due dates are apart."""

    MONTHLY = "monthly"
    BIWEEKLY = "biweekly"
    WEEKLY = "weekly"
    QUARTERLY = "quarterly"


class InterestBasis(StrEnum):
    """How much of a year an interest period counts. `rate/12` counts whole periods, whatever their days."""

    RATE_12 = "rate/12"
    ACTUAL_365 = "actual/365"
    ACTUAL_360 = "actual/360"
    THIRTY_360 = "30/360"


class Rounding(StrEnum):
    """How a fraction of the smallest currency unit is rounded; `up` is away from zero, `down` towards it."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    UP = "up"
    DOWN = "down"


class CalendarSettings(Settings):
    """Which days are business days. The lender's own dates win over the library's."""

    region: str = Field(
        default="weekends",
        description="Country whose public holidays count: CN (official holidays and make-up working "
        "days), or an "
        "ISO 3166 code such as US, HK, SG, JP, DE. `weekends` knows Saturdays and Sundays only.",
        examples=["CN", "US", "weekends"],
    )
    extra_holidays: tuple[date, ...] = Field(
        default=(), description="Further days that are not business days.", examples=[["2026-12-31"]]
    )
    extra_workdays: tuple[date, ...] = Field(
        default=(),
        description="Days that are business days although the country rests.",
        examples=[["2026-02-28"]],
    )
    covered_years: tuple[int, ...] = Field(
        default=(),
        description="Years whose holidays the lists above give in full, for years the library does not "
        "know yet.",
        examples=[[2027]],
    )
    beyond_coverage: Literal["error", "weekends"] = Field(
        default="error",
        description="A due date in a year without holiday data: `error` stops the run and names the "
        "year; `weekends` "
        "shifts such dates by weekends only, to be computed again when the holidays are published.",
        examples=["error"],
    )

    @model_validator(mode="after")
    def _dates_agree(self) -> "CalendarSettings":
        both = set(self.extra_holidays) & set(self.extra_workdays)
        if both:
            raise ValueError(f"{min(both)} is in extra_holidays and in extra_workdays; keep one")
        listed = (*self.extra_holidays, *self.extra_workdays)
        outside = [day for day in listed if not FIRST_YEAR <= day.year <= LAST_YEAR]
        if outside:
            raise ValueError(f"{outside[0]} is outside {FIRST_YEAR} to {LAST_YEAR}; correct it")
        return self


class ProductTerms(Settings):
    """What a product's contract says about due dates, interest and rounding."""

    calendar: str = Field(
        default="weekends",
        description="Name of a calendar under `calendars`, or a region code. While `convention` is unadjusted it moves "
        "no date; guards still take its days of rest for days on which a lender may post nothing.",
        examples=["CN"],
    )
    convention: Convention = Field(
        default=Convention.UNADJUSTED,
        description="Where a due date that is not a business day moves: unadjusted (stays), following "
        "(Civil Code "
        "art. 203), modified_following (not into the next month), preceding.",
        examples=["unadjusted", "following"],
    )
    shift_moves_interest: bool = Field(
        default=False,
        description="Whether a business-day shift also moves the end of the interest period, or only the "
        "payment.",
        examples=[False],
    )
    frequency: Frequency = Field(
        default=Frequency.MONTHLY,
        description="Monthly and quarterly keep the due day; weekly and biweekly step from the first due "
        "date.",
        examples=["monthly"],
    )
    interest_basis: InterestBasis = Field(
        default=InterestBasis.RATE_12,
        description="rate/12 per month (a quarter is 3/12, a week 7/365, two weeks 14/365), actual/365, "
        "actual/360 "
        "or 30/360.",
        examples=["rate/12"],
    )
    recalculation: Literal["none", "daily", "simple"] = Field(
        default="none",
        description="Whether payments before or after their due date change the interest: `none` keeps the "
        "agreed interest; the others count it on the principal that was open on each day. `simple`: a payment "
        "first settles all interest up to its own day (as in most U.S. car contracts). `daily`: it first settles "
        "what has fallen due; what is left lowers the principal from its day on, and the next due date takes the "
        "interest of its period out of it (as Apache Fineract's interest recalculation). Both need a day count as "
        "`interest_basis`, and the payments table. What a prepayment changes: `allocation.applied_as`.",
        examples=["none", "simple"],
    )
    annuity_rate: Literal["exact", "first_period", "nominal"] = Field(
        default="exact",
        description="From which rate the equal installment is computed: `exact` uses every period's own "
        "interest, "
        "`first_period` the first period's for all, `nominal` rate/12 although interest is counted in days.",
        examples=["exact"],
    )
    stub: Literal["none", "actual/365", "actual/360", "30/360", "pro_rata"] = Field(
        default="none",
        description="Interest for the days by which the first period is longer or shorter than a regular "
        "one (only "
        "for rate/12; day-count bases have it by themselves). `none`: no such interest. A day count: "
        "it is added to the amount the installment is computed from. `pro_rata`: the first "
        "period's interest is scaled by its days.",
        examples=["none", "actual/365"],
    )
    extra_days: Literal["spread", "on_top"] = Field(
        default="spread",
        description="Who pays the interest of the days by which a period is longer (or shorter) than a regular "
        "one (the first one, or one that a due-day change or a deferral lengthens), where the installment is "
        "level: `spread` over all installments, or `on_top` of that one, so that the others stay as they are.",
        examples=["spread", "on_top"],
    )
    interest_rounding: Rounding = Field(
        default=Rounding.HALF_UP, description="How interest is rounded.", examples=["half_up"]
    )
    installment_rounding: Rounding = Field(
        default=Rounding.HALF_UP,
        description="How the level installment (or its principal share) is rounded; many contracts round it "
        "up.",
        examples=["half_up", "up"],
    )
    installment_multiple: Decimal = Field(
        default=Decimal(0),
        ge=0,
        description="Installments are rounded to a multiple of this amount; 0: to the smallest currency "
        "unit.",
        examples=["1.00"],
    )
    residue: Literal["last", "first", "spread"] = Field(
        default="last",
        description="Which installment takes what rounding leaves. `spread` divides what is left by the "
        "installments "
        "left, each time (equal principal and flat only).",
        examples=["last"],
    )
    principal_grace: int = Field(
        default=0, ge=0, le=120, description="First installments that pay interest only.", examples=[0, 3]
    )
    interest_free_periods: int = Field(
        default=0, ge=0, le=120, description="First periods without interest.", examples=[0, 3]
    )
    fee_per_installment: Decimal = Field(
        default=Decimal(0), ge=0, description="Fixed fee added to every installment.", examples=["5.00"]
    )
    charge_shift_interest: bool = Field(
        default=False,
        description="For rate/12: whether a deferral or a due-day change charges interest for the days "
        "it adds (actual "
        "days over the regular period's days). Day-count bases always do.",
        examples=[False],
    )
    settlement_interest: Literal["to_the_day", "to_next_due_date"] = Field(
        default="to_the_day",
        description="How far an early settlement pays interest (Civil Code art. 677: the actual period).",
        examples=["to_the_day"],
    )

    @model_validator(mode="after")
    def _days_to_count(self) -> "ProductTerms":
        how = self.recalculation
        if how != "none" and self.interest_basis is InterestBasis.RATE_12:
            raise ValueError(
                f"recalculation: {how} counts days; write interest_basis: actual/365 or another day count"
            )
        if how != "none" and self.interest_free_periods:
            raise ValueError(f"recalculation: {how} knows no interest_free_periods; take one of them out")
        return self


class ScheduleSettings(Settings):
    """Where a lender's schedule comes from and how it is computed."""

    basis: Literal["computed", "supplied", "snapshot"] = Field(
        default="computed",
        description="computed from terms, changes and payments; supplied by the installments table; or a "
        "snapshot of "
        "next due date, amount and overdue days in the loans table.",
        examples=["computed"],
    )
    default: ProductTerms = Field(
        default_factory=ProductTerms,
        description="Terms of every product that is not listed under `products`.",
    )
    products: Mapping[str, ProductTerms] = Field(
        default_factory=dict,
        description="Terms by product name, complete in themselves.",
        examples=[{"new-car-36": {"convention": "following", "calendar": "CN"}}],
    )
    calendars: Mapping[str, CalendarSettings] = Field(
        default_factory=dict,
        description="Named calendars. A region code needs no entry unless the lender adds days of its own.",
        examples=[{"CN": {"region": "CN", "extra_holidays": ["2026-12-31"]}}],
    )
    _exponent: int = PrivateAttr(default=2)
    max_annual_rate: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=5,
        description="Yearly rates above this are rejected as typing errors; 1 is 100 %.",
        examples=["1"],
    )

    @property
    def currency_exponent(self) -> int:
        """Decimals of the lender's currency (ISO 4217), see `in_currency`; 2 before it is known."""
        return self._exponent

    def in_currency(self, currency: str) -> "ScheduleSettings":
        """The same settings for a currency. Raises ValueError where an amount has more decimals than it."""
        chosen = self.model_copy()
        chosen._exponent = currency_exponent(currency)  # noqa: SLF001 - of the same class
        for name, terms in (("default", chosen.default), *chosen.products.items()):
            for field in ("installment_multiple", "fee_per_installment"):
                try:
                    chosen.minor(getattr(terms, field))
                except ValueError as error:
                    raise ValueError(f"{name}.{field}: {error}; write fewer decimals") from error
        return chosen

    def terms_of(self, product: str) -> ProductTerms:
        """The terms of one product."""
        return self.products.get(product, self.default)

    def calendar_of(self, terms: ProductTerms) -> CalendarSettings:
        """The calendar a product's terms name: an entry of `calendars`, else the region of that name."""
        return self.calendars.get(terms.calendar, CalendarSettings(region=terms.calendar))

    def minor(self, amount: Decimal) -> int:
        """An amount in minor units. Raises ValueError if it has more decimals than the currency."""
        scaled = amount.scaleb(self.currency_exponent)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{amount} has more than {self.currency_exponent} decimals")
        return int(scaled)
