import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.app import system_clock
from carloan_notify.delivery.http import WireAnswer, WireFault
from carloan_notify.delivery.provider import NO_ANSWER, UNLISTED_CODE, ReceiptMode
from carloan_notify.delivery.providers.tencent.api import (
    Key,
    authorization,
    canonical_request,
)
from carloan_notify.delivery.providers.tencent.settings import TencentSettings, TencentVoiceSettings
from carloan_notify.delivery.providers.tencent.sms import TencentSms, TencentVoice
from carloan_notify.delivery.registry import DeliverySettings, build_provider
from carloan_notify.records import Outcome
from tests.unit.delivery.providers.tencent import (
    NOW,
    SDK,
    TEMPLATE,
    answer,
    error,
    message,
    read_call,
    read_statuses,
    sms_settings,
    status,
    voice_settings,
)
from tests.unit.delivery.providers.vendors import Network


@pytest.mark.parametrize("name", list(SDK["cases"]))
def test_the_signature_is_that_of_the_sdk(name: str) -> None:
    case = SDK["cases"][name]
    headers = case["request"]["headers"]
    canonical = canonical_request(headers["host"], case["request"]["body"].encode())
    assert hashlib.sha256(canonical.encode()).hexdigest() == case["string_to_sign"].splitlines()[-1]
    key = Key(SDK["secret_id"], SDK["secret_key"])
    assert authorization(key, case["service"], canonical, NOW) == headers["authorization"]


def test_credentials_never_show() -> None:
    settings = sms_settings()
    shown = f"{settings!r} {settings} {Key(SDK['secret_id'], SDK['secret_key'])!r}"
    assert SDK["secret_key"] not in shown
    assert SDK["secret_id"] not in shown


# Reading answers.


def outcomes(response: Any, size: int = 2, code: int = 200) -> list[tuple[Outcome, str]]:
    batch = [message(number) for number in range(size)]
    results = read_statuses(answer(response, code), batch)
    assert [result.message_id for result in results] == [m.message_id for m in batch]
    return [(result.outcome, result.code) for result in results]


def test_each_number_of_a_batch_has_its_own_answer_and_serial() -> None:
    statuses = [
        status("+12025550102", serial="third"),
        status("+12025550100", serial="first"),
        status("+12025550101", "FailedOperation.PhoneNumberInBlacklist", serial=""),
    ]
    batch = [message(number) for number in range(3)]
    results = read_statuses(answer({"SendStatusSet": statuses}), batch)
    assert [(r.outcome, r.provider_ref) for r in results] == [
        (Outcome.ACCEPTED, "first"),
        (Outcome.BLOCKED, ""),
        (Outcome.ACCEPTED, "third"),
    ]


def test_what_an_answer_leaves_out_is_unknown() -> None:
    known = [status("+12025550100"), "junk", None, {}]
    assert outcomes({"SendStatusSet": known}) == [(Outcome.ACCEPTED, "Ok"), (Outcome.UNKNOWN, NO_ANSWER)]
    assert outcomes({"SendStatusSet": [status("+12025550199")]}) == [(Outcome.UNKNOWN, NO_ANSWER)] * 2


def test_the_only_status_is_the_only_messages() -> None:
    assert outcomes({"SendStatusSet": [status("12025550100")]}, size=1) == [(Outcome.ACCEPTED, "Ok")]


def test_two_statuses_that_disagree_are_unknown() -> None:
    statuses = [status("+12025550100"), status("+12025550100", "LimitExceeded.PhoneNumberDailyLimit")]
    assert outcomes({"SendStatusSet": statuses})[0][0] is Outcome.UNKNOWN


def test_statuses_go_before_an_error_because_something_was_sent() -> None:
    mixed = {"SendStatusSet": [status("+12025550100")], **error("RequestLimitExceeded")}
    assert outcomes(mixed) == [(Outcome.ACCEPTED, "Ok"), (Outcome.UNKNOWN, NO_ANSWER)]


@pytest.mark.parametrize(
    "response", [{}, {"SendStatusSet": []}, {"SendStatusSet": "x"}, {"Error": "x"}, [], "x"]
)
def test_an_answer_that_says_nothing_is_unknown(response: Any) -> None:
    assert outcomes(response, size=1) == [(Outcome.UNKNOWN, "unreadable_answer")]


