"""Add and end suppressions by hand."""

from pathlib import Path
from typing import Any

from carloan_notify.app import App, any_number
from carloan_notify.errors import ConfigError
from carloan_notify.ledger import health, stopping, verify
from carloan_notify.ledger.stopping import Stopped, Subject
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.verify import Verification
from carloan_notify.records import MessageClass
from carloan_notify.sources.spelling import one_spelling

Given = tuple[str, str, str | None]
"""A phone, a customer id (one of them blank) and a message class or None."""


def suppress(app: App, given: Given, operator: str, reason: str) -> Stopped:
    """End messages to a phone or a customer for good, those that wait included: an opt-out. `reason` is kept."""
    with app.open_ledger(create=True) as ledger, ledger.write() as tx:
        return stopping.stop(tx, _subject(app, tx, given), operator, reason, app.clock())


def unsuppress(app: App, given: Given, operator: str, reason: str, was: str) -> str | None:
    """End the suppression whose reason `was` ("" for the only one); its reason, None when there is none.

    Raises:
        LedgerError: several stand, and `was` names none.
    """
    with app.open_ledger() as ledger, ledger.write() as tx:
        return stopping.remove(tx, _subject(app, tx, given), operator, reason, app.clock(), was=was)


def _subject(app: App, tx: Transaction, given: Given) -> Subject:
    phone, customer_id, message_class = given
    if bool(phone) == bool(customer_id):
        raise ConfigError(["give a phone or a customer, exactly one of them"])
    if phone:
        found = any_number(app, phone)
        if found.error:
            raise ConfigError([f"--phone: {found.error}; write it as +8613800138000"])
        phone = found.e164
    chosen = MessageClass(message_class) if message_class else None
    return stopping.subject_of(tx, phone=phone, customer_id=one_spelling(customer_id), message_class=chosen)


# Verify the record, in the ledger or in an export of it.


def verify_record(app: App | None, exported: Path | None, public_key: Path | None) -> Verification:
    """Verify an export if one is given, else the lender's ledger; `public_key` replaces the trusted key at hand."""
    if exported is not None:
        return verify.verify_file(exported, public_key)
    if app is None:
        raise ValueError("nothing to verify: give an app or an export")
    with app.open_ledger() as ledger:
        return ledger.verify_audit(public_key)


def verify_rows(found: Verification) -> list[dict[str, Any]]:
    """One row per breach."""
    return [
        {"kind": breach.kind.value, "place": breach.place, "message": breach.message}
        for breach in found.breaches
    ]


def ailments(app: App) -> list[dict[str, Any]]:
    """What is wrong with the ledger, its audit chain included: code, place, message."""
    with app.open_ledger() as ledger:
        with ledger.read() as tx:
            ailing = health.examine(tx, app.clock())
        found = [
            {"code": ailment.code, "place": ailment.place, "message": ailment.message} for ailment in ailing
        ]
        breaches = verify_rows(ledger.verify_audit())
    return found + [
        {"code": f"audit_{row['kind']}", "place": row["place"], "message": row["message"]} for row in breaches
    ]
