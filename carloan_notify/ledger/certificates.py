"""Settlement certificates: numbered without gaps, found by number, code or file; voided, never deleted."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from carloan_notify.certificate_codes import Fact, VoidReason
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import CERTIFICATE_FILES, CERTIFICATES
from carloan_notify.records import AuditEvent
from carloan_notify.text import mask_digits

if TYPE_CHECKING:
    import pandas as pd

# What a number and a verification code look like. The check character is that of the Chinese social credit number
# (GB 32100-2015, annex A): weights 3^i modulo the prime 31, over digits and capitals without I, O, S, V and Z. It
# finds every single wrong character and every two neighbours that changed places.

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_BASE: Final = len(ALPHABET)
_WEIGHT: Final = 3
CODE_LENGTH: Final = 16
"""Characters, the check character among them: 31^15 codes, about 2^74."""
_GROUP: Final = 4
_SEPARATORS: Final = str.maketrans("", "", "- \t\u3000\u2013\u2014\uff0d")


def check_character(text: str) -> str:
    """The check character of a text over `ALPHABET`. Another character raises ValueError."""
    total = sum(ALPHABET.index(sign) * pow(_WEIGHT, place, _BASE) for place, sign in enumerate(text))
    return ALPHABET[-total % _BASE]


def code_of(cipher: Cipher, loan_id: str, issue: int) -> str:
    """The verification code of a loan's certificate, known before it is issued; nobody without the key can tell it."""
    value, signs = int(cipher.certificate_key(loan_id, issue), 16), ""
    for _ in range(CODE_LENGTH - 1):
        value, place = divmod(value, _BASE)
        signs += ALPHABET[place]
    return signs + check_character(signs)


def plain_code(written: str) -> str:
    """A code as somebody typed it, without its separators; "" for what is no code: too short, or the check fails."""
    code = written.upper().translate(_SEPARATORS)
    if len(code) != CODE_LENGTH or not set(code) <= set(ALPHABET):
        return ""
    return code if check_character(code[:-1]) == code[-1] else ""


def grouped(code: str) -> str:
    """A code as it is printed, in groups of four."""
    return "-".join(code[place : place + _GROUP] for place in range(0, len(code), _GROUP))


def number_of(prefix: str, year: int, serial: int) -> str:
    """A certificate's number: AD-2026-000001-K, its check character over year and serial number."""
    digits = f"{year:04d}{serial:06d}"
    return f"{prefix}{year:04d}-{serial:06d}-{check_character(digits)}"


def plain_number(written: str) -> str:
    """A number as somebody typed it, in its one spelling; "" for what is no number, or where its check fails."""
    found = _NUMBER.fullmatch(written.strip().upper().translate(_DASHES))
    if found is None or check_character(found["year"] + found["serial"]) != found["check"]:
        return ""
    return found.group()


_DASHES: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2013\u2014\uff0d", "-"))
_NUMBER: Final = re.compile(r"[0-9A-Z-]{0,16}?(?P<year>[0-9]{4})-(?P<serial>[0-9]{6,9})-(?P<check>[0-9A-Y])")

# Issuing, in the transaction that takes the number.

VALID: Final = "valid"
VOID: Final = "void"
ORIGINAL: Final = 0
_FIELD: Final = "facts"
Facts = Mapping[str, str]
"""What a certificate says, by `Fact`: plain texts, days as 2026-11-23, the amount as 100000.00."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate to be: `facts` lack number and code, which issuing gives. `issue` is its place among the loan's."""

    loan_id: str
    customer_id: str
    issue: int
    facts: Facts = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of the ledger. `facts` are {} once erased; `copies` is how many duplicates were made of it."""

    number: str
    code: str = field(repr=False)
    loan_id: str
    issue: int
    state: str
    issued_at: str
    copies: int
    void_at: str | None
    void_reason: str
    facts: Facts = field(repr=False)


@dataclass(frozen=True, slots=True)
class Series:
    """Where numbers come from: the lender's prefix and the year of issue."""

    prefix: str
    year: int


def issue(
    tx: Transaction, drafts: Sequence[Draft], series: Series, by: str, now: datetime
) -> list[Certificate]:
    """Number these certificates, in order, `by` a run or an operator; a loan that meanwhile got one is left out."""
    audit.lock_head(tx)  # on PostgreSQL, too, nobody else takes a number now
    held = {one.loan_id: one for one in latest(tx, [draft.loan_id for draft in drafts])}
    wanted = [draft for draft in drafts if _is_next(draft, held.get(draft.loan_id))]
    taken = sa.select(sa.func.max(CERTIFICATES.c.serial)).where(CERTIFICATES.c.year == series.year)
    first = int(tx.connection.execute(taken).scalar_one() or 0) + 1
    rows = [_row(tx.cipher, draft, series, first + place, now) for place, draft in enumerate(wanted)]
    if not rows:
        return []
    tx.connection.execute(sa.insert(CERTIFICATES), rows)
    audit.append(tx, [_issued(row, by) for row in rows], now)
    return [_certificate(tx.cipher, row) for row in rows]


