"""A clerk's certificates: make one, make it once more, look whether one holds, revoke one, list them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from carloan_notify.app import App, require_rehearsable
from carloan_notify.certificate_codes import Check, Fact, Refusal, VoidReason
from carloan_notify.errors import ConfigError, LedgerError
from carloan_notify.ledger import audit, certificates
from carloan_notify.ledger.certificates import VALID, Certificate, Draft, MadeFile, Series
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.store import Transaction
from carloan_notify.loans.settlement import SettlementRule, settlements
from carloan_notify.pipeline.certificate_files import (
    LANGUAGE,
    Presses,
    certificate_folder,
    facts_of,
    file_of,
    link_of,
    make_files,
    missing_columns,
    shown,
)
from carloan_notify.pipeline.certificates import end, settlement_tables
from carloan_notify.pipeline.one_loan import read_with_neighbours
from carloan_notify.pipeline.portfolio import Portfolio
from carloan_notify.reports.certificate import (
    EXTRA,
    PDF,
    TEMPLATES,
    PressFault,
    differing,
    form_of,
    has_pdf,
    text_of,
    written_codes,
    written_numbers,
)
from carloan_notify.reports.tables import frame_rows

REPEATED: Final = (
    *(Fact.BORROWER, Fact.ID_NUMBER, Fact.CONTRACT, Fact.PLATE, Fact.VIN),
    *(Fact.AMOUNT, Fact.DISBURSED_ON, Fact.SETTLED_ON),
)
"""What a duplicate repeats, and what the tables must still say; a lender may have moved since."""
MOST_READ: Final = 20_000_000
"""Bytes of a file that is checked."""


# Making one.


@dataclass(frozen=True, slots=True)
class Wish:
    """What a clerk asks for: the loan, the business date, a PDF as well, a duplicate (with a reason)."""

    loan_id: str
    as_of: date
    operator: str
    pdf: bool = False
    again: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a wish: the files, or why there are none. `fresh` tells a new certificate."""

    refusal: Refusal | None = None
    number: str = ""
    code: str = field(default="", repr=False)
    copies: int = 0
    fresh: bool = False
    files: tuple[Path, ...] = ()
    problem: str = ""


def make_certificate(app: App, wish: Wish) -> Served:
    """The certificate of a loan: a new one, a duplicate of the one there is, or what is missing of its files.

    Raises:
        ConfigError: a PDF without the extra, or a template, seal or column that is not there.
        LedgerError: what the certificate said was erased, or says otherwise than the tables now.
        SourceError: the tables cannot be read, or do not know the loan.
    """
    require_rehearsable(app)
    pdf = wish.pdf or app.settings.certificates.pdf
    if pdf and not has_pdf():
        raise ConfigError([EXTRA])
    portfolio = read_with_neighbours(app, wish.loan_id, wish.as_of)
    rule = SettlementRule(wish.as_of, app.settings.certificates.wait_days)
    rows = settlements(settlement_tables(portfolio), rule)
    mine = rows[rows["loan_id"] == wish.loan_id]
    refusals = mine["refusal"].tolist() or [Refusal.INCOMPLETE.value]
    if refusals != [""]:
        return Served(refusal=Refusal(refusals[0]))
    presses = Presses(app, pdf=pdf)
    (settled_on,) = mine["settled_on"].dt.date
    facts, customer_id = _facts(app, portfolio, wish.loan_id, settled_on, presses)
    with app.open_ledger(create=True) as ledger:
        with ledger.write() as tx:
            one, fresh = _issued(app, tx, wish, facts, customer_id)
        return _served(app, ledger, presses, one, fresh=fresh)


def _facts(
    app: App, portfolio: Portfolio, loan_id: str, settled_on: date, presses: Presses
) -> tuple[dict[str, str], str]:
    """The facts of a loan's certificate, and its customer."""
    (loan,) = frame_rows(portfolio.loans[portfolio.loans["loan_id"] == loan_id])
    language = presses.language_for(loan["language"])
    press = presses.press(language)
    problems = [missing_columns(app, portfolio.loans), press.message if isinstance(press, PressFault) else ""]
    if any(problems):
        raise ConfigError([problem for problem in problems if problem])
    return facts_of(app, loan, settled_on, language, app.business_date()), loan["customer_id"]


