"""Plan a night: who must hear what, may they, and in which words. Reads the ledger, writes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.decide import decide
from carloan_notify.notices.inputs import DecideInputs
from carloan_notify.notices.policy import ContactHistory, apply_policy
from carloan_notify.notices.release import Tonight
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.drafts import draft_messages, hold_failures
from carloan_notify.pipeline.facts import night_facts
from carloan_notify.pipeline.memory import Memory
from carloan_notify.pipeline.portfolio import Portfolio, frame_of
from carloan_notify.pipeline.told import changes_told
from carloan_notify.pipeline.wording import make_wording
from carloan_notify.records import Draft, NightFacts


@dataclass(frozen=True, slots=True)
class Plan:
    """Tonight as it would be: every decision (frames.DECISIONS) and, for the queued ones, their messages."""

    run_id: str
    portfolio: Portfolio
    decisions: pd.DataFrame
    drafts: tuple[Draft, ...]
    findings: pd.DataFrame
    facts: NightFacts

    def adjusted(self, decisions: pd.DataFrame) -> Self:
        """The same plan with other decisions."""
        return replace(self, decisions=decisions)


def make_plan(house: House, portfolio: Portfolio, memory: Memory, run_id: str) -> Plan:
    """Decide, apply the contact policy and word every message of the night."""
    settings, as_of = house.settings, portfolio.as_of
    decided = decide(
        inputs_of(house, portfolio), settings.rules, settings.policy, as_of, house.lender.lender_id
    )
    notices = decided.notices.assign(phone_hash=_mapped(decided.notices["phone"], memory.phone_hash))
    templates = house.templates()
    history = contact_history(notices, memory, templates.languages, portfolio)
    decisions = apply_policy(notices, settings.policy, history, Tonight(house.clock(), as_of))
    drafted = draft_messages(run_id, decisions, portfolio, templates, make_wording(house, as_of))
    return Plan(
        run_id=run_id,
        portfolio=portfolio,
        decisions=hold_failures(decisions, drafted.failures),
        drafts=drafted.drafts,
        findings=frames.stack([portfolio.findings, decided.findings, drafted.findings()], frames.FINDINGS),
        facts=night_facts(house, portfolio, drafted.drafts),
    )


def inputs_of(house: House, portfolio: Portfolio) -> DecideInputs:
    """What deciding needs to know."""
    sources, standing = portfolio.sources, portfolio.standing
    since = portfolio.as_of - timedelta(days=max(rule.catch_up_days for rule in house.settings.rules))
    return DecideInputs(
        loans=portfolio.loans,
        standing=standing.loans,
        dues=standing.dues,
        events=frame_of(sources.events),
        payments=frame_of(sources.payments),
        changes_told=changes_told(portfolio, house.settings.schedule, since),
        contacts=frame_of(sources.contacts),
    )


def contact_history(
    notices: pd.DataFrame, memory: Memory, languages: tuple[str, ...], portfolio: Portfolio
) -> ContactHistory:
    """What is on record about tonight's people. The ledger names customers by keyed hash: turn tonight's back."""
    customers = {memory.customer_ref(customer): customer for customer in notices["customer_id"].unique()}
    return ContactHistory(
        already_sent=memory.known_keys(notices["idempotency_key"].tolist()),
        suppressions=_named(memory.suppressions, customers),
        recent=_named(memory.recent, customers),
        languages=languages,
        doubtful_loans=portfolio.incomplete_loans,
        doubtful_customers=portfolio.incomplete_customers,
    )


def _named(rows: pd.DataFrame, customers: Mapping[str, str]) -> pd.DataFrame:
    named = rows["customer_ref"].map(lambda ref: customers.get(ref, "")).astype(frames.TEXT)
    return rows.assign(customer_id=named).drop(columns="customer_ref")


def _mapped(column: pd.Series, function: Callable[[str], str]) -> pd.Series:
    """`function` applied once per distinct value."""
    return column.map({value: function(value) for value in column.unique()}).astype(frames.TEXT)
