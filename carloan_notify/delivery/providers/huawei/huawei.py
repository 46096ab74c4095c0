"""SMS through Huawei Cloud: batchSendDiffSms, one template and one set of variables per number; what it pushes back."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Unpack
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from carloan_notify.delivery.codes import Carried, carrier_codes, coded, public_code
from carloan_notify.delivery.http import REFUSED_BY_HTTP, WireAnswer, WireFault, WireRequest
from carloan_notify.delivery.provider import (
    REQUEST_FULL,
    CheckResult,
    CheckVerdict,
    Received,
    Refused,
    ReturnPage,
    TemplateVendorSettings,
    one_per_message,
    same_for_all,
)
from carloan_notify.delivery.vendor import (
    Credential,
    Filled,
    Secret,
    TemplateVendor,
    UnreadableRecordError,
    Wired,
    clock_check,
    json_object,
    our_reference,
    read_records,
    text_of,
)
from carloan_notify.records import (
    OutboundMessage,
    Outcome,
    PushAnswer,
    PushRequest,
    Receipt,
    Reply,
    SendResult,
)

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


class HuaweiSettings(TemplateVendorSettings):
    """SMS through Huawei Cloud."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.huawei.huawei:HuaweiSms"
    push_address = "https"
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
    rate_per_second: float | None = Field(
        default=500,
        gt=0,
        description="Most messages a second; Huawei advises at most 500. Empty for no limit.",
    )


USUAL_URL: Final = "https://smsapi.cn-north-4.myhuaweicloud.com"
PATH: Final = "/sms/batchSendDiffSms/v1"
LONGEST_CONTENT: Final = 60_000
"""Bytes of all messages of a request; Huawei takes 64 KB."""
_WRITABLE_PHONE: Final = re.compile(r"\+\d{1,20}")
"""With its country code: without the + it may be a number of another country."""
_UNWRITABLE: Final = re.compile(r"['{}]")
ALL_WELL: Final = "000000"
SEE_STATUS: Final = "E000510"
"""No number was taken; the status of each says why."""

Content = dict[str, Any]


