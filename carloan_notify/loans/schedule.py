"""Schedules of whole portfolios, and of one loan from its terms."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd

from carloan_notify.codes import Method
from carloan_notify.finding_codes import Finding
from carloan_notify.frames import CHANGES, FINDINGS, LOANS, SCHEDULE, empty, findings, stack
from carloan_notify.loans.amounts import Amounts, amounts, rounds_to_nothing
from carloan_notify.loans.arrays import Flags, Ints
from carloan_notify.loans.calendar import load_calendar, within_count
from carloan_notify.loans.change_requests import ChangeType, read_changes
from carloan_notify.loans.changes import CHANGE_EFFECTS, apply_changes
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.plan import InstallmentPlan, plan
from carloan_notify.loans.settings import FIRST_YEAR, LAST_YEAR, ScheduleSettings
from carloan_notify.loans.supplied import COLUMN as STEPS_COLUMN
from carloan_notify.loans.supplied import supplied_amounts

# Which loans can be computed at all; every other loan gets a finding with a stable code.

MOST_INSTALLMENTS = 480
"""Forty years of months: no car loan is so long, and a longer term is a typing error."""
PRINCIPAL_LIMIT = 10**12
"""Minor units; with rates up to 5 and 480 quarters interest stays below 2**50 (`rounding.mul_div`)."""


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
        Finding.LOAN_ID_DUPLICATE,
        loans["loan_id"].duplicated(keep=False),
        "loan_id",
        "the loan_id is there more than once; keep one row per loan",
    )
    yield (
        Finding.PRINCIPAL_OUT_OF_RANGE,
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
        Finding.RATE_OUT_OF_RANGE,
        (loans["annual_rate_ppb"] < 0) | (loans["annual_rate_ppb"] > limit),
        "annual_rate_ppb",
        f"the yearly rate must be 0 to {settings.max_annual_rate:%}; is 12 % exported as 12 instead of 0.12?",
    )
    yield (
        Finding.TERM_OUT_OF_RANGE,
        ~loans["term_months"].between(1, MOST_INSTALLMENTS),
        "term_months",
        f"there must be 1 to {MOST_INSTALLMENTS} installments; fix it",
    )


def _dates(loans: pd.DataFrame) -> "Iterator[tuple[str, pd.Series[bool], str, str]]":
    first, disbursed = loans["first_due_on"], loans["disbursed_on"]
    yield (
        Finding.FIRST_DUE_MISSING,
        first.isna(),
        "first_due_on",
        "without a first due date nothing can be computed; export it",
    )
    yield (
        Finding.FIRST_DUE_BEFORE_DISBURSEMENT,
        first <= disbursed,
        "first_due_on",
        "the first due date must be after the disbursement; correct one of them",
    )
    yield (
        Finding.FIRST_DUE_OUT_OF_RANGE,
        ~first.dt.year.between(FIRST_YEAR, LAST_YEAR),
        "first_due_on",
        f"the first due date must be in {FIRST_YEAR} to {LAST_YEAR}; correct it",
    )
    yield (
        Finding.DUE_DAY_OUT_OF_RANGE,
        ~loans["due_day"].between(0, 31),
        "due_day",
        "the due day must be 1 to 31, or empty for the first due date's day",
    )


def _method(
    loans: pd.DataFrame, settings: ScheduleSettings
) -> "Iterator[tuple[str, pd.Series[bool], str, str]]":
    yield (
        Finding.REPAYMENT_METHOD_UNKNOWN,
        ~loans["repayment_method"].isin(list(Method)),
        "repayment_method",
        f"use one of {', '.join(Method)}",
    )
    yield (
        Finding.BALLOON_OUT_OF_RANGE,
        (loans["balloon_minor"] < 0) | (loans["balloon_minor"] > loans["principal_minor"]),
        "balloon_minor",
        "the balloon must be 0 up to the principal; correct it",
    )
    products = loans["product"].unique()
    grace = loans["product"].map(
        {product: settings.terms_of(product).principal_grace for product in products}
    )
    yield (
        Finding.PRINCIPAL_GRACE_TOO_LONG,
        loans["term_months"] <= grace.astype("int64"),
        "term_months",
        "the principal grace leaves no installment that repays; lengthen the term or shorten the grace",
    )


NEEDED = (
    "loan_id",
    "product",
    "repayment_method",
    "principal_minor",
    "annual_rate_ppb",
    "term_months",
    "disbursed_on",
    "first_due_on",
    "due_day",
    "balloon_minor",
    STEPS_COLUMN,
)
HARMLESS = (Finding.CHANGE_UNKNOWN_LOAN, Finding.CHANGE_TO_SETTLED_LOAN)
"""Findings that strike a change but not the loan."""
CHUNK = 8_192
"""Loans computed at once: keeps memory flat and what is worked on in the processor's cache."""
_NONE = Grid.from_frame(empty(SCHEDULE))


