"""Add and end suppressions by hand."""

from carloan_notify.errors import ConfigError
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.stopping import Stopped
from carloan_notify.ledger.suppressions import Subject
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.numbers import any_number
from carloan_notify.records import MessageClass

Given = tuple[str, str, str | None]
"""A phone, a customer id (one of them blank) and a message class or None."""


def suppress(house: House, given: Given, operator: str, reason: str) -> Stopped:
    """Stop messages to a phone or a customer, those that wait included."""
    with house.open_ledger(create=True) as ledger:
        return ledger.suppress(_subject(house, ledger, given), operator, reason, house.clock())


def unsuppress(house: House, given: Given, operator: str, reason: str, was: str) -> str | None:
    """End the suppression whose reason `was` ("" for the only one); its reason, None when there is none.

    Raises:
        LedgerError: several stand, and `was` names none.
    """
    with house.open_ledger() as ledger:
        return ledger.unsuppress(_subject(house, ledger, given), operator, reason, house.clock(), was=was)


def _subject(house: House, ledger: Ledger, given: Given) -> Subject:
    phone, customer_id, message_class = given
    if bool(phone) == bool(customer_id):
        raise ConfigError(["give a phone or a customer, exactly one of them"])
    if phone:
        found = any_number(house, phone)
        if found.error:
            raise ConfigError([f"--phone: {found.error}; write it as +8613800138000"])
        phone = found.e164
    chosen = MessageClass(message_class) if message_class else None
    return ledger.subject(phone=phone, customer_id=customer_id, message_class=chosen)