def _is_next(draft: Draft, held: Certificate | None) -> bool:
    if held is None:
        return draft.issue == 1
    return held.state == VOID and draft.issue == held.issue + 1


def _row(cipher: Cipher, draft: Draft, series: Series, serial: int, now: datetime) -> dict[str, Any]:
    number = number_of(series.prefix, series.year, serial)
    code = code_of(cipher, draft.loan_id, draft.issue)
    text = canonical({**draft.facts, Fact.NUMBER.value: number, Fact.CODE.value: grouped(code)})
    return {
        "number": number,
        "year": series.year,
        "serial": serial,
        "loan_id": draft.loan_id,
        "issue": draft.issue,
        "customer_ref": cipher.customer_ref(draft.customer_id),
        "code_hash": cipher.text_hash(code),
        "state": VALID,
        "issued_at": to_text(now),
        "copies": 0,
        "facts_hash": cipher.text_hash(text),
        "void_at": None,
        "void_reason": "",
        "facts_sealed": cipher.seal(number, _FIELD, text),
    }


def _issued(row: Mapping[str, Any], by: str) -> AuditEvent:
    data = {"loan": row["loan_id"], "issue": row["issue"], "facts": row["facts_hash"], "by": by}
    return AuditEvent("certificate.issued", row["number"], data)


def _certificate(cipher: Cipher, row: Mapping[str, Any]) -> Certificate:
    told = cipher.open(row["number"], _FIELD, row["facts_sealed"])
    shown = ("number", "loan_id", "issue", "state", "issued_at", "copies", "void_at", "void_reason")
    code = code_of(cipher, row["loan_id"], row["issue"])
    return Certificate(
        **{name: row[name] for name in shown}, code=code, facts=json.loads(told) if told else {}
    )


