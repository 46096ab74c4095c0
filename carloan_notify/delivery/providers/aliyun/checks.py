"""A look at the set-up without sending: credentials, clock, signs, templates."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from carloan_notify.delivery.clock_check import clock_check
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import CheckResult, Verdict
from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings
from carloan_notify.delivery.providers.aliyun.api import CALLS, Answered, Api, answered, listed
from carloan_notify.delivery.providers.aliyun.signing import Call
from carloan_notify.delivery.vendor import text_of
from carloan_notify.delivery.wire import WireAnswer, WireFault
from carloan_notify.records import Outcome

PROD_ID: Final = "11010000138001"
"""Calls by SingleCallByTts, of which details are asked."""
APPROVED: Final = "1"
_AUDIT: Final = {"0": "is being reviewed", "2": "was refused", "10": "was withdrawn"}
_REGISTERED: Final = ("1", "3")

Templates = Sequence[ApprovedTemplateSettings]


def check_sms(api: Api, templates: Templates) -> list[CheckResult]:
    """Credentials and clock by listing one template, then every sign and template that the settings name."""
    end = api.call(Call("GetSmsTemplateList", {"PageIndex": "1", "PageSize": "1"}))
    credentials, clock = _credentials(end), _clock(end, api.clock())
    if credentials.verdict is not Verdict.OK:
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
    """Credentials and clock, by asking for a call that never was; no call is made."""
    asked = str(int(api.clock().timestamp() * 1000))
    query = {"CallId": "0^0", "ProdId": PROD_ID, "QueryDate": asked}
    end = api.call(Call("QueryCallDetailByCallId", query))
    untold = "voice templates cannot be asked for; compare them in the console"
    codes = dict.fromkeys(template.code for template in templates)
    return [
        _credentials(end, CALLS),
        _clock(end, api.clock()),
        *(CheckResult(f"template {code}", Verdict.UNTOLD, untold) for code in codes),
    ]


def _credentials(end: WireAnswer | WireFault, own: str = "") -> CheckResult:
    what = "credentials"
    found = answered(end)
    if found is None:
        return CheckResult(what, Verdict.UNTOLD, f"no answer: {_fault(end)}")
    meaning = listed(found.code, own)
    if meaning is not None and meaning.outcome is Outcome.ACCOUNT:
        return CheckResult(what, Verdict.WRONG, f"{public_code(found.code)}: {meaning.reason}")
    if meaning is not None and meaning.outcome in (Outcome.THROTTLED, Outcome.RETRYABLE, Outcome.UNKNOWN):
        return CheckResult(what, Verdict.UNTOLD, f"{public_code(found.code)}: {meaning.reason}")
    return CheckResult(what, Verdict.OK, "the vendor knows the AccessKey and accepts the signature")


def _clock(end: WireAnswer | WireFault, now: datetime) -> CheckResult:
    return clock_check({} if isinstance(end, WireFault) else end.headers, now)


def _sign(api: Api, sign: str) -> CheckResult:
    what = f"sign {sign}"
    found = _asked(api, what, Call("GetSmsSign", {"SignName": sign}))
    if isinstance(found, CheckResult):
        return found
    status = text_of(found.fields, "SignStatus")
    if status != APPROVED:
        return CheckResult(what, Verdict.WRONG, _AUDIT.get(status, "has an unknown status"))
    unregistered = ", ".join(_unregistered(found))
    detail = f"approved, but not registered with: {unregistered}" if unregistered else "approved"
    return CheckResult(what, Verdict.WRONG if unregistered else Verdict.OK, detail)


def _template(api: Api, code: str, text: str) -> CheckResult:
    what = f"template {code}"
    found = _asked(api, what, Call("GetSmsTemplate", {"TemplateCode": code}))
    if isinstance(found, CheckResult):
        return found
    status = text_of(found.fields, "TemplateStatus")
    if status != APPROVED:
        return CheckResult(what, Verdict.WRONG, _AUDIT.get(status, "has an unknown status"))
    if text and text != text_of(found.fields, "TemplateContent"):
        return CheckResult(what, Verdict.WRONG, "the approved text differs from `text` in the settings")
    return CheckResult(what, Verdict.OK, "approved, and `text` is the same" if text else "approved")


def _asked(api: Api, what: str, call: Call) -> Answered | CheckResult:
    """The answer when it is one, else what its absence says of the sign or template."""
    end = api.call(call)
    found = answered(end)
    if found is None:
        return CheckResult(what, Verdict.UNTOLD, f"no answer: {_fault(end)}")
    if found.ok:
        return found
    meaning = listed(found.code)
    wrong = meaning is not None and meaning.outcome in (Outcome.TEMPLATE, Outcome.ACCOUNT, Outcome.REJECTED)
    detail = f"{public_code(found.code)}: {meaning.reason}" if meaning else public_code(found.code)
    return CheckResult(what, Verdict.WRONG if wrong else Verdict.UNTOLD, detail)


def _unregistered(found: Answered) -> Iterator[str]:
    """Carriers at which the sign is not registered; messages under it are mostly lost there."""
    carriers = found.fields.get("SignIspRegisterDetailList")
    for carrier in carriers if isinstance(carriers, list) else []:
        if isinstance(carrier, dict) and text_of(carrier, "RegisterStatus") not in _REGISTERED:
            yield public_code(text_of(carrier, "OperatorCode"))


def _fault(end: WireAnswer | WireFault) -> str:
    return end.code if isinstance(end, WireFault) else f"http_{end.status}"
