"""A message's values as plain texts, for gateways that fill approved templates."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from carloan_notify.messages.context import VARIABLES
from carloan_notify.messages.money import Money
from carloan_notify.records import Channel

OURS_ONLY: Final = frozenset({"lender_name", "sign", "hotline", "reply_hint", "extra"})
"""Variables of our own templates that an approved text holds as fixed words, or cannot hold."""
_AMOUNTS: Final = ("amount", "overdue_amount", "penalty", "total_due")
_DAYS: Final = ("due_on", "occurred_on", "effective_on")
_LINKS: Final = ("pay_link", "certificate_link")

DERIVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{f"{name}_text": f"{name} as our own text writes it: 1,234.56元, $1,234.56" for name in _AMOUNTS},
        **{f"{name}_text": f"{name} as our own text writes it: 11月30日, 30 November 2026" for name in _DAYS},
        "effective_on_long": "effective_on with its year: 2026年11月30日, 30 November 2026",
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
    if told.get("effective_on"):
        told["effective_on_long"] = filters["long_date"](context["effective_on"])
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
