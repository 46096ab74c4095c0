"""Try before it goes live: what the nights of some weeks would send, withhold and cost. Writes and sends nothing."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.codes import Reason
from carloan_notify.errors import ConfigError, SourceError
from carloan_notify.ledger import notices as decided
from carloan_notify.ledger.runs import FINISHED, NIGHT
from carloan_notify.loans.standing import LoanTables, standing
from carloan_notify.messages.values import Money
from carloan_notify.notices.decide import KEYS
from carloan_notify.notices.endings import OPEN
from carloan_notify.notices.limits import AND, reach
from carloan_notify.notices.payers import (
    ASKED,
    FEWEST,
    Lateness,
    as_before,
    everybody,
    lateness,
    nobody,
    stage_days,
    with_payments,
)
from carloan_notify.notices.release import INSTANT
from carloan_notify.pipeline.decision_rows import why
from carloan_notify.pipeline.drafts import Drafted
from carloan_notify.pipeline.facts import cost_minor
from carloan_notify.pipeline.plan import DAY_AHEAD, RECENT_COLUMNS, Memory, decide_and_word, recall
from carloan_notify.pipeline.portfolio import Portfolio, loan_tables, read_context, standing_settings
from carloan_notify.pipeline.promise_nights import promises_of
from carloan_notify.records import Channel, Decision
from carloan_notify.reports.simulation import FIGURES, Simulation
from carloan_notify.reports.simulation import OUTCOMES as COLUMNS
from carloan_notify.reports.tables import frame_rows
from carloan_notify.sources.read import Sources, Table, read_all, read_table
from carloan_notify.sources.settings import TableSettings

NOBODY: Final = "nobody"
EVERYBODY: Final = "everybody"
LEDGER: Final = "ledger"
PAYERS: Final = (NOBODY, EVERYBODY, LEDGER)
"""What may be assumed of payments, beside a file of them."""
NIGHT_AT: Final = time(2)
"""When the nights of a simulation run, in the lender's zone: before any contact hour."""
MOST_DAYS: Final = 5 * 366
LOOKED_BACK: Final = 180
"""Days of nights in the ledger from which the time people take to pay is learned."""

_WITHHELD: Final = (Decision.SUPPRESSED.value, Decision.HELD.value)
SENT: Final = "sent"
CANCELLED: Final = "cancelled"
WAITING: Final = "waiting"
"""It may not leave before the simulation ends."""
OUTCOMES: Final = {
    "day": frames.DATE,
    "notice": frames.TEXT,
    "channel": frames.TEXT,
    "outcome": frames.TEXT,  # SENT, CANCELLED, WAITING, suppressed or held
    "reason": frames.TEXT,  # "" for what is sent
    "notices": frames.COUNT,
    "parts": frames.COUNT,
    "cost_minor": frames.MONEY,
}
"""What became of notices, counted: one row per day (of leaving, or of the decision), notice, channel and why."""


@dataclass(frozen=True, slots=True)
class SimulationOrder:
    """Which days, both included, and who is assumed to pay: one of PAYERS, or the path of a payments file."""

    first: date
    last: date
    payers: str = NOBODY

    @property
    def days(self) -> list[date]:
        """The business dates, in order."""
        return [self.first + timedelta(days=day) for day in range((self.last - self.first).days + 1)]


def simulate(app: App, order: SimulationOrder, name: str = "", language: str = "en") -> Simulation:
    """Every night from the first day to the last over the export of the first day, as the ledger stands now.

    Guards are not asked, calls count as unanswered, and of a file's payments those from the first day on are made.
    A payment is known on the night after its day. `name` is the configuration's.

    Raises:
        ConfigError: the days are in no order or too many, the basis looks no day ahead, or the ledger has seen
            too few installments to say how late people pay.
        SourceError: a table cannot be read.
    """
    _check(app, order)
    sources = read_all(app.settings.sources, read_context(app, order.first))
    walk = Walk(app, sources, assumed_payments(app, sources, order))
    nights = [*map(walk.night, order.days), walk.left(order.last)]
    outcomes = frames.stack([part for night in nights for part in _counted(night, app)], OUTCOMES)
    return _told(outcomes, order, len(sources.loans.frame), app, name, language)


