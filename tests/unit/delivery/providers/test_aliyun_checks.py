from typing import Any

import pytest

from carloan_notify.delivery.provider import CheckVerdict
from tests.unit.delivery.providers.aliyun_world import TEMPLATE, sms, voice

APPROVED_SIGN = {"Code": "OK", "SignStatus": 1}
APPROVED_TEMPLATE = {"Code": "OK", "TemplateStatus": "1", "TemplateContent": "您好${name}"}


def check(*answers: tuple[int, object], **changes: Any) -> dict[str, tuple[CheckVerdict, str]]:
    provider, _ = sms(answers, **changes)
    return {found.what: (found.verdict, found.detail) for found in provider.check()}


def test_a_set_up_that_works() -> None:
    text = [{**TEMPLATE, "text": "您好${name}"}]
    found = check((200, {"Code": "OK"}), (200, APPROVED_SIGN), (200, APPROVED_TEMPLATE), templates=text)
    assert {verdict for verdict, _ in found.values()} == {CheckVerdict.OK}
    assert found["clock"][1] == "within 2 s of the provider's"
    assert found["template SMS_1"][1] == "approved, and `text` is the same"


@pytest.mark.parametrize(
    ("sign", "verdict", "detail"),
    [
        ({"Code": "OK", "SignStatus": 0}, CheckVerdict.WRONG, "is being reviewed"),
        ({"Code": "OK", "SignStatus": 7}, CheckVerdict.WRONG, "has an unknown status"),
        (
            {
                **APPROVED_SIGN,
                "SignIspRegisterDetailList": [
                    {"OperatorCode": "mobile", "RegisterStatus": 3},
                    {"OperatorCode": "unicom", "RegisterStatus": -1},
                ],
            },
            CheckVerdict.WRONG,
            "approved, but not registered with: unicom",
        ),
        (
            {"Code": "isv.SMS_SIGNATURE_ILLEGAL"},
            CheckVerdict.WRONG,
            "isv.SMS_SIGNATURE_ILLEGAL: no such approved sign in this account",
        ),
        ({"Code": "isv.NEW"}, CheckVerdict.UNTOLD, "isv.NEW"),
        ("<html>", CheckVerdict.UNTOLD, "no answer: http_200"),
    ],
)
def test_a_sign(sign: object, verdict: CheckVerdict, detail: str) -> None:
    found = check((200, {"Code": "OK"}), (200, sign), (200, APPROVED_TEMPLATE))
    assert found["sign 安达 车贷"] == (verdict, detail)
    assert found["template SMS_1"] == (CheckVerdict.OK, "approved")


@pytest.mark.parametrize(
    ("template", "verdict", "detail"),
    [
        ({**APPROVED_TEMPLATE, "TemplateStatus": "2"}, CheckVerdict.WRONG, "was refused"),
        (
            {**APPROVED_TEMPLATE, "TemplateContent": "other"},
            CheckVerdict.WRONG,
            "the approved text differs from `text` in the settings",
        ),
        ({"Code": "Throttling.User"}, CheckVerdict.UNTOLD, "Throttling.User: too many requests"),
    ],
)
def test_a_template(template: object, verdict: CheckVerdict, detail: str) -> None:
    answers = [(200, {"Code": "OK"}), (200, APPROVED_SIGN), (200, template)]
    assert check(*answers, templates=[{**TEMPLATE, "text": "您好${name}"}])["template SMS_1"] == (
        verdict,
        detail,
    )


def test_what_cannot_be_reached() -> None:
    found = check((200, {"Code": "OK"}), (200, APPROVED_SIGN))
    assert found["template SMS_1"] == (CheckVerdict.UNTOLD, "no answer: not_connected:ConnectionError")


@pytest.mark.parametrize(
    ("answers", "verdict", "detail"),
    [
        (
            [(400, {"Code": "SignatureDoesNotMatch"})],
            CheckVerdict.WRONG,
            "SignatureDoesNotMatch: the AccessKey secret is wrong",
        ),
        ([(400, {"Code": "Throttling.User"})], CheckVerdict.UNTOLD, "Throttling.User: too many requests"),
        ([(500, "")], CheckVerdict.UNTOLD, "no answer: http_500"),
        ([], CheckVerdict.UNTOLD, "no answer: not_connected:ConnectionError"),
    ],
)
def test_wrong_credentials_end_the_look(
    answers: list[tuple[int, object]], verdict: CheckVerdict, detail: str
) -> None:
    found = check(*answers)
    assert found["credentials"] == (verdict, detail)
    assert found.keys() == {"credentials", "clock"}


def test_the_set_up_of_calls() -> None:
    provider, _ = voice([(200, {"Code": "isv.CALL_NOT_FOUND"})])
    found = {result.what: result.verdict for result in provider.check()}
    assert found == {
        "credentials": CheckVerdict.OK,
        "clock": CheckVerdict.OK,
        "template TTS_1": CheckVerdict.UNTOLD,
    }
