"""Holds: what is on record against telling people, and the commands that set, end and list holds."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App, any_number
from carloan_notify.errors import ConfigError, SourceError
from carloan_notify.finding_codes import CellProblem, Finding
from carloan_notify.hold_codes import HoldReason, Then
from carloan_notify.ledger import holds, numbers, promises, stopping
from carloan_notify.ledger.holds import HoldOn, NewHold
from carloan_notify.ledger.store import Transaction
from carloan_notify.notices.hold_settings import HoldRule, HoldsSettings
from carloan_notify.notices.holds import HOLDS, overdue
from carloan_notify.notices.numbers import NUMBERS
from carloan_notify.notices.policy import SUPPRESSIONS, OnRecord
from carloan_notify.pipeline.portfolio import read_context
from carloan_notify.records import MessageClass
from carloan_notify.sources.files import small_table
from carloan_notify.sources.picking import WantedRows, knows
from carloan_notify.sources.spelling import one_spelling
from carloan_notify.sources.tables import HEADERS, HOLD_WORDS
from carloan_notify.sources.values import parse_date, word_key

# What the ledger has on record. It names customers by keyed hash: the tables of now turn theirs back.

_SUPPRESSED: Final = ("phone_hash", "customer_ref", "message_class", "reason")
_HELD: Final = ("loan_id", "customer_ref", "phone_hash", "message_class", "kind", "until", "source", "set_at")


def _nobody(_: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Everything that stands: opt-outs, holds and numbers, as the ledger has them.

    `suppressions` and `holds` are SUPPRESSIONS and HOLDS with `customer_ref` in place of `customer_id`; `last_hold` is
    the number of the newest hold of which this tells.
    """

    suppressions: pd.DataFrame
    holds: pd.DataFrame
    numbers: pd.DataFrame
    last_hold: int = 0
    customer_ref: Callable[[str], str] = field(default=_nobody)

    @classmethod
    def read(cls, tx: Transaction, people: Collection[str] | None = None) -> Self:
        """What stands now; of numbers only those of `people` (keyed hashes) where they are given."""
        last = holds.last_number(tx)  # first: what comes while the rest is read is asked for again
        return cls(
            suppressions=stopping.table(tx)[list(_SUPPRESSED)],
            holds=_with_promises(tx, _as_frame(holds.table(tx))),
            numbers=numbers.all_known(tx, people)[list(NUMBERS)].astype(dict(NUMBERS)),
            last_hold=last,
            customer_ref=tx.cipher.customer_ref,
        )

    @classmethod
    def nothing(cls) -> Self:
        """Before the first night."""
        opt_outs, standing = (
            frames.empty(
                {"customer_ref" if name == "customer_id" else name: kind for name, kind in each.items()}
            )
            for each in (SUPPRESSIONS, HOLDS)
        )
        return cls(opt_outs, standing, frames.empty(NUMBERS))

    def about(self, customer_ids: Collection[str], by_ref: Mapping[str, str] | None = None) -> OnRecord:
        """The same about these customers, and about every number and loan.

        `by_ref` has the customers by their keyed hash, for who has made those hashes already.
        """
        if self.suppressions.empty and self.holds.empty:
            return OnRecord(numbers=self.numbers)
        customers = by_ref or {self.customer_ref(each): each for each in customer_ids if each}
        opt_outs, standing = (named(rows, customers) for rows in (self.suppressions, self.holds))
        return OnRecord(opt_outs[list(SUPPRESSIONS)], standing[list(HOLDS)], self.numbers)


def _as_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Holds as the ledger lists them, in the columns of HOLDS."""
    days = rows["set_at"].str.slice(0, 10)
    found = rows[list(_HELD)].rename(columns={"source": "set_by"}).drop(columns="set_at").assign(set_on=days)
    until = pd.to_datetime(rows["until"].mask(rows["until"] == ""), format="%Y-%m-%d")
    return found.assign(until=until.astype(frames.DATE)).astype(
        dict.fromkeys(("set_by", "set_on"), frames.TEXT)
    )


def _with_promises(tx: Transaction, on_record: pd.DataFrame) -> pd.DataFrame:
    """The holds and, in the same columns, what open promises hold back: collection from their loan until their end."""
    kept = promises.open_ones(tx)
    if not kept:
        return on_record
    held = pd.DataFrame(
        {
            "loan_id": [row["loan_id"] for row in kept],
            "kind": HoldReason.PROMISE.value,
            "until": pd.to_datetime([row["ends_on"] for row in kept], format="%Y-%m-%d"),
            "set_by": [f"promise {row['promise_id']}" for row in kept],
            "set_on": [row["made_on"] for row in kept],
        }
    ).assign(customer_ref="", phone_hash="", message_class="")
    held = held.astype({name: frames.DATE if name == "until" else frames.TEXT for name in held})
    return pd.concat([on_record, held], ignore_index=True)


def named(rows: pd.DataFrame, customers: Mapping[str, str]) -> pd.DataFrame:
    """Rows of the ledger with a `customer_id` in place of `customer_ref`: that of `customers` (by keyed hash), else "".

    What names no customer names none of these, whatever hash stands for nobody.
    """
    ids = frames.per_value(rows["customer_ref"], lambda ref: customers.get(ref, "") if ref else "")
    return rows.assign(customer_id=ids).drop(columns="customer_ref")


# Holds whose last day is over.


def run_out(
    notices: pd.DataFrame, on_record: pd.DataFrame, settings: HoldsSettings, as_of: date
) -> pd.DataFrame:
    """FINDINGS about holds (HOLDS) of these notices' loans and people whose last day lies before `as_of`."""
    over = overdue(notices, on_record, settings, as_of)
    ran_out = over["then"] == Then.RESUMES.value
    codes = ran_out.map({True: Finding.HOLD_RAN_OUT.value, False: Finding.HOLD_NEEDS_REVIEW.value})
    said = codes.map({code.value: code.english for code in (Finding.HOLD_RAN_OUT, Finding.HOLD_NEEDS_REVIEW)})
    until = over["until"].dt.strftime("%Y-%m-%d")
    told = over["kind"] + " until " + until + ", set by " + over["set_by"] + " on " + over["set_on"]
    rows = pd.DataFrame({"loan_id": over["loan_id"], "code": codes, "place": "holds", "value": told})
    rows["message"] = told + ": " + said
    return rows.astype(dict(frames.FINDINGS))[list(frames.FINDINGS)]