def _issued(
    app: App, tx: Transaction, wish: Wish, facts: Mapping[str, str], customer_id: str
) -> tuple[Certificate, bool]:
    """The loan's certificate, and whether it is a new one."""
    audit.lock_head(tx)  # what is read here stays so: no night issues one meanwhile
    held = next(iter(certificates.latest(tx, [wish.loan_id])), None)
    if held is None or held.state != VALID:
        draft = Draft(wish.loan_id, customer_id, held.issue + 1 if held else 1, facts)
        series = Series(app.settings.certificates.number_prefix, app.business_date().year)
        (one,) = certificates.issue(tx, [draft], series, wish.operator, app.clock())
        return one, True
    if not held.facts:
        raise LedgerError(
            f"certificate {held.number}: what it says was erased; revoke it, and a new one can be made"
        )
    if not wish.again:
        return held, False
    if changed := [name.value for name in REPEATED if facts[name] != held.facts[name]]:
        raise LedgerError(
            f"certificate {held.number}: the tables now say otherwise of {', '.join(changed)}, so a duplicate would "
            f"differ; revoke it (certificate revoke {held.number} --reason …) and make a new one"
        )
    return certificates.duplicate(tx, held.number, wish.operator, wish.reason, app.clock()), False


def _served(app: App, ledger: Ledger, presses: Presses, one: Certificate, *, fresh: bool) -> Served:
    """Its files: those that are there as they were made, else made anew."""
    with ledger.read() as tx:
        known = {file for file in certificates.files_of(tx, [one.number]) if file.copy_no == one.copies}
    folder, forms, problem = certificate_folder(app), presses.forms, ""
    if not all(_is_there(folder, one, form, known) for form in forms):
        made, problem = make_files(app, presses, one)
        with ledger.write() as tx:
            certificates.keep_files(tx, made, app.clock())
    paths = tuple(path for form in forms if (path := file_of(folder, one.code, form)).exists())
    code = certificates.grouped(one.code)
    return Served(number=one.number, code=code, copies=one.copies, fresh=fresh, files=paths, problem=problem)


def _is_there(folder: Path, one: Certificate, form: str, known: set[MadeFile]) -> bool:
    path = file_of(folder, one.code, form)
    return path.is_file() and MadeFile(one.number, one.copies, form, _hash(path.read_bytes())) in known


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


