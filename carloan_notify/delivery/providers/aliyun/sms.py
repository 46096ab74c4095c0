"""SMS through Alibaba Cloud: SendSms for one message, SendBatchSms for up to 100 under one template."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import requests

from carloan_notify.delivery.apart import Loners
from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    Inquiry,
    LookUp,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings
from carloan_notify.delivery.providers.aliyun.api import Api, new_nonce, results
from carloan_notify.delivery.providers.aliyun.checks import check_sms
from carloan_notify.delivery.providers.aliyun.history import WINDOW, History
from carloan_notify.delivery.providers.aliyun.mns import Mns
from carloan_notify.delivery.providers.aliyun.numbers import AMBIGUOUS, TAKEN_FOR_ANOTHER, ambiguous, dialled
from carloan_notify.delivery.providers.aliyun.queues import Queue, Queues
from carloan_notify.delivery.providers.aliyun.references import batch_out_id, batch_reference_in
from carloan_notify.delivery.providers.aliyun.returns import Returns
from carloan_notify.delivery.providers.aliyun.settings import AliyunSettings
from carloan_notify.delivery.providers.aliyun.signing import AccessKey, Call
from carloan_notify.delivery.vendor import Vendor
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

BASE_URL: Final = "https://dysmsapi.aliyuncs.com"
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

    def __init__(
        self,
        name: str,
        settings: AliyunSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        """Opens no connection yet."""
        super().__init__(name, settings, session=session, clock=clock)
        key = AccessKey(settings.access_key_id, settings.access_key_secret)
        self._settings = settings
        self._api = Api(self._wire, settings.base_url or BASE_URL, key, clock, nonce)
        self._history = History(self._api)
        self._returns = Returns(name)
        self._queues = self._wait_in_queues(key, nonce)
        self._loners = Loners()

    @property
    def batch_limit(self) -> int:
        """Most messages in one request."""
        return self._settings.batch_limit

    @property
    def capabilities(self) -> Capabilities:
        """Knows our reference, answers for 30 days, pushes or queues what comes back."""
        mode = ReceiptMode.PULL if self._queues else ReceiptMode.PUSH
        return Capabilities(client_reference=True, look_up_window=WINDOW, receipts=mode)

    def batch_key(self, message: OutboundMessage) -> str:
        """Template and sign; a message that may have spoilt a batch keeps to itself."""
        template = choose(self._settings.templates, message)
        if template is None:
            return ""
        alone = message.message_id if message.attempts >= PATIENCE else self._loners.key(message)
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
        self._loners.note(found)
        reference = batch_reference_in(out_id)
        return [replace(r, provider_ref=reference if r.outcome in _KNOWN_BY_REFERENCE else "") for r in found]

    def _wait_in_queues(self, key: AccessKey, nonce: Callable[[], str]) -> Queues | None:
        mns = self._settings.mns
        if mns is None:
            return None
        named = [Queue(mns.reports_queue, "SmsReport"), Queue(mns.replies_queue, "SmsUp")]
        return Queues(
            Mns(self._wire, mns.base_url, self._clock),
            Api(self._wire, mns.token_url, key, self._clock, nonce),
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