@dataclass(frozen=True)
class LoanTerms:
    """The terms of one loan given by hand; money in minor units, the rate in parts per billion."""

    principal_minor: int
    annual_rate_ppb: int
    installments: int
    first_due_on: date
    disbursed_on: date | None = None
    due_day: int = 0
    repayment_method: str = "equal_installment"
    balloon_minor: int = 0
    product: str = ""
    loan_id: str = "ad-hoc"


def one_loan(terms: LoanTerms) -> pd.DataFrame:
    """A LOANS frame of this one loan, active, with nothing paid."""
    row = {
        "loan_id": terms.loan_id,
        "product": terms.product,
        "principal_minor": terms.principal_minor,
        "annual_rate_ppb": terms.annual_rate_ppb,
        "term_months": terms.installments,
        "disbursed_on": pd.Timestamp(terms.disbursed_on) if terms.disbursed_on else pd.NaT,
        "first_due_on": pd.Timestamp(terms.first_due_on),
        "due_day": terms.due_day,
        "repayment_method": terms.repayment_method,
        "status": "active",
        "balloon_minor": terms.balloon_minor,
    }
    missing = {"str": "", "int64": 0, "bool": False, "datetime64[s]": pd.NaT}
    cells = {name: [row.get(name, missing[kind])] for name, kind in LOANS.items()}
    return pd.DataFrame(cells).astype(dict(LOANS))


def build_schedules(
    loans: pd.DataFrame, changes: pd.DataFrame | None, settings: ScheduleSettings
) -> tuple[list[Grid], pd.DataFrame]:
    """Schedules of LOANS after their CHANGES, and FINDINGS.

    The grids hold at most CHUNK loans of one product and method each, in no particular order. Every loan is
    either in exactly one grid or named by a finding that excludes it. A loan's schedule depends on its own
    rows only.
    Raises CalendarError where a convention needs a year that its calendar does not know.
    """
    pieces = list(schedules(loans, changes, settings))
    grids = [piece.grid for piece in pieces if len(piece.grid)]
    return grids, stack([piece.findings for piece in pieces], FINDINGS)


