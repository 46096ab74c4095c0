from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from pydantic import ValidationError

from carloan_notify.app import system_clock
from carloan_notify.delivery.http import WireAnswer
from carloan_notify.delivery.provider import UNLISTED_CODE, ReceiptMode
from carloan_notify.delivery.providers.aliyun.api import listed, waiting
from carloan_notify.delivery.registry import build_provider
from carloan_notify.records import Channel, Outcome, SendResult
from tests.unit.delivery.providers.aliyun_world import NOW, TEMPLATE, message, sms, sms_settings, voice

OK = {"Code": "OK", "Message": "OK", "BizId": "123456^0", "RequestId": "R"}
TABLE: dict[str, dict[str, str]] = yaml.safe_load(
    resources.files("carloan_notify.delivery.providers").joinpath("aliyun/codes.yaml").read_text("utf-8")
)


FAILED = TABLE["unknown"]["SYSTEM_ERROR"]


def send_one(status: int, body: object) -> SendResult:
    provider, _ = sms([(status, body)])
    (only,) = provider.send([message()])
    return only


@pytest.mark.parametrize("prefix", ["", "isv.", "isp."])
def test_every_code_of_the_table_means_what_it_says(prefix: str) -> None:
    for outcome, codes in TABLE.items():
        for code in codes:
            sent = prefix + code.replace("*", ".Anything" if code.endswith("*") else "")
            body = {"Code": sent, "BizId": "1^0" if outcome == "accepted" else ""}
            if outcome == "accepted" and prefix:
                continue
            only = send_one(200, body)
            assert (only.outcome, only.code) == (Outcome(outcome), sent)
            assert only.detail == ("" if outcome == "accepted" else codes[code])


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("isv.OUT_OF_SERVICE", Outcome.ACCOUNT),
        ("isv.AMOUNT_NOT_ENOUGH", Outcome.ACCOUNT),
        ("isv.PRODUCT_UN_SUBSCRIPT", Outcome.ACCOUNT),
        ("isp.RAM_PERMISSION_DENY", Outcome.ACCOUNT),
        ("isv.DENY_IP_RANGE", Outcome.ACCOUNT),
        ("isv.DAY_LIMIT_CONTROL", Outcome.ACCOUNT),
        ("isv.MONTH_LIMIT_CONTROL", Outcome.ACCOUNT),
        ("SignatureDoesNotMatch", Outcome.ACCOUNT),
        ("InvalidAccessKeyId.NotFound", Outcome.ACCOUNT),
        ("InvalidTimeStamp.Expired", Outcome.ACCOUNT),
        ("isv.SMS_SIGNATURE_ILLEGAL", Outcome.TEMPLATE),
        ("isv.SIGN_STATE_ILLEGAL", Outcome.TEMPLATE),
        ("isv.SMS_TEMPLATE_ILLEGAL", Outcome.TEMPLATE),
        ("isv.SMS_SIGNATURE_SCENE_ILLEGAL", Outcome.TEMPLATE),
        ("isv.MOBILE_NUMBER_ILLEGAL", Outcome.REJECTED),
        ("isv.PARAM_LENGTH_LIMIT", Outcome.REJECTED),
        ("isv.TEMPLATE_MISSING_PARAMETERS", Outcome.REJECTED),
        ("isv.PARAM_NOT_SUPPORT_URL", Outcome.REJECTED),
        ("isv.SMS_CONTENT_ILLEGAL", Outcome.REJECTED),
        ("isv.BLACK_KEY_CONTROL_LIMIT", Outcome.REJECTED),
        ("isv.CUSTOMER_REFUSED", Outcome.REJECTED),
        ("isv.USER_REJECT", Outcome.BLOCKED),
        ("isv.BUSINESS_LIMIT_CONTROL", Outcome.NOT_TONIGHT),
        ("Throttling.User", Outcome.THROTTLED),
        ("Throttling", Outcome.THROTTLED),
        ("isv.NO_ROUTE", Outcome.RETRYABLE),
        ("isv.PORT_NOT_REGISTERED", Outcome.RETRYABLE),
        ("isp.SYSTEM_ERROR", Outcome.UNKNOWN),
        ("isp.GATEWAY_ERROR", Outcome.UNKNOWN),
        ("ServiceUnavailable", Outcome.UNKNOWN),
        ("SignatureNonceUsed", Outcome.UNKNOWN),
        ("InternalError", Outcome.UNKNOWN),
    ],
)
def test_the_codes_that_matter(code: str, outcome: Outcome) -> None:
    assert send_one(200, {"Code": code}).outcome is outcome


@pytest.mark.parametrize("table", ["", "aliyun/calls"])
def test_a_blacklisted_word_blocks_no_number(table: str) -> None:
    meaning = listed("isv.BLACK_KEY_CONTROL_LIMIT", table)
    assert meaning is not None
    assert meaning.outcome is Outcome.REJECTED


