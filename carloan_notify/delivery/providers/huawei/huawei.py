"""SMS through Huawei Cloud: batchSendDiffSms, one template and one set of variables per number."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

import requests
from pydantic import Field, model_validator

from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.codes import ByCode, Listed, answer_codes, of_whole_request
from carloan_notify.delivery.gateway.answer import REFUSED_BY_HTTP, retry_after
from carloan_notify.delivery.http import WireAnswer, WireFault, WireRequest
from carloan_notify.delivery.provider import (
    ApprovedTemplateSettings,
    Capabilities,
    CheckResult,
    CheckVerdict,
    ReceiptMode,
    Received,
    Refused,
    VendorSettings,
    one_per_message,
    same_for_all,
)
from carloan_notify.delivery.providers.huawei import returns
from carloan_notify.delivery.providers.huawei.returns import country_key, e164
from carloan_notify.delivery.vendor import (
    ADDRESS,
    SUCCESS,
    Credential,
    Secret,
    Vendor,
    callback,
    check_address,
    clock_check,
    coded,
    json_object,
    no_answer,
    text_of,
)
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

# Reads Huawei's answer to a request: a code for the whole, then a status for each number.

ALL_WELL: Final = "000000"
SEE_STATUS: Final = "E000510"
"""No number was taken; the status of each says why."""
_OF_ONE_TOO: Final = frozenset({Outcome.TEMPLATE, Outcome.RETRYABLE})
"""Templates may differ within a request; the codes under `retryable` tell of the way to one number."""


def table() -> ByCode[Listed]:
    """Huawei's answer codes."""
    return answer_codes("huawei")


def read(end: WireFault | WireAnswer, batch: Sequence[OutboundMessage], now: datetime) -> list[SendResult]:
    """One result per message. No message is refused for what may be wrong with another of its request."""
    fields = json_object(end)
    code = code_of(fields)
    if isinstance(end, WireFault) or fields is None or not code:
        return no_answer(end, batch, now)
    numbers = fields.get("result")
    taken = code == ALL_WELL and end.status in SUCCESS
    if (taken or code == SEE_STATUS) and isinstance(numbers, list):
        return _by_number(numbers, batch, taken=taken)
    listed = table().get(code)
    if listed is None and end.status in REFUSED_BY_HTTP:
        return no_answer(end, batch, now)
    if code == ALL_WELL or (listed is not None and listed.outcome is Outcome.ACCEPTED):
        why = "no_status_per_number" if end.status in SUCCESS else "contradicting_answer"
        return same_for_all(batch, Outcome.UNKNOWN, why)
    wait = retry_after(end.headers, now)
    each = [coded(m.message_id, code, table(), retry_after_s=wait) for m in batch]
    return of_whole_request(each, also=_OF_ONE_TOO)


def code_of(fields: dict[str, Any] | None) -> str:
    """The code of the whole answer; the gateway before the interface calls it `error_code`."""
    return text_of(fields, "code") or text_of(fields, "error_code") if fields else ""


def _by_number(items: Sequence[object], batch: Sequence[OutboundMessage], *, taken: bool) -> list[SendResult]:
    """By each number's status; one that is well although the request took nobody is in doubt."""
    asked = {e164(message.phone): message.message_id for message in batch}
    results = []
    for item in items:
        if isinstance(item, dict) and (message_id := asked.get(e164(text_of(item, "originTo")))):
            status = text_of(item, "status") or "no_status"
            result = coded(message_id, status, table(), text_of(item, "smsMsgId"))
            doubtful = result.outcome is Outcome.ACCEPTED and not taken
            results.append(
                replace(result, outcome=Outcome.UNKNOWN, code="contradicting_answer") if doubtful else result
            )
    return one_per_message(batch, results)


# Huawei Cloud's request signature, SDK-HMAC-SHA256, as in the vendor's SDK 3.1.219 (`core/signer`).

ALGORITHM: Final = "SDK-HMAC-SHA256"
DATE: Final = "x-sdk-date"
DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"


