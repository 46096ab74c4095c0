"""SMS through Huawei Cloud: batchSendDiffSms, one template and one set of variables per number."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.clock_check import clock_check
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    ReceiptMode,
    Received,
    Refused,
    Verdict,
    same_for_all,
)
from carloan_notify.delivery.providers.callbacks import callback
from carloan_notify.delivery.providers.huawei import answer, pushed
from carloan_notify.delivery.providers.huawei.numbers import country_key
from carloan_notify.delivery.providers.huawei.settings import HuaweiSettings
from carloan_notify.delivery.providers.huawei.signing import DATE, DATE_FORMAT, authorization
from carloan_notify.delivery.vendor import Vendor, json_object
from carloan_notify.delivery.wire import WireAnswer, WireFault, WireRequest
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

USUAL_URL: Final = "https://smsapi.cn-north-4.myhuaweicloud.com"
PATH: Final = "/sms/batchSendDiffSms/v1"
LONGEST_CONTENT: Final = 60_000
"""Bytes of all messages of a request; Huawei takes 64 KB."""
_WRITABLE_PHONE: Final = re.compile(r"\+\d{1,20}")
"""With its country code: without the + it may be a number of another country."""
_UNWRITABLE: Final = re.compile(r"['{}]")
_KNOWN_BY_REFERENCE: Final = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN})

Content = dict[str, Any]
Going = tuple[OutboundMessage, Content]


class HuaweiSms(Vendor):
    """Huawei's SMS interface for application key and secret."""

    def __init__(
        self,
        name: str,
        settings: HuaweiSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """Opens no connection yet."""
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings
        self._base = (settings.base_url or USUAL_URL).rstrip("/")
        self._callback = callback(settings.public_url, name, settings)
        self._apart: dict[str, str] = {}

    @property
    def batch_limit(self) -> int:
        """As configured, at most 500 numbers."""
        return self._settings.batch_limit

    @property
    def capabilities(self) -> Capabilities:
        """No query. A receipt carries the reference of its request, which is the message's when it went alone."""
        mode = ReceiptMode.PUSH if self._settings.push_secret else ReceiptMode.NONE
        return Capabilities(client_reference=True, look_up_window=None, receipts=mode)

    def batch_key(self, message: OutboundMessage) -> str:
        """Templates may differ within a request. A message of a refused one goes alone, what did not fit together."""
        return self._apart.get(message.message_id) or country_key(message.phone)

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One request; one result per message."""
        results: list[SendResult] = []
        going: list[Going] = []
        for message in batch:
            content = self._content(message)
            if isinstance(content, SendResult):
                results.append(content)
            else:
                going.append((message, content))
        first, *later = _requests(going) or [[]]
        for request in later:
            results += self._put_off([message for message, _ in request])
        return results + self._sent(first)

    def _put_off(self, left: Sequence[OutboundMessage]) -> list[SendResult]:
        """Messages that fill a request of their own, which they get under a key of their own."""
        self._apart.update(dict.fromkeys((m.message_id for m in left), f"request-{left[0].message_id}"))
        return same_for_all(left, Outcome.APART, "request_full", "goes with a later request")

    def receive(self, request: PushRequest) -> Received | Refused:
        """Read a receipt, a list of them, or a reply."""
        if request.method != "POST":
            return Refused(405, "not_a_post")
        return Received(*pushed.read(self._name, request, self._clock()))

    def check(self) -> list[CheckResult]:
        """Offer a request that names nobody: it can only be refused, and the code says whether for the key."""
        end = self._exchange([], "check")
        untold = CheckResult(
            "signs and templates",
            Verdict.UNTOLD,
            "Huawei tells them only to keys of its management interface; compare them in its console",
        )
        if isinstance(end, WireFault):
            return [CheckResult("credentials", Verdict.UNTOLD, f"no answer: {end.code}"), untold]
        return [_credentials(end), clock_check(end.headers, self._clock()), untold]

    def _content(self, message: OutboundMessage) -> Content | SendResult:
        """What the request says of one message, or why it may not: one odd value would refuse the whole batch."""
        template = choose(self._settings.templates, message)
        if template is None:
            return without_template([message])[0]
        values = fill(template, message)
        if not _WRITABLE_PHONE.fullmatch(message.phone):
            return SendResult(message.message_id, Outcome.REJECTED, code="unwritable_phone")
        if odd := next(
            (name for name, value in values.items() if not value or _UNWRITABLE.search(value)), ""
        ):
            why = f"variable {odd} of template {template.code} is empty or holds ', {{ or }}"
            return SendResult(message.message_id, Outcome.REJECTED, code="unwritable_variable", detail=why)
        content: Content = {"to": [message.phone], "templateId": template.code}
        if values:
            content["templateParas"] = list(values.values())
        if template.sign:
            content["signature"] = template.sign
        return content

    def _sent(self, going: Sequence[Going]) -> list[SendResult]:
        if not going:
            return []
        batch = [message for message, _ in going]
        extend = _extend(batch)
        end = self._exchange([content for _, content in going], extend)
        results = answer.read(end, batch, self._clock())
        self._apart.update({r.message_id: r.message_id for r in results if r.outcome is Outcome.APART})
        if len(batch) == 1:
            return results
        return [replace(r, provider_ref=extend if r.outcome in _KNOWN_BY_REFERENCE else "") for r in results]

    def _exchange(self, contents: Sequence[Content], extend: str) -> WireAnswer | WireFault:
        fields: dict[str, Any] = {"from": self._settings.sender}
        if self._callback:
            fields["statusCallback"] = self._callback
        body = json.dumps(fields | {"smsContent": contents, "extend": extend}).encode()
        address = urlsplit(self._base)
        headers = {
            "content-type": "application/json",
            "host": address.netloc,
            DATE: self._clock().strftime(DATE_FORMAT),
        }
        secret = self._settings.app_secret.get_secret_value()
        signed = authorization(self._settings.app_key, secret, address.path + PATH, headers, body)
        return self._wire.exchange(
            WireRequest("POST", f"{self._base}{PATH}", {**headers, "authorization": signed}, body)
        )


def _extend(batch: Sequence[OutboundMessage]) -> str:
    """What receipts of a request bring back: our id of a message that goes alone, else a reference of the batch.

    The first message stands for the batch. Once it is tried again it may stand for another, so tries are counted.
    """
    first = batch[0]
    if len(batch) == 1:
        return first.message_id
    return f"batch-{first.message_id}" + (f"-{first.attempts}" if first.attempts else "")


def _requests(going: Sequence[Going]) -> list[list[Going]]:
    """The messages in requests that are short enough, as they come."""
    found: list[list[Going]] = []
    room = 0
    for message, content in going:
        length = len(json.dumps(content)) + 2
        if not found or length > room:
            found.append([])
            room = LONGEST_CONTENT
        found[-1].append((message, content))
        room -= length
    return found


def _credentials(end: WireAnswer) -> CheckResult:
    code = answer.code_of(json_object(end))
    listed = answer.table().get(code)
    if listed is not None and listed.outcome is Outcome.ACCOUNT:
        return CheckResult("credentials", Verdict.WRONG, f"{code}: {listed.reason}")
    if listed is not None and listed.outcome is Outcome.REJECTED:
        return CheckResult("credentials", Verdict.OK, "the signature was taken")
    return CheckResult("credentials", Verdict.UNTOLD, "the answer does not tell; try: providers test")