def test_a_status_under_a_failing_http_status_is_not_believed() -> None:
    assert outcomes({"SendStatusSet": [status("+12025550100")]}, 1, 502) == [(Outcome.UNKNOWN, "http_502")]


def test_an_unlisted_code_is_unknown_and_named() -> None:
    (result,) = read_statuses(answer(error("FailedOperation.BrandNew")), [message()])
    assert (result.outcome, result.code) == (Outcome.UNKNOWN, "FailedOperation.BrandNew")
    assert result.detail == UNLISTED_CODE


def test_an_error_counts_whatever_its_charset_and_status() -> None:
    body = answer(error("RequestLimitExceeded"), 503, Content_Type="text/html; charset=gbk", Retry_After="7")
    (result,) = read_statuses(body, [message()])
    assert (result.outcome, result.retry_after_s) == (Outcome.THROTTLED, 7.0)


def test_nothing_personal_comes_from_an_answer() -> None:
    told = {
        "SendStatusSet": [status("+12025550100", "to +12025550100"), status("+12025550101", "13800138000")]
    }
    results = read_statuses(answer(told), [message(0), message(1)])
    assert [result.code for result in results] == ["unprintable_code"] * 2
    assert "2025550100" not in repr(results)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"Response":', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_answer_is_unknown(body: bytes) -> None:
    assert read_call(WireAnswer(200, {}, body), message()).outcome is Outcome.UNKNOWN


def test_a_call_is_accepted_by_its_call_id() -> None:
    call = read_call(answer({"SendStatus": {"CallId": "c-1", "SessionContext": "x"}}), message())
    assert (call.outcome, call.provider_ref) == (Outcome.ACCEPTED, "c-1")
    nothing = read_call(answer({"SendStatus": {"CallId": ""}}), message())
    assert (nothing.outcome, nothing.code) == (Outcome.UNKNOWN, "unreadable_answer")
    broken = read_call(WireFault(Outcome.RETRYABLE, "not_connected:x"), message())
    assert (broken.outcome, broken.code) == (Outcome.RETRYABLE, "not_connected:x")


# Batches.


def test_messages_share_a_request_only_with_the_same_words() -> None:
    provider = TencentSms("t", sms_settings(), clock=system_clock)
    key = provider.batch_key(message(1, "x", "y"))
    assert key == provider.batch_key(message(2, "x", "y"))
    assert key != provider.batch_key(message(2, "x", "z"))
    assert key != provider.batch_key(message(2, "x", "y", phone="+8613800138000"))
    assert "x" not in key
    other_sign = TencentSms("t", sms_settings(templates=[{**TEMPLATE, "sign": "安达"}]), clock=system_clock)
    assert other_sign.batch_key(message(1, "x", "y")) != key
    assert provider.batch_key(message(1, notice="settled")) == ""


@given(st.lists(st.text(), min_size=4, max_size=4), st.lists(st.text(), min_size=4, max_size=4))
def test_different_words_never_share_a_key(left: list[str], right: list[str]) -> None:
    provider = TencentSms("t", sms_settings(), clock=system_clock)
    same = provider.batch_key(message(1, *left)) == provider.batch_key(message(2, *right))
    assert same == (left == right)


def test_a_batch_of_different_words_is_not_sent() -> None:
    with pytest.raises(ValueError, match="different templates or parameters"):
        TencentSms("t", sms_settings(), clock=system_clock).send([message(1, "x"), message(2, "y")])


def test_a_notice_without_a_template_is_not_sent() -> None:
    strange = [message(1, notice="settled"), message(2, notice="settled")]
    assert {r.outcome for r in TencentSms("t", sms_settings(), clock=system_clock).send(strange)} == {
        Outcome.TEMPLATE
    }
    (call,) = TencentVoice("t", voice_settings(), clock=system_clock).send(strange[:1])
    assert call.outcome is Outcome.TEMPLATE


