"""One call to Alibaba Cloud's OpenAPI, and what its answer says of the messages in it."""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from carloan_notify.delivery.apart import of_whole_request
from carloan_notify.delivery.codes import ByCode, Listed, answer_codes
from carloan_notify.delivery.gateway.answer import REFUSED_BY_HTTP, public_code, retry_after
from carloan_notify.delivery.provider import same_for_all
from carloan_notify.delivery.providers.aliyun.signing import AccessKey, Call, signed
from carloan_notify.delivery.vendor import SUCCESS, coded, json_object, no_answer, text_of
from carloan_notify.delivery.wire import Wire, WireAnswer, WireFault
from carloan_notify.records import OutboundMessage, Outcome, SendResult

OK: Final = "OK"
RETRY_AFTER_MS: Final = "x-acs-retry-after"
"""Milliseconds, as the vendor's SDK sleeps them; the standard Retry-After is in seconds."""
_MILLISECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)
_PREFIXES: Final = ("isv.", "isp.")
_CAPS: Final = (("分钟级", 60.0), ("小时级", 3600.0), ("_MINUTE", 60.0), ("_HOUR", 3600.0))
"""How the vendor names a cap on a number ("触发小时级流控Permits:5", BUSINESS_LIMIT_HOUR), in seconds until it is over.

A cap for the day (天级) has no entry: 0 stands for a day.
"""
_OF_A_NUMBER: Final = frozenset({Outcome.RETRYABLE})
"""The codes under `retryable` tell of the way to one number."""

CALLS: Final = "aliyun/calls"
"""The table of codes that mean something else for calls."""


def new_nonce() -> str:
    """32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Api:
    """An interface of the vendor's under one access key."""

    wire: Wire
    base_url: str
    key: AccessKey
    clock: Callable[[], datetime]
    nonce: Callable[[], str]

    def call(self, call: Call) -> WireAnswer | WireFault:
        """Sign, send, and take what comes."""
        return self.wire.exchange(signed(call, self.base_url, self.key, self.clock(), self.nonce()))


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that could be read: the vendor's code, and all fields. They hold personal data."""

    end: WireAnswer
    code: str
    fields: dict[str, Any] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.code == OK and self.end.status in SUCCESS


def answered(end: WireAnswer | WireFault) -> Answered | None:
    """The answer, None when none came or it has no code: then nobody of the vendor's wrote it."""
    fields = json_object(end)
    code = text_of(fields, "Code") if fields else ""
    return Answered(end, code, fields) if fields and code and isinstance(end, WireAnswer) else None


def listed(code: str, own: str = "") -> Listed | None:
    """What a code means; those of the table `own` come first. The prefixes isv. and isp. make no difference."""
    return next((found for table in _tables(own) if (found := table.get(_bare(code)))), None)


def results(
    end: WireAnswer | WireFault,
    batch: Sequence[OutboundMessage],
    now: datetime,
    *,
    reference: str,
    own: str = "",
) -> list[SendResult]:
    """What one request came to for every message in it.

    `reference` names the field that holds the vendor's reference.
    """
    found = answered(end)
    if found is None:
        return no_answer(end, batch, now)
    its_reference = text_of(found.fields, reference)
    if found.ok is not (found.code == OK) or (its_reference and not found.ok):
        return same_for_all(batch, Outcome.UNKNOWN, "contradicting_answer")
    if listed(found.code, own) is None and found.end.status in REFUSED_BY_HTTP:
        return [replace(r, code=public_code(found.code)) for r in no_answer(end, batch, now)]
    return of_whole_request(_coded(found, batch, now, (its_reference, own)), also=_OF_A_NUMBER)


def waiting(end: WireAnswer, now: datetime) -> float:
    """Seconds that the answer asks to wait, else 0."""
    own = end.headers.get(RETRY_AFTER_MS, "").strip()
    return int(own) / 1000 if _MILLISECONDS.fullmatch(own) else retry_after(end.headers, now)


def _coded(
    found: Answered, batch: Sequence[OutboundMessage], now: datetime, told: tuple[str, str]
) -> list[SendResult]:
    """What the code says of each message; `told` are the vendor's reference and the table to look at first."""
    reference, own = told
    bare, shown = _bare(found.code), public_code(found.code)
    table = next((table for table in _tables(own) if table.get(bare)), answer_codes("aliyun"))
    meaning = table.get(bare)
    wait = waiting(found.end, now)
    if meaning is not None and meaning.outcome is Outcome.NOT_TONIGHT:
        wait = wait or _cap_is_over_in(found)
    return [replace(coded(m.message_id, bare, table, reference, wait), code=shown) for m in batch]


def _cap_is_over_in(found: Answered) -> float:
    """Seconds until a number may have messages again; 0 where the vendor does not say, or says a day."""
    said = f"{found.code} {text_of(found.fields, 'Message')}"
    return next((seconds for name, seconds in _CAPS if name in said), 0.0)


def _tables(own: str) -> list[ByCode[Listed]]:
    return [*([answer_codes(own)] if own else []), answer_codes("aliyun")]


def _bare(code: str) -> str:
    return next((code.removeprefix(p) for p in _PREFIXES if code.startswith(p)), code)
