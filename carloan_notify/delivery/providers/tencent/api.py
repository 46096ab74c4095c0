"""API 3.0 of Tencent Cloud: one signed POST per action, one `Response` or one `Error` as the answer."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from carloan_notify.delivery.codes import answer_codes, of_whole_request
from carloan_notify.delivery.gateway.answer import retry_after
from carloan_notify.delivery.http import Wire, WireAnswer, WireFault, WireRequest
from carloan_notify.delivery.provider import one_per_message
from carloan_notify.delivery.providers.tencent.settings import TencentCredentials
from carloan_notify.delivery.vendor import SUCCESS, coded, json_object, no_answer, text_of
from carloan_notify.records import OutboundMessage, SendResult

# TC3-HMAC-SHA256, the signature of Tencent Cloud's API 3.0.
#
# Source: Tencent Cloud's signature document (382/52072) and `tencentcloud/common/sign.py` of its Python SDK,
# whose requests `tests/data/wire/tencent.json` holds.

ALGORITHM: Final = "TC3-HMAC-SHA256"
CONTENT_TYPE: Final = "application/json"
SIGNED_HEADERS: Final = "content-type;host"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key."""

    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)


def canonical_request(host: str, body: bytes) -> str:
    """A POST of JSON to `/` in the form that is signed. `host` is the Host header, in small letters."""
    return "\n".join(
        (
            "POST",
            "/",
            "",
            f"content-type:{CONTENT_TYPE}",
            f"host:{host}",
            "",
            SIGNED_HEADERS,
            hashlib.sha256(body).hexdigest(),
        )
    )


def authorization(key: Key, service: str, canonical: str, now: datetime) -> str:
    """The Authorization header of a request. `now` is aware; `service` is sms or vms."""
    scope = f"{now.astimezone(UTC):%Y-%m-%d}/{service}/tc3_request"
    to_sign = "\n".join(
        (ALGORITHM, str(int(now.timestamp())), scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    secret = f"TC3{key.secret_key}".encode()
    for part in scope.split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    signature = hmac.digest(secret, to_sign.encode(), "sha256").hex()
    return (
        f"{ALGORITHM} Credential={key.secret_id}/{scope}, "
        f"SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
    )


@dataclass(frozen=True, slots=True)
class Service:
    """One of the vendor's services, as its host name and its signature name it."""

    name: str
    version: str


SMS: Final = Service("sms", "2021-01-11")
VOICE: Final = Service("vms", "2020-09-02")


class Interface:
    """Calls the actions of one service. Safe for many threads."""

    def __init__(
        self, service: Service, settings: TencentCredentials, wire: Wire, clock: Callable[[], datetime]
    ) -> None:
        """`clock` gives the aware time of the signature; the vendor allows it to be five minutes off."""
        base_url = settings.base_url or f"https://{service.name}.tencentcloudapi.com"
        self._service = service
        self._url = base_url.rstrip("/") + "/"
        self._host = urlsplit(base_url).netloc.lower()
        self._region = settings.region
        self._key = Key(settings.secret_id, settings.secret_key.get_secret_value())
        self._wire = wire
        self._clock = clock

    def call(self, action: str, parameters: Mapping[str, Any]) -> WireAnswer | WireFault:
        """The answer to one action, or what its absence means."""
        return self._wire.exchange(self.request(action, parameters))

    def request(self, action: str, parameters: Mapping[str, Any]) -> WireRequest:
        """The signed request, with the body exactly as the vendor's SDK writes it."""
        now = self._clock()
        body = json.dumps(parameters).encode()
        headers = {
            "Authorization": authorization(
                self._key, self._service.name, canonical_request(self._host, body), now
            ),
            "Content-Type": CONTENT_TYPE,
            "Host": self._host,
            "X-TC-Action": action,
            "X-TC-Region": self._region,
            "X-TC-Timestamp": str(int(now.timestamp())),
            "X-TC-Version": self._service.version,
        }
        return WireRequest("POST", self._url, headers, body)


def response_in(end: WireFault | WireAnswer) -> dict[str, Any] | None:
    """The `Response` of an answer, whatever its status and content type; None when there is none."""
    fields = json_object(end)
    response = fields.get("Response") if fields is not None else None
    return response if isinstance(response, dict) else None


def error_code(response: Mapping[str, Any] | None) -> str:
    """The code of the `Error` in a response, "" when there is none."""
    error = response.get("Error") if response is not None else None
    return text_of(error, "Code") if isinstance(error, dict) else ""


def entries(response: Mapping[str, Any] | None, name: str) -> list[Any]:
    """The list of that name in a response, empty when it is missing or no list."""
    found = response.get(name) if response is not None else None
    return found if isinstance(found, list) else []


# What the answer to SendSms or SendTtsVoice means for each message. In doubt it is unknown.

CAPS: Final[Mapping[str, float]] = {
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0,
    "LimitExceeded.PhoneNumberOneHourLimit": 3600.0,
}
"""Seconds until a number may have messages again; other caps do not tell, and count as a day's."""


def read_statuses(
    end: WireFault | WireAnswer, batch: Sequence[OutboundMessage], now: datetime
) -> list[SendResult]:
    """One result per message: by its number's status, else by the error of the whole request.

    Statuses go before an error, because they may say that something was sent. An error that can only be one
    number's refuses none of several.
    """
    response = response_in(end)
    statuses = [status for status in entries(response, "SendStatusSet") if isinstance(status, Mapping)]
    if statuses and isinstance(end, WireAnswer) and end.status in SUCCESS:
        return one_per_message(batch, list(_by_number(statuses, batch)))
    return _by_error(end, response, batch, now)


def read_call(end: WireFault | WireAnswer, message: OutboundMessage, now: datetime) -> SendResult:
    """The result of a call; without an error, its CallId says that it was taken."""
    response = response_in(end)
    status = response.get("SendStatus") if response is not None else None
    call_id = text_of(status, "CallId") if isinstance(status, Mapping) else ""
    if call_id and isinstance(end, WireAnswer) and end.status in SUCCESS:
        return _coded(message.message_id, "Ok", call_id)
    return _by_error(end, response, [message], now)[0]


def _by_error(
    end: WireFault | WireAnswer,
    response: Mapping[str, Any] | None,
    batch: Sequence[OutboundMessage],
    now: datetime,
) -> list[SendResult]:
    code = error_code(response)
    if isinstance(end, WireFault) or not code:
        return no_answer(end, batch, now)
    wait = retry_after(end.headers, now)
    return of_whole_request([_coded(message.message_id, code, wait=wait) for message in batch])


def _by_number(
    statuses: Sequence[Mapping[str, Any]], batch: Sequence[OutboundMessage]
) -> Iterator[SendResult]:
    """Results in the vendor's order. No number stands twice in a batch; one status for one message is its own."""
    by_number = {message.phone: message.message_id for message in batch}
    only = batch[0].message_id if len(batch) == len(statuses) == 1 else ""
    for status in statuses:
        message_id = only or by_number.get(text_of(status, "PhoneNumber"))
        if message_id:
            yield _coded(message_id, text_of(status, "Code"), text_of(status, "SerialNo"))


def _coded(message_id: str, code: str, serial: str = "", wait: float = 0.0) -> SendResult:
    result = coded(message_id, code, answer_codes("tencent"), serial, wait)
    return replace(result, retry_after_s=CAPS[code]) if code in CAPS else result
