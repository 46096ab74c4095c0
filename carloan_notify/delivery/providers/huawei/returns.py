"""Reads what Huawei pushes: a receipt or a reply as a form, or up to 50 receipts as JSON."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from carloan_notify.delivery.codes import Carried, carrier_codes
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.delivery.vendor import text_of
from carloan_notify.records import PushAnswer, PushRequest, Receipt, Reply

# Phone numbers as Huawei writes them: with +, with the country code alone, or a Chinese number bare.

_CHINESE_MOBILE: Final = re.compile(r"1[3-9]\d{9}")
_DIGITS: Final = re.compile(r"\d{5,20}")
_ABROAD: Final = "abroad"


def country_key(phone: str) -> str:
    """What parts numbers of mainland China from all others, which Huawei may write alike once the + is gone."""
    return "" if phone.startswith("+86") else _ABROAD


def e164(number: str) -> str:
    """The number with + and country code, "" when it is none. A bare Chinese mobile number gets +86."""
    digits = number.strip().removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return ""
    if not number.strip().startswith("+") and _CHINESE_MOBILE.fullmatch(digits):
        return f"+86{digits}"
    return f"+{digits}"


EMPTY: Final = PushAnswer(body=b"")
"""What Huawei wants for a form: 200 and nothing."""
TAKEN: Final = PushAnswer(
    content_type="application/json;charset=UTF-8", body=b'{"returnCode":0,"returnCodeDesc":"Success"}'
)
"""What it wants for a list."""
_OUR_REFERENCE: Final = re.compile(r"[A-Z0-9]{26}")
_OUR_BATCH: Final = re.compile(r"batch-[A-Z0-9]{26}(-\d{1,9})?")
_MOST_FIELDS: Final = 100


class UnreadableRecordError(ValueError):
    """A record that is neither a receipt nor a reply; the text holds no personal data."""


def read(provider: str, request: PushRequest, now: datetime) -> tuple[ReturnPage, PushAnswer]:
    """Everything the request tells; what cannot be read is kept as it came. `now` stands in for a missing time."""
    listed = request.headers.get("content-type", "").lower().startswith("application/json")
    answer = TAKEN if listed else EMPTY
    try:
        records = _list(request.body) if listed else [_form(request.body)]
    except (ValueError, RecursionError):
        problem = f"{provider}: a push is not {'a JSON list' if listed else 'a form'}"
        return ReturnPage(problems=(problem,), unread=request.body), answer
    found: list[Receipt | Reply | None] = []
    problems: list[str] = []
    for place, record in enumerate(records):
        try:
            found.append(_record(provider, record, now))
        except UnreadableRecordError as error:
            problems.append(f"{provider}: pushed record {place}: {error}")
    receipts = tuple(one for one in found if isinstance(one, Receipt))
    replies = tuple(one for one in found if isinstance(one, Reply))
    return ReturnPage(receipts, replies, tuple(problems), unread=request.body if problems else b""), answer


def _list(body: bytes) -> list[Any]:
    whole = json.loads(body)
    records = whole.get("statusReportList") if isinstance(whole, dict) else None
    if not isinstance(records, list):
        raise UnreadableRecordError("no statusReportList")
    return records


def _form(body: bytes) -> dict[str, str]:
    pairs = parse_qsl(
        body.decode(),
        keep_blank_values=True,
        strict_parsing=True,
        errors="strict",
        max_num_fields=_MOST_FIELDS,
    )
    return dict(pairs)


def _record(provider: str, record: object, now: datetime) -> Receipt | Reply | None:
    """A receipt or a reply; None while the network still tries."""
    if not isinstance(record, dict):
        raise UnreadableRecordError("it is no record")
    if text_of(record, "status"):
        return _receipt(provider, record, now)
    if "body" in record and "from" in record:
        return _reply(provider, record, now)
    raise UnreadableRecordError("neither a status nor a text")


def _receipt(provider: str, record: Mapping[str, Any], now: datetime) -> Receipt | None:
    status, reference = text_of(record, "status"), _reference(record)
    carried = carrier_codes("huawei").get(status) or Carried(delivered=False, reason="")
    if not carried.final:
        return None
    extend = text_of(record, "extend")
    return Receipt(
        provider,
        reference,
        extend if _OUR_REFERENCE.fullmatch(extend) else "",
        carried.delivered,
        public_code(status),
        carried.reason,
        _moment(record, "updateTime", now),
        e164(text_of(record, "to")),
        carried.blocked,
    )


def _reference(record: Mapping[str, Any]) -> str:
    """That of the request where it carried several messages, which their numbers tell apart; else Huawei's."""
    extend = text_of(record, "extend")
    reference = extend if _OUR_BATCH.fullmatch(extend) else text_of(record, "smsMsgId")
    if not reference:
        raise UnreadableRecordError("a receipt without smsMsgId")
    return reference


def _reply(provider: str, record: Mapping[str, Any], now: datetime) -> Reply:
    phone = e164(text_of(record, "from"))
    if not phone:
        raise UnreadableRecordError("a reply without the sender's number")
    received_at = _moment(record, "createTime", now)
    return Reply(provider, text_of(record, "smsMsgId"), phone, text_of(record, "body"), received_at)


def _moment(record: Mapping[str, Any], name: str, otherwise: datetime) -> datetime:
    """Huawei's times are UTC; a status that the platform made itself carries none."""
    text = text_of(record, name)
    if not text:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableRecordError(f"{name} is no time") from None