def authorization(app_key: str, app_secret: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
    """The Authorization of a POST without a query.

    All of `headers` are signed; names are in small letters and include host and x-sdk-date.
    """
    signed = ";".join(sorted(headers))
    digest = hashlib.sha256(_canonical(path, headers, signed, body)).hexdigest()
    told = f"{ALGORITHM}\n{headers[DATE]}\n{digest}"
    signature = hmac.new(app_secret.encode(), told.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Access={app_key}, SignedHeaders={signed}, Signature={signature}"


def _canonical(path: str, headers: Mapping[str, str], signed: str, body: bytes) -> bytes:
    """The request as it is signed. Its path ends in a slash, the one on the wire does not."""
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    parts = ("POST", f"{path}/", "", lines, signed, hashlib.sha256(body).hexdigest())
    return "\n".join(parts).encode()


# Options of Huawei Cloud.


class HuaweiSettings(VendorSettings):
    """SMS through Huawei Cloud."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.huawei.huawei:HuaweiSms"
    type: Literal["huawei"] = Field(description="SMS through Huawei Cloud.", examples=["huawei"])
    app_key: Credential = Field(
        min_length=1, description="APP_Key of the application.", examples=["${HUAWEI_APP_KEY}"]
    )
    app_secret: Secret = Field(min_length=1, description="Its APP_Secret.", examples=["${HUAWEI_APP_SECRET}"])
    sender: str = Field(
        pattern=r"^[A-Za-z0-9]{1,21}$",
        description="Channel number that Huawei assigned to the approved sign.",
        examples=["csms12345678", "8823111111111"],
    )
    templates: list[ApprovedTemplateSettings] = Field(
        default=[], description="Approved templates; the first that words a message is used."
    )
    rate_per_second: float | None = Field(
        default=500,
        gt=0,
        description="Most messages a second; Huawei advises at most 500. Empty for no limit.",
        examples=[500],
    )
    public_url: str = Field(
        default="",
        pattern=ADDRESS,
        description="Address under which `receipts listen` is reached from outside. Huawei then pushes receipts "
        "to public_url/NAME/push_secret; empty: to the address set in its console, if any.",
        examples=["https://notify.example"],
    )

    @property
    def asks_values(self) -> bool:
        """Approved templates are filled with values."""
        return True

    @model_validator(mode="after")
    def _callback_is_secret(self) -> Self:
        check_address(self.public_url, self)
        return self


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

    batch_limit = 100
    """Huawei takes 500. A batch that gets no answer is unknown as a whole, until receipts settle it one by one."""

    def __init__(
        self,
        name: str,
        settings: HuaweiSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings
        self._base = (settings.base_url or USUAL_URL).rstrip("/")
        self._callback = callback(settings.public_url, name, settings)
        self._apart: dict[str, str] = {}

    @property
    def capabilities(self) -> Capabilities:
        """No query. A receipt carries the reference of its request, which is the message's when it went alone."""
        mode = ReceiptMode.PUSH if self._settings.push_secret else ReceiptMode.NONE
        return Capabilities(look_up_window=None, receipts=mode)

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
        return Received(*returns.read(self._name, request, self._clock()))

    def check(self) -> list[CheckResult]:
        """Send a request without numbers: it can only be refused, and the code says whether for the key."""
        end = self._exchange([], "check")
        untold = CheckResult(
            "signs and templates",
            CheckVerdict.UNTOLD,
            "Huawei tells them only to keys of its management interface; compare them in its console",
        )
        if isinstance(end, WireFault):
            return [CheckResult("credentials", CheckVerdict.UNTOLD, f"no answer: {end.code}"), untold]
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
        results = read(end, batch, self._clock())
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
    code = code_of(json_object(end))
    listed = table().get(code)
    if listed is not None and listed.outcome is Outcome.ACCOUNT:
        return CheckResult("credentials", CheckVerdict.WRONG, f"{code}: {listed.reason}")
    if listed is not None and listed.outcome is Outcome.REJECTED:
        return CheckResult("credentials", CheckVerdict.OK, "the signature was taken")
    return CheckResult("credentials", CheckVerdict.UNTOLD, "the answer does not tell; try: providers test")