# Files made of it, duplicates, and its end.


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file of a certificate: `copy_no` 0 for the original, `form` html or pdf, the hash of all its bytes."""

    number: str
    copy_no: int
    form: str
    sha256: str


def keep_files(tx: Transaction, files: Sequence[MadeFile], now: datetime) -> None:
    """Note these files, so that they are known again by their bytes; the same file again changes nothing."""
    known = {
        found.sha256 for found in _files(tx, CERTIFICATE_FILES.c.sha256, [file.sha256 for file in files])
    }
    fresh = [file for file in dict.fromkeys(files) if file.sha256 not in known]
    if not fresh:
        return
    rows = [{**asdict(file), "made_at": to_text(now)} for file in fresh]
    tx.connection.execute(sa.insert(CERTIFICATE_FILES), rows)
    by_number: dict[str, list[MadeFile]] = {}
    for file in fresh:
        by_number.setdefault(file.number, []).append(file)
    audit.append(tx, [_made(number, made) for number, made in by_number.items()], now)


def _made(number: str, files: Sequence[MadeFile]) -> AuditEvent:
    data = {"copy": files[0].copy_no, "files": {file.form: file.sha256 for file in files}}
    return AuditEvent("certificate.made", number, data)


def duplicate(tx: Transaction, number: str, operator: str, reason: str, now: datetime) -> Certificate:
    """One more duplicate under the same number. LedgerError where the certificate is not valid, or erased."""
    found = by_number(tx, number)
    if found is None or found.state != VALID or not found.facts:
        raise LedgerError(
            f"certificate {number}: not valid, or what it says was erased; a new one can be issued"
        )
    copies = found.copies + 1
    mine = CERTIFICATES.c.number == number
    tx.connection.execute(sa.update(CERTIFICATES).where(mine).values(copies=copies))
    data = {"copy": copies, "by": operator, "reason": mask_digits(reason)}
    audit.append(tx, [AuditEvent("certificate.duplicated", number, data)], now)
    return next(_found(tx, mine))


def void(
    tx: Transaction, numbers: Sequence[str], reason: VoidReason, by: tuple[str, str], now: datetime
) -> list[str]:
    """End the valid ones among these certificates; `by` is the operator and what he says. Those that were ended."""
    operator, note = by
    ended = [
        one.number for part in in_parts(numbers) for one in _found(tx, CERTIFICATES.c.number.in_(part), VALID)
    ]
    values = {"state": VOID, "void_at": to_text(now), "void_reason": reason.value}
    for part in in_parts(ended):
        tx.connection.execute(sa.update(CERTIFICATES).where(CERTIFICATES.c.number.in_(part)).values(**values))
    data = {"why": reason.value, "by": operator, "reason": mask_digits(note)}
    audit.append(tx, [AuditEvent("certificate.void", number, data) for number in ended], now)
    return ended


# Finding them.


def latest(tx: Transaction, loan_ids: Sequence[str]) -> list[Certificate]:
    """The newest certificate of each of these loans that has one, valid or void."""
    newest: dict[str, Certificate] = {}
    for part in in_parts(loan_ids):
        for one in _found(tx, CERTIFICATES.c.loan_id.in_(part)):
            newest[one.loan_id] = max(one, newest.get(one.loan_id, one), key=lambda each: each.issue)
    return list(newest.values())


def valid_loans(tx: Transaction) -> dict[str, str]:
    """Number by loan of every valid certificate."""
    query = sa.select(CERTIFICATES.c.loan_id, CERTIFICATES.c.number).where(CERTIFICATES.c.state == VALID)
    return dict(tx.connection.execute(query).all())


def by_number(tx: Transaction, number: str) -> Certificate | None:
    """The certificate of this number."""
    return next(_found(tx, CERTIFICATES.c.number == number), None)


def by_code(tx: Transaction, code: str) -> Certificate | None:
    """The certificate of this verification code, written without separators."""
    return next(_found(tx, CERTIFICATES.c.code_hash == tx.cipher.text_hash(code)), None)


def file_of(tx: Transaction, sha256: str) -> MadeFile | None:
    """The file of these very bytes."""
    return next(_files(tx, CERTIFICATE_FILES.c.sha256, [sha256]), None)


def files_of(tx: Transaction, numbers: Sequence[str]) -> list[MadeFile]:
    """Every file that was made of these certificates."""
    return list(_files(tx, CERTIFICATE_FILES.c.number, numbers))


def _found(tx: Transaction, where: sa.ColumnElement[bool], state: str = "") -> Iterator[Certificate]:
    query = sa.select(CERTIFICATES).where(where).order_by(CERTIFICATES.c.number)
    query = query.where(CERTIFICATES.c.state == state) if state else query
    for row in tx.connection.execute(query).mappings():
        yield _certificate(tx.cipher, dict(row))


def _files(tx: Transaction, column: sa.Column[Any], values: Sequence[str]) -> Iterator[MadeFile]:
    names = (CERTIFICATE_FILES.c.number, CERTIFICATE_FILES.c.copy_no, CERTIFICATE_FILES.c.form)
    for part in in_parts(values):
        query = sa.select(*names, CERTIFICATE_FILES.c.sha256).where(column.in_(part))
        for row in tx.connection.execute(query.order_by(CERTIFICATE_FILES.c.made_at)):
            yield MadeFile(*row)


LISTED: Final = ("number", "loan_id", "state", "issued_at", "copies", "void_at", "void_reason")


def listing(tx: Transaction, limit: int) -> "pd.DataFrame":
    """The newest certificates, newest first: number, loan, state and days; nothing personal."""
    query = sa.select(*(CERTIFICATES.c[name] for name in LISTED))
    query = query.order_by(CERTIFICATES.c.year.desc(), CERTIFICATES.c.serial.desc()).limit(limit)
    return as_frame(tx.connection.execute(query).all(), LISTED)


# Forgetting what they say; that they were issued, and of which bytes, stays.


def codes_of(tx: Transaction, where: sa.ColumnElement[bool]) -> list[str]:
    """The codes of certificates that still say something: their files are named so."""
    query = sa.select(CERTIFICATES.c.loan_id, CERTIFICATES.c.issue).where(
        where, CERTIFICATES.c.facts_sealed != b""
    )
    return [code_of(tx.cipher, row.loan_id, row.issue) for row in tx.connection.execute(query)]


def of_customer(customer_ref: str) -> sa.ColumnElement[bool]:
    """Certificates of this customer."""
    return CERTIFICATES.c.customer_ref == customer_ref


def issued_before(cutoff: str) -> sa.ColumnElement[bool]:
    """Certificates issued before this instant (`to_text`)."""
    return CERTIFICATES.c.issued_at < cutoff


def forget(tx: Transaction, where: sa.ColumnElement[bool]) -> int:
    """Overwrite what these certificates say; of how many. They still verify by code and by file."""
    mine = sa.and_(where, CERTIFICATES.c.facts_sealed != b"")
    return tx.connection.execute(sa.update(CERTIFICATES).where(mine).values(facts_sealed=b"")).rowcount
