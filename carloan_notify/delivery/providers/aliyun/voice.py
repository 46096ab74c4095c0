"""Voice calls through Alibaba Cloud: SingleCallByTts speaks an approved template.

The vendor's OutId holds 15 bytes and our id 26: it gets the first 15, for people who compare. Receipts and look-ups
find a call by the vendor's CallId, so a call whose answer was lost is settled by a person.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import requests

from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import (
    UNLISTED_CODE,
    Capabilities,
    CheckResult,
    Inquiry,
    LookUp,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
    Standing,
    same_for_all,
)
from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings
from carloan_notify.delivery.providers.aliyun.api import CALLS, Api, answered, new_nonce, results
from carloan_notify.delivery.providers.aliyun.checks import PROD_ID, check_voice
from carloan_notify.delivery.providers.aliyun.mns import Mns
from carloan_notify.delivery.providers.aliyun.numbers import AMBIGUOUS, TAKEN_FOR_ANOTHER, ambiguous, dialled
from carloan_notify.delivery.providers.aliyun.queues import Queue, Queues
from carloan_notify.delivery.providers.aliyun.returns import Returns
from carloan_notify.delivery.providers.aliyun.settings import AliyunVoiceSettings
from carloan_notify.delivery.providers.aliyun.signing import AccessKey, Call
from carloan_notify.delivery.vendor import Vendor, text_of
from carloan_notify.delivery.wire import WireFault
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

BASE_URL: Final = "https://dyvmsapi.aliyuncs.com"
OUT_ID_LENGTH: Final = 15
WINDOW: Final = timedelta(days=7)
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
        """Opens no connection yet."""
        super().__init__(name, settings, session=session, clock=clock)
        key = AccessKey(settings.access_key_id, settings.access_key_secret)
        self._settings = settings
        self._api = Api(self._wire, settings.base_url or BASE_URL, key, clock, nonce)
        self._returns = Returns(name)
        self._queues: Queues | None = None
        if settings.mns is not None:
            self._queues = Queues(
                Mns(self._wire, settings.mns.base_url, clock),
                Api(self._wire, settings.mns.token_url, key, clock, nonce),
                [Queue(settings.mns.reports_queue, "VoiceReport")],
                self._returns,
            )

    @property
    def capabilities(self) -> Capabilities:
        """Our reference is cut short; a call is asked about by the vendor's own."""
        mode = ReceiptMode.PULL if self._queues else ReceiptMode.PUSH
        return Capabilities(client_reference=False, look_up_window=WINDOW, receipts=mode)

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
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code="no_call_id")
        asked = str(int((inquiry.sent_at - _EARLY).timestamp() * 1000))
        query = {"CallId": inquiry.provider_ref, "ProdId": PROD_ID, "QueryDate": asked}
        end = self._api.call(Call("QueryCallDetailByCallId", query))
        if isinstance(end, WireFault):
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code=end.code)
        found = answered(end)
        if found is None or not found.ok:
            code = public_code(found.code) if found else f"http_{end.status}"
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code=code)
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
        return LookUp(inquiry.message_id, Standing.UNCLEAR, reference, code, detail)
    if not carried.final:
        return LookUp(inquiry.message_id, Standing.ACCEPTED, reference, public_code(state))
    if carried.delivered:
        return LookUp(inquiry.message_id, Standing.DELIVERED, reference, public_code(state))
    code = public_code(state)
    return LookUp(inquiry.message_id, Standing.UNDELIVERED, reference, code, carried.reason, carried.blocked)
