"""What became of a message or call, as Twilio's list tells it.

A record bears neither our reference nor the address of its callback. Without Twilio's id another message to the same
number may be taken for ours, so that a list proves only that ours never arrived.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import UNLISTED_CODE, Inquiry, LookUp, Standing
from carloan_notify.delivery.vendor import SUCCESS, json_object, text_of
from carloan_notify.delivery.web_dates import web_date
from carloan_notify.delivery.wire import WireAnswer, WireFault

PAGE_SIZE: Final = 1000
"""Twilio's largest. The list is asked by number alone: its filter by date would hide what still waits."""
BEFORE: Final = timedelta(minutes=1)
AFTER: Final = timedelta(minutes=5)
"""A message was made within these of the moment it was sent; the clocks may differ a little."""
SETTLED: Final = timedelta(minutes=10)
"""Only after this a list without the message means that it never arrived."""


def by_id(end: WireAnswer | WireFault, inquiry: Inquiry) -> LookUp:
    """The standing of the message that bears Twilio's id."""
    fields = json_object(end)
    if isinstance(end, WireFault) or end.status not in SUCCESS or fields is None:
        return _unclear(inquiry, end)
    return _standing(inquiry, fields)


def by_number(end: WireAnswer | WireFault, inquiry: Inquiry, listed_as: str, now: datetime) -> LookUp:
    """ABSENT when there was no message to the number at that time; whose any other is, nobody can say."""
    fields = json_object(end)
    records = fields.get(listed_as) if fields is not None else None
    if (
        isinstance(end, WireFault)
        or end.status not in SUCCESS
        or fields is None
        or not isinstance(records, list)
    ):
        return _unclear(inquiry, end)
    if fields.get("next_page_uri"):
        return LookUp(inquiry.message_id, Standing.UNCLEAR, code="too_many_to_one_number")
    if any(_may_be(record, inquiry.sent_at) for record in records):
        return LookUp(inquiry.message_id, Standing.UNCLEAR, code="record_without_our_reference")
    if now - inquiry.sent_at < SETTLED:
        return LookUp(inquiry.message_id, Standing.UNCLEAR, code="asked_too_early")
    return LookUp(inquiry.message_id, Standing.ABSENT)


def _may_be(record: object, sent_at: datetime) -> bool:
    """Whether this may be the message; what cannot be read may be."""
    if not isinstance(record, dict):
        return True
    if text_of(record, "direction") == "inbound":
        return False
    try:
        made_at = web_date(text_of(record, "date_created"))
    except ValueError:
        return True
    return sent_at - BEFORE <= made_at <= sent_at + AFTER


def _standing(inquiry: Inquiry, record: Mapping[str, Any]) -> LookUp:
    state, sid = text_of(record, "status"), text_of(record, "sid")
    told = carrier_codes("twilio").get(state)
    if told is None:
        return LookUp(inquiry.message_id, Standing.UNCLEAR, sid, public_code(state), UNLISTED_CODE)
    if not told.final:
        return LookUp(inquiry.message_id, Standing.ACCEPTED, sid, public_code(state))
    if told.delivered:
        return LookUp(inquiry.message_id, Standing.DELIVERED, sid, public_code(state))
    error = text_of(record, "error_code")
    why = carrier_codes("twilio").get(error) if error else None
    return LookUp(
        inquiry.message_id,
        Standing.UNDELIVERED,
        sid,
        public_code(error or state),
        why.reason if why else told.reason,
        bool(why and why.blocked),
    )


def _unclear(inquiry: Inquiry, end: WireAnswer | WireFault) -> LookUp:
    if isinstance(end, WireFault):
        return LookUp(inquiry.message_id, Standing.UNCLEAR, code=end.code)
    code = "unreadable_answer" if end.status in SUCCESS else f"http_{end.status}"
    return LookUp(inquiry.message_id, Standing.UNCLEAR, code=code)
