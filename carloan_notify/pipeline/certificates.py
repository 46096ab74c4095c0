"""Settlement certificates of a night: which loans get one, what is numbered and made, and what is void."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, TypeVar

import pandas as pd
import sqlalchemy as sa

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.certificate_codes import CertificateFinding, Fact, Refusal, VoidReason
from carloan_notify.errors import ConfigError
from carloan_notify.ledger import certificates
from carloan_notify.ledger.certificates import VALID, Certificate, Draft, MadeFile, Series
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.loans.settlement import SettlementRule, SettlementTables, settlements
from carloan_notify.notices.settings import EventType
from carloan_notify.pipeline.certificate_files import (
    Presses,
    facts_of,
    make_files,
    missing_columns,
    remove_files,
)
from carloan_notify.pipeline.portfolio import Portfolio, frame_of
from carloan_notify.reports.certificate import PressFault
from carloan_notify.reports.tables import frame_rows

PER_STEP: Final = 200
"""Certificates that are numbered, made and noted together: what a crash between may leave to the next night."""


# Which loans get one.


@dataclass(frozen=True)
class CertificateMemory:
    """What the ledger knows of certificates: the newest of each loan, which of these have a file, codes to come."""

    latest: Callable[[Sequence[str]], list[Certificate]]
    made: Callable[[Sequence[str]], set[str]]
    code: Callable[[str, int], str]


NO_MEMORY: Final = CertificateMemory(lambda _: [], lambda _: set(), lambda *_: "0" * certificates.CODE_LENGTH)
"""Nothing was ever issued: before the first night. Codes are shown as zeros."""


def remember_certificates(ledger: Ledger) -> CertificateMemory:
    """What this ledger knows."""

    def latest(loan_ids: Sequence[str]) -> list[Certificate]:
        with ledger.read() as tx:
            return certificates.latest(tx, loan_ids)

    def made(numbers: Sequence[str]) -> set[str]:
        with ledger.read() as tx:
            return {file.number for file in certificates.files_of(tx, numbers)}

    return CertificateMemory(
        latest, made, lambda loan_id, issue: certificates.code_of(ledger.cipher, loan_id, issue)
    )


def codes_at_hand(memory: CertificateMemory, loan_ids: Sequence[str]) -> dict[str, str]:
    """Of these loans, the codes of their valid certificates whose page is there, by loan."""
    valid = _said(memory.latest(list(dict.fromkeys(loan_ids))))
    made = memory.made([one.number for one in valid])
    return {one.loan_id: one.code for one in valid if one.number in made}


def _said(ones: Iterable[Certificate]) -> list[Certificate]:
    """The valid ones among them that still say something: of an erased one no file is left."""
    return [one for one in ones if one.state == VALID and one.facts]


@dataclass(frozen=True)
class DueCertificates:
    """Tonight's: those to be issued, those issued without a file so far, frames.FINDINGS.

    `codes` holds by loan the code of each certificate that will be there when the messages leave.
    """

    drafts: tuple[Draft, ...] = ()
    unmade: tuple[Certificate, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict, repr=False)
    findings: pd.DataFrame = field(default_factory=lambda: frames.empty(frames.FINDINGS))


def settlement_tables(portfolio: Portfolio) -> SettlementTables:
    """What the tables of a business date say of settlements."""
    sources = portfolio.sources
    events = frames.empty(frames.EVENTS) if sources.events is None else sources.events.frame
    return SettlementTables(
        loans=portfolio.loans,
        standing=portfolio.standing.loans,
        payments=frame_of(sources.payments),
        settled_events=events.loc[events["type"] == EventType.LOAN_SETTLED, ["loan_id", "occurred_on"]],
        contacts=frame_of(sources.contacts),
        incomplete=portfolio.incomplete_loans,
        incomplete_customers=portfolio.incomplete_customers,
    )


def due_certificates(app: App, portfolio: Portfolio, memory: CertificateMemory) -> DueCertificates:
    """The loans of this portfolio that get a certificate tonight, the earliest settled first; nothing is written."""
    options = app.settings.certificates
    if not options.nightly:
        return DueCertificates()
    since = portfolio.as_of - timedelta(days=options.within_days)
    rows = settlements(
        settlement_tables(portfolio), SettlementRule(portfolio.as_of, options.wait_days, since)
    )
    held = {one.loan_id: one for one in memory.latest(rows["loan_id"].tolist())}
    valid = [one.loan_id for one in held.values() if one.state == VALID]
    fresh = rows[~frames.among(rows["loan_id"], valid)]
    sure = fresh[fresh["refusal"] == ""].sort_values(["settled_on", "loan_id"], kind="stable")
    now, later = sure.iloc[: options.per_night], sure.iloc[options.per_night :]
    presses = Presses(app, pdf=False)
    drafts, faults = _drafts(app, portfolio, now, held, presses)
    surely = set(rows.loc[rows["refusal"].isin(["", Refusal.NOT_YET]), "loan_id"])
    standing = _said(one for one in held.values() if one.loan_id in surely)
    made = memory.made([one.number for one in standing])
    unmade = [one for one in standing if one.number not in made][: options.per_night]
    at_hand = [one for one in standing if one.number in made] + unmade
    coming = {draft.loan_id: memory.code(draft.loan_id, draft.issue) for draft in drafts}
    return DueCertificates(
        drafts=tuple(drafts),
        unmade=tuple(unmade),
        codes={one.loan_id: one.code for one in at_hand} | coming,
        findings=frames.stack([*_withheld(fresh), _later(later), *faults], frames.FINDINGS),
    )


def codes_tonight(
    app: App, memory: CertificateMemory, due: DueCertificates, loan_ids: Sequence[str]
) -> Mapping[str, str]:
    """Of these loans, the codes that tonight's messages may lead to, by loan."""
    return due.codes if app.settings.certificates.nightly else codes_at_hand(memory, loan_ids)


