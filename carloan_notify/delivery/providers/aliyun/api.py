"""One call to Alibaba Cloud's OpenAPI, and what its answer says of the messages in it."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from pydantic import SecretStr

from carloan_notify.delivery.codes import ByCode, Listed, answer_codes, public_code
from carloan_notify.delivery.gateway.returns import moment
from carloan_notify.delivery.http import Wire, WireAnswer, WireFault, WireRequest, retry_after
from carloan_notify.delivery.provider import ApprovedTemplateSettings, CheckResult, CheckVerdict
from carloan_notify.delivery.vendor import (
    UnreadableRecordError,
    clock_check,
    json_object,
    our_reference,
    text_of,
)
from carloan_notify.records import Outcome

# Alibaba Cloud's OpenAPI requests and their signature, ACS3-HMAC-SHA256.
#
# Measured against the vendor's own SDK (tests/data/wire/aliyun.json): the key is the raw secret; a space is `+`
# on the wire and `%20` in the canonical form; every header that is sent is signed but those of HTTP itself.

ALGORITHM: Final = "ACS3-HMAC-SHA256"
VERSION: Final = "2017-05-25"
"""Of dysmsapi, dyvmsapi and dybaseapi alike."""


@dataclass(frozen=True, slots=True)
class Call:
    """An action with its parameters: in the query, and in a form when there is one. They hold personal data."""

    action: str
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Who signs."""

    key_id: str
    secret: SecretStr


def signed(call: Call, base_url: str, key: AccessKey, now: datetime, nonce: str) -> WireRequest:
    """The request as it goes out. `now` is aware; `nonce` is never used twice."""
    body = urlencode(sorted(call.form.items())).encode()
    headers = {
        "host": urlsplit(base_url).netloc,
        "accept": "application/json",
        "x-acs-action": call.action,
        "x-acs-version": VERSION,
        "x-acs-date": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    if body:
        headers["content-type"] = "application/x-www-form-urlencoded"
    headers["Authorization"] = _authorization(call.query, headers, key)
    return WireRequest(
        "POST", f"{base_url.rstrip('/')}/?{urlencode(sorted(call.query.items()))}", headers, body
    )


def _authorization(query: Mapping[str, str], headers: Mapping[str, str], key: AccessKey) -> str:
    names = ";".join(sorted(headers))
    asked = "&".join(f"{name}={quote(query[name], safe='~')}" for name in sorted(query))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    canonical = f"POST\n/\n{asked}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.get_secret_value().encode(), to_sign.encode(), hashlib.sha256)
    return f"{ALGORITHM} Credential={key.key_id},SignedHeaders={names},Signature={signature.hexdigest()}"


OK: Final = "OK"
RETRY_AFTER_MS: Final = "x-acs-retry-after"
"""Milliseconds, as the vendor's SDK sleeps them; the standard Retry-After is in seconds."""
_MILLISECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)
_PREFIXES: Final = ("isv.", "isp.")
_CAPS: Final = (("分钟级", 60.0), ("小时级", 3600.0), ("_MINUTE", 60.0), ("_HOUR", 3600.0))
"""How the vendor names a cap on a number ("触发小时级流控Permits:5", BUSINESS_LIMIT_HOUR), in seconds until it is over.

A cap for the day (天级) has no entry: 0 stands for a day.
"""
CALLS: Final = "aliyun/calls"
"""The table of codes that mean something else for calls."""


def new_nonce() -> str:
    """32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Api:
    """An interface of the vendor's under one access key."""

    wire: Wire
    base_url: str
    key: AccessKey
    clock: Callable[[], datetime]
    nonce: Callable[[], str]

    def request(self, call: Call) -> WireRequest:
        """The signed request."""
        return signed(call, self.base_url, self.key, self.clock(), self.nonce())

    def call(self, call: Call) -> WireAnswer | WireFault:
        """Sign, send, and take what comes."""
        return self.wire.exchange(self.request(call))


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that could be read: the vendor's code, and all fields. They hold personal data."""

    end: WireAnswer
    code: str
    fields: dict[str, Any] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.code == OK and self.end.ok


def answered(end: WireAnswer | WireFault) -> Answered | None:
    """The answer, None when none came or it has no code: then the vendor did not write it."""
    fields = json_object(end)
    code = text_of(fields, "Code") if fields else ""
    return Answered(end, code, fields) if fields and code and isinstance(end, WireAnswer) else None


def listed(code: str, own: str = "") -> Listed | None:
    """What a code means; those of the table `own` come first. The prefixes isv. and isp. make no difference."""
    return next((found for table in _tables(own) if (found := table.get(_bare(code)))), None)


def waiting(end: WireAnswer, now: datetime) -> float:
    """Seconds that the answer asks to wait, else 0."""
    own = end.headers.get(RETRY_AFTER_MS, "").strip()
    return int(own) / 1000 if _MILLISECONDS.fullmatch(own) else retry_after(end.headers, now)


