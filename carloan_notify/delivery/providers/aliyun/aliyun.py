"""SMS through Alibaba Cloud: SendSms for one message, SendBatchSms for up to 100 under one template."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import requests

from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.http import WireFault
from carloan_notify.delivery.provider import (
    UNLISTED_CODE,
    ApprovedTemplateSettings,
    Capabilities,
    CheckResult,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
    same_for_all,
)
from carloan_notify.delivery.providers.aliyun.api import (
    AMBIGUOUS,
    CALLS,
    TAKEN_FOR_ANOTHER,
    AccessKey,
    Api,
    Call,
    ambiguous,
    answered,
    batch_out_id,
    batch_reference_in,
    dialled,
    new_nonce,
    results,
)
from carloan_notify.delivery.providers.aliyun.asking import PROD_ID, WINDOW, History, check_sms, check_voice
from carloan_notify.delivery.providers.aliyun.returns import AliyunQueues, Mns, Queue, Returns
from carloan_notify.delivery.providers.aliyun.settings import AliyunSettings, AliyunVoiceSettings
from carloan_notify.delivery.vendor import Vendor, text_of
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

BASE_URL: Final = "https://dysmsapi.aliyuncs.com"
QUEUES_URL: Final = "https://1943695596114318.mns.cn-hangzhou.aliyuncs.com"
"""Where receipts and replies wait; the same for every customer."""
HANDOUT_URL: Final = "https://dybaseapi.aliyuncs.com"
"""Hands out the queues' temporary credentials."""
PATIENCE: Final = 4
"""After so many tries a message goes on its own, whatever stopped it before."""
_KNOWN_BY_REFERENCE: Final = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Worded:
    """A message with its template and the values of its variables."""

    message: OutboundMessage
    template: ApprovedTemplateSettings
    params: dict[str, str] = field(repr=False)


