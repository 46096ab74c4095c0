"""Plan a night: who must hear what, may they, and in which words. Reads the ledger, writes nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.ledger import continuity, notices, runs, stopping, views
from carloan_notify.ledger.continuity import Gap
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.portfolio import hasher, last_night
from carloan_notify.ledger.runs import FINISHED, NIGHT
from carloan_notify.loans.calendar import CALENDAR_ENDS, missing_next_year
from carloan_notify.messages.render import TemplateSet
from carloan_notify.notices.decide import KEYS, Identity, decide, replaced_before
from carloan_notify.notices.endings import ended, overdue_endings
from carloan_notify.notices.fingerprints import Hasher, LastNight, fingerprints
from carloan_notify.notices.guard_view import NightEvidence
from carloan_notify.notices.policy import ContactHistory, apply_policy
from carloan_notify.notices.release import Tonight
from carloan_notify.pipeline.drafts import Drafted, draft_messages, hold_failures
from carloan_notify.pipeline.facts import evidence_of, night_facts, with_evidence
from carloan_notify.pipeline.portfolio import Portfolio, inputs_of
from carloan_notify.pipeline.reading import as_read, payments_ahead
from carloan_notify.pipeline.wording import Told, make_wording
from carloan_notify.records import NightFacts

# What the ledger remembers that a plan must know; a plan without a ledger remembers nothing.

HISTORY_NIGHTS = 120  # several same-weekday nights and a month's cost, also where nights were run twice
SUPPRESSION_COLUMNS = ("phone_hash", "customer_ref", "message_class", "reason")
RECENT_COLUMNS = ("phone_hash", "customer_ref", "message_class", "channel", "sent_on")


def plain_hashes(texts: pd.Series) -> np.ndarray:
    """Hashes of texts without a key, for a plan without a ledger."""
    return pd.util.hash_array(texts.to_numpy(dtype=object), categorize=False)


@dataclass(frozen=True, slots=True)
class Memory:
    """What was told, and to whom.

    `known_keys` tells which keys were told. `recent` (RECENT_COLUMNS) and `suppressions` (SUPPRESSION_COLUMNS)
    hold keyed hashes only; `history` is oldest first. `gap` is a time of which it knows nothing. `held` is what
    the newest night held (endings.OPEN), and its business date; `last_night` is the portfolio of the last finished
    night, whose texts `hash_texts` hashed.
    """

    known_keys: Callable[[Sequence[str]], set[str]]
    phone_hash: Callable[[str], str]
    customer_ref: Callable[[str], str]
    suppressions: pd.DataFrame
    recent: pd.DataFrame
    history: tuple[NightFacts, ...]
    gap: Gap | None = None
    held: tuple[date, pd.DataFrame] | None = None
    last_night: LastNight | None = None
    hash_texts: Hasher = field(default=plain_hashes)


def remember(app: App, ledger: Ledger) -> Memory:
    """What `ledger` knows that matters for a night."""
    with ledger.read() as tx:
        recent = views.recent_contacts(tx, _since(app))
        suppressions = stopping.table(tx)[list(SUPPRESSION_COLUMNS)]
        history = tuple(reversed(runs.night_history(tx, HISTORY_NIGHTS)))
        gap = continuity.gap(tx)
        held = notices.held_last(tx, NIGHT, FINISHED)
        remembered = last_night(tx)
    return Memory(
        known_keys=partial(_known_keys, ledger),
        phone_hash=ledger.cipher.phone_hash,
        customer_ref=ledger.cipher.customer_ref,
        suppressions=suppressions,
        recent=_dated(app, recent),
        history=history,
        gap=gap,
        held=held,
        last_night=remembered,
        hash_texts=hasher(ledger.cipher),
    )


def _known_keys(ledger: Ledger, names: Sequence[str]) -> set[str]:
    with ledger.read() as tx:
        return notices.known(tx, names)


def _since(app: App) -> datetime:
    """From when on contacts count for some cap."""
    return app.clock() - timedelta(days=max((cap.days for cap in app.settings.policy.caps), default=0) + 1)


def _dated(app: App, recent: pd.DataFrame) -> pd.DataFrame:
    """Recent contacts with their date in the lender's zone (RECENT_COLUMNS)."""
    local = recent["contact_at"].dt.tz_convert(ZoneInfo(app.lender.timezone)).dt.tz_localize(None)
    return recent.assign(sent_on=local.dt.normalize().astype("datetime64[s]"))[list(RECENT_COLUMNS)]


def remember_people(app: App, ledger: Ledger, phones: Collection[str], customers: Collection[str]) -> Memory:
    """What `ledger` knows of these numbers and customers; nothing of what only guards ask."""
    cipher = ledger.cipher
    people = {*map(cipher.phone_hash, phones), *map(cipher.customer_ref, customers)}
    with ledger.read() as tx:
        return replace(
            blank_memory(),
            known_keys=partial(_known_keys, ledger),
            phone_hash=cipher.phone_hash,
            customer_ref=cipher.customer_ref,
            suppressions=stopping.table(tx)[list(SUPPRESSION_COLUMNS)],
            recent=_dated(app, views.recent_contacts(tx, _since(app), people)),
            held=notices.held_last(tx, NIGHT, FINISHED),
        )


