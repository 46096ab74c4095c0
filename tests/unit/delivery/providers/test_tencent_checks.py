"""Looking at a set-up without sending, over a vendor that is played here."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from carloan_notify.delivery.http import Wire, WireAnswer, new_session
from carloan_notify.delivery.provider import CheckResult, CheckVerdict
from carloan_notify.delivery.providers.tencent.api import SMS, Interface, check_calls, check_messages
from tests.unit.delivery.providers.tencent import (
    NOW,
    SDK,
    SIGN,
    TEMPLATE,
    error,
    sms_settings,
    voice_settings,
)

Answers = dict[str, Any]
DATE = "Mon, 23 Nov 2026 01:02:00 GMT"
APPROVED = {"TemplateId": 1234567, "StatusCode": 0, "TemplateContent": "{1}{2}{3}{4}"}
CONTENT = "您好{1}，{2}{3}{4}。"


class Played(Interface):
    """The vendor by its answers: action → response for the mainland; international lists are empty."""

    def __init__(self, answers: Answers, date: str = DATE) -> None:
        """`date` is the Date header of every answer."""
        super().__init__(SMS, sms_settings(), Wire(new_session(1), 1, 1), lambda: NOW)
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self._answers = answers
        self._date = date

    def call(self, action: str, parameters: Mapping[str, Any]) -> WireAnswer:
        """Answer as told."""
        self.asked.append((action, parameters))
        response = {} if parameters.get("International") else self._answers.get(action, {})
        return WireAnswer(200, {"Date": self._date}, json.dumps({"Response": response}).encode())


def check(answers: Answers, date: str = DATE, **changes: Any) -> list[CheckResult]:
    return check_messages(Played(answers, date), sms_settings(**changes), NOW)


def signs(*found: tuple[str, int]) -> Answers:
    return {"DescribeSignListStatusSet": [{"SignName": name, "StatusCode": state} for name, state in found]}


def test_a_set_up_that_is_right() -> None:
    answers = {
        "DescribeSmsTemplateList": {"DescribeTemplateStatusSet": [APPROVED]},
        "DescribeSmsSignList": signs((SIGN, -1), (SIGN, 0), ("别的", 1)),
    }
    assert check(answers) == [
        CheckResult("key and application", CheckVerdict.OK),
        CheckResult("clock", CheckVerdict.OK, "within 3 s of the provider's"),
        CheckResult("template 1234567", CheckVerdict.OK, "is approved"),
        CheckResult(f"sign {SIGN}", CheckVerdict.OK, "is approved"),
    ]


@pytest.mark.parametrize(
    ("record", "text", "detail"),
    [
        (None, "", "the account has no such template"),
        ({"StatusCode": 1}, "", "is being reviewed"),
        ({"StatusCode": 2}, "", "is approved but not in force yet"),
        ({"StatusCode": -1}, "", "was refused"),
        ({"StatusCode": 9}, "", "has a state that is not known"),
        ({"StatusCode": 0, "TemplateContent": "{1}欠{2}"}, "", "it has 2 variables, `params` has 4"),
        (
            {"StatusCode": 0, "TemplateContent": CONTENT},
            CONTENT + "谢谢",
            "differs from the configured `text`",
        ),
    ],
)
def test_a_template_that_is_wrong(record: Answers | None, text: str, detail: str) -> None:
    answers = {"DescribeSmsTemplateList": {"DescribeTemplateStatusSet": [record] if record else []}}
    found = check(answers, templates=[{**TEMPLATE, "sign": "", "text": text}])
    assert (found[2].what, found[2].verdict) == ("template 1234567", CheckVerdict.WRONG)
    assert detail in found[2].detail
    assert len(found) == 3


def test_an_unknown_template_may_be_an_error_and_is_no_more_than_missing() -> None:
    answers = {"DescribeSmsTemplateList": error("FailedOperation.MissingTemplateList")}
    assert check(answers)[2].detail == "the account has no such template"


def test_signs_are_read_to_the_last_page() -> None:
    vendor = Played({"DescribeSmsSignList": signs(*((f"sign{n}", 0) for n in range(100)))})
    found = check_messages(vendor, sms_settings(), NOW)
    assert found[-1] == CheckResult(f"sign {SIGN}", CheckVerdict.WRONG, "is none of the account's")
    offsets = [
        asked["Offset"] for _, asked in vendor.asked if asked.get("International") == 0 and "Offset" in asked
    ]
    assert offsets == [page * 100 for page in range(20)]


def test_lists_that_may_not_be_looked_at_are_untold() -> None:
    refused = error("AuthFailure.UnauthorizedOperation")
    answers = {"DescribeSmsTemplateList": refused, "DescribeSmsSignList": error("InternalError")}
    assert check(answers)[2:] == [
        CheckResult(
            "template 1234567",
            CheckVerdict.UNTOLD,
            "the key has no right to DescribeSmsTemplateList; grant it to have this looked at",
        ),
        CheckResult("signs", CheckVerdict.UNTOLD, "InternalError: error inside the vendor"),
    ]


@pytest.mark.parametrize(
    ("code", "verdict", "detail"),
    [
        ("AuthFailure.SignatureFailure", CheckVerdict.WRONG, "the signature is wrong; check secret_key"),
        ("UnauthorizedOperation.SmsSdkAppIdVerifyFail", CheckVerdict.WRONG, "app_id does not belong"),
        ("UnauthorizedOperation", CheckVerdict.UNTOLD, "the key has no right to SendStatusStatistics"),
        ("InternalError.Brand+New", CheckVerdict.UNTOLD, "unprintable_code"),
    ],
)
def test_a_key_that_is_refused(code: str, verdict: CheckVerdict, detail: str) -> None:
    found = check({"SendStatusStatistics": error(code)})
    assert found[0].verdict is verdict
    assert detail in found[0].detail
    assert (len(found) == 2) == (verdict is CheckVerdict.WRONG)


def test_the_clock_is_read_from_the_date_of_the_answer() -> None:
    assert check({}, "Mon, 23 Nov 2026 00:57:02 GMT")[1].verdict is CheckVerdict.WRONG
    assert check({}, "Mon, 23 Nov 2026 01:07:03 GMT")[1].verdict is CheckVerdict.OK
    assert check({}, "yesterday")[1].verdict is CheckVerdict.UNTOLD


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("MissingParameter", CheckVerdict.OK),
        ("InvalidParameterValue.CalledNumberVerifyFail", CheckVerdict.OK),
        ("AuthFailure.SignatureFailure", CheckVerdict.WRONG),
        ("UnauthorizedOperation.VoiceSdkAppidVerifyFail", CheckVerdict.WRONG),
        ("InternalError", CheckVerdict.UNTOLD),
    ],
)
def test_the_voice_key_is_tried_with_a_call_to_nobody(code: str, verdict: CheckVerdict) -> None:
    vendor = Played({"SendTtsVoice": error(code)})
    key, clock, rest = check_calls(vendor, voice_settings(), NOW)
    assert (key.what, key.verdict) == ("key", verdict)
    assert (clock.verdict, rest.verdict) == (CheckVerdict.OK, CheckVerdict.UNTOLD)
    assert vendor.asked == [("SendTtsVoice", SDK["cases"]["call_nobody"]["parameters"])]


def test_a_page_that_is_no_answer_tells_nothing() -> None:
    class Maintained(Played):
        def call(self, action: str, parameters: Mapping[str, Any]) -> WireAnswer:
            del action, parameters
            return WireAnswer(200, {"Date": DATE}, b"<html/>")

    found = check_messages(Maintained({}), sms_settings(), NOW)
    assert [(one.verdict, one.detail) for one in found if one.what != "clock"] == [
        (CheckVerdict.UNTOLD, "http_200")
    ] * 3
