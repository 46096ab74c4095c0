"""SMS and calls through Alibaba Cloud: SendSms, SendBatchSms for up to 100 under one template, SingleCallByTts."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Unpack
from zoneinfo import ZoneInfo

from carloan_notify.delivery.approved import choose
from carloan_notify.delivery.codes import Listed, public_code
from carloan_notify.delivery.http import REFUSED_BY_HTTP, WireAnswer, WireRequest
from carloan_notify.delivery.provider import (
    CheckResult,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
    same_for_all,
    unclear,
)
from carloan_notify.delivery.providers.aliyun.api import (
    AMBIGUOUS,
    CALLS,
    OK,
    PROD_ID,
    TAKEN_FOR_ANOTHER,
    ZONE,
    AccessKey,
    Answered,
    Api,
    Call,
    ambiguous,
    answered,
    batch_out_id,
    batch_reference,
    batch_reference_in,
    cap_is_over_in,
    check_sms,
    check_voice,
    dialled,
    holds,
    instant,
    listed,
    new_nonce,
    waiting,
)
from carloan_notify.delivery.providers.aliyun.returns import AliyunQueues, Mns, Queue, Returns, carried
from carloan_notify.delivery.providers.aliyun.settings import (
    AliyunCredentials,
    AliyunSettings,
    AliyunVoiceSettings,
)
from carloan_notify.delivery.vendor import (
    Filled,
    TemplateVendor,
    Wired,
    by_status,
    fate,
    text_of,
)
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

QUEUES_URL: Final = "https://1943695596114318.mns.cn-hangzhou.aliyuncs.com"
"""Where receipts and replies wait; the same for every customer."""
HANDOUT_URL: Final = "https://dybaseapi.aliyuncs.com"
"""Hands out the queues' temporary credentials."""
PATIENCE: Final = 4
"""After so many tries a message goes on its own, whatever stopped it before."""
WINDOW: Final = timedelta(days=29)
"""The vendor answers for 30 days, the day of sending included."""


class AliyunApi(TemplateVendor):
    """What messages and calls have in common."""

    of_one_too = frozenset({Outcome.RETRYABLE})
    """The codes under `retryable` tell of the way to one number."""
    _usual_url: ClassVar[str]
    _own: ClassVar[str] = ""
    """The table of codes that come before those of all interfaces."""
    _reference: ClassVar[str]
    """The field of an answer that holds the vendor's reference."""
    _settings: AliyunCredentials

    def __init__(
        self,
        name: str,
        settings: AliyunCredentials,
        *,
        nonce: Callable[[], str] = new_nonce,
        **wired: Unpack[Wired],
    ) -> None:
        super().__init__(name, settings, **wired)
        key = AccessKey(settings.access_key_id, settings.access_key_secret)
        self._api = Api(self._wire, settings.base_url or self._usual_url, key, self._clock, nonce)
        self._returns = Returns(name)
        self._queues: AliyunQueues | None = None
        if named := [queue for queue in self._named_queues() if queue.name]:
            mns = Mns(self._wire, QUEUES_URL, self._clock)
            tokens = Api(self._wire, HANDOUT_URL, key, self._clock, nonce)
            self._queues = AliyunQueues(mns, tokens, named, self._returns)

    @property
    def receipt_mode(self) -> ReceiptMode:
        """Pushed, or waiting in queues."""
        return ReceiptMode.PULL if self._queues else ReceiptMode.PUSH

    def odd(self, filled: Filled) -> SendResult | None:
        """A number that the vendor takes for a stranger's."""
        message = filled.message
        if not ambiguous(message.phone):
            return None
        return SendResult(message.message_id, Outcome.REJECTED, code=AMBIGUOUS, detail=TAKEN_FOR_ANOTHER)

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """The vendor's answer is one for the whole batch."""
        found = answered(answer)
        if found is None:
            return by_status(answer, batch, self._clock())
        reference = text_of(found.fields, self._reference)
        if found.ok is not (found.code == OK) or (reference and not found.ok):
            return same_for_all(batch, Outcome.UNKNOWN, "contradicting_answer")
        if self.meaning(found.code) is None and answer.status in REFUSED_BY_HTTP:
            results = by_status(answer, batch, self._clock())
            return [replace(result, code=public_code(found.code)) for result in results]
        return self.by_code(answer, found.code, batch, reference)

    def meaning(self, code: str) -> Listed | None:
        """The prefixes isv. and isp. make no difference."""
        return listed(code, self._own)

    def wait_s(self, answer: WireAnswer, code: str) -> float:
        """The vendor's own header counts milliseconds, and a text tells how long a number's cap lasts."""
        wait_s, meaning = waiting(answer, self._clock()), self.meaning(code)
        capped = meaning is not None and meaning.outcome is Outcome.NOT_TONIGHT
        return (wait_s or cap_is_over_in(answer, code)) if capped else wait_s

    def receive(self, request: PushRequest) -> Received | Refused:
        """Receipts and replies, told apart by their fields. The vendor signs nothing: the address is the secret."""
        return self._returns.received(request.body, self._clock())

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        """The next messages of the queues, which know no `since`."""
        return self._queues.pull(cursor) if self._queues else super().pull(since, cursor)

    @abstractmethod
    def _named_queues(self) -> list[Queue]:
        """The queues that the settings name; those without a name are none."""


