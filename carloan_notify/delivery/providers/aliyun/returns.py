"""What Alibaba Cloud brings back, pushed or from a queue: receipts, replies and call reports.

Shapes: SmsReport and SmsUp (help.aliyun.com/document_detail/101867.html and 101847.html), VoiceReport and
VoiceCallReport (help.aliyun.com/zh/vms/voicereport-6). A push is a list of records, a queue's message is one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from carloan_notify.delivery.codes import Carried, carrier_codes
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import Received, ReturnPage
from carloan_notify.delivery.providers.aliyun.api import CALLS, listed
from carloan_notify.delivery.providers.aliyun.numbers import e164, instant
from carloan_notify.delivery.providers.aliyun.references import batch_reference_in, message_id_in
from carloan_notify.delivery.vendor import text_of
from carloan_notify.records import Outcome, PushAnswer, Receipt, Reply

TAKEN: Final = PushAnswer(200, "application/json; charset=utf-8", '{"code":0,"msg":"成功"}'.encode())
"""The vendor pushes again after 1, 5 and 10 minutes unless it hears this."""
_TRUTHS: Final = {"true": True, "false": False}

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Returns:
    """Reads records in the name of one provider. `now` stands in where a call tells no time."""

    provider: str

    def received(self, body: bytes, now: datetime) -> Received:
        """A pushed body; whatever it holds, it has been taken once it is on disk."""
        return Received(self.page(body, now), TAKEN)

    def page(self, body: bytes, now: datetime) -> ReturnPage:
        """The records of a body; one that cannot be read is a problem, and the rest are taken."""
        if not body.strip():
            return ReturnPage()
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return ReturnPage(problems=(f"{self.provider}: what came back is not JSON",), unread=body)
        return self._page(fields if isinstance(fields, list) else [fields], body, now)

    def _page(self, records: Sequence[object], body: bytes, now: datetime) -> ReturnPage:
        receipts: list[Receipt] = []
        replies: list[Reply] = []
        problems: list[str] = []
        for place, record in enumerate(records):
            try:
                found = self._read(record, now)
            except ValueError as error:
                problems.append(f"{self.provider}: record {place}: {error}")
            else:
                receipts += [found] if isinstance(found, Receipt) else []
                replies += [found] if isinstance(found, Reply) else []
        return ReturnPage(tuple(receipts), tuple(replies), tuple(problems), unread=body if problems else b"")

    def _read(self, record: object, now: datetime) -> Receipt | Reply | None:
        """One record; None when the network has not decided yet."""
        if not isinstance(record, Mapping):
            raise ValueError("no record")  # noqa: TRY004 - a record that cannot be read, like any other
        if "call_id" in record:
            return self._call(record, now)
        if "biz_id" in record or "success" in record:
            return self._receipt(record)
        if "content" in record and "phone_number" in record:
            return self._reply(record)
        raise ValueError("neither receipt nor reply")

    def _receipt(self, record: Record) -> Receipt | None:
        code, out_id = text_of(record, "err_code"), text_of(record, "out_id")
        carried = meaning(code)
        delivered = _truth(record.get("success"), carried)
        if not delivered and not carried.final:
            return None
        reference = batch_reference_in(out_id) or text_of(record, "biz_id")
        if not (reference or message_id_in(out_id)):
            raise ValueError("neither our reference nor the vendor's")
        return Receipt(
            provider=self.provider,
            provider_ref=reference,
            message_id=message_id_in(out_id),
            delivered=delivered,
            code=public_code(code) if code else "",
            detail="" if delivered else carried.reason,
            occurred_at=instant(text_of(record, "report_time")),
            phone=e164(text_of(record, "phone_number")),
            blocked=carried.blocked and not delivered,
        )

    def _reply(self, record: Record) -> Reply:
        return Reply(
            provider=self.provider,
            reply_id=text_of(record, "sequence_id"),
            phone=e164(text_of(record, "phone_number")),
            text=text_of(record, "content"),
            received_at=instant(text_of(record, "send_time")),
        )

    def _call(self, record: Record, now: datetime) -> Receipt | None:
        code, call_id = text_of(record, "status_code"), text_of(record, "call_id")
        if not (code and call_id):
            raise ValueError("a call report without call_id or status_code")
        carried = meaning(code, CALLS)
        if not carried.final:
            return None
        times = (text_of(record, name) for name in ("end_time", "status_time", "originate_time"))
        told = next((text for text in times if text), "")
        callee = text_of(record, "callee")
        return Receipt(
            provider=self.provider,
            provider_ref=call_id,
            message_id=message_id_in(text_of(record, "out_id")),
            delivered=carried.delivered,
            code=public_code(code),
            detail="" if carried.delivered else carried.reason,
            occurred_at=instant(told) if told else now,
            phone=e164(callee) if callee else "",
        )


def meaning(code: str, own: str = "aliyun") -> Carried:
    """What a receipt code says; an unlisted one: undelivered, without a reason."""
    carried = carrier_codes(own).get(code)
    if carried is not None:
        return carried
    answer = listed(code) if own == "aliyun" else None
    if answer is None:
        return Carried(delivered=False, reason="")
    return Carried(delivered=False, reason=answer.reason, blocked=answer.outcome is Outcome.BLOCKED)


def _truth(value: object, carried: Carried) -> bool:
    """`success`, which the vendor writes as true or "true"; without it, what the code says."""
    told = _TRUTHS.get(str(value).lower())
    return carried.delivered if told is None else told
