"""Guards over what the tables say, each a share with a bound: names, numbers, dates, amounts, statuses, rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from carloan_notify.codes import GuardName
from carloan_notify.finding_codes import CellProblem
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.guard_view import Measured, View, any_of, ratio, rested
from carloan_notify.notices.measures import ORPHAN_TABLES, Share
from carloan_notify.records import NightFacts

EVENT_ORPHANS: Final = 0.5
"""Events may be of applications that are no loans yet."""
NEW_LOANS: Final = 0.25
"""A portfolio that was bought is new; it is rare enough to be accepted by name."""
HALF: Final = 0.5
FEW_NAMES: Final = 5
FEW_REJECTS: Final = 4
"""So many times the allowed share, where only a few rows were rejected."""
USUAL_GROWTH: Final = 1.5
CAUSE_SHARE: Final = 0.005
FILLED: Final = 500
"""Thousandths; a column that was filled so far is missed when less than half of that is left."""
MOST_USUAL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Limit:
    """One measure and how far it may go: trips above `bound`, from `least` on.

    `said` completes "12 of 300 loans (4.0%) …".
    """

    measure: str
    said: str
    fix: str
    unit: str = "loans"
    bound: Callable[[GuardSettings], float] = lambda settings: settings.max_drift
    least: Callable[[GuardSettings], int] = lambda settings: settings.drift_loans


def _limited(limit: Limit, view: View) -> Measured | None:
    share = view.evidence.measured.get(limit.measure)
    if share is None:
        return None
    bound, least = limit.bound(view.settings), limit.least(view.settings)
    shown = f": {share.shown}" if share.shown else ""
    counted = f"{share.part} of {share.whole} {limit.unit} ({share.value:.1%})"
    text = f"{counted} {limit.said}{shown}; {bound:.1%} are allowed."
    return Measured(share.part >= least and share.value > bound, text, limit.fix)


def limits(*those: Limit) -> Callable[[View], Measured]:
    """A guard that trips when one of its measures is out of bounds."""

    def guard(view: View) -> Measured:
        found = [finding for limit in those if (finding := _limited(limit, view)) is not None]
        return any_of(found, "There is no earlier night to compare with.", those[0].fix)

    return guard


def _orphan_rows(view: View) -> Measured:
    """Payments whose ids lost their zeros match no loan, and everybody seems unpaid."""
    fix = "Compare the loan numbers of the tables: were zeros or prefixes lost?"
    found = [_orphans(table, view) for table in ORPHAN_TABLES]
    return any_of([one for one in found if one], "There are no rows that could match no loan.", fix)


def _orphans(table: str, view: View) -> Measured | None:
    share = view.evidence.measured.get(f"orphans_{table}", Share(0, 0))
    if not share.whole:
        return None
    allowed = view.settings.max_orphan_share if table != "events" else EVENT_ORPHANS
    if view.last is not None and table in view.last.orphans:
        allowed = max(allowed, view.last.orphans[table] / 1000 + allowed / 2)
    text = (
        f"{share.part} of {share.whole} {table} ({share.value:.1%}) match no loan; {allowed:.1%} are allowed."
    )
    fix = f"Compare the loan numbers of {table} and loans: were zeros or prefixes lost?"
    least = view.settings.drift_loans
    many = min(share.part, view.tonight.loans_read) >= least
    return Measured(many and share.value > allowed, text, fix)


def _reject_rate(view: View) -> Measured:
    """All tables together, each table, and each cause: a large table must not dilute a small one."""
    fix = "Look into the rejects file; each row names its cure."
    tonight, bound = view.tonight, view.settings.max_reject_rate
    rejected, read = tonight.rows_rejected, tonight.rows_read
    text = f"{rejected} of {read} input rows were rejected; {bound:.1%} are allowed.{_causes(tonight.reject_groups)}"
    found = [Measured(ratio(rejected, read) > bound, text, fix)]
    found += [_rejected(table, view, fix) for table in tonight.rejected]
    found += [_cause(name, view, fix) for name in tonight.reject_groups]
    tripped = [one for one in found if one.tripped]
    return any_of(tripped or found[:1], text, fix)


def _rejected(table: str, view: View, fix: str) -> Measured:
    part, whole = view.tonight.rejected[table], view.tonight.rows.get(table, 0)
    bound, least = view.settings.max_reject_rate, view.settings.reject_rows
    bound = FEW_REJECTS * bound if part < 2 * least else bound
    least = min(least, max(whole, 3))  # a table of four rows may be lost as a whole
    own = {name: count for name, count in view.tonight.reject_groups.items() if name.startswith(f"{table}|")}
    text = f"{part} of {whole} rows of {table} were rejected; {bound:.1%} are allowed.{_causes(own)}"
    return Measured(part >= least and ratio(part, whole) > bound, text, fix)


def _cause(name: str, view: View, fix: str) -> Measured:
    """One word that nobody mapped drops a whole group of loans; one that was accepted before does not stop again."""
    table, _, code, value = name.split("|", 3)
    part, whole = view.tonight.reject_groups[name], view.tonight.rows.get(table, 0)
    usual = view.last.reject_groups.get(name, 0) if view.last else 0
    unmapped = bool(value) and code == CellProblem.UNKNOWN_VALUE
    many = unmapped and part >= view.settings.reject_rows and ratio(part, whole) >= CAUSE_SHARE
    text = f"{part} of {whole} rows of {table} were rejected for one cause.{_causes({name: part})}"
    return Measured(many and part > USUAL_GROWTH * usual, text, fix)


def _causes(groups: Mapping[str, int]) -> str:
    """` (loans: status=诉讼 ×16)`, the commonest three; "" for none."""
    first = sorted(groups.items(), key=lambda item: -item[1])[:3]
    shown = [
        f"{table}: {_cell(column, value, code)} ×{n}" for (table, column, code, value), n in _split(first)
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _cell(column: str, value: str, code: str) -> str:
    return f"{column}={value}" if value else f"{column or 'row'} {code}"


def _split(items: list[tuple[str, int]]) -> list[tuple[list[str], int]]:
    return [(name.split("|", 3), count) for name, count in items]


def _column_blank(view: View) -> Measured:
    fix = "Check that the export still has these columns, under the same headers."
    last, tonight = view.last, view.tonight
    if last is None or not last.filled:
        return Measured(tripped=False, measured="There is no earlier night to compare with.", fix=fix)
    enough = [
        name
        for name, before in last.filled.items()
        if before >= FILLED and min(_rows(last, name), _rows(tonight, name)) >= view.settings.drift_loans
    ]
    gone = [name for name in enough if 2 * tonight.filled.get(name, 0) < last.filled[name]]
    text = f"{len(gone)} of {len(enough)} columns went blank since {last.as_of}{': ' if gone else ''}{', '.join(gone)}."
    return Measured(bool(gone), text, fix)


def _rows(facts: NightFacts, name: str) -> int:
    return facts.rows.get(name.split(".", 1)[0], 0)


def _incomplete_export(view: View) -> Measured:
    """A trailer, marker or row count that says so; a last line without its end where it has one as a rule."""
    fix = "Wait for the export job to end, and export the table again."
    problems = [f"{table}: {problem}." for table, problem in view.tonight.incomplete.items() if problem]
    usual = view.last.ended if view.last and view.last.ended else {}
    for table, ended in view.tonight.ended.items():
        as_a_rule = usual.get(table, any(view.tonight.ended.values()))
        if not ended and as_a_rule and not view.tonight.incomplete.get(table):
            problems.append(f"{table}: the last line has no end, as if the file were cut.")
    return Measured(bool(problems), " ".join(problems) or "Nothing shows that a table is not whole.", fix)


def _unpaid_dues(view: View) -> Measured:
    fix = "Check that the payments export ran: without it, people who paid would be chased."
    share = view.evidence.measured.get("dues_unpaid")
    if share is None:
        return Measured(tripped=False, measured="There is no earlier night to compare with.", fix=fix)
    if view.last and view.tonight.content_digest == view.last.content_digest:
        return Measured(tripped=False, measured="The input is the last night's: see same_export.", fix=fix)
    if rested(view):
        text = f"No working day has passed since {view.last and view.last.as_of}, so no payment can be posted yet."
        return Measured(tripped=False, measured=text, fix=fix)
    known = [run.dues_unpaid / 1000 for run in view.earlier if run.dues_unpaid is not None]
    bound = view.settings.max_unpaid_dues
    if known:
        bound = max(bound, min(median(known) + bound / 2, MOST_USUAL))
    text = (
        f"{share.part} of {share.whole} installments that fell due since the last night ({share.value:.1%}) are "
        f"unpaid; {bound:.1%} are allowed."
    )
    return Measured(share.whole >= view.settings.drift_loans and share.value > bound, text, fix)


_FIX: Final = "Compare tonight's export with the last one."


def _none(_: GuardSettings) -> float:
    return 0.0


def _one(_: GuardSettings) -> int:
    return 1


_PHONES: Final = "Compare the phone columns of loans and contacts with the lender's system: did rows shift?"
_UNIT: Final = "Check the amounts, and their unit."

CONTENT_GUARDS: Final[dict[str, Callable[[View], Measured]]] = {
    GuardName.INCOMPLETE_EXPORT: _incomplete_export,
    GuardName.COLUMN_BLANK: _column_blank,
    GuardName.ORPHAN_ROWS: _orphan_rows,
    GuardName.REJECT_RATE: _reject_rate,
    GuardName.UNPAID_DUES: _unpaid_dues,
    GuardName.FUTURE_ROWS: limits(
        Limit(
            "rows_of_the_future", "carry a payment of the future", "Check the dates of the payments export."
        )
    ),
    GuardName.UNREADABLE_NAMES: limits(
        Limit(
            "names_unreadable",
            "have a name that cannot be read",
            "Export the loans again as UTF-8, or set the table's `encoding`.",
            bound=lambda settings: 2 * settings.max_drift,
            least=lambda _: FEW_NAMES,
        )
    ),
    GuardName.SHARED_PHONES: limits(
        Limit(
            "phones_shared", "share their number with many customers", "Check the phone column of the export."
        )
    ),
    GuardName.FOREIGN_ZONES: limits(
        Limit(
            "zones_foreign",
            "have a time zone that lies in no country of their number",
            "Check the time zones.",
        )
    ),
    GuardName.ALL_DUE_TODAY: limits(
        Limit(
            "due_today_oddly", "are due today against their own terms", "Check the due dates of the export."
        )
    ),
    GuardName.AMOUNT_IMPOSSIBLE: limits(
        Limit(
            "amounts_impossible",
            "are asked for more than they can owe",
            _UNIT,
            bound=_none,
            least=_one,
        ),
        Limit(
            "amounts_unusual",
            "are asked for many times an installment of theirs or of their product",
            _UNIT,
            bound=_none,
            least=_one,
        ),
        Limit(
            "amounts_absurd",
            "are asked for twenty times what it was",
            _UNIT,
            bound=_none,
            least=_one,
        ),
    ),
    GuardName.PAYMENT_SCALE: limits(
        Limit(
            "payments_out_of_scale",
            "paid far more than they borrowed, or a small part of what was due",
            "Compare the amounts of payments and loans: are both in the same unit?",
            bound=lambda settings: 4 * settings.max_drift,
        )
    ),
    GuardName.LOANS_REPLACED: limits(
        Limit("loans_vanished", "that ran are gone", _FIX, bound=lambda settings: settings.max_row_drop),
        Limit("arrears_dropped", "that were overdue are gone", _FIX, bound=lambda _: HALF),
        Limit("loans_new", "are new", _FIX, bound=lambda _: NEW_LOANS),
    ),
    GuardName.PHONES_MOVED: limits(
        Limit("phones_changed", "have another number than the last night", _FIX),
        Limit(
            "phones_scattered",
            "with several loans have several numbers",
            _PHONES,
            unit="customers",
            bound=lambda _: HALF,
        ),
        Limit(
            "phones_crossed",
            "have the number of another customer in their contacts",
            _PHONES,
            unit="customers",
        ),
    ),
    GuardName.PRODUCTS_MOVED: limits(
        Limit("products_changed", "have another product than the last night", _FIX)
    ),
    GuardName.STATUS_SHIFT: limits(
        Limit("statuses_changed", "ended without a payment, or run again", _FIX),
        Limit("none_active", "are settled, so that none is left", _FIX),
    ),
    GuardName.DUE_DATES_MOVED: limits(
        Limit(
            "due_moves",
            "have another due date, without a change row",
            "Check the due dates of the export.",
        )
    ),
    GuardName.AMOUNTS_MOVED: limits(
        Limit("amounts_changed", "have twice or half the amount of the last night", _UNIT),
        Limit(
            "asked_otherwise",
            "asked for the next due dates differ from what the last night promised",
            _UNIT,
            unit="minor units",
            bound=lambda settings: 4 * settings.max_drift,
        ),
    ),
    GuardName.ARREARS_VANISHED: limits(
        Limit(
            "no_longer_overdue",
            "that were overdue owe nothing now, without a payment",
            _FIX,
            bound=lambda _: HALF,
        )
    ),
}
