"""The words rules are written in."""

from enum import StrEnum


class EventType(StrEnum):
    """What can happen to a loan that its borrower may hear of."""

    APPLICATION_RECEIVED = "application_received"
    APPLICATION_APPROVED = "application_approved"
    APPLICATION_REJECTED = "application_rejected"
    CONTRACT_SIGNED = "contract_signed"
    LOAN_DISBURSED = "loan_disbursed"
    PAYMENT_RECEIVED = "payment_received"
    DUE_DAY_CHANGED = "due_day_changed"
    LOAN_SETTLED = "loan_settled"


REPEATABLE = frozenset({EventType.PAYMENT_RECEIVED, EventType.DUE_DAY_CHANGED})
"""Events that may happen to one loan many times; the others happen once."""


class Role(StrEnum):
    """What a person is to a loan."""

    BORROWER = "borrower"
    CO_BORROWER = "co_borrower"
    GUARANTOR = "guarantor"


class Until(StrEnum):
    """What cancels a queued message."""

    PAID = "paid"
    NONE = "none"


class CapSubject(StrEnum):
    """Whom a cap protects."""

    BORROWER = "borrower"
    NUMBER = "number"