def _check(app: App, order: SimulationOrder) -> None:
    days = (order.last - order.first).days + 1
    if days < 1:
        raise ConfigError([f"--to {order.last} lies before --from {order.first}; turn them round"])
    if days > MOST_DAYS:
        raise ConfigError([f"--to {order.last}: {days} days from --from on; simulate at most {MOST_DAYS}"])
    if app.settings.schedule.basis == "snapshot":
        raise ConfigError(
            ["schedule.basis: a snapshot knows no day to come; simulate with a computed or supplied schedule"]
        )


# What is assumed of payments.


def assumed_payments(app: App, sources: Sources, order: SimulationOrder) -> pd.DataFrame:
    """PAYMENTS from the first day on.

    Raises:
        ConfigError: the ledger has seen too few installments to say how late people pay.
        SourceError: the payments file cannot be read, or a row of it cannot be used.
    """
    if order.payers not in PAYERS:
        return _of_file(app, Path(order.payers), order)
    settings = standing_settings(app)
    ahead = max(settings.horizon_days, (order.last - order.first).days)
    dues = standing(
        loan_tables(sources), settings.model_copy(update={"horizon_days": ahead}), order.first
    ).dues
    assume: dict[str, Callable[[], pd.DataFrame]] = {
        NOBODY: lambda: nobody(dues),
        EVERYBODY: lambda: everybody(dues, order.first),
        LEDGER: lambda: as_before(dues, ledger_lateness(app), order.first),
    }
    return assume[order.payers]()


def _of_file(app: App, path: Path, order: SimulationOrder) -> pd.DataFrame:
    """The payments of a file from the first day on, read as the lender's payments table is."""
    known = app.settings.sources.table("payments") or TableSettings(path=str(path))
    settings = known.model_copy(
        update={"path": str(path.absolute()), "url": "", "query": "", "complete_marker": "", "trailer": ""}
    )
    table = read_table("payments", settings, context=read_context(app, order.last))
    if len(table.rejects):
        raise SourceError("\n".join(_wrong_rows(table)))
    return table.frame[table.frame["paid_on"] >= pd.Timestamp(order.first)].reset_index(drop=True)


def _wrong_rows(table: Table) -> Iterator[str]:
    for row in table.rejects.to_dict("records"):
        yield f"payments: {row['file']}:{row['line']}: {row['cure']}"


def ledger_lateness(app: App) -> Lateness:
    """How late installments were paid, by the nights in the ledger.

    Raises:
        ConfigError: there is no ledger, or it has seen too few installments.
    """
    late = None
    if app.has_ledger():
        with app.open_ledger() as ledger, ledger.read() as tx:
            since = app.business_date() - timedelta(days=LOOKED_BACK)
            rows, last = decided.asked_for(tx, since, NIGHT, FINISHED)
        if last is not None:
            late = lateness(rows.astype(dict(ASKED)), stage_days(app.settings.rules), last)
    if late is None:
        few = f"the ledger has not yet seen {FEWEST} installments through two stages"
        raise ConfigError([f"--payers {LEDGER}: {few}; take {NOBODY}, {EVERYBODY} or a payments file"])
    return late


# Night after night, with what the nights before have told.


@dataclass(frozen=True, slots=True)
class Night:
    """One simulated night: `messages` (MESSAGES) that leave on its day, or are cancelled or wait, by `outcome`.

    `withheld` are the decisions (frames.DECISIONS) not to tell, with `outcome` and `reason`.
    """

    day: date
    messages: pd.DataFrame
    withheld: pd.DataFrame