class HuaweiSms(TemplateVendor):
    """Huawei's SMS interface for application key and secret."""

    batch_limit = 100
    """Huawei takes 500. A batch that gets no answer is unknown as a whole, until receipts settle it one by one."""
    codes = "huawei"
    of_one_too = frozenset({Outcome.TEMPLATE, Outcome.RETRYABLE})
    """Templates may differ within a request; the codes under `retryable` tell of the way to one number."""
    _settings: HuaweiSettings

    def __init__(self, name: str, settings: HuaweiSettings, **wired: Unpack[Wired]) -> None:
        super().__init__(name, settings, **wired)
        self._base = (settings.base_url or USUAL_URL).rstrip("/")
        self._later: dict[str, str] = {}

    def batch_key(self, message: OutboundMessage) -> str:
        """Templates may differ within a request. What did not fit into one goes together."""
        return self._later.get(message.message_id) or country_key(message.phone)

    def odd(self, filled: Filled) -> SendResult | None:
        """A number or a value that Huawei cannot write."""
        message_id, code = filled.message.message_id, filled.template.code
        if not _WRITABLE_PHONE.fullmatch(filled.message.phone):
            return SendResult(message_id, Outcome.REJECTED, code="unwritable_phone")
        odd = (name for name, value in filled.values.items() if not value or _UNWRITABLE.search(value))
        if name := next(odd, ""):
            why = f"variable {name} of template {code} is empty or holds ', {{ or }}"
            return SendResult(message_id, Outcome.REJECTED, code="unwritable_variable", detail=why)
        return None

    def sent(self, going: Sequence[Filled]) -> list[SendResult]:
        """One request; what does not fit fills requests of its own, under keys of their own."""
        first, *later = _requests(going)
        results = super().sent(first)
        for request in later:
            left = [filled.message for filled in request]
            self._later.update(dict.fromkeys((m.message_id for m in left), f"request-{left[0].message_id}"))
            results += same_for_all(left, Outcome.APART, REQUEST_FULL, "goes with a later request")
        return results

    def request(self, going: Sequence[Filled]) -> WireRequest:
        """One template and one set of variables per number."""
        return self._signed(
            [_content(filled) for filled in going], _extend([filled.message for filled in going])
        )

    def batch_reference(self, batch: Sequence[OutboundMessage]) -> str:
        """What the request carries as `extend`."""
        return _extend(batch)

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """A code for the whole, then a status for each number.

        No message is refused for what may be wrong with another of its request.
        """
        fields = json_object(answer) or {}
        code, numbers = code_of(fields), fields.get("result")
        taken = code == ALL_WELL and answer.ok
        if (taken or code == SEE_STATUS) and isinstance(numbers, list):
            return self._by_number(numbers, batch, taken=taken)
        listed = self.meaning(code)
        unknown = listed is None and answer.status in REFUSED_BY_HTTP
        if not unknown and (code == ALL_WELL or (listed is not None and listed.outcome is Outcome.ACCEPTED)):
            why = "no_status_per_number" if answer.ok else "contradicting_answer"
            return same_for_all(batch, Outcome.UNKNOWN, why)
        return self.refused(answer, code, batch)

    def receive(self, request: PushRequest) -> Received | Refused:
        """Read a receipt, a list of them, or a reply."""
        if request.method != "POST":
            return Refused(405, "not_a_post")
        listed = request.headers.get("content-type", "").lower().startswith("application/json")
        answer = TAKEN if listed else EMPTY
        try:
            records = _list(request.body) if listed else [_form(request.body)]
        except (ValueError, RecursionError):
            problem = f"{self._name}: a push is not {'a JSON list' if listed else 'a form'}"
            return Received(ReturnPage(problems=(problem,), unread=request.body), answer)
        page = read_records(self._name, records, self._pushed, request.body, "pushed record ")
        return Received(page, answer)

    def _pushed(self, record: object) -> Receipt | Reply | None:
        """A receipt or a reply; None while the network still tries."""
        if not isinstance(record, dict):
            raise UnreadableRecordError("it is no record")
        if text_of(record, "status"):
            return self._receipt(record)
        if "body" in record and "from" in record:
            return self._reply(record)
        raise UnreadableRecordError("neither a status nor a text")

    def _receipt(self, record: Mapping[str, Any]) -> Receipt | None:
        status, reference = text_of(record, "status"), _reference(record)
        carried = carrier_codes("huawei").get(status) or Carried(delivered=False, reason="")
        if not carried.final:
            return None
        extend = text_of(record, "extend")
        return Receipt(
            self._name,
            reference,
            our_reference(extend),
            carried.delivered,
            public_code(status),
            carried.reason,
            _moment(record, "updateTime", self._clock()),
            e164(text_of(record, "to")),
            carried.blocked,
            carried.dead,
        )

    def _reply(self, record: Mapping[str, Any]) -> Reply:
        phone = e164(text_of(record, "from"))
        if not phone:
            raise UnreadableRecordError("a reply without the sender's number")
        received_at = _moment(record, "createTime", self._clock())
        return Reply(self._name, text_of(record, "smsMsgId"), phone, text_of(record, "body"), received_at)

    def check(self) -> list[CheckResult]:
        """Send a request without numbers: it can only be refused, and the code says whether for the key."""
        end = self.exchange(self._signed([], "check"))
        untold = CheckResult(
            "signs and templates",
            CheckVerdict.UNTOLD,
            "Huawei tells them only to keys of its management interface; compare them in its console",
        )
        if isinstance(end, WireFault):
            return [CheckResult("credentials", CheckVerdict.UNTOLD, f"no answer: {end.code}"), untold]
        return [self._credentials(end), clock_check(end.headers, self._clock()), untold]

    def _by_number(
        self, items: Sequence[object], batch: Sequence[OutboundMessage], *, taken: bool
    ) -> list[SendResult]:
        """By each number's status; one that is well although the request took nobody is in doubt."""
        asked = {e164(message.phone): message.message_id for message in batch}
        results = []
        for item in items:
            if isinstance(item, dict) and (message_id := asked.get(e164(text_of(item, "originTo")))):
                status = text_of(item, "status") or "no_status"
                result = coded(message_id, status, self.meaning(status), text_of(item, "smsMsgId"))
                if result.outcome is Outcome.ACCEPTED and not taken:
                    result = replace(result, outcome=Outcome.UNKNOWN, code="contradicting_answer")
                results.append(result)
        return one_per_message(batch, results)

    def _signed(self, contents: Sequence[Content], extend: str) -> WireRequest:
        fields: dict[str, Any] = {"from": self._settings.sender}
        if self._push_url:
            fields["statusCallback"] = self._push_url
        body = json.dumps(fields | {"smsContent": contents, "extend": extend}).encode()
        address = urlsplit(self._base)
        headers = {
            "content-type": "application/json",
            "host": address.netloc,
            DATE: self._clock().strftime(DATE_FORMAT),
        }
        secret = self._settings.app_secret.get_secret_value()
        signed = authorization(self._settings.app_key, secret, address.path + PATH, headers, body)
        return WireRequest("POST", f"{self._base}{PATH}", {**headers, "authorization": signed}, body)

    def _credentials(self, end: WireAnswer) -> CheckResult:
        code = code_of(json_object(end) or {})
        listed = self.meaning(code)
        if listed is not None and listed.outcome is Outcome.ACCOUNT:
            return CheckResult("credentials", CheckVerdict.WRONG, f"{code}: {listed.reason}")
        if listed is not None and listed.outcome is Outcome.REJECTED:
            return CheckResult("credentials", CheckVerdict.OK, "the signature was taken")
        return CheckResult(
            "credentials", CheckVerdict.UNTOLD, "the answer does not tell; try: providers test"
        )


