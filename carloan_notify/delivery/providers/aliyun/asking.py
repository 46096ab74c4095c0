"""What became of a message: QuerySendDetails asks by number and day, and our reference tells whose a record is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.http import WireAnswer, WireFault
from carloan_notify.delivery.provider import (
    ApprovedTemplateSettings,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    MessageFate,
)
from carloan_notify.delivery.providers.aliyun.api import (
    AMBIGUOUS,
    CALLS,
    ZONE,
    Answered,
    Api,
    Call,
    ambiguous,
    answered,
    batch_reference_in,
    dialled,
    holds,
    instant,
    listed,
)
from carloan_notify.delivery.providers.aliyun.returns import meaning
from carloan_notify.delivery.vendor import clock_check, text_of
from carloan_notify.records import Outcome

WINDOW: Final = timedelta(days=29)
"""The vendor answers for 30 days, the day of sending included."""
SETTLED: Final = timedelta(minutes=30)
"""How soon a record appears is not documented: before that, "there is none" is no answer."""
PAGE: Final = 50
MOST_PAGES: Final = 20
_NEAR: Final = timedelta(minutes=10)
_STANDINGS: Final = {"1": MessageFate.ACCEPTED, "2": MessageFate.UNDELIVERED, "3": MessageFate.DELIVERED}


@dataclass(frozen=True, slots=True)
class History:
    """Asks about one message at a time."""

    api: Api

    def look_up(self, inquiry: Inquiry) -> LookUp:
        """ABSENT only when all records of the number were read and each is certainly another message's."""
        if ambiguous(inquiry.phone):
            return _unclear(inquiry, AMBIGUOUS)  # the records would be a stranger's
        doubtful = False
        for day in _days(inquiry.sent_at):
            records = self._records(inquiry, day)
            if isinstance(records, str):
                return _unclear(inquiry, records)
            for record in records:
                ours = holds(text_of(record, "OutId"), inquiry.message_id)
                if ours or (ours is None and _by_biz_id(inquiry)):
                    return _found(inquiry, record)
                doubtful = doubtful or (ours is None and _about_then(record, inquiry.sent_at))
        if doubtful:
            return _unclear(inquiry, "record_without_our_reference")
        if self.api.clock() - inquiry.sent_at < SETTLED:
            return _unclear(inquiry, "not_settled_yet")
        return LookUp(inquiry.message_id, MessageFate.ABSENT, code="no_record")

    def _records(self, inquiry: Inquiry, day: str) -> list[dict[str, Any]] | str:
        """All records of the number on a day; a text is the code of a fault."""
        records: list[dict[str, Any]] = []
        for number in range(1, MOST_PAGES + 1):
            page = self._page(inquiry, day, number)
            if isinstance(page, str):
                return page
            listed = _listed(page)
            records += listed
            total = text_of(page.fields, "TotalCount")
            if not total.isdecimal():
                return "unreadable_answer"
            if len(records) >= int(total):
                return records
            if not listed:
                return "missing_records"
        return "too_many_records"

    def _page(self, inquiry: Inquiry, day: str, number: int) -> Answered | str:
        query = {"CurrentPage": str(number), "PageSize": str(PAGE), "SendDate": day}
        query["PhoneNumber"] = dialled(inquiry.phone)
        if _by_biz_id(inquiry):
            query["BizId"] = inquiry.provider_ref
        end = self.api.call(Call("QuerySendDetails", query))
        if isinstance(end, WireFault):
            return end.code
        found = answered(end)
        if found is None:
            return f"http_{end.status}"
        return found if found.ok else public_code(found.code)


def _by_biz_id(inquiry: Inquiry) -> bool:
    """Whether the reference is the vendor's, of a message that was sent on its own."""
    return "^" in inquiry.provider_ref


def _days(sent_at: datetime) -> Iterator[str]:
    """The days in China on which the vendor may have booked it."""
    seen = dict.fromkeys(
        (sent_at + shift).astimezone(ZoneInfo(ZONE)).strftime("%Y%m%d") for shift in (timedelta(), _NEAR)
    )
    return iter(seen)


