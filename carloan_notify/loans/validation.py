"""Which loans can be computed at all; every other loan gets a finding with a stable code."""

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carloan_notify.frames import FINDINGS, findings, stack
from carloan_notify.loans.settings import FIRST_YEAR, LAST_YEAR, Method, ScheduleSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

PRINCIPAL_LIMIT = 10**12
"""Minor units; with rates up to 5 and 480 quarters interest stays below 2**50 (`rounding.mul_div`)."""
METHODS = tuple(method.value for method in Method)


def usable_loans(loans: pd.DataFrame, settings: ScheduleSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The loans that can be computed, and FINDINGS that exclude the others (each loan's first problem)."""
    problems: list[pd.DataFrame] = []
    usable = np.ones(len(loans), dtype=bool)
    for code, bad, column, message in _checks(loans, settings):
        if not bad.any():
            continue
        struck = loans[usable & bad.to_numpy()]
        usable &= ~bad.to_numpy()
        problems.append(
            findings(code, struck["loan_id"], message, place=column, value=list(struck[column].astype(str)))
        )
    return loans[usable], stack(problems, FINDINGS)


def _checks(
    loans: pd.DataFrame, settings: ScheduleSettings
) -> "Iterator[tuple[str, pd.Series[bool], str, str]]":
    """Code, bad rows, column and sentence of every rule."""
    yield (
        "loan_id_duplicate",
        loans["loan_id"].duplicated(keep=False),
        "loan_id",
        "the loan_id is there more than once; keep one row per loan",
    )
    yield (
        "principal_out_of_range",
        (loans["principal_minor"] <= 0) | (loans["principal_minor"] > PRINCIPAL_LIMIT),
        "principal_minor",
        f"the principal must be above 0, up to {PRINCIPAL_LIMIT} minor units; correct the export",
    )
    yield from _rate_and_term(loans, settings)
    yield from _dates(loans)
    yield from _method(loans, settings)


def _rate_and_term(
    loans: pd.DataFrame, settings: ScheduleSettings
) -> "Iterator[tuple[str, pd.Series[bool], str, str]]":
    limit = int(settings.max_annual_rate * Decimal(10**9))
    yield (
        "rate_out_of_range",
        (loans["annual_rate_ppb"] < 0) | (loans["annual_rate_ppb"] > limit),
        "annual_rate_ppb",
        f"the yearly rate must be 0 to {settings.max_annual_rate:%}; is 12 % exported as 12 instead of 0.12?",
    )
    yield (
        "term_out_of_range",
        ~loans["term_months"].between(1, settings.max_installments),
        "term_months",
        f"there must be 1 to {settings.max_installments} (schedule.max_installments) installments; fix it",
    )


def _dates(loans: pd.DataFrame) -> "Iterator[tuple[str, pd.Series[bool], str, str]]":
    first, disbursed = loans["first_due_on"], loans["disbursed_on"]
    yield (
        "first_due_missing",
        first.isna(),
        "first_due_on",
        "without a first due date nothing can be computed; export it",
    )
    yield (
        "first_due_before_disbursement",
        first <= disbursed,
        "first_due_on",
        "the first due date must be after the disbursement; correct one of them",
    )
    yield (
        "first_due_out_of_range",
        ~first.dt.year.between(FIRST_YEAR, LAST_YEAR),
        "first_due_on",
        f"the first due date must be in {FIRST_YEAR} to {LAST_YEAR}; correct it",
    )
    yield (
        "due_day_out_of_range",
        ~loans["due_day"].between(0, 31),
        "due_day",
        "the due day must be 1 to 31, or empty for the first due date's day",
    )


def _method(
    loans: pd.DataFrame, settings: ScheduleSettings
) -> "Iterator[tuple[str, pd.Series[bool], str, str]]":
    yield (
        "repayment_method_unknown",
        ~loans["repayment_method"].isin(METHODS),
        "repayment_method",
        f"use one of {', '.join(METHODS)}",
    )
    yield (
        "balloon_out_of_range",
        (loans["balloon_minor"] < 0) | (loans["balloon_minor"] > loans["principal_minor"]),
        "balloon_minor",
        "the balloon must be 0 up to the principal; correct it",
    )
    products = loans["product"].unique()
    grace = loans["product"].map(
        {product: settings.terms_of(product).principal_grace for product in products}
    )
    yield (
        "principal_grace_too_long",
        loans["term_months"] <= grace.astype("int64"),
        "term_months",
        "the principal grace leaves no installment that repays; lengthen the term or shorten the grace",
    )