def blank_memory() -> Memory:
    """Nothing was ever told: before the first night, for `preview`."""
    return Memory(
        known_keys=lambda _: set(),
        phone_hash=lambda phone: phone,
        customer_ref=lambda customer_id: customer_id,
        suppressions=pd.DataFrame({name: pd.Series([], dtype="str") for name in SUPPRESSION_COLUMNS}),
        recent=pd.DataFrame({name: pd.Series([], dtype="str") for name in RECENT_COLUMNS}).astype(
            {"sent_on": "datetime64[s]"}
        ),
        history=(),
    )


def recall(app: App) -> Memory:
    """What the ledger knows, or nothing where there is none yet; writes nothing."""
    if not app.has_ledger():
        return blank_memory()
    with app.open_ledger() as ledger:
        return remember(app, ledger)


@dataclass(frozen=True, slots=True)
class NightPlan:
    """Tonight as it would be: every decision (frames.DECISIONS) and, for the queued ones, their messages."""

    run_id: str
    portfolio: Portfolio
    decisions: pd.DataFrame
    drafted: Drafted
    findings: pd.DataFrame
    facts: NightFacts
    evidence: NightEvidence
    prints: np.ndarray

    def adjusted(self, decisions: pd.DataFrame) -> Self:
        """The same plan with other decisions."""
        return replace(self, decisions=decisions)


@dataclass(frozen=True, slots=True)
class Worded:
    """What is decided about a portfolio's loans, and in which words, before any guard looks at it.

    `held` are the decisions (DECISION_COLUMNS) with what could not be worded held, `decisions` those with the
    endings of what was held before.
    """

    held: pd.DataFrame
    decisions: pd.DataFrame
    drafted: Drafted
    findings: pd.DataFrame


def make_plan(app: App, portfolio: Portfolio, memory: Memory, run_id: str) -> NightPlan:
    """Decide, apply the contact policy and word every message of the night."""
    worded = decide_and_word(app, portfolio, memory, run_id)
    prints = fingerprints(portfolio.loans, portfolio.standing.loans, memory.hash_texts)
    evidence = evidence_of(app, portfolio, prints, memory.last_night)
    return NightPlan(
        run_id=run_id,
        portfolio=portfolio,
        decisions=worded.decisions,
        drafted=worded.drafted,
        findings=worded.findings,
        facts=with_evidence(night_facts(app, portfolio, worded.drafted, worded.held), evidence),
        evidence=evidence,
        prints=prints,
    )


def decide_and_word(
    app: App, portfolio: Portfolio, memory: Memory, run_id: str, templates: TemplateSet | None = None
) -> Worded:
    """What a night decides, of a whole portfolio or of loans that no other loan of it can change.

    `templates` are the app's, for who words many nights and has opened them.
    """
    settings, as_of = app.settings, portfolio.as_of
    identity = Identity(app.lender.lender_id, memory.phone_hash)
    decided = decide(inputs_of(app, portfolio), settings.rules, settings.policy, as_of, identity)
    read = as_read(app, portfolio, decided.notices, identity)
    notices = read.notices.assign(phone_hash=frames.per_value(decided.notices["phone"], memory.phone_hash))
    templates, ahead = templates or app.templates(), payments_ahead(portfolio, app.business_date())
    past = contact_history(notices, memory, templates.languages, portfolio)
    untold = notices[~frames.among(notices["idempotency_key"], past.already_sent)]
    history = replace(
        past,
        no_longer_true=read.no_longer_true,
        paid_ahead=frozenset(ahead["loan_id"]),
        replaced=replaced_before(identity, untold, settings.rules, memory.known_keys),
    )
    decisions = apply_policy(notices, settings.policy, history, Tonight(app.clock(), as_of))
    told = Told(portfolio.loans, read.standings)
    drafted = draft_messages(run_id, decisions, told, templates, make_wording(app, as_of))
    held = hold_failures(decisions, drafted.failures)
    findings = [portfolio.findings, decided.findings, ahead, drafted.findings(), _calendar_findings(app)]
    return Worded(held, with_endings(held, memory, as_of), drafted, frames.stack(findings, frames.FINDINGS))


def with_endings(decisions: pd.DataFrame, memory: Memory, as_of: date) -> pd.DataFrame:
    """The decisions, with what is held for the last time given up, and what earlier nights held and nobody asks for."""
    final = ended(decisions)
    if memory.held is None or memory.held[0] > as_of:
        return final
    gone = overdue_endings(memory.held[1], decisions["idempotency_key"])
    return pd.concat([final, gone], ignore_index=True) if len(gone) else final


def _calendar_findings(app: App) -> pd.DataFrame:
    missing = missing_next_year(app.settings.schedule, app.business_date())
    return frames.stack([frames.findings(CALENDAR_ENDS, [""], text) for text in missing], frames.FINDINGS)


def contact_history(
    notices: pd.DataFrame, memory: Memory, languages: tuple[str, ...], portfolio: Portfolio
) -> ContactHistory:
    """What is on record about tonight's people. The ledger names customers by keyed hash: turn tonight's back."""
    customers = {memory.customer_ref(customer): customer for customer in notices["customer_id"].unique()}
    return ContactHistory(
        already_sent=memory.known_keys([key for name in KEYS for key in notices[name] if key]),
        suppressions=_named(memory.suppressions, customers),
        recent=_named(memory.recent, customers),
        languages=languages,
        doubtful_loans=portfolio.incomplete_loans,
        doubtful_customers=portfolio.incomplete_customers,
    )


def _named(rows: pd.DataFrame, customers: Mapping[str, str]) -> pd.DataFrame:
    named = rows["customer_ref"].map(lambda ref: customers.get(ref, "")).astype(frames.TEXT)
    return rows.assign(customer_id=named).drop(columns="customer_ref")