# Does one hold?


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found; `facts` are the ledger's own, by `Fact`, as the reader sees them, {} where it has none.

    `differs` names the facts that a changed file seems to say otherwise. `copy_no` is None unless a file was checked.
    """

    check: Check
    number: str = ""
    loan_id: str = ""
    copy_no: int | None = None
    void_at: str | None = None
    void_reason: str = ""
    differs: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)


def check_certificate(app: App, what: str, number: str = "") -> Checked:
    """Whether a certificate holds, by its verification code, its number or its file.

    `number` is the one printed beside a code; both must belong together. Nothing is written.

    Raises:
        ConfigError: the file is not there or too large.
        LedgerError: there is no ledger.
    """
    path = Path(what)
    if path.suffix.lower() in {f".{form}" for form in TEMPLATES} and not path.is_file():
        raise ConfigError([f"{what}: no such file; write its path, or the verification code"])
    with app.open_ledger() as ledger, ledger.read() as tx:
        if path.is_file():
            return check_content(app, tx, _content(path), path.stem)
        return check_text(app, tx, what, number)


def check_text(app: App, tx: Transaction, what: str, number: str = "") -> Checked:
    """The certificate of a code, which must belong to `number` if that is given, or of a number."""
    code, wanted = certificates.plain_code(what), certificates.plain_number(what)
    if not code and not wanted:
        return Checked(Check.MISTYPED)
    found = certificates.by_code(tx, code) if code else certificates.by_number(tx, wanted)
    if found is None:
        return Checked(Check.UNKNOWN)
    if number and certificates.plain_number(number) != found.number:
        return Checked(Check.CHANGED, differs=(Fact.NUMBER,))
    return _told(app, found)


def _told(app: App, found: Certificate) -> Checked:
    facts = shown(app, found.facts, found.copies) if found.facts else {}
    return Checked(
        check=Check.VALID if found.state == VALID else Check.VOID,
        number=found.number,
        loan_id=found.loan_id,
        void_at=found.void_at,
        void_reason=found.void_reason,
        facts=facts,
    )


def _content(path: Path) -> bytes:
    if path.stat().st_size > MOST_READ:
        raise ConfigError([f"{path}: larger than {MOST_READ:,} bytes, so it is no certificate"])
    return path.read_bytes()


def is_known(tx: Transaction, content: bytes) -> bool:
    """Whether a file of these very bytes was made."""
    return certificates.file_of(tx, _hash(content)) is not None


def check_content(app: App, tx: Transaction, content: bytes, stem: str) -> Checked:
    """The certificate of a file of these bytes, whose name without its ending is `stem`."""
    if known := certificates.file_of(tx, _hash(content)):
        found = certificates.by_number(tx, known.number)
        return replace(_told(app, found), copy_no=known.copy_no) if found else Checked(Check.UNKNOWN)
    found = _meant(tx, content, stem)
    if found is None:
        return Checked(Check.UNKNOWN)
    return replace(_told(app, found), check=Check.CHANGED, differs=_differing(app, found, content))


def _meant(tx: Transaction, content: bytes, stem: str) -> Certificate | None:
    """The certificate that a changed file pretends to be, by a code or a number in it or its name."""
    codes = (certificates.plain_code(text) for text in (*written_codes(content), stem))
    by_code = (certificates.by_code(tx, code) for code in codes if code)
    numbers = (certificates.plain_number(text) for text in written_numbers(content))
    by_number = (certificates.by_number(tx, number) for number in numbers if number)
    return next((found for found in (*by_code, *by_number) if found), None)


def _differing(app: App, found: Certificate, content: bytes) -> tuple[str, ...]:
    """The facts that the file seems to say otherwise than the copy it comes nearest to; () where that is not known."""
    form = form_of(content)
    text = text_of(content, form)
    if text is None or not found.facts or (form == PDF and not has_pdf()):
        return ()
    press = Presses(app, pdf=form == PDF).press(found.facts[LANGUAGE])
    if isinstance(press, PressFault):
        return ()
    told = shown(app, found.facts, found.copies)
    original = press.make(form, told, link_of(app, found.code))
    first = None if isinstance(original, PressFault) else text_of(original, form)
    return tuple(differing(told, first, text)) if first is not None else ()


# Ending one, and what there is.


def revoke(app: App, what: str, operator: str, reason: str) -> tuple[str, str]:
    """Void a certificate, by its number or code; its number, and why its files could not be removed ("" if they were).

    Raises:
        LedgerError: no such certificate, or it is void already.
    """
    with app.open_ledger() as ledger:
        with ledger.read() as tx:
            code, number = certificates.plain_code(what), certificates.plain_number(what)
            found = certificates.by_code(tx, code) if code else certificates.by_number(tx, number)
        wanted = [found.number] if found else []
        ended, problem = end(app, ledger, wanted, VoidReason.REVOKED, (operator, reason))
    if not ended:
        raise LedgerError(f"{what}: no valid certificate of this number or code; see: certificate list")
    return ended[0], problem


def list_certificates(app: App, limit: int) -> list[dict[str, Any]]:
    """The newest certificates, newest first."""
    with app.open_ledger() as ledger, ledger.read() as tx:
        return frame_rows(certificates.listing(tx, limit))