def code_of(fields: Mapping[str, Any]) -> str:
    """The code of the whole answer; the gateway before the interface calls it `error_code`."""
    return text_of(fields, "code") or text_of(fields, "error_code")


def _content(filled: Filled) -> Content:
    """What the request says of one message."""
    content: Content = {"to": [filled.message.phone], "templateId": filled.template.code}
    if filled.values:
        content["templateParas"] = list(filled.values.values())
    if filled.template.sign:
        content["signature"] = filled.template.sign
    return content


def _extend(batch: Sequence[OutboundMessage]) -> str:
    """What receipts of a request bring back: our id of a message that goes alone, else a reference of the batch.

    The first message stands for the batch. Once it is tried again it may stand for another, so tries are counted.
    """
    first = batch[0]
    if len(batch) == 1:
        return first.message_id
    return f"batch-{first.message_id}" + (f"-{first.attempts}" if first.attempts else "")


def _requests(going: Sequence[Filled]) -> list[list[Filled]]:
    """The messages in requests that are short enough, as they come."""
    found: list[list[Filled]] = []
    room = 0
    for filled in going:
        length = len(json.dumps(_content(filled))) + 2
        if not found or length > room:
            found.append([])
            room = LONGEST_CONTENT
        found[-1].append(filled)
        room -= length
    return found


# What Huawei pushes: a receipt or a reply as a form, or up to 50 receipts as JSON.

# Phone numbers as Huawei writes them: with +, with the country code alone, or a Chinese number bare.

_CHINESE_MOBILE: Final = re.compile(r"1[3-9]\d{9}")
_DIGITS: Final = re.compile(r"\d{5,20}")
_ABROAD: Final = "abroad"


def country_key(phone: str) -> str:
    """What parts numbers of mainland China from all others, which Huawei may write alike once the + is gone."""
    return "" if phone.startswith("+86") else _ABROAD


def e164(number: str) -> str:
    """The number with + and country code, "" when it is none. A bare Chinese mobile number gets +86."""
    digits = number.strip().removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return ""
    if not number.strip().startswith("+") and _CHINESE_MOBILE.fullmatch(digits):
        return f"+86{digits}"
    return f"+{digits}"


EMPTY: Final = PushAnswer(body=b"")
"""What Huawei wants for a form: 200 and nothing."""
TAKEN: Final = PushAnswer(
    content_type="application/json;charset=UTF-8", body=b'{"returnCode":0,"returnCodeDesc":"Success"}'
)
"""What it wants for a list."""
_OUR_BATCH: Final = re.compile(r"batch-[A-Z0-9]{26}(-\d{1,9})?")
_MOST_FIELDS: Final = 100


def _list(body: bytes) -> list[Any]:
    whole = json.loads(body)
    records = whole.get("statusReportList") if isinstance(whole, dict) else None
    if not isinstance(records, list):
        raise UnreadableRecordError("no statusReportList")
    return records


def _form(body: bytes) -> dict[str, str]:
    pairs = parse_qsl(
        body.decode(),
        keep_blank_values=True,
        strict_parsing=True,
        errors="strict",
        max_num_fields=_MOST_FIELDS,
    )
    return dict(pairs)


def _reference(record: Mapping[str, Any]) -> str:
    """That of the request where it carried several messages, which their numbers tell apart; else Huawei's."""
    extend = text_of(record, "extend")
    reference = extend if _OUR_BATCH.fullmatch(extend) else text_of(record, "smsMsgId")
    if not reference:
        raise UnreadableRecordError("a receipt without smsMsgId")
    return reference


def _moment(record: Mapping[str, Any], name: str, otherwise: datetime) -> datetime:
    """Huawei's times are UTC; a status that the platform made itself carries none."""
    text = text_of(record, name)
    if not text:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableRecordError(f"{name} is no time") from None