def describe_changes(
    loans: pd.DataFrame, changes: pd.DataFrame, settings: ScheduleSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each change altered, before and after (CHANGE_EFFECTS), and the FINDINGS of `build_schedules`."""
    pieces = list(schedules(loans, changes, settings))
    told = stack([piece.effects for piece in pieces], CHANGE_EFFECTS)
    return told, stack([piece.findings for piece in pieces], FINDINGS)


@dataclass(frozen=True, eq=False)
class Schedules:
    """Schedules of some loans: `at` (n,) are their labels in the loans frame's index.

    `findings` also concern loans of no grid; `effects` (CHANGE_EFFECTS) say what changes altered.
    """

    grid: Grid
    at: Ints
    findings: pd.DataFrame
    effects: pd.DataFrame


def schedules(
    loans: pd.DataFrame, changes: pd.DataFrame | None, settings: ScheduleSettings
) -> Iterator[Schedules]:
    """The same as `build_schedules`, some thousand loans at a time; a grid may be empty."""
    usable, problems = usable_loans(_slim(loans), settings)
    rows = empty(CHANGES) if changes is None else changes
    sound_rows, bad_rows = read_changes(rows, loans, settings)
    excluded = bad_rows.loc[~bad_rows["code"].isin(HARMLESS), "loan_id"]
    usable = usable[~_named(usable, excluded)]
    nothing, nobody = empty(CHANGE_EFFECTS), np.zeros(0, dtype=np.int64)
    yield Schedules(_NONE, nobody, stack([problems, bad_rows], FINDINGS), nothing)
    changed = _named(usable, sound_rows["loan_id"])
    for group in _groups(usable[~changed], settings):
        grid, kept, misfit = _unchanged(group, settings)
        yield Schedules(grid, group.index.to_numpy()[kept], misfit, nothing)
    for group in _groups(usable[changed], settings):
        grid, kept, misfit, told = _changed(group, sound_rows, settings)
        yield Schedules(grid, group.index.to_numpy()[kept], misfit, told)


def _named(loans: pd.DataFrame, ids: "pd.Series[str]") -> Flags:
    """Which loans are among these; most nights nearly none is, and looking up texts is what costs."""
    if ids.empty:
        return np.zeros(len(loans), dtype=bool)
    return loans["loan_id"].isin(ids.to_numpy(dtype=object)).to_numpy()


def _unchanged(group: pd.DataFrame, settings: ScheduleSettings) -> tuple[Grid, Flags, pd.DataFrame]:
    rows = int(group["term_months"].max())
    supplied, misfit = supplied_amounts(group, rows, settings)
    computed = plan(group, supplied, settings)
    computed = replace(computed, original_on=computed.nominal_on)
    found = amounts(computed)
    nothing = rounds_to_nothing(computed, found.level)
    misfit = stack([misfit, _nothing_each(computed, nothing)], FINDINGS)
    kept = ~nothing & ~_named(group, misfit["loan_id"])
    grid = grid_of(computed, found)
    return (grid if kept.all() else grid.take(kept)), kept, misfit


def _changed(
    group: pd.DataFrame, changes: pd.DataFrame, settings: ScheduleSettings
) -> tuple[Grid, Flags, pd.DataFrame, pd.DataFrame]:
    own = changes[changes["loan_id"].isin(group["loan_id"])]
    extended = own[own["type"] == ChangeType.EXTENSION].groupby("loan_id")["number"].sum()
    rows = int((group["term_months"] + group["loan_id"].map(extended).fillna(0).astype("int64")).max())
    supplied, misfit = supplied_amounts(group, rows, settings)
    computed = plan(group, supplied, settings)
    calendar = load_calendar(settings.calendar_of(computed.terms))
    done = apply_changes(computed, group["due_day"].to_numpy(), own, calendar)
    nothing = rounds_to_nothing(computed, amounts(computed).level)
    misfit = stack([misfit, _nothing_each(computed, nothing & done.sound)], FINDINGS)
    kept = done.sound & ~nothing & ~_named(group, misfit["loan_id"])
    final = replace(done.plan, original_on=within_count(done.plan.original_on, done.plan.count))
    found = Amounts(done.plan.fixed_principal, done.plan.fixed_interest, done.plan.level)
    notes = stack([misfit, done.findings], FINDINGS)
    return grid_of(final, found).take(kept), kept, notes, done.effects


def _nothing_each(computed: InstallmentPlan, nothing: Flags) -> pd.DataFrame:
    return findings(
        Finding.INSTALLMENT_ROUNDS_TO_ZERO,
        list(computed.loan_ids[nothing]),
        "the installment rounds to 0; check the principal and the term, or make installment_multiple smaller",
        place="principal_minor",
    )


def schedule_frame(grids: list[Grid]) -> pd.DataFrame:
    """All grids as one SCHEDULE frame."""
    return stack([grid.to_frame() for grid in grids], SCHEDULE)


def _slim(loans: pd.DataFrame) -> pd.DataFrame:
    """Only what the arithmetic needs, in types that are quick to regroup."""
    columns = [name for name in NEEDED if name in loans]
    return loans[columns].astype({"loan_id": object, "product": "category", "repayment_method": "category"})


def _groups(loans: pd.DataFrame, settings: ScheduleSettings) -> Iterator[pd.DataFrame]:
    """Loans of one product and method, at most CHUNK at a time, terms of similar length together."""
    products = {name: place for place, name in enumerate(settings.products, start=1)}
    listed = np.array([products.get(name, 0) for name in loans["product"].cat.categories], dtype=np.int64)
    product, method = listed[loans["product"].cat.codes], loans["repayment_method"].cat.codes
    for _, group in loans.groupby([product, method.to_numpy()], sort=True):
        by_term = group.sort_values("term_months", kind="stable")
        for begin in range(0, len(by_term), CHUNK):
            yield by_term.iloc[begin : begin + CHUNK]


def grid_of(computed: InstallmentPlan, found: Amounts) -> Grid:
    """The grid of a plan with its amounts, without rows that no loan uses."""
    return Grid(
        loan_ids=computed.loan_ids,
        count=computed.count,
        due_on=computed.due_on,
        original_due_on=computed.original_on,
        interest_on=computed.dates.end_on,
        principal_minor=found.principal,
        interest_minor=found.interest,
        fees_minor=computed.fees,
        opening_minor=computed.principal,
    ).trimmed()