def _drafts(
    app: App, portfolio: Portfolio, rows: pd.DataFrame, held: Mapping[str, Certificate], presses: Presses
) -> tuple[list[Draft], list[pd.DataFrame]]:
    """A draft for each of these SETTLEMENTS whose page can be made, and findings for those where none can."""
    loans, today = portfolio.loans, app.business_date()
    if lacking := missing_columns(app, loans):
        return [], [failed(rows["loan_id"].tolist(), lacking)] if len(rows) else []
    found = loans[frames.among(loans["loan_id"], rows["loan_id"])]
    by_id = {loan["loan_id"]: loan for loan in frame_rows(found)}
    drafts, faults = list[Draft](), dict[str, list[str]]()
    for loan_id, settled_on in zip(
        rows["loan_id"].tolist(), rows["settled_on"].dt.date.tolist(), strict=True
    ):
        loan = by_id[loan_id]
        language = presses.language_for(loan["language"])
        press = presses.press(language)
        if isinstance(press, PressFault):
            faults.setdefault(press.message, []).append(loan_id)
            continue
        facts = facts_of(app, loan, settled_on, language, today)
        issue = held[loan_id].issue + 1 if loan_id in held else 1
        drafts.append(Draft(loan_id, loan["customer_id"], issue, facts))
    return drafts, [failed(loan_ids, message) for message, loan_ids in faults.items()]