# Commands.


@dataclass(frozen=True, slots=True)
class Given:
    """Whom a command names: a phone as it was typed, a customer or a loan, one of them; and a class or None."""

    phone: str = ""
    customer_id: str = ""
    loan_id: str = ""
    message_class: str | None = None

    def require_one(self) -> None:
        """Raise `ConfigError` unless exactly one is named."""
        if sum(map(bool, (self.phone, self.customer_id, self.loan_id))) != 1:
            raise ConfigError(["give a phone, a customer or a loan, exactly one of them"])


def hold_on(app: App, tx: Transaction, given: Given) -> HoldOn:
    """The subject that a command names.

    Raises:
        ConfigError: not exactly one is named, or the phone is no number.
    """
    given.require_one()
    return HoldOn(
        tx.cipher.phone_hash(typed_number(app, given.phone)) if given.phone else "",
        tx.cipher.customer_ref(one_spelling(given.customer_id)),
        one_spelling(given.loan_id),
        MessageClass(given.message_class) if given.message_class else None,
    )


def typed_number(app: App, phone: str) -> str:
    """A number that somebody typed, in E.164.

    Raises:
        ConfigError: it is none.
    """
    found = any_number(app, phone)
    if found.error:
        raise ConfigError([f"--phone: {found.error}; write it as +8613800138000"])
    return found.e164


def last_day(app: App, kind: HoldReason, named: date | None) -> date | None:
    """The last day of a hold that is set today.

    Raises:
        ConfigError: a day is named for a hold that has no end, or lies in the past, or none is and one is needed.
    """
    rule, today = app.settings.policy.holds.rule(kind), app.business_date()
    if named is not None and rule.then is Then.STAYS:
        raise ConfigError([f"--until: a hold for {kind} has no end (policy.holds.{kind}.then); leave it out"])
    if named is not None and named < today:
        raise ConfigError([f"--until: {named} is over; name its last day, {today} or later"])
    found = rule.last_day(today, named)
    if found is None and rule.then is not Then.STAYS:
        raise ConfigError([f"--until: a hold for {kind} needs its last day; write one such as {today}"])
    return found


@dataclass(frozen=True, slots=True)
class Held:
    """What became of a new hold: its last day, whether it is new, and how many waiting messages it cancelled."""

    kind: HoldReason
    until: date | None
    then: Then
    fresh: bool
    cancelled: int


def add(app: App, given: Given, kind: HoldReason, until: date | None, operator: str, reason: str) -> Held:
    """Hold messages, those that wait included; `reason` is kept in the audit.

    Raises:
        ConfigError: what is given makes no hold.
    """
    if kind is HoldReason.PROMISE:
        raise ConfigError(
            ["--kind promise: a promise has an amount and a date; enter it with `promises add`"]
        )
    ends = last_day(app, kind, until)
    settings = app.settings.policy.holds
    with app.open_ledger(create=True) as ledger, ledger.write() as tx:
        new = NewHold(hold_on(app, tx, given), kind, ends)
        done = holds.put(tx, new, operator, settings, app.clock(), note=reason)
    return Held(kind, ends, settings.rule(kind).then, done.fresh, len(done.cancelled))


def unknown(app: App, given: Given) -> str:
    """What to say where no table of today has whom a command names: a typing error holds nobody. Empty where one has.

    Where a table cannot be read, that is said instead: a hold that stands is not undone by it.
    """
    name, day = given.loan_id or given.customer_id or "this number", app.business_date()
    wanted = WantedRows(
        frozenset({one_spelling(given.loan_id)} - {""}),
        frozenset({one_spelling(given.customer_id)} - {""}),
        frozenset({typed_number(app, given.phone)} if given.phone else ()),
    )
    try:
        known = knows(app.settings.sources, read_context(app, day), wanted)
    except SourceError as error:
        return f"the hold stands, but nobody could look whether the tables have {name}: {error}"
    return "" if known else f"the hold stands, but no table of {day} has {name}: check it"


