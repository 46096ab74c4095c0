"""What became of a message: QuerySendDetails asks by number and day, and our reference tells whose a record is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import Inquiry, LookUp, Standing
from carloan_notify.delivery.providers.aliyun.api import Answered, Api, answered
from carloan_notify.delivery.providers.aliyun.numbers import AMBIGUOUS, ZONE, ambiguous, dialled, instant
from carloan_notify.delivery.providers.aliyun.references import batch_reference_in, holds
from carloan_notify.delivery.providers.aliyun.returns import meaning
from carloan_notify.delivery.providers.aliyun.signing import Call
from carloan_notify.delivery.vendor import text_of
from carloan_notify.delivery.wire import WireFault

WINDOW: Final = timedelta(days=29)
"""The vendor answers for 30 days, the day of sending included."""
SETTLED: Final = timedelta(minutes=30)
"""How soon a record appears is not documented: before that, "there is none" is no answer."""
PAGE: Final = 50
MOST_PAGES: Final = 20
_NEAR: Final = timedelta(minutes=10)
_STANDINGS: Final = {"1": Standing.ACCEPTED, "2": Standing.UNDELIVERED, "3": Standing.DELIVERED}


@dataclass(frozen=True, slots=True)
class History:
    """Asks about one message at a time."""

    api: Api

    def look_up(self, inquiry: Inquiry) -> LookUp:
        """ABSENT only when all records of the number were read and each is certainly another message's."""
        if ambiguous(inquiry.phone):
            return _unclear(inquiry, AMBIGUOUS)  # the records would be a stranger's
        doubtful = False
        for day in _days(inquiry.sent_at):
            records = self._records(inquiry, day)
            if isinstance(records, str):
                return _unclear(inquiry, records)
            for record in records:
                ours = holds(text_of(record, "OutId"), inquiry.message_id)
                if ours or (ours is None and _by_biz_id(inquiry)):
                    return _found(inquiry, record)
                doubtful = doubtful or (ours is None and _about_then(record, inquiry.sent_at))
        if doubtful:
            return _unclear(inquiry, "record_without_our_reference")
        if self.api.clock() - inquiry.sent_at < SETTLED:
            return _unclear(inquiry, "not_settled_yet")
        return LookUp(inquiry.message_id, Standing.ABSENT, code="no_record")

    def _records(self, inquiry: Inquiry, day: str) -> list[dict[str, Any]] | str:
        """All records of the number on a day; a text is the code of a fault."""
        records: list[dict[str, Any]] = []
        for number in range(1, MOST_PAGES + 1):
            page = self._page(inquiry, day, number)
            if isinstance(page, str):
                return page
            listed = _listed(page)
            records += listed
            total = text_of(page.fields, "TotalCount")
            if not total.isdecimal():
                return "unreadable_answer"
            if len(records) >= int(total):
                return records
            if not listed:
                return "missing_records"
        return "too_many_records"

    def _page(self, inquiry: Inquiry, day: str, number: int) -> Answered | str:
        query = {"CurrentPage": str(number), "PageSize": str(PAGE), "SendDate": day}
        query["PhoneNumber"] = dialled(inquiry.phone)
        if _by_biz_id(inquiry):
            query["BizId"] = inquiry.provider_ref
        end = self.api.call(Call("QuerySendDetails", query))
        if isinstance(end, WireFault):
            return end.code
        found = answered(end)
        if found is None:
            return f"http_{end.status}"
        return found if found.ok else public_code(found.code)


def _by_biz_id(inquiry: Inquiry) -> bool:
    """Whether the reference is the vendor's, of a message that was sent on its own."""
    return "^" in inquiry.provider_ref


def _days(sent_at: datetime) -> Iterator[str]:
    """The days in China on which the vendor may have booked it."""
    seen = dict.fromkeys(
        (sent_at + shift).astimezone(ZoneInfo(ZONE)).strftime("%Y%m%d") for shift in (timedelta(), _NEAR)
    )
    return iter(seen)


def _listed(page: Answered) -> list[dict[str, Any]]:
    outer = page.fields.get("SmsSendDetailDTOs")
    inner = outer.get("SmsSendDetailDTO") if isinstance(outer, dict) else None
    return [record for record in inner if isinstance(record, dict)] if isinstance(inner, list) else []


def _about_then(record: dict[str, Any], sent_at: datetime) -> bool:
    """Whether a record that nobody can assign may be of that moment."""
    try:
        return abs(instant(text_of(record, "SendDate")) - sent_at) <= _NEAR
    except ValueError:
        return True


def _found(inquiry: Inquiry, record: dict[str, Any]) -> LookUp:
    standing = _STANDINGS.get(text_of(record, "SendStatus"), Standing.UNCLEAR)
    code = text_of(record, "ErrCode")
    reference = batch_reference_in(text_of(record, "OutId")) or inquiry.provider_ref
    known = public_code(code) if code else ""
    if standing is not Standing.UNDELIVERED:
        return LookUp(inquiry.message_id, standing, reference, known)
    why = meaning(code)
    return LookUp(inquiry.message_id, standing, reference, known, why.reason, why.blocked)


def _unclear(inquiry: Inquiry, code: str) -> LookUp:
    return LookUp(inquiry.message_id, Standing.UNCLEAR, code=code)
