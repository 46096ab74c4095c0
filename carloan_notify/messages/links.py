"""Signed one-tap links, short enough for a text message: a token of 16 characters behind a base address.

A token is 12 bytes in URL-safe base64, and each of its 96 bits counts:

    byte 0       what it is for (2 bits), the last valid day modulo 64 (6 bits)
    bytes 1-3    where to look for the loan: HMAC(key, "carloan-notify.loan", loan id), its first 24 bits
    bytes 4-11   the proof: HMAC(key, "carloan-notify.link", purpose, last valid day, phone, loan id), its first 64 bits

So it says for which loan, to which number and until when it was made, and holds neither: whoever checks it takes the
few loans that bytes 1-3 point at, makes the proof for each of their people, and compares. A wrong loan, a corrected
number, another purpose or a later day give another proof. Bytes 1-3 prove nothing; they only spare the search.

Forging one for a given loan and day takes 2^63 tries on average, and with k loans behind the same three bytes, p people
each and n keys in use 2^63 / (k p n): a lender of ten million loans has k below 4 and p about 2. The day's low bits are
enough because the proof covers the whole date: a token of another cycle of 64 days does not pass as one of this cycle.

`docs/links.md` tells the same to those who check tokens in code of their own, with test vectors.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from carloan_notify.keyed import hmac_maker
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.page_codes import LinkFault

TOKEN_LENGTH: Final = 16
VALID_DAYS: Final = 30
"""A link in a message is valid for so long; the next reminder carries a new one."""
CLOCKS_DIFFER_DAYS: Final = 1
"""The machine that makes links may be a day ahead of the one that checks them."""
KNOWN_CYCLES: Final = 6
"""A link that expired within so many cycles of 64 days (about a year) is called expired, an older one forged."""
_SHORTEST_KEY: Final = 16
_CYCLE: Final = 64
_DAY_BITS: Final = 6
_RAW_LENGTH: Final = 12
_HINT: Final = slice(1, 4)
_PROOF: Final = slice(4, 12)
_HINT_BYTES: Final = 3
_PROOF_BYTES: Final = 8
_EPOCH: Final = date(1970, 1, 1)


class Purpose(StrEnum):
    """What a link is for."""

    PAY = "pay"
    CERTIFICATE = "certificate"


_PURPOSES: Final = tuple(Purpose)

_Proof = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """The secrets of links: `current` makes new ones, `earlier` are still believed. Each has at least 16 bytes.

    Raises:
        ValueError: a secret is too short.
    """

    current: bytes = field(repr=False)
    earlier: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Refuse what could be guessed."""
        for key in self.all:
            _require_long(key)

    @property
    def all(self) -> tuple[bytes, ...]:
        """Every secret that is believed, the newest first."""
        return (self.current, *self.earlier)


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody whom a link may have been sent to: a number (E.164) and the loan it was told of."""

    loan_id: str
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkClaim:
    """What a valid token proves: what for, which loan, which number, and its last valid day (of UTC)."""

    purpose: Purpose
    loan_id: str
    phone: str = field(repr=False)
    valid_until: date


def pay_links(
    settings: MessagesSettings,
    key: bytes,
    *,
    loan_ids: Sequence[str],
    phones: Sequence[str],
    now: datetime,
) -> list[str]:
    """Links to the payment page, each for one loan and the person who is told; all "" when no page is configured.

    Args:
        settings: the bases.
        key: secret of at least 16 bytes, the same at the page that checks.
        loan_ids: the lender's number of each loan; does not appear in the link.
        phones: whom each is sent to, E.164; does not appear either.
        now: aware; the links are valid to the end of the UTC day `VALID_DAYS` later.

    Raises:
        ValueError: key too short or naive time.
    """
    return _links(settings.pay_link_base, key, Purpose.PAY, loan_ids, phones, now)


def without_tokens(text: str, settings: MessagesSettings) -> str:
    """The text with each of our links cut to its base: tokens differ by the day although nothing else does."""
    for base in filter(None, settings.link_bases.values()):
        text = re.sub(rf"({re.escape(base)})[\w-]{{{TOKEN_LENGTH}}}", r"\1", text)
    return text


def _links(
    base: str, key: bytes, purpose: Purpose, loan_ids: Sequence[str], phones: Sequence[str], now: datetime
) -> list[str]:
    if not base:
        return [""] * len(loan_ids)
    return [base + token for token in tokens(key, purpose, loan_ids, phones, now)]


def tokens(
    key: bytes, purpose: Purpose, loan_ids: Sequence[str], phones: Sequence[str], now: datetime
) -> list[str]:
    """A token for each loan and number. All are encoded at once: 12 bytes are 16 characters without a rest.

    Raises:
        ValueError: key too short or naive time.
    """
    _require_long(key)
    until = utc_day(now) + timedelta(days=VALID_DAYS)
    head, proven, digest = _head(purpose, until), _proven(purpose, until), hmac_maker(key)
    raw = b"".join(
        head + digest(_looked_up(loan_id))[:_HINT_BYTES] + digest(f"{proven}{phone}\n{loan_id}".encode())[:_PROOF_BYTES]
        for loan_id, phone in zip(loan_ids, phones, strict=True)
    )  # fmt: skip
    text = base64.urlsafe_b64encode(raw).decode()
    return [text[place : place + TOKEN_LENGTH] for place in range(0, len(text), TOKEN_LENGTH)]


def _head(purpose: Purpose, until: date) -> bytes:
    return bytes([_PURPOSES.index(purpose) << _DAY_BITS | (until - _EPOCH).days % _CYCLE])


def _looked_up(loan_id: str) -> bytes:
    return f"carloan-notify.loan\n{loan_id}".encode()


def _proven(purpose: Purpose, until: date) -> str:
    """What the proof covers, up to the phone."""
    return f"carloan-notify.link\n{purpose.value}\n{until.isoformat()}\n"


# Checking a token: read it, find the loans it may be of, prove it for one of their people.


@dataclass(frozen=True, slots=True)
class ReadToken:
    """What a token says before anything is proven. `hint` is where to look for its loan."""

    purpose: Purpose
    day: int
    hint: bytes
    proof: bytes = field(repr=False)


def read_token(link: str) -> ReadToken | LinkFault:
    """The parts of a link or of its bare token.

    A link is read from its end; `LinkFault.MALFORMED` for what is no token.
    """
    try:
        raw = base64.b64decode(link[-TOKEN_LENGTH:], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return LinkFault.MALFORMED
    if (
        len(raw) != _RAW_LENGTH
        or raw[0] >> _DAY_BITS >= len(_PURPOSES)
        or not _URL_SAFE.fullmatch(link[-TOKEN_LENGTH:])
    ):
        return LinkFault.MALFORMED
    return ReadToken(_PURPOSES[raw[0] >> _DAY_BITS], raw[0] % _CYCLE, raw[_HINT], raw[_PROOF])


_URL_SAFE: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}", re.ASCII)


def hints(key: bytes, loan_ids: Iterable[str]) -> list[bytes]:
    """Where tokens made with this key point, three bytes for each loan."""
    digest = hmac_maker(key)
    return [digest(_looked_up(loan_id))[:_HINT_BYTES] for loan_id in loan_ids]


def prove(token: ReadToken, keys: LinkKeys, people: Iterable[Told], now: datetime) -> LinkClaim | LinkFault:
    """What a token proves of one of these people, or why it is refused. Compares in constant time.

    `people` are those of the loans that `token.hint` points at under any of the keys; others are passed over.

    Raises:
        ValueError: naive time.
    """
    today, digests = utc_day(now), [hmac_maker(key) for key in keys.all]
    days = list(_days(token.day, today))
    for person in people:
        for digest in digests:
            if digest(_looked_up(person.loan_id))[:_HINT_BYTES] != token.hint:
                continue
            for until in days:
                proven = f"{_proven(token.purpose, until)}{person.phone}\n{person.loan_id}"
                if hmac.compare_digest(digest(proven.encode())[:_PROOF_BYTES], token.proof):
                    claim = LinkClaim(token.purpose, person.loan_id, person.phone, until)
                    return claim if until >= today else LinkFault.EXPIRED
    return LinkFault.FORGED


def _days(low_bits: int, today: date) -> Iterator[date]:
    """The days a token may mean, the latest first: one that may still come, then those of earlier cycles."""
    newest = (today - _EPOCH).days + VALID_DAYS + CLOCKS_DIFFER_DAYS
    latest = newest - (newest - low_bits) % _CYCLE
    for cycle in range(KNOWN_CYCLES + 1):
        yield _EPOCH + timedelta(days=latest - cycle * _CYCLE)


def utc_day(now: datetime) -> date:
    """The UTC date of an aware instant.

    Raises:
        ValueError: naive time.
    """
    if now.tzinfo is None:
        raise ValueError("`now` must carry its time zone")
    return now.astimezone(UTC).date()


def _require_long(key: bytes) -> None:
    if len(key) < _SHORTEST_KEY:
        raise ValueError(f"the link key has {len(key)} bytes; give at least {_SHORTEST_KEY}")


# The page's own forms: who sends one has seen the page, and has not kept it for long.


def form_proof(keys: LinkKeys, token: str, now: datetime) -> str:
    """What a form of the page behind `token` carries: 16 characters, of today."""
    return _form_proof(keys.current, token, utc_day(now))


def is_form_proof(keys: LinkKeys, token: str, given: str, now: datetime) -> bool:
    """Whether a form of today or yesterday carried this."""
    days = (utc_day(now) - timedelta(days=ago) for ago in (0, 1))
    made = [_form_proof(key, token, day) for day in days for key in keys.all]
    return any(hmac.compare_digest(each.encode(), given.encode("utf-8", "replace")) for each in made)


def _form_proof(key: bytes, token: str, day: date) -> str:
    digest = hmac_maker(key)(f"carloan-notify.form\n{day.isoformat()}\n{token}".encode())
    return base64.urlsafe_b64encode(digest[:_RAW_LENGTH]).decode()


# The key file: a secret a line, the one that makes links first; an earlier one with the last day it is believed.


def parse_keys(text: str, now: datetime) -> LinkKeys:
    """The secrets in a key file that are believed now.

    Raises:
        ValueError: it holds no secret, a short one, or a line that cannot be read; no secret is in the text.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or len(lines[0]) != 1:
        raise ValueError("its first line must be one secret of at least 16 characters and nothing else")
    earlier = (_earlier(number, line) for number, line in enumerate(lines[1:], start=2))
    believed = tuple(secret for secret, until in earlier if until >= utc_day(now))
    return LinkKeys(lines[0][0].encode(), believed)


def _earlier(number: int, line: Sequence[str]) -> tuple[bytes, date]:
    """A secret and the last day it is believed."""
    wrong = f"line {number} must be: SECRET until 2026-12-31"
    if len(line) != _WORDS or line[1] != _UNTIL:
        raise ValueError(wrong)
    try:
        return line[0].encode(), date.fromisoformat(line[2])
    except ValueError:
        raise ValueError(wrong) from None


def rotated(text: str, secret: str, now: datetime) -> str:
    """The key file with a new secret first, and those before it for as long as their links are valid.

    Raises:
        ValueError: the file cannot be read.
    """
    keys = parse_keys(text, now)
    last = utc_day(now) + timedelta(days=VALID_DAYS + CLOCKS_DIFFER_DAYS)
    kept = [
        line for line in text.splitlines()[1:] if line.strip() and line.split()[0].encode() in keys.earlier
    ]
    return "\n".join([secret, f"{keys.current.decode()} {_UNTIL} {last.isoformat()}", *kept]) + "\n"


_UNTIL: Final = "until"
_WORDS: Final = 3