def _listed(page: Answered) -> list[dict[str, Any]]:
    outer = page.fields.get("SmsSendDetailDTOs")
    inner = outer.get("SmsSendDetailDTO") if isinstance(outer, dict) else None
    return [record for record in inner if isinstance(record, dict)] if isinstance(inner, list) else []


def _about_then(record: dict[str, Any], sent_at: datetime) -> bool:
    """Whether a record that nobody can assign may be of that moment."""
    try:
        return abs(instant(text_of(record, "SendDate")) - sent_at) <= _NEAR
    except ValueError:
        return True


def _found(inquiry: Inquiry, record: dict[str, Any]) -> LookUp:
    standing = _STANDINGS.get(text_of(record, "SendStatus"), MessageFate.UNCLEAR)
    code = text_of(record, "ErrCode")
    reference = batch_reference_in(text_of(record, "OutId")) or inquiry.provider_ref
    known = public_code(code) if code else ""
    if standing is not MessageFate.UNDELIVERED:
        return LookUp(inquiry.message_id, standing, reference, known)
    why = meaning(code)
    return LookUp(inquiry.message_id, standing, reference, known, why.reason, why.blocked)


def _unclear(inquiry: Inquiry, code: str) -> LookUp:
    return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code=code)


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
    credentials, clock = _credentials(end), _clock(end, api.clock())
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
        _clock(end, api.clock()),
        *(CheckResult(f"template {code}", CheckVerdict.UNTOLD, untold) for code in codes),
    ]


def _credentials(end: WireAnswer | WireFault, own: str = "") -> CheckResult:
    what = "credentials"
    found = answered(end)
    if found is None:
        return CheckResult(what, CheckVerdict.UNTOLD, f"no answer: {_fault(end)}")
    meaning = listed(found.code, own)
    if meaning is not None and meaning.outcome is Outcome.ACCOUNT:
        return CheckResult(what, CheckVerdict.WRONG, f"{public_code(found.code)}: {meaning.reason}")
    if meaning is not None and meaning.outcome in (Outcome.THROTTLED, Outcome.RETRYABLE, Outcome.UNKNOWN):
        return CheckResult(what, CheckVerdict.UNTOLD, f"{public_code(found.code)}: {meaning.reason}")
    return CheckResult(what, CheckVerdict.OK, "the vendor knows the AccessKey and accepts the signature")


def _clock(end: WireAnswer | WireFault, now: datetime) -> CheckResult:
    return clock_check({} if isinstance(end, WireFault) else end.headers, now)


def _sign(api: Api, sign: str) -> CheckResult:
    what = f"sign {sign}"
    found = _asked(api, what, Call("GetSmsSign", {"SignName": sign}))
    if isinstance(found, CheckResult):
        return found
    status = text_of(found.fields, "SignStatus")
    if status != APPROVED:
        return CheckResult(what, CheckVerdict.WRONG, _AUDIT.get(status, "has an unknown status"))
    unregistered = ", ".join(_unregistered(found))
    detail = f"approved, but not registered with: {unregistered}" if unregistered else "approved"
    return CheckResult(what, CheckVerdict.WRONG if unregistered else CheckVerdict.OK, detail)


def _template(api: Api, code: str, text: str) -> CheckResult:
    what = f"template {code}"
    found = _asked(api, what, Call("GetSmsTemplate", {"TemplateCode": code}))
    if isinstance(found, CheckResult):
        return found
    status = text_of(found.fields, "TemplateStatus")
    if status != APPROVED:
        return CheckResult(what, CheckVerdict.WRONG, _AUDIT.get(status, "has an unknown status"))
    if text and text != text_of(found.fields, "TemplateContent"):
        return CheckResult(what, CheckVerdict.WRONG, "the approved text differs from `text` in the settings")
    return CheckResult(what, CheckVerdict.OK, "approved, and `text` is the same" if text else "approved")


def _asked(api: Api, what: str, call: Call) -> Answered | CheckResult:
    """The answer when it is one, else what its absence says of the sign or template."""
    end = api.call(call)
    found = answered(end)
    if found is None:
        return CheckResult(what, CheckVerdict.UNTOLD, f"no answer: {_fault(end)}")
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


def _fault(end: WireAnswer | WireFault) -> str:
    return end.code if isinstance(end, WireFault) else f"http_{end.status}"
