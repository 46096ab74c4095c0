"""Asking Tencent Cloud what became of messages: its queues, and the receipts of one number."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import Inquiry, LookUp, ReturnPage, Standing
from carloan_notify.delivery.providers.tencent.interface import Interface, entries, error_code, response_in
from carloan_notify.delivery.providers.tencent.returns import Reader, page
from carloan_notify.delivery.wire import WireAnswer, WireFault
from carloan_notify.records import Outcome

LOOK_UP_WINDOW: Final = timedelta(days=7)
"""How far back PullSmsSendStatusByPhoneNumber looks (models.py of the SDK)."""
LONGEST_PAGE: Final = 100

_STATUSES: Final = "PullSmsSendStatus"
_REPLIES: Final = "PullSmsReplyStatus"


def pulled(interface: Interface, app_id: str, reader: Reader, cursor: str) -> ReturnPage:
    """The next receipts until there are none, then the next replies until there are none.

    A cursor is the queue to ask and how many of its pages went before ("PullSmsSendStatus:3"). A queue that
    cannot be asked is a problem and is left for the next time. A record is handed out once, so an answer that
    was on its way when the line broke is lost; the problem says so.
    """
    action, _, pages = cursor.partition(":") if cursor else (_STATUSES, "", "0")
    after = f"{_REPLIES}:0" if action == _STATUSES else ""
    end = interface.call(action, {"Limit": LONGEST_PAGE, "SmsSdkAppId": app_id})
    if problem := _problem(end):
        raw = _body(end) if response_in(end) is None else b""
        problems = (f"{reader.provider}: {action}: {problem}",)
        return ReturnPage(problems=problems, cursor=after, more=bool(after), unread=raw)
    records = entries(response_in(end), f"{action}Set")
    read = reader.status if action == _STATUSES else reader.reply
    found = page(reader.provider, records, read, _body(end))
    following = f"{action}:{int(pages) + 1}" if records else after
    return replace(found, cursor=following, more=bool(following))


def looked_up(interface: Interface, app_id: str, reader: Reader, inquiry: Inquiry) -> LookUp:
    """What the receipts of its number say of one message. Without one it may be on its way: UNCLEAR.

    A receipt is known by its SerialNo, or by our reference where Tencent returns the session context.
    """
    end = interface.call("PullSmsSendStatusByPhoneNumber", _inquiry_parameters(app_id, inquiry, reader.now))
    if problem := _problem(end):
        return LookUp(inquiry.message_id, Standing.UNCLEAR, code=public_code(problem.split(";")[0]))
    records = entries(response_in(end), "PullSmsSendStatusSet")
    for receipt in page(reader.provider, records, reader.status, b"").receipts:
        ours = receipt.message_id == inquiry.message_id
        if ours or (inquiry.provider_ref and receipt.provider_ref == inquiry.provider_ref):
            return LookUp(
                inquiry.message_id,
                Standing.DELIVERED if receipt.delivered else Standing.UNDELIVERED,
                receipt.provider_ref,
                receipt.code,
                receipt.detail,
                receipt.blocked,
            )
    return LookUp(inquiry.message_id, Standing.UNCLEAR, code="no_receipt_yet")


def _inquiry_parameters(app_id: str, inquiry: Inquiry, now: datetime) -> dict[str, str | int]:
    begin = max(inquiry.sent_at - timedelta(minutes=1), now - LOOK_UP_WINDOW)
    return {
        "BeginTime": int(begin.timestamp()),
        "Offset": 0,
        "Limit": LONGEST_PAGE,
        "PhoneNumber": inquiry.phone,
        "SmsSdkAppId": app_id,
        "EndTime": int(now.timestamp()),
    }


def _problem(end: WireFault | WireAnswer) -> str:
    """Why an answer tells nothing, "" when it does."""
    if isinstance(end, WireFault):
        lost = "; records on their way may be lost, look for them in the console"
        return end.code + (lost if end.outcome is Outcome.UNKNOWN else "")
    response = response_in(end)
    if response is None:
        return f"http_{end.status}; the answer cannot be read"
    return public_code(code) if (code := error_code(response)) else ""


def _body(end: WireFault | WireAnswer) -> bytes:
    return end.body if isinstance(end, WireAnswer) else b""