def cap_is_over_in(answer: WireAnswer, code: str) -> float:
    """Seconds until a number may have messages again; 0 where the vendor does not say, or says a day."""
    said = f"{code} {text_of(json_object(answer) or {}, 'Message')}"
    return next((seconds for name, seconds in _CAPS if name in said), 0.0)


def _tables(own: str) -> list[ByCode[Listed]]:
    return [*([answer_codes(own)] if own else []), answer_codes("aliyun")]


def _bare(code: str) -> str:
    return next((code.removeprefix(p) for p in _PREFIXES if code.startswith(p)), code)


# Phone numbers and times as Alibaba Cloud writes them.

ZONE: Final = "Asia/Shanghai"
_MAINLAND: Final = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
_OTHER: Final = re.compile(r"\+?([1-9]\d{5,14})")
_COMPACT: Final = re.compile(r"\d{14}")
_CHINA: Final = "+86"
AMBIGUOUS: Final = "ambiguous_number"
"""The code of a message to a number that the vendor takes for another."""
TAKEN_FOR_ANOTHER: Final = "Alibaba Cloud would take this number for a mobile of mainland China"


def ambiguous(phone: str) -> bool:
    """Whether the vendor would take a number from elsewhere for a mobile of mainland China: +1 310 555 0100, say.

    It knows no `+`, so that a stranger would get the message.
    """
    return not phone.startswith(_CHINA) and _MAINLAND.fullmatch(phone.removeprefix("+")) is not None


def dialled(phone: str) -> str:
    """An E.164 number as the vendor wants it: 11 digits in mainland China, else country code and number."""
    match = _MAINLAND.fullmatch(phone)
    return match.group(1) if match and phone.startswith(_CHINA) else phone.removeprefix("+")


def e164(number: str) -> str:
    """A number that the vendor tells, in E.164. Eleven digits from 13 to 19 are a mobile of mainland China.

    Raises:
        UnreadableRecordError: it is no number; its text is left out.
    """
    number = number.strip()
    if (mainland := _MAINLAND.fullmatch(number)) is not None:
        return f"+86{mainland.group(1)}"
    if (other := _OTHER.fullmatch(number)) is None:
        raise UnreadableRecordError("no phone number")
    return f"+{other.group(1)}"


def instant(text: str) -> datetime:
    """A time in China, `2026-11-23 09:00:05` or `20261123090005`, as an aware UTC instant.

    Raises:
        UnreadableRecordError: it is neither; its text is left out.
    """
    text = text.strip()
    return moment(text, "%Y%m%d%H%M%S" if _COMPACT.fullmatch(text) else "%Y-%m-%d %H:%M:%S", ZONE)


# Our references in the vendor's OutId, and how a message is told from others that share one.
#
# A request carries a single OutId of at most 255 characters. A message of its own has its id there. A batch has
# a reference, a dot, and a Bloom filter of its ids: so a message whose answer was lost, even to a power cut,
# is found again by number and filter. The chance that the filter of another batch to the same number claims a
# message is at most 0.0012 (B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970).

_BITS: Final = 1416
_BYTES: Final = _BITS // 8
_HASHES: Final = 10
_BATCH: Final = re.compile(r"([0-9a-f]{16})\.([A-Za-z0-9_-]{236})")


def batch_out_id(message_ids: Sequence[str]) -> str:
    """The OutId of a batch of 1 to 100 messages: 253 characters, the same whenever the same ones go together."""
    bits = 0
    for message_id in message_ids:
        for bit in _places(message_id):
            bits |= 1 << bit
    return f"{batch_reference(message_ids)}.{base64.urlsafe_b64encode(bits.to_bytes(_BYTES, 'big')).decode()}"


def batch_reference(message_ids: Sequence[str]) -> str:
    """What stands for the batch."""
    return hashlib.sha256("\n".join(message_ids).encode()).hexdigest()[:16]


def batch_reference_in(out_id: str) -> str:
    """The reference of a batch when the OutId is a batch's, else ""."""
    match = _BATCH.fullmatch(out_id)
    return match.group(1) if match else ""


def holds(out_id: str, message_id: str) -> bool | None:
    """Whether a request with this OutId carried the message; None when the OutId is none of ours."""
    if our_reference(out_id):
        return out_id == message_id
    match = _BATCH.fullmatch(out_id)
    if match is None:
        return None
    bits = int.from_bytes(base64.urlsafe_b64decode(match.group(2)), "big")
    return all(bits >> bit & 1 for bit in _places(message_id))


def _places(message_id: str) -> Iterator[int]:
    digest = hashlib.sha256(message_id.encode()).digest()
    return (int.from_bytes(digest[2 * i : 2 * i + 2], "big") % _BITS for i in range(_HASHES))


# A look at the set-up without sending: credentials, clock, signs, templates.

PROD_ID: Final = "11010000138001"
"""Calls by SingleCallByTts, of which details are asked."""
APPROVED: Final = "1"
_AUDIT: Final = {"0": "is being reviewed", "2": "was refused", "10": "was withdrawn"}
_REGISTERED: Final = ("1", "3")