class AliyunSms(AliyunApi):
    """Sends, asks, receives. A batch is known by a reference of ours, so that a lost answer loses nothing."""

    batch_limit = 100
    look_up_window = WINDOW
    _usual_url = "https://dysmsapi.aliyuncs.com"
    _reference = "BizId"
    _settings: AliyunSettings

    def batch_key(self, message: OutboundMessage) -> str:
        """Template and sign; a message that was tried too often keeps to itself."""
        template = choose(self._settings.templates, message)
        if template is None:
            return ""
        alone = message.message_id if message.attempts >= PATIENCE else ""
        return json.dumps([template.code, template.sign, alone])

    def odd(self, filled: Filled) -> SendResult | None:
        """Half an emoji cannot be written at all, and would hold up its whole batch."""
        found = super().odd(filled)
        if found or _writable(filled.values):
            return found
        return SendResult(filled.message.message_id, Outcome.REJECTED, code="not_in_charset:utf-8")

    def request(self, going: Sequence[Filled]) -> WireRequest:
        """SendSms for one message, SendBatchSms for several under one template."""
        return self._api.request(_many(going) if len(going) > 1 else _one(going[0]))

    def batch_reference(self, batch: Sequence[OutboundMessage]) -> str:
        """The part of OutId that stands for the batch."""
        return batch_reference([message.message_id for message in batch])

    def look_up_one(self, inquiry: Inquiry) -> LookUp:
        """One request per day, more when the number had over 50 messages."""
        return History(self._api).look_up(inquiry)

    def check(self) -> list[CheckResult]:
        """Credentials, clock, every sign and every template."""
        return check_sms(self._api, self._settings.templates)

    def _named_queues(self) -> list[Queue]:
        mns = self._settings.mns
        return [Queue(mns.reports_queue, "SmsReport"), Queue(mns.replies_queue, "SmsUp")] if mns else []


def _one(filled: Filled) -> Call:
    query = {
        "OutId": filled.message.message_id,
        "PhoneNumbers": dialled(filled.message.phone),
        "SignName": filled.template.sign,
        "TemplateCode": filled.template.code,
        "TemplateParam": _json(filled.values),
    }
    return Call("SendSms", query)


def _many(going: Sequence[Filled]) -> Call:
    out_id = batch_out_id([filled.message.message_id for filled in going])
    form = {
        "PhoneNumberJson": _json([dialled(filled.message.phone) for filled in going]),
        "SignNameJson": _json([filled.template.sign for filled in going]),
        "TemplateParamJson": _json([filled.values for filled in going]),
    }
    return Call("SendBatchSms", {"OutId": out_id, "TemplateCode": going[0].template.code}, form)


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _writable(values: dict[str, str]) -> bool:
    try:
        _json(values).encode()
    except UnicodeEncodeError:
        return False
    return True


# What became of a message: QuerySendDetails asks by number and day, and our reference tells whose a record is.

SETTLED: Final = timedelta(minutes=30)
"""How soon a record appears is not documented: before that, "there is none" is no answer."""
PAGE: Final = 50
MOST_PAGES: Final = 20
_NEAR: Final = timedelta(minutes=10)
_STANDINGS: Final = {"1": MessageFate.ACCEPTED, "2": MessageFate.UNDELIVERED, "3": MessageFate.DELIVERED}


