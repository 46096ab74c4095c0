"""What we put on the wire equals what the vendor's SDK puts there, signature included.

Compared are method, path, query, body and every header that was recorded: all that are signed, Authorization,
and the queues' own. User-Agent is left out on both sides; the order of headers means nothing.
"""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from pydantic import SecretStr

from carloan_notify.delivery.http import Wire
from carloan_notify.delivery.provider import Inquiry
from carloan_notify.delivery.providers.aliyun.aliyun import History
from carloan_notify.delivery.providers.aliyun.api import AccessKey, Api, check_sms
from carloan_notify.delivery.providers.aliyun.returns import AliyunQueues, Mns, Queue, Returns, Token
from carloan_notify.records import Channel
from tests.unit.delivery.providers.aliyun_world import (
    BASE_URL,
    IDS,
    NOW,
    PHONES,
    RECORDED,
    Answers,
    at,
    message,
    nonce,
    sms,
    sms_settings,
    voice,
)

KEY = AccessKey(RECORDED["key_id"], SecretStr(RECORDED["secret"]))
QUEUE = "Alicom-Queue-1-SmsReport"


def same_as_the_sdk(sent: requests.PreparedRequest, name: str) -> None:
    recorded = RECORDED["exchanges"][name]
    url = urlsplit(str(sent.url))
    body = sent.body or b""
    headers = {header.lower(): value for header, value in sent.headers.items()} | {"host": url.netloc}
    assert sent.method == recorded["method"]
    assert (f"{url.path}?{url.query}" if url.query else url.path) == recorded["target"]
    assert (body.decode() if isinstance(body, bytes) else body) == recorded["body"]
    assert {header: headers[header] for header in recorded["headers"]} == recorded["headers"]


def api(vendor: Answers) -> Api:
    return Api(Wire(vendor.session, 1, 1), BASE_URL, KEY, at(NOW), nonce)


def test_one_message() -> None:
    provider, vendor = sms()
    provider.send([message()])
    (sent,) = vendor.requests
    same_as_the_sdk(sent, "send")


def test_a_batch_with_parameters_of_their_own() -> None:
    provider, vendor = sms()
    assert len({provider.batch_key(message(n)) for n in range(3)}) == 1
    provider.send([message(n) for n in range(3)])
    (sent,) = vendor.requests
    same_as_the_sdk(sent, "batch")


def test_a_query() -> None:
    vendor = Answers()
    sent_at = NOW - timedelta(hours=1)
    History(api(vendor)).look_up(Inquiry(IDS[0], Channel.SMS, "1^0", sent_at, PHONES[0]))
    same_as_the_sdk(vendor.requests[0], "query")


def test_a_look_at_signs_and_templates() -> None:
    vendor = Answers([(200, {"Code": "OK"})] * 3)
    check_sms(api(vendor), sms_settings().templates)
    for sent, name in zip(vendor.requests, ("templates", "sign", "template"), strict=True):
        same_as_the_sdk(sent, name)


def test_a_call_and_its_query() -> None:
    provider, vendor = voice()
    provider.send([message(channel=Channel.VOICE)])
    asked = NOW + timedelta(minutes=1)  # the query asks from a minute before
    provider.look_up([Inquiry(IDS[0], Channel.VOICE, "2^0", asked, PHONES[0])])
    for sent, name in zip(vendor.requests, ("call", "call_query"), strict=True):
        same_as_the_sdk(sent, name)


def test_the_queues() -> None:
    vendor = Answers([(500, "")] * 3)
    mns = Mns(Wire(vendor.session, 1, 1), BASE_URL, at(NOW))
    token = Token(RECORDED["key_id"], SecretStr(RECORDED["secret"]), SecretStr(RECORDED["token"]))
    AliyunQueues(mns, api(vendor), [Queue(QUEUE, "SmsReport")], Returns("main")).pull("")
    mns.fetch(QUEUE, token)
    mns.delete(QUEUE, ["h-1/&<>", "h-2"], token)
    for sent, name in zip(vendor.requests, ("token", "fetch", "delete"), strict=True):
        same_as_the_sdk(sent, name)


@pytest.mark.parametrize("name", ["key", "settings", "token"])
def test_no_secret_shows(name: str) -> None:
    token = Token("id", SecretStr("one"), SecretStr("two"))
    shown = repr({"key": KEY, "settings": sms_settings(), "token": token}[name])
    assert RECORDED["secret"] not in shown
    assert "'one'" not in shown
    assert "'two'" not in shown