Templates = Sequence[ApprovedTemplateSettings]


def check_sms(api: Api, templates: Templates) -> list[CheckResult]:
    """Credentials and clock by listing one template, then every sign and template that the settings name."""
    end = api.call(Call("GetSmsTemplateList", {"PageIndex": "1", "PageSize": "1"}))
    credentials, clock = _credentials(end), clock_check(end.headers, api.clock())
    if credentials.verdict is not CheckVerdict.OK:
        return [credentials, clock]
    signs = dict.fromkeys(template.sign for template in templates)
    texts = {template.code: template.text for template in reversed(templates)}
    return [
        credentials,
        clock,
        *(_sign(api, sign) for sign in signs),
        *(_template(api, code, texts[code]) for code in dict.fromkeys(t.code for t in templates)),
    ]


def check_voice(api: Api, templates: Templates) -> list[CheckResult]:
    """Credentials and clock, by asking about a call that does not exist; no call is made."""
    asked = str(int(api.clock().timestamp() * 1000))
    query = {"CallId": "0^0", "ProdId": PROD_ID, "QueryDate": asked}
    end = api.call(Call("QueryCallDetailByCallId", query))
    untold = "voice templates cannot be asked for; compare them in the console"
    codes = dict.fromkeys(template.code for template in templates)
    return [
        _credentials(end, CALLS),
        clock_check(end.headers, api.clock()),
        *(CheckResult(f"template {code}", CheckVerdict.UNTOLD, untold) for code in codes),
    ]


def _credentials(end: WireAnswer | WireFault, own: str = "") -> CheckResult:
    what = "credentials"
    found = answered(end)
    if found is None:
        return CheckResult(what, CheckVerdict.UNTOLD, f"no answer: {end.code}")
    meaning = listed(found.code, own)
    if meaning is not None and meaning.outcome is Outcome.ACCOUNT:
        return CheckResult(what, CheckVerdict.WRONG, f"{public_code(found.code)}: {meaning.reason}")
    if meaning is not None and meaning.outcome in (Outcome.THROTTLED, Outcome.RETRYABLE, Outcome.UNKNOWN):
        return CheckResult(what, CheckVerdict.UNTOLD, f"{public_code(found.code)}: {meaning.reason}")
    return CheckResult(what, CheckVerdict.OK, "the vendor knows the AccessKey and accepts the signature")


def _sign(api: Api, sign: str) -> CheckResult:
    what = f"sign {sign}"
    found = _approved(api, what, Call("GetSmsSign", {"SignName": sign}), "SignStatus")
    if isinstance(found, CheckResult):
        return found
    unregistered = ", ".join(_unregistered(found))
    detail = f"approved, but not registered with: {unregistered}" if unregistered else "approved"
    return CheckResult(what, CheckVerdict.WRONG if unregistered else CheckVerdict.OK, detail)


def _template(api: Api, code: str, text: str) -> CheckResult:
    what = f"template {code}"
    found = _approved(api, what, Call("GetSmsTemplate", {"TemplateCode": code}), "TemplateStatus")
    if isinstance(found, CheckResult):
        return found
    if text and text != text_of(found.fields, "TemplateContent"):
        return CheckResult(what, CheckVerdict.WRONG, "the approved text differs from `text` in the settings")
    return CheckResult(what, CheckVerdict.OK, "approved, and `text` is the same" if text else "approved")


def _approved(api: Api, what: str, call: Call, status_field: str) -> Answered | CheckResult:
    """The answer of an approved sign or template, else what is wrong with it."""
    found = _asked(api, what, call)
    if isinstance(found, CheckResult):
        return found
    status = text_of(found.fields, status_field)
    if status != APPROVED:
        return CheckResult(what, CheckVerdict.WRONG, _AUDIT.get(status, "has an unknown status"))
    return found


def _asked(api: Api, what: str, call: Call) -> Answered | CheckResult:
    """The answer when it is one, else what its absence says of the sign or template."""
    end = api.call(call)
    found = answered(end)
    if found is None:
        return CheckResult(what, CheckVerdict.UNTOLD, f"no answer: {end.code}")
    if found.ok:
        return found
    meaning = listed(found.code)
    wrong = meaning is not None and meaning.outcome in (Outcome.TEMPLATE, Outcome.ACCOUNT, Outcome.REJECTED)
    detail = f"{public_code(found.code)}: {meaning.reason}" if meaning else public_code(found.code)
    return CheckResult(what, CheckVerdict.WRONG if wrong else CheckVerdict.UNTOLD, detail)


def _unregistered(found: Answered) -> Iterator[str]:
    """Carriers at which the sign is not registered; messages under it are mostly lost there."""
    carriers = found.fields.get("SignIspRegisterDetailList")
    for carrier in carriers if isinstance(carriers, list) else []:
        if isinstance(carrier, dict) and text_of(carrier, "RegisterStatus") not in _REGISTERED:
            yield public_code(text_of(carrier, "OperatorCode"))
