"""What a template may say: the names it can use and their meaning. `templates lint` knows no others."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from carloan_notify.messages.values import Money
from carloan_notify.records import Channel

VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lender_name": "the lender's full name",
        "sign": "the lender's sign without brackets; a text message begins with it by itself, a voice "
        "message says it",
        "hotline": "the lender's telephone number for questions",
        "reply_hint": "words that tell how to answer a text message, before 致电 and call; may be empty",
        "borrower_name": "the borrower's name; only for the borrower's own messages; may be empty",
        "contract_tail": "last four characters of the contract number",
        "account_tail": "last digits of the account the installment is debited from; may be empty",
        "product": "the loan product, as the lender names it; may be empty",
        "plate_tail": "last characters of the number plate; may be empty",
        "installment_no": "number of the installment, from 1; 0 when there is none",
        "installments": "how many installments the loan has; 0 when unknown",
        "due_on": "due date of the installment; nothing when there is none",
        "due_day": "day of the month on which installments fall due; 0 when unknown",
        "days_to_due": "days until the due date, 0 on the day itself",
        "amount": "money the message asks for or reports; of all its loans when loan_count is above 1",
        "overdue_amount": "money overdue on this loan, without penalty interest",
        "penalty": "penalty interest so far on this loan; counts as false when zero",
        "total_due": "overdue_amount and penalty together",
        "days_past_due": "days since the oldest unpaid due date, 0 when nothing is overdue",
        "occurred_on": "day of the event that is told; nothing for a reminder",
        "event_detail": "what the lender's event table says in its detail column; may be empty",
        "old_value": "the value before a change (due_day_changed: the old day of the month); may be empty",
        "new_value": "the value after a change (due_day_changed: the new day of the month)",
        "effective_on": "day from which a change holds; nothing when unknown",
        "old_due_on": "due date before a change; nothing when unknown",
        "new_due_on": "due date after a change; nothing when none changed",
        "old_last_due_on": "last due date of the loan before a change; nothing when unknown",
        "new_last_due_on": "last due date of the loan after a change; nothing when unknown",
        "old_amount": "installment before a change; counts as false when unknown",
        "new_amount": "installment after a change; equal to old_amount when none changed",
        "old_installments": "number of installments before a change; 0 when unknown",
        "new_installments": "number of installments after a change; 0 when unknown",
        "changed_installment": "number of the first installment that a change alters; 0 when unknown",
        "old_rate": "yearly rate before a change, such as 5.88%; may be empty",
        "new_rate": "yearly rate after a change, such as 4.9%; may be empty",
        "valid_until": "last day of an early settlement quote; nothing for all else",
        "paid_from": "first installment that a payment paid off; 0 when none or unknown",
        "paid_to": "last installment that a payment paid off; 0 when none or unknown",
        "part_paid": "installment that a payment paid in part; 0 when none or unknown",
        "open_installments": "installments that a payment left to be paid; 0 when none or unknown",
        "next_due_on": "due date of the loan's next unpaid installment; nothing when there is none",
        "next_amount": "what is unpaid of the loan's next installment; counts as false when there is none",
        "pay_link": "signed link to the payment page; empty when none is configured",
        "certificate_link": "link to the settlement certificate; empty where there is none",
        "loan_count": "how many loans this one message tells; 1 unless several were merged",
        "as_of": "business date of the night",
        "role": "borrower, or another party's role (co_borrower, guarantor) who must not learn more "
        "than needed",
        "extra": "the lender's own columns, as extra.column_name",
    }
)
FILTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "money": "an amount with its currency: 1,234.56元, $1,234.56; without separators in a voice message",
        "date": "a date as people write and say it: 11月30日, 30 Nov 2026, spoken 30 November 2026",
        "long_date": "a date with its year: 2026年11月30日, 30 Nov 2026",
        "mask": "hides all but the last four characters: ****8000",
        "spelled": "digits one by one, slowly, for a voice message: 四零零，八八八 or 4 0 0, 8 8 8",
        "default": "another text where the value is empty or missing: extra.branch | default('-')",
        "length": "number of characters",
        "upper": "in capitals",
        "lower": "in small letters",
        "trim": "without blanks at both ends",
    }
)


# A message's values as plain texts, for gateways that fill approved templates.

OURS_ONLY: Final = frozenset({"lender_name", "sign", "hotline", "reply_hint", "extra"})
"""Variables of our own templates that an approved text holds as fixed words, or cannot hold."""
_AMOUNTS: Final = (
    "amount", "overdue_amount", "penalty", "total_due", "old_amount", "new_amount", "next_amount",
)  # fmt: skip
_DAYS: Final = (
    "due_on", "occurred_on", "effective_on", "old_due_on", "new_due_on", "old_last_due_on", "new_last_due_on",
    "valid_until", "next_due_on",
)  # fmt: skip
_LONG_DAYS: Final = ("effective_on", "new_last_due_on", "valid_until")
_LINKS: Final = ("pay_link", "certificate_link")

DERIVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{f"{name}_text": f"{name} as our own text writes it: 1,234.56元, $1,234.56" for name in _AMOUNTS},
        **{f"{name}_text": f"{name} as our own text writes it: 11月30日, 30 Nov 2026" for name in _DAYS},
        **{f"{name}_long": f"{name} with its year: 2026年11月30日, 30 Nov 2026" for name in _LONG_DAYS},
        **{f"{name}_token": f"what follows the configured base in {name}" for name in _LINKS},
        "contract_tail_spelled": "contract_tail digit by digit; only for a voice message",
    }
)
"""Values that only approved templates have: amounts and days in words, and links without their domain."""
PARAMETERS: Final[Mapping[str, str]] = MappingProxyType(
    {**{name: told for name, told in VARIABLES.items() if name not in OURS_ONLY}, **DERIVED}
)
"""Every value of an approved template: amounts as decimals (1234.56), days as 2026-11-30, and `DERIVED`."""


def parameters(
    context: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]],
    links: Mapping[str, str],
    channel: str,
) -> dict[str, str]:
    """The values of `context` by the names of `PARAMETERS`; of the derived ones only those that say something.

    Args:
        context: values for `context.VARIABLES`.
        filters: the `money`, `date` and `long_date` of the message's language and channel.
        links: base address by the name of its link.
        channel: "sms" or "voice".
    """
    told: dict[str, str] = {}
    money, day = filters["money"], filters["date"]
    for name, value in context.items():
        if isinstance(value, str):
            told[name] = value
        elif isinstance(value, Money):
            told[name], told[_TEXT[name]] = _amount_texts(value, money)
        elif isinstance(value, date):
            told[name], text = _day_texts(value, day)
            if name in _TEXT:
                told[_TEXT[name]] = text
        elif not isinstance(value, dict):
            told[name] = "" if value is None else str(value)
    told |= {_TOKEN[name]: told[name].removeprefix(base) for name, base in links.items() if told.get(name)}
    told |= {f"{name}_long": filters["long_date"](context[name]) for name in _LONG_DAYS if told.get(name)}
    if channel == Channel.VOICE:
        told["contract_tail_spelled"] = filters["spelled"](told["contract_tail"])
    return told


# Names and texts that many messages share are one object each: a night keeps millions of them in memory.
_TEXT: Final = {name: f"{name}_text" for name in (*_AMOUNTS, *_DAYS)}
_TOKEN: Final = {name: f"{name}_token" for name in _LINKS}


@lru_cache(maxsize=4096)
def _amount_texts(value: Money, written: Callable[[Money], str]) -> tuple[str, str]:
    return value.plain(), written(value)


@lru_cache(maxsize=4096)
def _day_texts(value: date, written: Callable[[date], str]) -> tuple[str, str]:
    return value.isoformat(), written(value)


# Contexts without a real borrower, for `templates show` and `templates lint`.

SAMPLE_DAY: Final = date(2026, 11, 23)
_SAMPLE_TOKEN: Final = "AbCdEfGhIjKlMnOp"  # noqa: S105 - the shape of a link's token, not a secret

_EVENT: Final = {
    "occurred_on": SAMPLE_DAY,
    "event_detail": "",
    "old_value": "15",
    "new_value": "20",
    "effective_on": date(2026, 12, 1),
    "old_due_on": date(2026, 11, 30),
    "new_due_on": date(2026, 12, 20),
    "old_last_due_on": date(2029, 6, 30),
    "new_last_due_on": date(2029, 7, 20),
    "old_installments": 36,
    "new_installments": 38,
    "changed_installment": 5,
    "old_rate": "5.88%",
    "new_rate": "4.9%",
    "valid_until": date(2026, 11, 30),
    "paid_from": 5,
    "paid_to": 5,
    "part_paid": 0,
    "open_installments": 31,
    "next_due_on": date(2026, 11, 30),
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
        "borrower_name": "阿卜杜热合曼·买买提" if chinese else "Alexander Featherstone",
        "installment_no": 36,
        **dict.fromkeys(_DAYS, date(2026, 11, 30) if chinese else date(2026, 9, 30)),
        **{name: date(2026, 12, 31) for name in ("effective_on", "new_due_on")},
        "new_last_due_on": date(2029, 12, 31),
        "paid_to": 36,
        "days_to_due": 7,
        **_amounts(unit, overdue=1_234_567, penalty=123_456),
        "days_past_due": 128,
    }


def with_extras(context: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """The sample context with a value of its kind for each of the lender's own columns (name → kind)."""
    values = {"date": SAMPLE_DAY, "amount": context["amount"], "count": 3, "flag": True}
    extra = context["extra"].copy()
    extra.update({name: values[kind] for name, kind in kinds.items() if kind in values})
    return {**context, "extra": extra}


def _links(bases: Mapping[str, str] | None) -> dict[str, str]:
    return {name: base + _SAMPLE_TOKEN for name, base in (bases or {}).items() if base}


def _amounts(unit: str, *, overdue: int, penalty: int) -> dict[str, Money]:
    return {
        "amount": Money(overdue, unit),
        "overdue_amount": Money(overdue, unit),
        "penalty": Money(penalty, unit),
        "total_due": Money(overdue + penalty, unit),
        "old_amount": Money(overdue, unit),
        "new_amount": Money(overdue * 9 // 10, unit),
        "next_amount": Money(overdue, unit),
    }