@dataclass(frozen=True, slots=True)
class History:
    """Asks about one message at a time."""

    api: Api

    def look_up(self, inquiry: Inquiry) -> LookUp:
        """ABSENT only when all records of the number were read and each is certainly another message's."""
        if ambiguous(inquiry.phone):
            return unclear(inquiry, AMBIGUOUS)  # the records would be a stranger's
        doubtful = False
        for day in _days(inquiry.sent_at):
            records = self._records(inquiry, day)
            if isinstance(records, str):
                return unclear(inquiry, records)
            for record in records:
                ours = holds(text_of(record, "OutId"), inquiry.message_id)
                if ours or (ours is None and _by_biz_id(inquiry)):
                    return _found(inquiry, record)
                doubtful = doubtful or (ours is None and _about_then(record, inquiry.sent_at))
        if doubtful:
            return unclear(inquiry, "record_without_our_reference")
        if self.api.clock() - inquiry.sent_at < SETTLED:
            return unclear(inquiry, "not_settled_yet")
        return LookUp(inquiry.message_id, MessageFate.ABSENT, code="no_record")

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
        found = answered(end)
        if found is None:
            return end.code
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
    standing = _STANDINGS.get(text_of(record, "SendStatus"), MessageFate.UNCLEAR)
    code = text_of(record, "ErrCode")
    reference = batch_reference_in(text_of(record, "OutId")) or inquiry.provider_ref
    known = public_code(code) if code else ""
    if standing is not MessageFate.UNDELIVERED:
        return LookUp(inquiry.message_id, standing, reference, known)
    why = carried(code)
    return LookUp(inquiry.message_id, standing, reference, known, why.reason, why.blocked, why.dead)


# Voice calls through Alibaba Cloud: SingleCallByTts speaks an approved template.
#
# The vendor's OutId holds 15 bytes and our id 26: it gets the first 15, for people who compare. Receipts and look-ups
# find a call by the vendor's CallId, so a call whose answer was lost is settled by a person.

OUT_ID_LENGTH: Final = 15
_EARLY: Final = timedelta(minutes=1)
"""The vendor answers for the 24 hours after a moment: one a little before the call."""


class AliyunVoice(AliyunApi):
    """Calls, asks, receives. Our reference is cut short; a call is asked about by the vendor's own."""

    look_up_window = timedelta(days=7)
    _usual_url = "https://dyvmsapi.aliyuncs.com"
    _own = CALLS
    _reference = "CallId"
    _settings: AliyunVoiceSettings

    def request(self, going: Sequence[Filled]) -> WireRequest:
        """One call."""
        return self._api.request(Call("SingleCallByTts", self._query(going[0])))

    def look_up_one(self, inquiry: Inquiry) -> LookUp:
        """One request for a call whose CallId is known."""
        if not inquiry.provider_ref:
            return unclear(inquiry, "no_call_id")
        asked = str(int((inquiry.sent_at - _EARLY).timestamp() * 1000))
        query = {"CallId": inquiry.provider_ref, "ProdId": PROD_ID, "QueryDate": asked}
        end = self._api.call(Call("QueryCallDetailByCallId", query))
        found = answered(end)
        if found is None or not found.ok:
            return unclear(inquiry, public_code(found.code) if found else end.code)
        state = text_of(_details(found.fields.get("Data")), "state")
        if not state:
            return unclear(inquiry, "no_state", inquiry.provider_ref)
        return fate(inquiry, CALLS, state, inquiry.provider_ref)

    def check(self) -> list[CheckResult]:
        """Credentials and clock; voice templates cannot be asked for."""
        return check_voice(self._api, self._settings.templates)

    def _named_queues(self) -> list[Queue]:
        mns = self._settings.mns
        return [Queue(mns.reports_queue, "VoiceReport")] if mns else []

    def _query(self, filled: Filled) -> dict[str, str]:
        query = {
            "CalledNumber": dialled(filled.message.phone),
            "OutId": filled.message.message_id[:OUT_ID_LENGTH],
            "PlayTimes": str(self._settings.play_times),
            "TtsCode": filled.template.code,
            "TtsParam": _json(filled.values),
        }
        if self._settings.called_show_number:
            query["CalledShowNumber"] = self._settings.called_show_number
        return query


def _details(data: object) -> dict[str, Any]:
    """The details of a call, which come as JSON inside JSON."""
    try:
        fields = json.loads(data) if isinstance(data, str) else data
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
