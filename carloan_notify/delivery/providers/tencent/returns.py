"""What comes back from Tencent Cloud: pushed and pulled receipts, replies, and what became of calls.

Sources: documents 382/5807 and 382/5809 (pushes), `PullSmsSendStatus` and `PullSmsReplyStatus` in models.py of
the Python SDK, documents 1128/51532 and below (calls). Dates without a zone are Beijing time.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.delivery.codes import carrier_codes, public_code
from carloan_notify.delivery.http import WireAnswer, WireFault
from carloan_notify.delivery.provider import (
    Inquiry,
    LookUp,
    MessageFate,
    Received,
    Refused,
    ReturnPage,
    unclear,
)
from carloan_notify.delivery.providers.tencent.api import Interface, entries, error_code, response_in
from carloan_notify.delivery.vendor import UnreadableRecordError, our_reference, read_records, text_of
from carloan_notify.records import Outcome, PushAnswer, PushRequest, Receipt, Reply

TAKEN: Final = PushAnswer(200, "application/json; charset=utf-8", b'{"result":0,"errmsg":"OK"}')
_LOCAL: Final = ZoneInfo("Asia/Shanghai")
_PHONE: Final = re.compile(r"\+[1-9]\d{5,14}")
_DELIVERED: Final[Mapping[str, bool]] = {"SUCCESS": True, "FAIL": False}
_NO_MESSAGE: Final = frozenset({"voicekey_callback", "voicecode_callback"})


@dataclass(frozen=True, slots=True)
class PageReader:
    """Reads records of one provider. `now` stands in where a record tells no time."""

    provider: str
    now: datetime

    def status(self, record: Mapping[str, Any]) -> Receipt:
        """The receipt in one pulled status.

        Raises:
            UnreadableRecordError: it names no message, or neither success nor failure.
        """
        described = text_of(record, "Description")
        phone = text_of(record, "PhoneNumber") or _phone_of(record, "CountryCode", "SubscriberNumber")
        return self._receipt(
            _required(record, "SerialNo"),
            (_required(record, "ReportStatus"), described),
            self._moment(record, "UserReceiveTime"),
            phone,
            text_of(record, "SessionContext"),
        )

    def pushed_status(self, record: Mapping[str, Any]) -> Receipt:
        """The receipt in one pushed status; raises as `status` does."""
        return self._receipt(
            _required(record, "sid"),
            (_required(record, "report_status"), text_of(record, "errmsg")),
            self._moment(record, "user_receive_time"),
            _phone_of(record, "nationcode", "mobile"),
        )

    def reply(self, record: Mapping[str, Any]) -> Reply:
        """The reply in one pulled record.

        Raises:
            UnreadableRecordError: it lacks a text or a readable number.
        """
        phone = text_of(record, "PhoneNumber") or _phone_of(record, "CountryCode", "SubscriberNumber")
        return self._reply(phone, record.get("ReplyContent"), self._moment(record, "ReplyTime"))

    def pushed_reply(self, record: Mapping[str, Any]) -> Reply:
        """The reply in one pushed record; raises as `reply` does."""
        phone = _phone_of(record, "nationcode", "mobile")
        return self._reply(phone, record.get("text"), self._moment(record, "time"))

    def answered(self, call: Mapping[str, Any]) -> Receipt:
        """The receipt in a `voiceprompt_callback`; raises UnreadableRecordError when it names no call or result."""
        code = f"result:{_required(call, 'result')}"
        return self._call(call, code, self._moment(call, "end_calltime"))

    def failed(self, call: Mapping[str, Any]) -> Receipt:
        """The receipt in a `voice_failure_callback`; raises as `answered` does."""
        return self._call(call, f"failure_code:{_required(call, 'failure_code')}", self.now)

    def _receipt(
        self, serial: str, told: tuple[str, str], moment: datetime, phone: str, reference: str = ""
    ) -> Receipt:
        status, code = told
        if status not in _DELIVERED:
            raise UnreadableRecordError("the status is neither SUCCESS nor FAIL")
        delivered = _DELIVERED[status]
        printable = code if code and public_code(code) == code else status
        carried = carrier_codes("tencent").get(printable)
        agrees = carried is not None and carried.delivered is delivered
        return Receipt(
            provider=self.provider,
            provider_ref=serial,
            message_id=our_reference(reference),
            delivered=delivered,
            code=printable,
            detail=carried.reason if carried is not None and agrees else "",
            occurred_at=moment,
            phone=phone if _PHONE.fullmatch(phone) else "",
            blocked=carried is not None and agrees and carried.blocked,
            dead=carried is not None and agrees and carried.dead,
        )

    def _call(self, call: Mapping[str, Any], code: str, moment: datetime) -> Receipt:
        serial, phone = _required(call, "callid"), _phone_of(call, "nationcode", "mobile")
        carried = carrier_codes("tencent").get(code)
        return Receipt(
            provider=self.provider,
            provider_ref=serial,
            message_id="",
            delivered=carried is not None and carried.delivered,
            code=public_code(code),
            detail=carried.reason if carried is not None else "",
            occurred_at=moment,
            phone=phone if _PHONE.fullmatch(phone) else "",
        )

    def _reply(self, phone: str, text: object, moment: datetime) -> Reply:
        if not isinstance(text, str):
            raise UnreadableRecordError("there is no text")
        if not _PHONE.fullmatch(phone):
            raise UnreadableRecordError("the number is missing or malformed")
        return Reply(self.provider, "", phone, text, moment)

    def _moment(self, record: Mapping[str, Any], name: str) -> datetime:
        """Seconds since 1970, or a date in Beijing time; what failed often has no time at all."""
        value = text_of(record, name)
        if value in ("", "0"):
            return self.now
        try:
            if value.isdecimal():
                return datetime.fromtimestamp(int(value), UTC)
            return datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_LOCAL).astimezone(UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise UnreadableRecordError(f"{name} is no time") from error


Read = Callable[[Mapping[str, Any]], Receipt | Reply | None]
"""Reads one record; None is a record that tells nothing."""


def page(provider: str, records: Sequence[object], read: Read, raw: bytes) -> ReturnPage:
    """Everything readable in the records, and the whole of `raw` once one of them is not."""
    return read_records(provider, records, lambda record: read(_as_record(record)), raw, first=1)


def received(provider: str, request: PushRequest, read: Read) -> Received | Refused:
    """A push: one record or a list of them, as JSON."""
    if request.method != "POST":
        return Refused(405, "not_a_post")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return Refused(400, "unreadable_push")
    if not isinstance(body, dict | list):
        return Refused(400, "unreadable_push")
    records = body if isinstance(body, list) else [body]
    return Received(page(provider, records, read, request.body), TAKEN)


def pushed_message(reader: PageReader) -> Read:
    """Reads pushes of the SMS service: a status carries `report_status`, a reply `text`."""

    def read(record: Mapping[str, Any]) -> Receipt | Reply:
        return reader.pushed_status(record) if "report_status" in record else reader.pushed_reply(record)

    return read


def pushed_call(reader: PageReader) -> Read:
    """Reads pushes of the voice service. Pressed keys and verification codes tell nothing of a message."""

    def read(record: Mapping[str, Any]) -> Receipt | None:
        answered, failed = record.get("voiceprompt_callback"), record.get("voice_failure_callback")
        if isinstance(answered, Mapping):
            return reader.answered(answered)
        if isinstance(failed, Mapping):
            return reader.failed(failed)
        if record.keys() & _NO_MESSAGE:
            return None
        raise UnreadableRecordError("it is no call-back that is known")

    return read


def _as_record(record: object) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise UnreadableRecordError("it is no object")
    return record


def _required(record: Mapping[str, Any], name: str) -> str:
    value = text_of(record, name)
    if not value:
        raise UnreadableRecordError(f"{name} is missing")
    return value


def _phone_of(record: Mapping[str, Any], country: str, number: str) -> str:
    """Country code and number in E.164, "" when either is missing: 13105550100 alone may be of two countries."""
    given, code = text_of(record, number), text_of(record, country).removeprefix("+")
    if given.startswith("+"):
        return given
    return f"+{code}{given}" if given and code else ""


# Asking Tencent Cloud what became of messages: its queues, and the receipts of one number.

LOOK_UP_WINDOW: Final = timedelta(days=7)
"""How far back PullSmsSendStatusByPhoneNumber looks (models.py of the SDK)."""
LONGEST_PAGE: Final = 100

_STATUSES: Final = "PullSmsSendStatus"
_REPLIES: Final = "PullSmsReplyStatus"


def pulled(interface: Interface, app_id: str, reader: PageReader, cursor: str) -> ReturnPage:
    """The next receipts until there are none, then the next replies until there are none.

    A cursor is the queue to ask and how many of its pages went before ("PullSmsSendStatus:3"). A queue that
    cannot be asked is a problem and is left for the next time. A record is handed out once, so an answer that
    was on its way when the line broke is lost; the problem says so.
    """
    action, _, pages = cursor.partition(":") if cursor else (_STATUSES, "", "0")
    after = f"{_REPLIES}:0" if action == _STATUSES else ""
    end = interface.call(action, {"Limit": LONGEST_PAGE, "SmsSdkAppId": app_id})
    if problem := _problem(end):
        raw = end.body if response_in(end) is None else b""
        problems = (f"{reader.provider}: {action}: {problem}",)
        return ReturnPage(problems=problems, cursor=after, more=bool(after), unread=raw)
    records = entries(response_in(end), f"{action}Set")
    read = reader.status if action == _STATUSES else reader.reply
    found = page(reader.provider, records, read, end.body)
    following = f"{action}:{int(pages) + 1}" if records else after
    return replace(found, cursor=following, more=bool(following))


def looked_up(interface: Interface, app_id: str, reader: PageReader, inquiry: Inquiry) -> LookUp:
    """What the receipts of its number say of one message. Without one it may be on its way: UNCLEAR.

    A receipt is known by its SerialNo, or by our reference where Tencent returns the session context.
    """
    end = interface.call("PullSmsSendStatusByPhoneNumber", _inquiry_parameters(app_id, inquiry, reader.now))
    if problem := _problem(end):
        return unclear(inquiry, public_code(problem.split(";")[0]))
    records = entries(response_in(end), "PullSmsSendStatusSet")
    for receipt in page(reader.provider, records, reader.status, b"").receipts:
        ours = receipt.message_id == inquiry.message_id
        if ours or (inquiry.provider_ref and receipt.provider_ref == inquiry.provider_ref):
            return LookUp(
                inquiry.message_id,
                MessageFate.DELIVERED if receipt.delivered else MessageFate.UNDELIVERED,
                receipt.provider_ref,
                receipt.code,
                receipt.detail,
                receipt.blocked,
                receipt.dead,
            )
    return unclear(inquiry, "no_receipt_yet")


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
        return f"{end.code}; the answer cannot be read"
    return public_code(code) if (code := error_code(response)) else ""