def test_what_is_true_of_one_message_of_a_batch_is_said_of_none() -> None:
    batch = [message(n) for n in range(3)]
    for outcome, codes in TABLE.items():
        for code in codes:
            provider, _ = sms([(200, {"Code": code.replace("*", ".Anything")})])
            apart = outcome in {"rejected", "blocked", "not_tonight", "retryable"}
            told = {r.outcome for r in provider.send(batch)}
            assert told == {Outcome.APART if apart else Outcome(outcome)}


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"Message": "触发分钟级流控Permits:1"}, 60),
        ({"Message": "触发小时级流控Permits:5"}, 3600),
        ({"Message": "触发天级流控Permits:10"}, 0),
        ({}, 0),
        ({"Message": ["触发小时级流控"]}, 0),
        ({"Code": "isv.BUSINESS_LIMIT_HOUR"}, 3600),
        ({"Code": "BUSINESS_LIMIT_CONTROL_MINUTE"}, 60),
        ({"Code": "isv.BUSINESS_LIMIT_DAY"}, 0),
        ({"Code": "Throttling.User", "Message": "触发小时级流控"}, 0),
    ],
)
def test_how_long_a_number_has_had_enough(fields: dict[str, Any], seconds: float) -> None:
    assert send_one(200, {"Code": "isv.BUSINESS_LIMIT_CONTROL", **fields}).retry_after_s == seconds


@pytest.mark.parametrize("phone", ["+13105550123", "+19175550123", "+18885550100", "13800138000"])
def test_a_number_that_the_vendor_takes_for_another_gets_nothing(phone: str) -> None:
    for provider, vendor in (sms([(200, OK)]), voice([(200, {"Code": "OK", "CallId": "c"})])):
        (only,) = provider.send([message(phone=phone)])
        assert (only.outcome, only.code) == (Outcome.REJECTED, "ambiguous_number")
        assert phone[1:] not in only.detail
        assert vendor.requests == []


@pytest.mark.parametrize("phone", ["+12025550100", "+447700900123", "+8613800138000"])
def test_numbers_that_stand_for_themselves_go_out(phone: str) -> None:
    provider, _ = sms([(200, OK)])
    assert provider.send([message(phone=phone)])[0].outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("told", "seconds"), [("1500", 1.5), ("9" * 400, 0), ("9" * 5000, 0), ("²", 0), ("-1", 0), ("soon", 0)]
)
def test_how_long_the_vendor_asks_to_wait(told: str, seconds: float) -> None:
    assert waiting(WireAnswer(429, {"x-acs-retry-after": told}, b""), NOW) == seconds


def test_an_accepted_message() -> None:
    assert send_one(200, OK) == SendResult(message().message_id, Outcome.ACCEPTED, "123456^0", "OK")


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code", "detail"),
    [
        (200, {"Code": "isv.NEW_CODE"}, Outcome.UNKNOWN, "isv.NEW_CODE", UNLISTED_CODE),
        (400, {"Code": "isv.NEW_CODE"}, Outcome.UNKNOWN, "isv.NEW_CODE", UNLISTED_CODE),
        (403, {"Code": "NewForbidden"}, Outcome.ACCOUNT, "NewForbidden", ""),
        (429, {"Code": "NewThrottling"}, Outcome.THROTTLED, "NewThrottling", ""),
        (429, "", Outcome.THROTTLED, "http_429", ""),
        (401, "", Outcome.ACCOUNT, "http_401", ""),
        (500, "", Outcome.UNKNOWN, "http_500", ""),
        (500, {"Code": "isp.SYSTEM_ERROR"}, Outcome.UNKNOWN, "isp.SYSTEM_ERROR", FAILED),
        (500, OK, Outcome.UNKNOWN, "contradicting_answer", ""),
        (200, {"Code": "isp.SYSTEM_ERROR", "BizId": "1^0"}, Outcome.UNKNOWN, "contradicting_answer", ""),
        (200, {"Message": "OK"}, Outcome.UNKNOWN, "unreadable_answer", ""),
        (200, {"Code": "call 13800138000"}, Outcome.UNKNOWN, "unprintable_code", UNLISTED_CODE),
        (200, "<html></html>", Outcome.UNKNOWN, "unreadable_answer", ""),
        (200, "[]", Outcome.UNKNOWN, "unreadable_answer", ""),
        (200, '{"Code":"O', Outcome.UNKNOWN, "unreadable_answer", ""),
        (200, "", Outcome.UNKNOWN, "unreadable_answer", ""),
    ],
)
def test_answers_in_doubt(status: int, body: object, outcome: Outcome, code: str, detail: str) -> None:
    only = send_one(status, body)
    assert (only.outcome, only.code) == (outcome, code)
    assert only.detail == detail