class Walk:
    """The nights in their order. What one queues is known to the next, as the ledger knows it."""

    def __init__(
        self, app: App, sources: Sources, payments: pd.DataFrame, *, night_at: time = NIGHT_AT
    ) -> None:
        """Begin with what the ledger knows; `payments` (PAYMENTS) are to come, `night_at` is the lender's time."""
        self._night_at = night_at
        self._app, self._sources, self.payments = app, sources, payments
        self._tables, self._settings = loan_tables(sources), standing_settings(app)
        memory, self.told = recall(app), set[str]()
        self.promises = _promised(app)
        self.memory = replace(memory, known_keys=partial(_known, self.told, memory.known_keys))
        self._templates, self._waiting = app.templates(), frames.empty(MESSAGES)

    def night(self, day: date) -> "Night":
        """Decide and word the notices of a business date, and let leave what may."""
        app = replace(self._app, clock=_at(day, self._night_at, self._app.lender.timezone))
        portfolio = self._portfolio(day)
        worded = decide_and_word(app, portfolio, self.memory, "", self._templates)
        messages = _messages(worded.decisions, worded.drafted, app.lender.timezone)
        self._remember(app, day, worded.decisions, messages)
        leaving = self._leaving(pd.concat([self._waiting, messages], ignore_index=True), portfolio)
        withheld = worded.decisions[
            ~worded.decisions["decision"].isin([Decision.QUEUED.value, Decision.ALREADY_SENT.value])
        ]
        return Night(day, leaving, _plain(withheld))

    def left(self, day: date) -> "Night":
        """What still waits after the last night."""
        return Night(day, self._waiting.assign(outcome=WAITING), frames.empty(MESSAGES))

    def _portfolio(self, day: date) -> Portfolio:
        known = self.payments[self.payments["paid_on"] < pd.Timestamp(day)]
        basis = self._app.settings.schedule.basis
        tables = with_payments(self._tables, known, basis)
        return Portfolio(
            as_of=day,
            sources=_replaced(self._sources, tables),
            standing=standing(tables, self._settings, day),
            differences=frames.empty(frames.FINDINGS),
            promises=self.promises,
        )

    def _remember(self, app: App, day: date, decisions: pd.DataFrame, messages: pd.DataFrame) -> None:
        told = (decisions["decision"] == Decision.QUEUED.value) | (decisions["merged_into"] != "")
        self.told.update(key for name in KEYS for key in decisions.loc[told, name] if key)
        held = decisions.loc[decisions["decision"] == Decision.HELD.value, list(OPEN)]
        self.memory = replace(
            self.memory,
            recent=_with_recent(self.memory, messages, day, app),
            held=(day, held.reset_index(drop=True)),
        )

    def _leaving(self, messages: pd.DataFrame, portfolio: Portfolio) -> pd.DataFrame:
        """Messages that leave or are cancelled today, with `outcome`; what may leave later waits on."""
        over = messages["until_paid"] & messages["original_due_on"].notna() & ~_owed(messages, portfolio)
        later = ~over & (messages["leaves_on"] > pd.Timestamp(portfolio.as_of))
        self._waiting = messages[later].reset_index(drop=True)
        today = messages[~later]
        return today.assign(
            outcome=over[~later].map({True: CANCELLED, False: SENT}).astype(frames.TEXT),
            reason=over[~later].map({True: "paid", False: ""}).astype(frames.TEXT),
        )


def _promised(app: App) -> pd.DataFrame | None:
    """The promises of the ledger that may still change (PROMISES)."""
    if not app.has_ledger():
        return None
    with app.open_ledger() as ledger:
        return promises_of(app, ledger, app.business_date())


def _at(day: date, night_at: time, zone: str) -> Callable[[], datetime]:
    instant = datetime.combine(day, night_at, ZoneInfo(zone)).astimezone(UTC)
    return lambda: instant


