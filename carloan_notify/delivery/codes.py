"""Code tables: what a provider's codes mean, kept as data beside its adapter, with a readable reason each."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from typing import Final, Generic, TypeVar

import yaml

from carloan_notify.delivery.provider import UNLISTED_CODE
from carloan_notify.records import Outcome, SendResult

Meaning = TypeVar("Meaning")


class ByCode(Generic[Meaning]):
    """A code table: exact codes first, then the longest matching beginning (`Throttling.*`)."""

    def __init__(self, codes: Mapping[str, Meaning]) -> None:
        """A code that ends in `*` stands for any ending."""
        self._exact = {code: meaning for code, meaning in codes.items() if not code.endswith("*")}
        beginnings = [(code[:-1], meaning) for code, meaning in codes.items() if code.endswith("*")]
        self._beginnings = sorted(beginnings, key=lambda pair: -len(pair[0]))

    def get(self, code: str) -> Meaning | None:
        """What a code means, None when it is not listed."""
        if code in self._exact:
            return self._exact[code]
        return next((meaning for beginning, meaning in self._beginnings if code.startswith(beginning)), None)


class CodeTable(ByCode[Meaning]):
    """The same from lists of codes by meaning."""

    def __init__(self, codes: Mapping[Meaning, Sequence[str]]) -> None:
        """Turn the lists into a look-up by code."""
        super().__init__({code: meaning for meaning, listed in codes.items() for code in listed})


LONGEST_CODE: Final = 64
_SAFE_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]+")
_LONG_DIGITS: Final = re.compile(r"\d{7,}")


@lru_cache(maxsize=256)
def public_code(code: str) -> str:
    """A code fit for logs; what looks like no code, or holds a number like a phone's, is withheld."""
    fits = _SAFE_CODE.fullmatch(code) and not _LONG_DIGITS.search(code)
    return code if fits and len(code) <= LONGEST_CODE else "unprintable_code"


@dataclass(frozen=True, slots=True)
class Listed:
    """A code's meaning for the dispatcher, and for a reader."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What a carrier's code says of a delivery. `final` is False while the network still tries.

    `dead` means that there is no such number.
    """

    delivered: bool
    reason: str
    blocked: bool = False
    final: bool = True
    dead: bool = False


@cache
def answer_codes(name: str) -> ByCode[Listed]:
    """The table `<name>/codes.yaml` of a provider: outcome → code → reason.

    Raises:
        ValueError: a code is listed twice.
    """
    return ByCode(
        {
            code: Listed(Outcome(outcome), reason)
            for outcome, codes in _listed(f"{name}/codes.yaml").items()
            for code, reason in codes.items()
        }
    )


@cache
def carrier_codes(name: str = "") -> ByCode[Carried]:
    """The carriers' receipt codes, with those of `<name>/receipts.yaml` in front when a provider has its own."""
    codes = _listed("carrier_codes.yaml")
    own = _listed(f"{name}/receipts.yaml") if name else {}
    return ByCode(
        {
            code: _carried(kind, reason)
            for table in (codes, own)
            for kind, listed in table.items()
            for code, reason in listed.items()
        }
    )


_KINDS: Final[Mapping[str, tuple[bool, bool, bool, bool]]] = {
    # delivered, blocked, final, dead
    "delivered": (True, False, True, False),
    "undelivered": (False, False, True, False),
    "dead": (False, False, True, True),
    "blocked": (False, True, True, False),
    "pending": (False, False, False, False),
}


def _carried(kind: str, reason: str) -> Carried:
    delivered, blocked, final, dead = _KINDS[kind]
    return Carried(delivered, reason, blocked, final, dead)


def _listed(path: str) -> dict[str, dict[str, str]]:
    text = resources.files("carloan_notify.delivery.providers").joinpath(path).read_text(encoding="utf-8")
    tables: dict[str, dict[str, str]] = yaml.safe_load(text)
    seen: set[str] = set()
    for codes in tables.values():
        if twice := seen & codes.keys():
            raise ValueError(f"{path}: listed twice: {', '.join(sorted(twice))}")
        seen |= codes.keys()
    return tables


# What a code means for the messages of a request.


def coded(
    message_id: str, code: str, listed: Listed | None, provider_ref: str = "", retry_after_s: float = 0.0
) -> SendResult:
    """The result of one message by its code and what that means. An unlisted code is UNKNOWN and reported by name."""
    if listed is None:
        return SendResult(message_id, Outcome.UNKNOWN, provider_ref, public_code(code), UNLISTED_CODE)
    if listed.outcome is Outcome.ACCEPTED:
        return SendResult(message_id, Outcome.ACCEPTED, provider_ref, public_code(code))
    return SendResult(
        message_id, listed.outcome, provider_ref, public_code(code), listed.reason, retry_after_s
    )


OF_ONE: Final = frozenset({Outcome.REJECTED, Outcome.BLOCKED, Outcome.NOT_TONIGHT})
"""What a code can only say of one message."""
ONE_OF_THEM: Final = (
    "a message of this request was refused, and the vendor does not say which; each goes on its own"
)


def of_whole_request(results: Sequence[SendResult], also: Collection[Outcome] = ()) -> list[SendResult]:
    """What a code said of a whole request means for its messages; `results` is what it says of each alone.

    What is true of one message tells nothing of which one, so that of several none is refused: they go again,
    apart. `also` are outcomes beyond `OF_ONE` that the vendor's codes say of one message.
    """
    of_one = OF_ONE.union(also)
    if len(results) < 2:  # noqa: PLR2004 - a message of its own
        return list(results)
    return [
        replace(result, outcome=Outcome.APART, detail=ONE_OF_THEM, retry_after_s=0.0)
        if result.outcome in of_one
        else result
        for result in results
    ]