def test_one_bad_number_spoils_no_batch_for_good() -> None:
    refused = error("FailedOperation.PhoneNumberInBlacklist")
    network = Network.saying(200, {"Response": refused})
    provider = TencentSms("t", sms_settings(), session=network.session, clock=system_clock)
    batch = [message(number) for number in range(3)]
    assert len({provider.batch_key(m) for m in batch}) == 1
    assert {(r.outcome, r.code) for r in provider.send(batch)} == {
        (Outcome.APART, "FailedOperation.PhoneNumberInBlacklist")
    }
    assert [r.outcome for r in provider.send(batch[:1])] == [Outcome.BLOCKED]
    network.answers = lambda _: (200, {"Response": {"SendStatusSet": [status(batch[1].phone)]}})
    assert [r.outcome for r in provider.send(batch[1:2])] == [Outcome.ACCEPTED]


@pytest.mark.parametrize(
    "changes",
    [{"secret_id": "AKID\n"}, {"secret_id": "AKID“"}, {"secret_key": "key\n"}, {"region": "ap-guangzhou\n"}],
)
def test_a_credential_that_no_header_carries_is_refused(changes: dict[str, str]) -> None:
    for build in (sms_settings, voice_settings):
        with pytest.raises(ValidationError):
            build(**changes)


# Settings and what is declared.


def test_the_registry_builds_both() -> None:
    assert isinstance(build_provider("main", sms_settings(), system_clock), TencentSms)
    assert isinstance(build_provider("main_voice", voice_settings(), system_clock), TencentVoice)


def test_receipts_come_as_configured() -> None:
    def mode(**changes: Any) -> ReceiptMode:
        return TencentSms("t", sms_settings(**changes), clock=system_clock).capabilities.receipts

    assert mode() is ReceiptMode.NONE
    assert mode(push_secret="s" * 16) is ReceiptMode.PUSH
    assert mode(pull_receipts=True) is ReceiptMode.PULL
    assert TencentVoice("t", voice_settings(), clock=system_clock).capabilities.receipts is ReceiptMode.NONE
    pushed = TencentVoice("t", voice_settings(push_secret="s" * 16), clock=system_clock).capabilities
    assert (pushed.receipts, pushed.look_up_window) == (ReceiptMode.PUSH, None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"code": "SMS_1"}, "templates.0.code: 'SMS_1' is no template ID"),
        ({"params": {"2": "{p0}", "1": "{p1}"}}, "templates.0.params: write the variables as"),
        ({"params": {"1": "{p0}", "name": "{p1}"}}, "templates.0.params: write the variables as"),
        ({"params": {"1": "{p0}"}, "text": "{1}欠{2}元"}, "`text` has 2 variables, `params` has 1"),
    ],
)
def test_a_template_that_would_swap_its_values_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem.replace("`", ".")):
        sms_settings(templates=[{**TEMPLATE, **changes}])


def test_named_variables_keep_the_order_they_are_written_in() -> None:
    params = {"name": "{params.p1}", "amount": "{params.p0}"}
    text = "{1}，本期应还{2}元。"
    settings = sms_settings(templates=[{**TEMPLATE, "params": params, "text": text}])
    assert list(settings.templates[0].params) == ["name", "amount"]


def test_limits_are_the_vendors() -> None:
    assert (sms_settings().rate_per_second, voice_settings().rate_per_second) == (3000, 20)
    assert (TencentSms.batch_limit, TencentVoice.batch_limit) == (200, 1)
    with pytest.raises(ValidationError):
        voice_settings(play_times=4)


def test_a_call_goes_alone() -> None:
    network = Network.saying(200, {"Response": {"SendStatus": {"CallId": "c-1"}}})
    two = [message(1), replace(message(2), message_id="N" * 26)]
    results = TencentVoice("t", voice_settings(), session=network.session, clock=system_clock).send(two)
    assert [(r.message_id, r.outcome) for r in results] == [(m.message_id, Outcome.ACCEPTED) for m in two]
    called = [json.loads(request.body or b"")["CalledNumber"] for request in network.requests]
    assert called == [m.phone for m in two]


def test_the_documented_configuration_is_valid() -> None:
    page = (Path(__file__).parents[4] / "docs" / "providers" / "tencent.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(page.split("```yaml")[1].split("```")[0])
    delivery = DeliverySettings.model_validate(shown["delivery"])
    assert {type(p) for p in delivery.providers.values()} == {TencentSettings, TencentVoiceSettings}