class AliyunSms(Vendor):
    """Sends, asks, receives. A batch is known by a reference of ours, so that a lost answer loses nothing."""

    batch_limit = 100

    def __init__(
        self,
        name: str,
        settings: AliyunSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        super().__init__(name, settings, session=session, clock=clock)
        key = AccessKey(settings.access_key_id, settings.access_key_secret)
        self._settings = settings
        self._api = Api(self._wire, settings.base_url or BASE_URL, key, clock, nonce)
        self._history = History(self._api)
        self._returns = Returns(name)
        self._queues = self._wait_in_queues(key, nonce)

    @property
    def capabilities(self) -> Capabilities:
        """Knows our reference, answers for 30 days, pushes or queues what comes back."""
        mode = ReceiptMode.PULL if self._queues else ReceiptMode.PUSH
        return Capabilities(look_up_window=WINDOW, receipts=mode)

    def batch_key(self, message: OutboundMessage) -> str:
        """Template and sign; a message that was tried too often keeps to itself."""
        template = choose(self._settings.templates, message)
        if template is None:
            return ""
        alone = message.message_id if message.attempts >= PATIENCE else ""
        return json.dumps([template.code, template.sign, alone])

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One request for all that have a template. The vendor's answer is one for the whole batch."""
        going: list[Worded] = []
        staying: list[SendResult] = []
        for message in batch:
            worded = self._worded(message)
            if isinstance(worded, Worded):
                going.append(worded)
            else:
                staying.append(worded)
        return [*staying, *self._request(going)]

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """One request per message and day, more when the number had over 50 messages."""
        return [self._history.look_up(inquiry) for inquiry in inquiries]

    def receive(self, request: PushRequest) -> Received | Refused:
        """Receipts and replies, told apart by their fields. The vendor signs nothing: the address is the secret."""
        return self._returns.received(request.body, self._clock())

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        """The next messages of the queues, which know no `since`."""
        return self._queues.pull(cursor) if self._queues else super().pull(since, cursor)

    def check(self) -> list[CheckResult]:
        """Credentials, clock, every sign and every template."""
        return check_sms(self._api, self._settings.templates)

    def _worded(self, message: OutboundMessage) -> Worded | SendResult:
        """The message as it goes out, or why it may not."""
        template = choose(self._settings.templates, message)
        if template is None:
            return without_template([message])[0]
        if ambiguous(message.phone):
            return SendResult(message.message_id, Outcome.REJECTED, code=AMBIGUOUS, detail=TAKEN_FOR_ANOTHER)
        params = fill(template, message)
        if not _writable(params):
            return SendResult(message.message_id, Outcome.REJECTED, code="not_in_charset:utf-8")
        return Worded(message, template, params)

    def _request(self, going: Sequence[Worded]) -> list[SendResult]:
        if len(going) > 1:
            return self._many(going)
        return [result for worded in going for result in self._one(worded)]

    def _one(self, worded: Worded) -> list[SendResult]:
        query = {
            "OutId": worded.message.message_id,
            "PhoneNumbers": dialled(worded.message.phone),
            "SignName": worded.template.sign,
            "TemplateCode": worded.template.code,
            "TemplateParam": _json(worded.params),
        }
        end = self._api.call(Call("SendSms", query))
        return results(end, [worded.message], self._clock(), reference="BizId")

    def _many(self, going: Sequence[Worded]) -> list[SendResult]:
        batch = [worded.message for worded in going]
        out_id = batch_out_id([message.message_id for message in batch])
        form = {
            "PhoneNumberJson": _json([dialled(message.phone) for message in batch]),
            "SignNameJson": _json([worded.template.sign for worded in going]),
            "TemplateParamJson": _json([worded.params for worded in going]),
        }
        call = Call("SendBatchSms", {"OutId": out_id, "TemplateCode": going[0].template.code}, form)
        found = results(self._api.call(call), batch, self._clock(), reference="BizId")
        reference = batch_reference_in(out_id)
        return [replace(r, provider_ref=reference if r.outcome in _KNOWN_BY_REFERENCE else "") for r in found]

    def _wait_in_queues(self, key: AccessKey, nonce: Callable[[], str]) -> AliyunQueues | None:
        mns = self._settings.mns
        if mns is None:
            return None
        named = [Queue(mns.reports_queue, "SmsReport"), Queue(mns.replies_queue, "SmsUp")]
        return AliyunQueues(
            Mns(self._wire, QUEUES_URL, self._clock),
            Api(self._wire, HANDOUT_URL, key, self._clock, nonce),
            [queue for queue in named if queue.name],
            self._returns,
        )


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _writable(values: dict[str, str]) -> bool:
    """Whether every value can be written at all: half an emoji cannot, and would hold up its whole batch."""
    try:
        _json(values).encode()
    except UnicodeEncodeError:
        return False
    return True


# Voice calls through Alibaba Cloud: SingleCallByTts speaks an approved template.
#
# The vendor's OutId holds 15 bytes and our id 26: it gets the first 15, for people who compare. Receipts and look-ups
# find a call by the vendor's CallId, so a call whose answer was lost is settled by a person.

VOICE_BASE_URL: Final = "https://dyvmsapi.aliyuncs.com"
OUT_ID_LENGTH: Final = 15
VOICE_WINDOW: Final = timedelta(days=7)
_EARLY: Final = timedelta(minutes=1)
"""The vendor answers for the 24 hours after a moment: one a little before the call."""


class AliyunVoice(Vendor):
    """Calls, asks, receives."""

    batch_limit = 1

    def __init__(
        self,
        name: str,
        settings: AliyunVoiceSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        super().__init__(name, settings, session=session, clock=clock)
        key = AccessKey(settings.access_key_id, settings.access_key_secret)
        self._settings = settings
        self._api = Api(self._wire, settings.base_url or VOICE_BASE_URL, key, clock, nonce)
        self._returns = Returns(name)
        self._queues: AliyunQueues | None = None
        if settings.mns is not None:
            self._queues = AliyunQueues(
                Mns(self._wire, QUEUES_URL, clock),
                Api(self._wire, HANDOUT_URL, key, clock, nonce),
                [Queue(settings.mns.reports_queue, "VoiceReport")],
                self._returns,
            )

    @property
    def capabilities(self) -> Capabilities:
        """Our reference is cut short; a call is asked about by the vendor's own."""
        mode = ReceiptMode.PULL if self._queues else ReceiptMode.PUSH
        return Capabilities(look_up_window=VOICE_WINDOW, receipts=mode)

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One call, one request."""
        return [result for message in batch for result in self._send(message)]

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """One request per call whose CallId is known."""
        return [self._looked_up(inquiry) for inquiry in inquiries]

    def receive(self, request: PushRequest) -> Received | Refused:
        """Call reports. The vendor signs nothing: the address is the secret."""
        return self._returns.received(request.body, self._clock())

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        """The next call reports of the queue, which knows no `since`."""
        return self._queues.pull(cursor) if self._queues else super().pull(since, cursor)

    def check(self) -> list[CheckResult]:
        """Credentials and clock; voice templates cannot be asked for."""
        return check_voice(self._api, self._settings.templates)

    def _send(self, message: OutboundMessage) -> list[SendResult]:
        template = choose(self._settings.templates, message)
        if template is None:
            return without_template([message])
        if ambiguous(message.phone):
            return same_for_all([message], Outcome.REJECTED, AMBIGUOUS, TAKEN_FOR_ANOTHER)
        end = self._api.call(Call("SingleCallByTts", self._query(message, template)))
        return results(end, [message], self._clock(), reference="CallId", own=CALLS)

    def _query(self, message: OutboundMessage, template: ApprovedTemplateSettings) -> dict[str, str]:
        query = {
            "CalledNumber": dialled(message.phone),
            "OutId": message.message_id[:OUT_ID_LENGTH],
            "PlayTimes": str(self._settings.play_times),
            "TtsCode": template.code,
            "TtsParam": json.dumps(fill(template, message), ensure_ascii=False, separators=(",", ":")),
        }
        if self._settings.called_show_number:
            query["CalledShowNumber"] = self._settings.called_show_number
        return query

    def _looked_up(self, inquiry: Inquiry) -> LookUp:
        if not inquiry.provider_ref:
            return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code="no_call_id")
        asked = str(int((inquiry.sent_at - _EARLY).timestamp() * 1000))
        query = {"CallId": inquiry.provider_ref, "ProdId": PROD_ID, "QueryDate": asked}
        end = self._api.call(Call("QueryCallDetailByCallId", query))
        if isinstance(end, WireFault):
            return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code=end.code)
        found = answered(end)
        if found is None or not found.ok:
            code = public_code(found.code) if found else f"http_{end.status}"
            return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code=code)
        return _told(inquiry, _details(found.fields.get("Data")))


def _details(data: object) -> dict[str, Any]:
    """The details of a call, which come as JSON inside JSON."""
    try:
        fields = json.loads(data) if isinstance(data, str) else data
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _told(inquiry: Inquiry, details: dict[str, Any]) -> LookUp:
    state = text_of(details, "state")
    carried = carrier_codes(CALLS).get(state)
    reference = inquiry.provider_ref
    if not state or carried is None:
        code, detail = (public_code(state), UNLISTED_CODE) if state else ("no_state", "")
        return LookUp(inquiry.message_id, MessageFate.UNCLEAR, reference, code, detail)
    if not carried.final:
        return LookUp(inquiry.message_id, MessageFate.ACCEPTED, reference, public_code(state))
    if carried.delivered:
        return LookUp(inquiry.message_id, MessageFate.DELIVERED, reference, public_code(state))
    code = public_code(state)
    return LookUp(
        inquiry.message_id, MessageFate.UNDELIVERED, reference, code, carried.reason, carried.blocked
    )
