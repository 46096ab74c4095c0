"""Plan a night: who must hear what, may they, and in which words. Reads the ledger, writes nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from typing import Self

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.ledger import contacts, continuity, notices, runs
from carloan_notify.ledger.continuity import Gap
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.portfolio import hasher, last_night
from carloan_notify.ledger.runs import FINISHED, NIGHT
from carloan_notify.ledger.store import Transaction
from carloan_notify.loans.calendar import CALENDAR_ENDS, missing_next_year
from carloan_notify.messages.render import TemplateSet
from carloan_notify.notices.decide import KEYS, Identity, decide, replaced_before
from carloan_notify.notices.endings import ended, overdue_endings
from carloan_notify.notices.fingerprints import Hasher, LastNight, fingerprints
from carloan_notify.notices.fits import values_unknown
from carloan_notify.notices.guard_view import NightEvidence
from carloan_notify.notices.limits import AND, CONVERSATIONS, RECENT, asks_conversations, asks_loans, reach
from carloan_notify.notices.policy import ContactHistory, apply_policy
from carloan_notify.notices.release import Tonight, local_dates
from carloan_notify.pipeline.certificates import (
    NO_MEMORY,
    CertificateMemory,
    DueCertificates,
    codes_tonight,
    due_certificates,
    remember_certificates,
)
from carloan_notify.pipeline.drafts import Drafted, draft_messages, hold_failures, reference_key
from carloan_notify.pipeline.facts import evidence_of, night_facts, with_evidence
from carloan_notify.pipeline.holds import Recorded, named, run_out
from carloan_notify.pipeline.portfolio import Portfolio, frame_of, inputs_of
from carloan_notify.pipeline.reading import as_read, payments_ahead
from carloan_notify.pipeline.wording import Told, Wording, make_wording
from carloan_notify.records import MessageClass, NightFacts

# What the ledger remembers that a plan must know; a plan without a ledger remembers nothing.

HISTORY_NIGHTS = 120  # several same-weekday nights and a month's cost, also where nights were run twice
RECENT_COLUMNS = contacts.CONTACTS
CONVERSATION_COLUMNS = contacts.CONVERSATIONS


def plain_hashes(texts: pd.Series) -> np.ndarray:
    """Hashes of texts without a key, for a plan without a ledger."""
    return pd.util.hash_array(texts.to_numpy(dtype=object), categorize=False)


@dataclass(frozen=True, slots=True)
class Memory:
    """What was told, and to whom.

    `known_keys` tells which keys were told. `recent` (RECENT_COLUMNS), `conversations` (CONVERSATION_COLUMNS) and
    `recorded` hold keyed hashes only; `history` is oldest first. `gap` is a time of which it knows nothing. `held` is
    what the newest night held (endings.OPEN), and its business date; `last_night` is the portfolio of the last
    finished night, whose texts `hash_texts` hashed. `certificates` is what is known of settlement certificates.
    """

    known_keys: Callable[[Sequence[str]], set[str]]
    phone_hash: Callable[[str], str]
    customer_ref: Callable[[str], str]
    recorded: Recorded
    recent: pd.DataFrame
    conversations: pd.DataFrame
    history: tuple[NightFacts, ...]
    gap: Gap | None = None
    held: tuple[date, pd.DataFrame] | None = None
    last_night: LastNight | None = None
    hash_texts: Hasher = field(default=plain_hashes)
    certificates: CertificateMemory = NO_MEMORY


def remember(app: App, ledger: Ledger) -> Memory:
    """What `ledger` knows that matters for a night."""
    with ledger.read() as tx:
        recent, conversations = contacts_of(app, tx)
        recorded = Recorded.read(tx)
        history = tuple(reversed(runs.night_history(tx, HISTORY_NIGHTS)))
        gap = continuity.gap(tx)
        held = notices.held_last(tx, NIGHT, FINISHED)
        remembered = last_night(tx)
    return Memory(
        known_keys=partial(_known_keys, ledger),
        phone_hash=ledger.cipher.phone_hash,
        customer_ref=ledger.cipher.customer_ref,
        recorded=recorded,
        recent=recent,
        conversations=conversations,
        history=history,
        gap=gap,
        held=held,
        last_night=remembered,
        hash_texts=hasher(ledger.cipher),
        certificates=remember_certificates(ledger),
    )


def _known_keys(ledger: Ledger, names: Sequence[str]) -> set[str]:
    with ledger.read() as tx:
        return notices.known(tx, names)


DAY_AHEAD = 2
"""Where a person is it may be another date than where the lender is, and a plan may be made for yesterday."""


def contacts_of(
    app: App, tx: Transaction, people: Collection[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Messages and conversations of as many days as a cap, gap or cool-off looks back; of all, or of these people."""
    policy, now = app.settings.policy, app.clock()
    days = {name: reach(policy, name) for name in ("", *MessageClass)}
    since = {name: now - timedelta(days=number + DAY_AHEAD) for name, number in days.items()}
    later = {name: since[name] for name, number in days.items() if number < days[""]}
    recent = contacts.recent(tx, since[""], people, later=later, with_loans=asks_loans(policy))
    if not asks_conversations(policy):
        return recent, _none(CONVERSATION_COLUMNS)
    return recent, contacts.conversations(tx, since[""], people)