def _withheld(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """A finding for each loan without a certificate; one that only waits is none."""
    told = rows[~rows["refusal"].isin(["", Refusal.NOT_YET])]
    for reason, mine in told.groupby("refusal", sort=True):
        sentence = f"no settlement certificate: {Refusal(str(reason)).english}"
        yield frames.findings(CertificateFinding.WITHHELD, mine["loan_id"], sentence, value=str(reason))


def _later(rows: pd.DataFrame) -> pd.DataFrame:
    return frames.findings(CertificateFinding.LATER, rows["loan_id"], CertificateFinding.LATER.english)


def failed(loan_ids: Sequence[str], message: str) -> pd.DataFrame:
    """A finding for each of these loans: its certificate could not be made."""
    return frames.findings(CertificateFinding.FAILED, loan_ids, message)


# The night's own part, after its guards.

_One = TypeVar("_One", Draft, Certificate)


@dataclass(frozen=True)
class NightCertificates:
    """What became of tonight's: frames.FINDINGS, and the loans of which no page could be made."""

    findings: pd.DataFrame
    without: frozenset[str]


def make_due(app: App, ledger: Ledger, due: DueCertificates, by: str) -> NightCertificates:
    """Number, make and note what is due. What fails becomes a finding; the night goes on."""
    if not due.drafts and not due.unmade:
        return NightCertificates(frames.empty(frames.FINDINGS), frozenset())
    presses, findings, without = presses_of(app), list[pd.DataFrame](), set[str]()
    parts: list[Sequence[Draft] | Sequence[Certificate]] = [*_steps(due.unmade), *_steps(due.drafts)]
    for part in parts:
        try:
            ones = _numbered(app, ledger, part, by)
            files, problems = _made(app, presses, ones)
        except (OSError, ConfigError) as error:
            loan_ids = [one.loan_id for one in part]
            findings.append(failed(loan_ids, f"certificates: {_plain(error)}"))
            without.update(loan_ids)
            continue
        with ledger.write() as tx:
            certificates.keep_files(tx, files, app.clock())
        findings += [failed(loan_ids, problem) for problem, loan_ids in problems.items()]
        have = {file.number for file in files}
        without.update(one.loan_id for one in ones if one.number not in have)
    return NightCertificates(frames.stack(findings, frames.FINDINGS), frozenset(without))


def _steps(ones: Sequence[_One]) -> Iterator[Sequence[_One]]:
    for start in range(0, len(ones), PER_STEP):
        yield ones[start : start + PER_STEP]


def presses_of(app: App) -> Presses:
    """The presses of the configuration: with PDF where it is asked for and can be made."""
    return Presses(app, pdf=app.settings.certificates.pdf)


def _numbered(
    app: App, ledger: Ledger, part: Sequence[Draft] | Sequence[Certificate], by: str
) -> list[Certificate]:
    drafts = [one for one in part if isinstance(one, Draft)]
    issued = [one for one in part if isinstance(one, Certificate)]
    if not drafts:
        return issued
    year = date.fromisoformat(drafts[0].facts[Fact.ISSUED_ON]).year
    series = Series(app.settings.certificates.number_prefix, year)
    with ledger.write() as tx:
        return issued + certificates.issue(tx, drafts, series, by, app.clock())


def _made(
    app: App, presses: Presses, ones: Sequence[Certificate]
) -> tuple[list[MadeFile], dict[str, list[str]]]:
    """The files of these certificates, and the loans by what went wrong."""
    files, problems = list[MadeFile](), dict[str, list[str]]()
    for one in ones:
        made, problem = make_files(app, presses, one)
        files += made
        if problem:
            problems.setdefault(problem, []).append(one.loan_id)
    return files, problems


def _plain(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"a file cannot be written or removed ({error.strerror}); see the disk and the folder"
    return str(error)


def forget_files(app: App, ledger: Ledger, which: sa.ColumnElement[bool]) -> None:
    """Take away the files of certificates that are about to lose what they say (`certificates.forget`)."""
    with ledger.read() as tx:
        codes = certificates.codes_of(tx, which)
    remove_files(app, codes)


def void_open(app: App, ledger: Ledger, portfolio: Portfolio, by: str) -> pd.DataFrame:
    """End the certificates of loans that are open again; frames.FINDINGS of those, and of those in doubt.

    A loan that the tables no longer list keeps its certificate.
    """
    with ledger.read() as tx:
        numbers = certificates.valid_loans(tx)
    if not numbers:
        return frames.empty(frames.FINDINGS)
    tables = _only(settlement_tables(portfolio), numbers)
    rows = settlements(tables, SettlementRule(portfolio.as_of, wait_days=0))
    open_again = rows.loc[rows["refusal"].isin([Refusal.NOT_SETTLED, Refusal.TAKEN_BACK]), "loan_id"].tolist()
    doubtful = rows.loc[rows["refusal"].isin([Refusal.INCOMPLETE, Refusal.STILL_OWED]), "loan_id"]
    ended = [numbers[loan_id] for loan_id in open_again]
    _, problem = end(app, ledger, ended, VoidReason.OPEN_AGAIN, (by, ""))
    return frames.stack(
        [
            frames.findings(CertificateFinding.VOIDED, open_again, CertificateFinding.VOIDED.english),
            frames.findings(CertificateFinding.DOUBTED, doubtful, CertificateFinding.DOUBTED.english),
            failed(open_again if problem else [], problem),
        ],
        frames.FINDINGS,
    )


def _only(tables: SettlementTables, loan_ids: Collection[str]) -> SettlementTables:
    """The same tables with the loans alone that have a certificate."""
    loans = tables.loans[frames.among(tables.loans["loan_id"], loan_ids)].reset_index(drop=True)
    return SettlementTables(
        loans,
        tables.standing[frames.among(tables.standing["loan_id"], loan_ids)],
        tables.payments,
        tables.settled_events,
        tables.contacts,
        tables.incomplete,
        tables.incomplete_customers,
    )


def end(
    app: App, ledger: Ledger, numbers: Sequence[str], reason: VoidReason, by: tuple[str, str]
) -> tuple[list[str], str]:
    """Void these certificates; those that were ended, and why a file could not be removed ("" for none).

    Files go first, so that a crash leaves no link to a void one.
    """
    if not numbers:
        return [], ""
    with ledger.read() as tx:
        codes = [one.code for number in numbers if (one := certificates.by_number(tx, number))]
    problem = ""
    try:
        remove_files(app, codes)
    except OSError as error:
        problem = f"certificates: {_plain(error)}"
    with ledger.write() as tx:
        return certificates.void(tx, numbers, reason, by, app.clock()), problem
