"""Signed one-tap links, short enough for a text message.

A token is 24 characters: purpose and installment (2 bytes), last valid day (2), a keyed reference of the
loan (8), a signature (6), in URL-safe base64. It holds no personal data and no contract number: the
reference is an HMAC that only the holder of the key can compute, so the lender's page finds the loan by
comparing `loan_ref` of its own loans. Guessing a token means guessing reference and signature together, 112
bits.
"""

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from itsdangerous import Signer
from itsdangerous.signer import HMACAlgorithm

from carloan_notify.messages.settings import MessagesSettings

_PAYLOAD: Final = struct.Struct(">HH8s")
_SIGNATURE_BYTES: Final = 6
_EPOCH: Final = date(2000, 1, 1)
_INSTALLMENT_BITS: Final = 13
_MAX_INSTALLMENT: Final = 2**_INSTALLMENT_BITS - 1
_SHORTEST_KEY: Final = 16
VALID_DAYS: Final = 30
"""A link in a message is valid for so long; the next reminder carries a new one."""


class Purpose(StrEnum):
    """What a link is for."""

    PAY = "pay"
    CERTIFICATE = "certificate"


_PURPOSES: Final = tuple(Purpose)


class LinkFault(StrEnum):
    """Why a token is refused. The codes never change."""

    MALFORMED = "link_malformed"
    FORGED = "link_forged"
    EXPIRED = "link_expired"


@dataclass(frozen=True, slots=True)
class LinkClaim:
    """What a valid token says. `loan_ref` is 16 hex digits; `installment_no` is 0 for a certificate."""

    purpose: Purpose
    loan_ref: str
    installment_no: int
    valid_until: date


class _ShortHMAC(HMACAlgorithm):
    """HMAC-SHA256 cut to the length that a text message can afford."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return super().get_signature(key, value)[:_SIGNATURE_BYTES]


def pay_links(
    settings: MessagesSettings,
    key: bytes,
    *,
    loan_ids: Sequence[str],
    installment_nos: Sequence[int],
    now: datetime,
) -> list[str]:
    """Links to the payment page, each for one installment (0 to 8191); all "" when no page is configured.

    Args:
        settings: the bases.
        key: secret of at least 16 bytes, the same at the page that verifies.
        loan_ids: the lender's number of each loan; does not appear in the link.
        installment_nos: number of each installment, 0 when it has none.
        now: aware; the links are valid to the end of the UTC day `VALID_DAYS` later.

    Raises:
        ValueError: key too short, naive time, or a number out of bounds.
    """
    if not settings.pay_link_base:
        return [""] * len(loan_ids)
    tokens = _tokens(key, Purpose.PAY, loan_ids, installment_nos, now)
    return [settings.pay_link_base + token for token in tokens]


def certificate_links(
    settings: MessagesSettings, key: bytes, *, loan_ids: Sequence[str], now: datetime
) -> list[str]:
    """Links to the settlement certificates of loans, all "" when none is configured. See `pay_links`."""
    if not settings.certificate_link_base:
        return [""] * len(loan_ids)
    tokens = _tokens(key, Purpose.CERTIFICATE, loan_ids, [0] * len(loan_ids), now)
    return [settings.certificate_link_base + token for token in tokens]


def without_tokens(text: str, settings: MessagesSettings) -> str:
    """The text with each of our links cut to its base: tokens differ by the day although nothing else does."""
    for base in filter(None, settings.link_bases.values()):
        text = re.sub(rf"({re.escape(base)})[\w-]{{{_TOKEN_LENGTH}}}", r"\1", text)
    return text


def verify_link(link: str, key: bytes, now: datetime) -> LinkClaim | LinkFault:
    """What a link or its bare token says, or why it is refused. Compares in constant time.

    Raises:
        ValueError: key too short or naive time.
    """
    today = _utc_day(now)
    try:
        raw = base64.b64decode(link[-_TOKEN_LENGTH:], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return LinkFault.MALFORMED
    if len(raw) != _PAYLOAD.size + _SIGNATURE_BYTES:
        return LinkFault.MALFORMED
    payload, signature = raw[: _PAYLOAD.size], raw[_PAYLOAD.size :]
    if not _signer(key, "link").verify_signature(payload, base64.urlsafe_b64encode(signature).rstrip(b"=")):
        return LinkFault.FORGED
    head, day, reference = _PAYLOAD.unpack(payload)
    claim = LinkClaim(
        _PURPOSES[head >> _INSTALLMENT_BITS],
        reference.hex(),
        head & _MAX_INSTALLMENT,
        _EPOCH + timedelta(days=day),
    )
    return LinkFault.EXPIRED if today > claim.valid_until else claim


def loan_ref(key: bytes, loan_id: str) -> str:
    """The keyed reference of a loan in links, 16 hex digits; a million loans collide with odds 1 : 10^7.

    Raises:
        ValueError: key too short.
    """
    return _loan_ref(_signer(key, "loan-ref").derive_key(), loan_id).hex()


def _loan_ref(key: bytes, loan_id: str) -> bytes:
    return hashlib.blake2b(loan_id.encode(), key=key, digest_size=8).digest()


def _tokens(
    key: bytes, purpose: Purpose, loan_ids: Sequence[str], installment_nos: Sequence[int], now: datetime
) -> Iterator[str]:
    """A signed token for each loan and installment; the keys are derived once, as `_signer` derives them."""
    day = (_utc_day(now) + timedelta(days=VALID_DAYS) - _EPOCH).days
    flag, ref_key = _PURPOSES.index(purpose) << _INSTALLMENT_BITS, _signer(key, "loan-ref").derive_key()
    sign_key = _signer(key, "link").derive_key()
    for loan_id, number in zip(loan_ids, installment_nos, strict=True):
        if not 0 <= number <= _MAX_INSTALLMENT:
            raise ValueError(f"installment number {number} does not fit a link (0 to {_MAX_INSTALLMENT})")
        payload = _PAYLOAD.pack(flag | number, day, _loan_ref(ref_key, loan_id))
        signature = hmac.digest(sign_key, payload, "sha256")[:_SIGNATURE_BYTES]
        yield base64.urlsafe_b64encode(payload + signature).decode()


_TOKEN_LENGTH: Final = (_PAYLOAD.size + _SIGNATURE_BYTES) // 3 * 4


@lru_cache(maxsize=16)
def _signer(key: bytes, salt: str) -> Signer:
    if len(key) < _SHORTEST_KEY:
        raise ValueError(f"the link key has {len(key)} bytes; give at least {_SHORTEST_KEY}")
    return Signer(
        key, salt=f"carloan-notify.{salt}", key_derivation="hmac", digest_method=hashlib.sha256,
        algorithm=_ShortHMAC(hashlib.sha256),
    )  # fmt: skip


def _utc_day(now: datetime) -> date:
    if now.tzinfo is None:
        raise ValueError("`now` must carry its time zone")
    return now.astimezone(UTC).date()