def _none(columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in columns.items()})


def remember_people(app: App, ledger: Ledger, phones: Collection[str], customers: Collection[str]) -> Memory:
    """What `ledger` knows of these numbers and customers; nothing of what only guards ask."""
    cipher = ledger.cipher
    people = {*map(cipher.phone_hash, phones), *map(cipher.customer_ref, customers)}
    with ledger.read() as tx:
        recent, conversations = contacts_of(app, tx, people)
        return replace(
            blank_memory(),
            known_keys=partial(_known_keys, ledger),
            phone_hash=cipher.phone_hash,
            customer_ref=cipher.customer_ref,
            recorded=Recorded.read(tx, people),
            recent=recent,
            conversations=conversations,
            held=notices.held_last(tx, NIGHT, FINISHED),
            certificates=remember_certificates(ledger),
        )


def blank_memory() -> Memory:
    """Nothing was ever told: before the first night, for `preview`."""
    return Memory(
        known_keys=lambda _: set(),
        phone_hash=lambda phone: phone,
        customer_ref=lambda customer_id: customer_id,
        recorded=Recorded.nothing(),
        recent=_none(RECENT_COLUMNS),
        conversations=_none(CONVERSATION_COLUMNS),
        history=(),
    )


def recall(app: App) -> Memory:
    """What the ledger knows, or nothing where there is none yet; writes nothing."""
    if not app.has_ledger():
        return blank_memory()
    with app.open_ledger() as ledger:
        return remember(app, ledger)


Unlinked = Callable[[Collection[str]], Drafted]
"""Words the messages of these loans once more, none of which leads to a certificate."""


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
    certificates: DueCertificates
    unlinked: Unlinked

    def without_certificates(self, loan_ids: Collection[str]) -> Self:
        """The same plan, but no message leads to a certificate of these loans: they could not be made."""
        return replace(self, drafted=self.drafted.anew(self.unlinked(loan_ids))) if loan_ids else self

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
    certificates: DueCertificates
    unlinked: Unlinked


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
        findings=frames.stack([worded.findings, _where_findings(app, portfolio)], frames.FINDINGS),
        facts=with_evidence(night_facts(app, portfolio, worded.drafted, worded.held), evidence),
        evidence=evidence,
        prints=prints,
        certificates=worded.certificates,
        unlinked=worded.unlinked,
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
    due = due_certificates(app, portfolio, memory.certificates)
    wording = make_wording(app, as_of, partial(codes_tonight, app, memory.certificates, due))
    key = reference_key(identity, run_id)
    drafted = draft_messages(key, decisions, told, templates, wording)
    held = hold_failures(decisions, drafted.failures)
    linked = _of_tellers(decisions, due.codes)
    found = [
        *(portfolio.findings, decided.findings, ahead, drafted.findings(), _calendar_findings(app)),
        run_out(notices, history.holds, settings.policy.holds, as_of),
    ]
    return Worded(
        held,
        with_endings(held, memory, as_of),
        drafted,
        frames.stack([*found, due.findings], frames.FINDINGS),
        due,
        _Relinked(key, linked, told.of(linked["loan_id"]), templates, wording).without,
    )