def _known(
    told: Collection[str], before: Callable[[Sequence[str]], set[str]], keys: Sequence[str]
) -> set[str]:
    """Which keys were told, in the simulation or before it."""
    return {key for key in keys if key in told} | before(keys)


def _replaced(sources: Sources, tables: LoanTables) -> Sources:
    """The sources with the frames of `tables` in them."""
    parts = {name: getattr(tables, name) for name in ("loans", "installments", "payments")}
    return replace(
        sources,
        **{
            name: replace(getattr(sources, name), frame=frame)
            for name, frame in parts.items()
            if frame is not None
        },
    )


MESSAGES: Final = {
    **dict.fromkeys(("loan_id", "customer_id", "phone_hash", "notice", "channel"), frames.TEXT),
    **dict.fromkeys(("message_class", "reason", "timezone", "idempotency_key", "loan_ids"), frames.TEXT),
    **dict.fromkeys(("not_before", "expires_at"), INSTANT),
    "original_due_on": frames.DATE,
    "leaves_on": frames.DATE,  # in the lender's zone
    "until_paid": frames.FLAG,
    "parts": frames.COUNT,
}


def _messages(decisions: pd.DataFrame, drafted: Drafted, zone: str) -> pd.DataFrame:
    """The queued messages of a night (MESSAGES)."""
    queued = decisions[decisions["decision"] == Decision.QUEUED.value]
    parts = {
        key: words.segments
        for part in drafted.slices
        for key, words in zip(part.rows["idempotency_key"].tolist(), part.rendered, strict=True)
    }
    leaves = queued["not_before"].dt.tz_convert(ZoneInfo(zone)).dt.tz_localize(None).dt.normalize()
    rows = queued.assign(
        leaves_on=leaves, parts=queued["idempotency_key"].map(parts), loan_ids=_told_with(queued, decisions)
    )
    return rows[list(MESSAGES)].astype(dict(MESSAGES)).reset_index(drop=True)


def _told_with(queued: pd.DataFrame, decisions: pd.DataFrame) -> pd.Series:
    """The loans that each message tells: its own, and those merged into it."""
    merged = decisions[decisions["merged_into"] != ""]
    others = (
        merged.groupby("merged_into")["loan_id"].agg(AND.join).reindex(queued["idempotency_key"].to_numpy())
    )
    more = (AND + others.astype(frames.TEXT)).fillna("").set_axis(queued.index)
    return queued["loan_id"] + more


def _owed(messages: pd.DataFrame, portfolio: Portfolio) -> pd.Series:
    """Whether the installment of each message is still unpaid."""
    names = ["loan_id", "original_due_on"]
    unpaid = pd.MultiIndex.from_frame(portfolio.standing.dues[names])
    return pd.Series(pd.MultiIndex.from_frame(messages[names]).isin(unpaid), index=messages.index)


def _with_recent(memory: Memory, messages: pd.DataFrame, day: date, app: App) -> pd.DataFrame:
    """The contacts on record with tonight's, as far back as a cap, gap or rest counts."""
    fresh = messages.assign(
        customer_ref=frames.per_value(messages["customer_id"], memory.customer_ref),
        message_id=messages["idempotency_key"],
        contact_at=messages["not_before"],
        left_by=messages["expires_at"],
        failed=messages["channel"] == Channel.VOICE.value,  # nobody answers
    )
    recent = pd.concat([memory.recent, fresh[list(RECENT_COLUMNS)]], ignore_index=True)
    recent = recent.astype(dict(RECENT_COLUMNS))
    since = pd.Timestamp(day, tz="UTC") - pd.Timedelta(days=reach(app.settings.policy) + DAY_AHEAD)
    return recent[recent["contact_at"] >= since].reset_index(drop=True)


def _plain(withheld: pd.DataFrame) -> pd.DataFrame:
    return withheld.assign(outcome=withheld["decision"], parts=0)


