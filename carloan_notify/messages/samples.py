"""Contexts without a real borrower, for `templates show` and `templates lint`."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from carloan_notify.messages.money import Money

SAMPLE_DAY: Final = date(2026, 11, 23)
_TOKEN: Final = "AbCdEfGhIjKlMnOpQrStUvWx"  # noqa: S105 - the shape of a link's token, not a secret

_EVENT: Final = {
    "occurred_on": SAMPLE_DAY,
    "event_detail": "",
    "old_value": "15",
    "new_value": "20",
    "effective_on": date(2026, 12, 1),
}


def sample_context(
    language: str, currency: str = "", links: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Values as on an ordinary night, for every name of `context.VARIABLES` but the lender's own.

    `currency` defaults to CNY in Chinese and USD elsewhere. `links` maps `pay_link` and `certificate_link` to
    their base addresses.
    """
    chinese = language.startswith("zh")
    unit = currency or ("CNY" if chinese else "USD")
    return {
        "borrower_name": "王小明" if chinese else "John Smith",
        "contract_tail": "1234",
        "account_tail": "6789",
        "product": "新车贷" if chinese else "New car",
        "plate_tail": "8Z66",
        "installment_no": 5,
        "installments": 36,
        "due_on": SAMPLE_DAY + timedelta(days=7),
        "due_day": 30,
        "days_to_due": 7,
        **_amounts(unit, overdue=321_050, penalty=0),
        "days_past_due": 3,
        **_EVENT,
        "pay_link": "",
        "certificate_link": "",
        "loan_count": 1,
        "as_of": SAMPLE_DAY,
        "role": "borrower",
        "extra": defaultdict(lambda: "示例" if chinese else "sample"),
        **_links(links),
    }


def worst_context(
    language: str, currency: str = "", links: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Long but plausible values."""
    chinese = language.startswith("zh")
    ordinary = sample_context(language, currency, links)
    unit = ordinary["amount"].currency
    return ordinary | {
        "borrower_name": "阿卜杜热合曼·买买提" if chinese else "Bartholomew Featherstone-Smith",
        "installment_no": 36,
        "due_on": date(2026, 11, 30) if chinese else date(2026, 9, 30),
        "occurred_on": date(2026, 11, 30) if chinese else date(2026, 9, 30),
        "effective_on": date(2026, 12, 31) if chinese else date(2026, 9, 30),
        "days_to_due": 7,
        **_amounts(unit, overdue=1_234_567, penalty=123_456),
        "days_past_due": 128,
    }


def _links(bases: Mapping[str, str] | None) -> dict[str, str]:
    return {name: base + _TOKEN for name, base in (bases or {}).items() if base}


def _amounts(unit: str, *, overdue: int, penalty: int) -> dict[str, Money]:
    return {
        "amount": Money(overdue, unit),
        "overdue_amount": Money(overdue, unit),
        "penalty": Money(penalty, unit),
        "total_due": Money(overdue + penalty, unit),
    }
