"""API 3.0 of Tencent Cloud: one signed POST per action, one `Response` or one `Error` as the answer."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from carloan_notify.delivery.codes import answer_codes, public_code
from carloan_notify.delivery.http import Wire, WireAnswer, WireFault, WireRequest
from carloan_notify.delivery.provider import ApprovedTemplateSettings, CheckResult, CheckVerdict
from carloan_notify.delivery.providers.tencent.settings import (
    VARIABLE,
    TencentCredentials,
    TencentSettings,
    TencentVoiceSettings,
)
from carloan_notify.delivery.vendor import clock_check, json_object, text_of
from carloan_notify.records import Outcome

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


# A look at a set-up without sending: key, application, clock, templates, signs.

_LONGEST_PAGE: Final = 100
_MOST_PAGES: Final = 20
_WHERE: Final = (0, 1)
"""The vendor keeps mainland (0) and international (1) signs and templates apart."""
_NO_RIGHT: Final = (
    "AuthFailure.UnauthorizedOperation",
    "UnauthorizedOperation",
    "FailedOperation.ProhibitSubAccountUse",
    "FailedOperation.NotEnterpriseCertification",
)
"""The key is believed; it may only not look."""
_INCOMPLETE: Final = ("MissingParameter", "InvalidParameterValue.CalledNumberVerifyFail")
_STATES: Final[Mapping[str, str]] = {
    "0": "",
    "1": "is being reviewed",
    "2": "is approved but not in force yet",
    "-1": "was refused",
}


def check_messages(interface: Interface, settings: TencentSettings, now: datetime) -> list[CheckResult]:
    """Key and application by a harmless statistic, then every template and sign that is configured."""
    hour = f"{now.astimezone(ZoneInfo('Asia/Shanghai')):%Y%m%d%H}"
    period = {"BeginTime": hour, "EndTime": hour, "SmsSdkAppId": settings.app_id, "Limit": 0, "Offset": 0}
    end = interface.call("SendStatusStatistics", period)
    key = CheckResult("key and application", *_told(end, "SendStatusStatistics"))
    found = [key, _clock(end, now)]
    if key.verdict is CheckVerdict.WRONG or isinstance(end, WireFault):
        return found
    return [*found, *_templates(interface, settings.templates), *_signs(interface, settings.templates)]


def check_calls(interface: Interface, settings: TencentVoiceSettings, now: datetime) -> list[CheckResult]:
    """The key, by a call without template and number: that is refused as incomplete once the key is believed."""
    end = interface.call("SendTtsVoice", {"VoiceSdkAppid": settings.app_id})
    incomplete = error_code(response_in(end)).startswith(_INCOMPLETE)
    told = (CheckVerdict.OK, "") if incomplete else _told(end, "SendTtsVoice")
    detail = "Tencent shows voice templates and applications in its console only"
    return [
        CheckResult("key", *told),
        _clock(end, now),
        CheckResult("templates and application", CheckVerdict.UNTOLD, detail),
    ]


def _told(end: WireFault | WireAnswer, action: str) -> tuple[CheckVerdict, str]:
    """What an answer says of the key: right, wrong, or nothing."""
    if isinstance(end, WireFault):
        return CheckVerdict.UNTOLD, end.code
    response = response_in(end)
    if response is None:
        return CheckVerdict.UNTOLD, end.code
    code = error_code(response)
    if not code:
        return CheckVerdict.OK, ""
    if code in _NO_RIGHT:
        return CheckVerdict.UNTOLD, f"the key has no right to {action}; grant it to have this looked at"
    listed = answer_codes("tencent").get(code)
    refused = listed is not None and listed.outcome is Outcome.ACCOUNT
    reason = f": {listed.reason}" if listed is not None else ""
    return (CheckVerdict.WRONG if refused else CheckVerdict.UNTOLD), public_code(code) + reason


def _clock(end: WireFault | WireAnswer, now: datetime) -> CheckResult:
    if isinstance(end, WireFault):
        return CheckResult("clock", CheckVerdict.UNTOLD, end.code)
    return clock_check(end.headers, now)


def _templates(interface: Interface, templates: Sequence[ApprovedTemplateSettings]) -> Iterator[CheckResult]:
    for template in templates:
        for where in _WHERE:
            asked = {"International": where, "TemplateIdSet": [int(template.code)]}
            end = interface.call("DescribeSmsTemplateList", asked)
            if unheard := _unheard(end, "DescribeSmsTemplateList"):
                yield CheckResult(f"template {template.code}", CheckVerdict.UNTOLD, unheard)
                break
            if records := _records(end, "DescribeTemplateStatusSet"):
                yield _template(template, records[0])
                break
        else:
            yield _template(template, None)


def _template(template: ApprovedTemplateSettings, record: Mapping[str, Any] | None) -> CheckResult:
    what = f"template {template.code}"
    if record is None:
        return CheckResult(what, CheckVerdict.WRONG, "the account has no such template")
    if state := _state(record):
        return CheckResult(what, CheckVerdict.WRONG, state)
    approved = text_of(record, "TemplateContent")
    asked_for = len(set(VARIABLE.findall(approved)))
    if approved and asked_for != len(template.params):
        detail = f"it has {asked_for} variables, `params` has {len(template.params)}"
        return CheckResult(what, CheckVerdict.WRONG, detail)
    if approved and template.text and template.text.strip() != approved.strip():
        return CheckResult(what, CheckVerdict.WRONG, "the approved text differs from the configured `text`")
    return CheckResult(what, CheckVerdict.OK, "is approved")


def _signs(interface: Interface, templates: Sequence[ApprovedTemplateSettings]) -> Iterator[CheckResult]:
    wanted = sorted({template.sign for template in templates if template.sign})
    states: dict[str, str] = {}
    for where in _WHERE if wanted else ():
        for end in _pages(interface, where):
            if unheard := _unheard(end, "DescribeSmsSignList"):
                yield CheckResult("signs", CheckVerdict.UNTOLD, unheard)
                return
            for record in _records(end, "DescribeSignListStatusSet"):
                name, state = text_of(record, "SignName"), _state(record)
                # A sign may be there twice; "" sorts first, because one that is approved is enough.
                states[name] = min(states.get(name, state), state)
    for sign in wanted:
        state = states.get(sign, "is none of the account's")
        yield CheckResult(
            f"sign {sign}", CheckVerdict.WRONG if state else CheckVerdict.OK, state or "is approved"
        )


def _pages(interface: Interface, where: int) -> Iterator[WireFault | WireAnswer]:
    """Answers with the account's signs, until one is not full."""
    for place in range(_MOST_PAGES):
        asked = {"International": where, "Limit": _LONGEST_PAGE, "Offset": place * _LONGEST_PAGE}
        end = interface.call("DescribeSmsSignList", asked)
        yield end
        if len(_records(end, "DescribeSignListStatusSet")) < _LONGEST_PAGE:
            return


def _unheard(end: WireFault | WireAnswer, action: str) -> str:
    """Why a list could not be looked at, "" when it could. That something is unknown is an empty list."""
    listed = answer_codes("tencent").get(error_code(response_in(end)))
    if listed is not None and listed.outcome is Outcome.TEMPLATE:
        return ""
    verdict, detail = _told(end, action)
    return "" if verdict is CheckVerdict.OK else detail


def _records(end: WireFault | WireAnswer, name: str) -> list[Mapping[str, Any]]:
    return [record for record in entries(response_in(end), name) if isinstance(record, Mapping)]


def _state(record: Mapping[str, Any]) -> str:
    """What keeps a sign or a template from being used, "" when nothing does."""
    return _STATES.get(text_of(record, "StatusCode"), "has a state that is not known")