_BY: Final = ["notice", "channel", "outcome", "reason"]


def _counted(night: Night, app: App) -> Iterator[pd.DataFrame]:
    """OUTCOMES of a night. What is not sent costs nothing."""
    for rows in (night.messages, night.withheld):
        if rows.empty:
            continue
        found = rows.groupby(_BY, sort=True)["parts"].agg(["size", "sum"]).reset_index()
        found = found.rename(columns={"size": "notices", "sum": "parts"}).assign(day=pd.Timestamp(night.day))
        priced = found["parts"].where(found["outcome"] == SENT, 0)
        found["cost_minor"] = [
            cost_minor({Channel(channel): parts}, app.settings.delivery)
            for channel, parts in zip(found["channel"].tolist(), priced.tolist(), strict=True)
        ]
        yield found[list(OUTCOMES)].astype(dict(OUTCOMES))


# What is looked at: figures by day, by notice, by reason.


def _told(
    outcomes: pd.DataFrame, order: SimulationOrder, loans: int, app: App, name: str, language: str
) -> Simulation:
    currency = app.lender.currency
    total = _figures(outcomes.assign(all=""), ["all"], currency)
    withheld = outcomes[outcomes["outcome"].isin(_WITHHELD)]
    reasons = withheld.groupby(["notice", "outcome", "reason"], sort=True)["notices"].sum().reset_index()
    every = outcomes.assign(day=outcomes["day"].dt.strftime("%Y-%m-%d"))
    days = pd.DataFrame({"day": [day.isoformat() for day in order.days]})
    return Simulation(
        name=name,
        first=order.first.isoformat(),
        last=order.last.isoformat(),
        payers=order.payers,
        loans=loans,
        currency=currency,
        total={each: row[each] for row in total for each in FIGURES} or _nothing(currency),
        days=tuple(_each_day(_figures(every, ["day"], currency), days, currency)),
        notices=tuple(_figures(every, ["notice", "channel"], currency)),
        reasons=tuple(row | {"why": why(row["reason"], language)} for row in frame_rows(reasons)),
        outcomes=tuple(frame_rows(_priced(every, currency)[list(COLUMNS)])),
    )


def _nothing(currency: str) -> dict[str, Any]:
    return dict.fromkeys(FIGURES, 0) | {"cost": Money(0, currency).plain()}


def _each_day(rows: list[dict[str, Any]], days: pd.DataFrame, currency: str) -> Iterator[dict[str, Any]]:
    """A row for each day, also for those on which nothing happens."""
    known = {row["day"]: row for row in rows}
    for day in days["day"]:
        yield known.get(day, {"day": day, **_nothing(currency)})


def _figures(outcomes: pd.DataFrame, by: Sequence[str], currency: str) -> list[dict[str, Any]]:
    """FIGURES per `by`."""
    kinds = {
        SENT: outcomes["outcome"] == SENT,
        "withheld": outcomes["outcome"].isin(_WITHHELD),
        "caps_hit": outcomes["reason"].str.endswith(Reason.OVER_CAP.value),
        CANCELLED: outcomes["outcome"] == CANCELLED,
        WAITING: outcomes["outcome"] == WAITING,
    }
    columns = {name: outcomes["notices"].where(mask, 0) for name, mask in kinds.items()}
    columns |= {"parts": outcomes["parts"].where(kinds[SENT], 0), "cost_minor": outcomes["cost_minor"]}
    table = outcomes[list(by)].assign(**columns).groupby(list(by), sort=True)[list(columns)].sum()
    return frame_rows(_priced(table.reset_index(), currency)[[*by, *FIGURES]])


def _priced(rows: pd.DataFrame, currency: str) -> pd.DataFrame:
    """The rows with `cost`, a decimal text in the lender's currency."""
    return rows.assign(cost=[Money(minor, currency).plain() for minor in rows["cost_minor"].tolist()])