def test_a_batch_is_known_by_our_reference_whatever_is_heard() -> None:
    batch = [message(n) for n in range(3)]
    references = []
    for answer in (OK, "<html>"):
        provider, vendor = sms([(200, answer)])
        results = provider.send(batch)
        (reference,) = {result.provider_ref for result in results}
        (sent,) = vendor.requests
        out_id = parse_qs(urlsplit(str(sent.url)).query)["OutId"][0]
        assert len(out_id) < 256
        assert out_id.startswith(f"{reference}.")
        references.append(reference)
    assert references[0] == references[1]
    assert {result.outcome for result in results} == {Outcome.UNKNOWN}


@pytest.mark.parametrize(
    "code", ["MOBILE_NUMBER_ILLEGAL", "BLACK_KEY_CONTROL_LIMIT", "BUSINESS_LIMIT_CONTROL"]
)
def test_one_bad_number_spoils_no_batch_for_good(code: str) -> None:
    provider, vendor = sms([(200, {"Code": f"isv.{code}"}), (200, {"Code": f"isv.{code}"}), (200, OK)])
    batch = [message(n) for n in range(2)]
    assert len({provider.batch_key(m) for m in batch}) == 1
    assert {(r.outcome, r.provider_ref) for r in provider.send(batch)} == {(Outcome.APART, "")}
    (bad,), (good,) = provider.send(batch[:1]), provider.send(batch[1:])
    meaning = listed(code)
    assert meaning is not None
    assert bad.outcome is meaning.outcome
    assert good.outcome is Outcome.ACCEPTED
    assert len(vendor.requests) == 3


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("isv.OUT_OF_SERVICE", Outcome.ACCOUNT),
        ("isv.SMS_TEMPLATE_ILLEGAL", Outcome.TEMPLATE),
        ("Throttling.User", Outcome.THROTTLED),
    ],
)
def test_what_concerns_the_whole_batch(code: str, outcome: Outcome) -> None:
    provider, _ = sms([(200, {"Code": code})])
    batch = [message(n) for n in range(2)]
    assert {(r.outcome, r.provider_ref, r.code) for r in provider.send(batch)} == {(outcome, "", code)}
    assert len({provider.batch_key(m) for m in batch}) == 1


def test_what_shares_a_request() -> None:
    other_sign = {**TEMPLATE, "sign": "安达", "notices": ["overdue_1"]}
    provider, _ = sms(templates=[TEMPLATE, other_sign])
    keys = {
        "plain": provider.batch_key(message(7)),
        "same": provider.batch_key(message(8)),
        "other sign": provider.batch_key(message(7, notice="overdue_1")),
        "tried too often": provider.batch_key(message(7, attempts=4)),
        "no template": provider.batch_key(message(7, notice="none")),
    }
    assert keys["plain"] == keys["same"]
    assert keys["no template"] == ""
    assert len(set(keys.values())) == 4


def test_messages_without_a_template_or_with_half_a_character_are_refused_alone() -> None:
    provider, vendor = sms([(200, OK)])
    wordless = message(4, notice="none")
    broken = message(5, params={"name": "\ud83d", "amount": "1"})
    results = {r.message_id: r for r in provider.send([wordless, broken, message(6)])}
    assert results[wordless.message_id].outcome is Outcome.TEMPLATE
    assert results[broken.message_id].outcome is Outcome.REJECTED
    assert results[message(6).message_id].outcome is Outcome.ACCEPTED
    assert len(vendor.requests) == 1
    assert provider.send([wordless])[0].outcome is Outcome.TEMPLATE
    assert len(vendor.requests) == 1


def test_what_it_can_do() -> None:
    pushed, _ = sms()
    pulled, _ = sms(mns={"reports_queue": "Q-1"})
    assert pushed.channels == {Channel.SMS}
    assert pushed.batch_limit == 100
    assert pushed.capabilities.receipts is ReceiptMode.PUSH
    assert pulled.capabilities.receipts is ReceiptMode.PULL
    assert build_provider("main", sms_settings(base_url=""), system_clock).name == "main"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mns": {}}, "name reports_queue, replies_queue or both"),
        ({"mns": {"reports_queue": "a/b"}}, "String should match pattern"),
        ({"templates": [{**TEMPLATE, "sign": ""}]}, "SMS_1: set `sign`"),
        ({"access_key_id": "LTAI5t\n"}, "access_key_id\n.*holds a line break"),
        ({"access_key_id": "LTAI5t“"}, "access_key_id\n.*neither a Latin letter"),
        ({"access_key_id": " LTAI5t"}, "begins or ends with a space"),
        ({"access_key_secret": "secret\u00a0"}, "access_key_secret\n.*begins or ends"),
        ({"access_key_secret": "sec\rret"}, "access_key_secret\n.*holds a line break"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        sms_settings(**changes)


def test_the_voice_queue_needs_a_name() -> None:
    with pytest.raises(ValidationError, match="name the queue of VoiceReport"):
        voice(mns={})
