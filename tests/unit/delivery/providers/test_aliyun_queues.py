import base64
import json

import pytest

from tests.unit.delivery.providers.aliyun_world import NOW, sms, voice
from tests.unit.delivery.providers.test_aliyun_returns import REPORT, UP

TOKEN = (
    200,
    {
        "Code": "OK",
        "MessageTokenDTO": {"AccessKeyId": "STS.1", "AccessKeySecret": "s", "SecurityToken": "t"},
    },
)
EMPTY = (404, '<Error xmlns="http://mns.aliyuncs.com/doc/v1/"><Code>MessageNotExist</Code></Error>')
DELETED = (204, "")
REPORTS_ONLY = {"reports_queue": "Q-Report"}
QUEUES = {**REPORTS_ONLY, "replies_queue": "Q-Up"}


def queued(*records: object, plain: bool = False) -> tuple[int, object]:
    texts = [json.dumps(record) for record in records]
    bodies = texts if plain else [base64.b64encode(text.encode()).decode() for text in texts]
    inside = "".join(
        f"<Message><ReceiptHandle>h{n}</ReceiptHandle><MessageBody>{body.replace('&', '&amp;')}</MessageBody></Message>"
        for n, body in enumerate(bodies)
    )
    return 200, f'<?xml version="1.0"?><Messages xmlns="http://mns.aliyuncs.com/doc/v1/">{inside}</Messages>'


def test_both_queues_are_read_and_emptied() -> None:
    answers = [TOKEN, queued(REPORT, REPORT), DELETED, EMPTY, TOKEN, queued(UP, plain=True), DELETED, EMPTY]
    provider, vendor = sms(answers, mns=QUEUES)
    first = provider.pull(NOW, "")
    assert (len(first.receipts), len(first.replies), first.more) == (2, 0, True)
    second = provider.pull(NOW, first.cursor)
    assert (len(second.receipts), len(second.replies), second.more) == (0, 1, True)
    last = provider.pull(NOW, second.cursor)
    assert (last.receipts, last.replies, last.problems, last.more, last.cursor) == ((), (), (), False, "")
    assert [sent.method for sent in vendor.requests] == [
        "POST",
        "GET",
        "DELETE",
        "GET",
        "POST",
        "GET",
        "DELETE",
        "GET",
    ]
    assert b"<ReceiptHandle>h0</ReceiptHandle><ReceiptHandle>h1</ReceiptHandle>" in (
        vendor.requests[2].body or b""
    )


def test_a_queue_that_fails_keeps_no_other_from_being_read() -> None:
    answers = [TOKEN, (500, "<html>"), TOKEN, queued({"odd": 1}, UP)]
    provider, _ = sms(answers, mns=QUEUES)
    page_ = provider.pull(NOW, "")
    assert len(page_.replies) == 1
    assert page_.problems == ("main: queue Q-Report: http_500", "main: record 0: neither receipt nor reply")
    assert page_.unread == b'{"odd": 1}'


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([(200, {"Code": "isp.RAM_PERMISSION_DENY"})], "isp.RAM_PERMISSION_DENY"),
        ([(502, "")], "http_502"),
        ([], "not_connected:ConnectionError"),
        ([TOKEN], "not_connected:ConnectionError"),
        ([TOKEN, (200, "<html>")], "unreadable_answer"),
        ([TOKEN, (200, '<!DOCTYPE x [<!ENTITY a "b">]><Messages/>')], "unreadable_answer"),
        ([TOKEN, (403, "<Error><Code>AccessDenied</Code></Error>")], "AccessDenied"),
    ],
)
def test_faults_of_a_queue_are_problems(answers: list[tuple[int, object]], code: str) -> None:
    provider, _ = voice(answers, mns=REPORTS_ONLY)
    found = provider.pull(NOW, "")
    assert (found.problems, found.more) == ((f"calls: queue Q-Report: {code}",), False)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (
            [(404, "<Errors><Error><ErrorCode>ReceiptHandleError</ErrorCode></Error></Errors>")],
            "ReceiptHandleError",
        ),
        ([(500, "")], "http_500"),
        ([], "not_connected:ConnectionError"),
    ],
)
def test_what_could_not_be_deleted_ends_the_pull(answers: list[tuple[int, object]], code: str) -> None:
    provider, _ = sms([TOKEN, queued(REPORT), *answers], mns=QUEUES)
    cursor = provider.pull(NOW, "").cursor
    found = provider.pull(NOW, cursor)
    assert (found.problems, found.cursor, found.more) == ((f"main: queue Q-Report: {code}",), cursor, False)


def test_a_queue_that_is_gone_from_the_settings_is_left_alone() -> None:
    provider, vendor = sms([TOKEN, EMPTY, TOKEN, EMPTY], mns=QUEUES)
    assert provider.pull(NOW, '["Q-Gone", ["h"]]').problems == ()
    assert "DELETE" not in [sent.method for sent in vendor.requests]


def test_without_queues_there_is_nothing_to_fetch() -> None:
    for provider in (sms()[0], voice()[0]):
        assert provider.pull(NOW, "").problems == (f"{provider.name}: cannot be asked for receipts",)