def end(app: App, hold_no: int, operator: str, reason: str) -> HoldReason | None:
    """End a hold by its number in `listed`; its kind, None where none of that number stands."""
    with app.open_ledger() as ledger, ledger.write() as tx:
        return holds.end(tx, hold_no, operator, reason, app.clock())


SHOWN: Final = (
    *("hold_no", "kind", "on", "subject", "message_class", "set_by", "set_at", "until", "then"),
    *("ended_at", "ended_by"),
)


def listed(app: App, *, everything: bool, given: Given | None = None) -> list[dict[str, Any]]:
    """Holds (SHOWN), oldest first: those that stand, or everything; of one subject where one is given."""
    with app.open_ledger() as ledger, ledger.read() as tx:
        rows = holds.table(tx, standing_only=not everything)
        if given is not None:
            for name, value in hold_on(app, tx, given).columns.items():
                rows = rows if name == "message_class" and not value else rows[rows[name] == value]
    return [_line(app, row) for row in rows.to_dict("records")]


def _line(app: App, row: Mapping[Any, Any]) -> dict[str, Any]:
    on = next(name for name in ("loan_id", "customer_ref", "phone_hash") if row[name])
    then = app.settings.policy.holds.rule(row["kind"]).then
    names = ("hold_no", "kind", "message_class", "set_at", "until", "ended_at", "ended_by")
    line = {"on": on, "subject": row[on], "set_by": row["source"], "then": then.value}
    return {name: {**line, **{each: row[each] for each in names}}[name] for name in SHOWN}


def rules(app: App) -> list[dict[str, Any]]:
    """What each kind of hold keeps back: the table of `policy.holds`, a row a kind."""
    settings = app.settings.policy.holds
    return [_rule(kind, settings.rule(kind)) for kind in HoldReason]


def _rule(kind: HoldReason, rule: HoldRule) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "classes": ",".join(rule.classes),
        "channels": ",".join(rule.channels),
        "whom": rule.whom.value,
        "statutory": rule.statutory,
        "days": rule.days or "",
        "then": rule.then.value,
    }


# A file of holds: what another system knows.


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's rows; `problems` name the line and the cure, and nothing of a file with any is set."""

    fresh: int = 0
    standing: int = 0
    cancelled: int = 0
    problems: tuple[str, ...] = ()


HOLD_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    **{name: HEADERS[name] for name in ("loan_id", "customer_id", "phone", "hold_until")},
    "kind": HEADERS["hold"],
    "message_class": (),
    "reason": ("原因",),
}


def take_file(app: App, path: Path, operator: str) -> Imported:
    """Set the holds of a CSV file's rows (HOLD_COLUMNS, blank where nothing is said), all in one transaction or none.

    Raises:
        SourceError: the file cannot be read, or has no column `kind`.
    """
    rows = small_table(path, HOLD_COLUMNS, ("kind",))
    read = [_row(app, row) for _, row in rows]
    problems = tuple(
        f"{path.name}:{line}: {each}"
        for (line, _), each in zip(rows, read, strict=True)
        if isinstance(each, str)
    )
    if problems:
        return Imported(problems=problems)
    done = []
    with app.open_ledger(create=True) as ledger, ledger.write() as tx:
        for each, (_, row) in zip(read, rows, strict=True):
            if isinstance(each, str):
                raise TypeError(each)
            new = NewHold(hold_on(app, tx, each.given), each.kind, each.until)
            settings, note = app.settings.policy.holds, row["reason"]
            done.append(holds.put(tx, new, operator, settings, app.clock(), note=note))
    fresh = sum(each.fresh for each in done)
    return Imported(fresh, len(done) - fresh, sum(len(each.cancelled) for each in done))


@dataclass(frozen=True, slots=True)
class _Row:
    given: Given
    kind: HoldReason
    until: date | None


def _row(app: App, row: Mapping[str, str]) -> _Row | str:
    """What a row says, or what is wrong with it."""
    kind = _KINDS.get(word_key(row["kind"]))
    if kind is None:
        return f"kind: no such one; write one of {', '.join(each for each in HOLD_WORDS if each != HoldReason.PROMISE)}"
    if row["message_class"] not in {"", *(each.value for each in MessageClass)}:
        return "message_class: write service, collection, marketing or nothing"
    until = parse_date(row["hold_until"], zone=ZoneInfo(app.lender.timezone)) if row["hold_until"] else None
    if isinstance(until, CellProblem):
        return f"until: {until.english}"
    given = Given(row["phone"], row["customer_id"], row["loan_id"], row["message_class"] or None)
    try:
        given.require_one()
        if given.phone:
            typed_number(app, given.phone)
        return _Row(given, kind, last_day(app, kind, until))
    except ConfigError as error:
        return str(error).removeprefix("--")


_KINDS: Final = {
    word_key(word): HoldReason(kind)
    for kind, words in HOLD_WORDS.items()
    for word in (kind, *words)
    if kind != HoldReason.PROMISE
}