@dataclass(frozen=True, slots=True)
class _Relinked:
    """Words messages of some loans once more; `decisions` and `told` are those of loans with a certificate alone."""

    key: str
    decisions: pd.DataFrame
    told: Told
    templates: TemplateSet
    wording: Wording

    def without(self, loan_ids: Collection[str]) -> Drafted:
        """The messages that tell one of these loans, none of which leads to a certificate."""
        mine = _of_tellers(self.decisions, loan_ids)
        bare = replace(self.wording, certificate_codes=lambda _: {})
        return draft_messages(self.key, mine, self.told, self.templates, bare)


def _of_tellers(decisions: pd.DataFrame, loan_ids: Collection[str]) -> pd.DataFrame:
    """The decisions of all messages that tell one of these loans, with what is merged into them."""
    if not loan_ids:
        return decisions.iloc[:0]
    teller = decisions["merged_into"].where(decisions["merged_into"] != "", decisions["idempotency_key"])
    return decisions[frames.among(teller, teller[frames.among(decisions["loan_id"], loan_ids)])]


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


def _where_findings(app: App, portfolio: Portfolio) -> pd.DataFrame:
    if not len(portfolio.loans):
        return frames.empty(frames.FINDINGS)
    return values_unknown(app.settings.rules, portfolio.loans, frame_of(portfolio.sources.contacts))


def contact_history(
    notices: pd.DataFrame, memory: Memory, languages: tuple[str, ...], portfolio: Portfolio
) -> ContactHistory:
    """What is on record about tonight's people. The ledger names customers by keyed hash: turn tonight's back."""
    tonight = notices["customer_id"].unique()
    customers = {memory.customer_ref(customer): customer for customer in tonight}
    recent = _of_tonight(named(memory.recent, customers), notices)
    talked = _of_tonight(named(memory.conversations, customers), notices)
    record = memory.recorded.about(tonight, customers)
    return ContactHistory(
        already_sent=memory.known_keys([key for name in KEYS for key in notices[name] if key]),
        suppressions=record.suppressions,
        recent=recent.assign(
            sent_on=local_dates(recent["contact_at"], recent["timezone"]),
            leaves_at=recent["contact_at"],
        ).astype(dict(RECENT))[list(RECENT)],
        languages=languages,
        holds=record.holds,
        numbers=record.numbers,
        doubtful_loans=portfolio.incomplete_loans,
        doubtful_customers=portfolio.incomplete_customers,
        conversations=talked.assign(held_on=local_dates(talked["held_at"], talked["timezone"])).astype(
            dict(CONVERSATIONS)
        )[list(CONVERSATIONS)],
    )


def _of_tonight(rows: pd.DataFrame, notices: pd.DataFrame) -> pd.DataFrame:
    """Those of tonight's numbers, customers and loans, each with the time zone that their person has tonight."""
    whose = {
        "phone_hash": rows["phone_hash"],
        "customer_id": rows["customer_id"],
        "loan_id": rows["loan_ids"].str.split(AND).str[0],
    }
    found = {}
    for name, values in whose.items():
        known = notices.loc[notices[name] != "", [name, "timezone"]].drop_duplicates(name)
        found[name] = values.map(known.set_index(name)["timezone"]).astype(frames.TEXT)
    zone = pd.DataFrame(found, index=rows.index).bfill(axis=1)["phone_hash"]  # the first that is known
    return rows.assign(timezone=zone)[zone.notna()]
