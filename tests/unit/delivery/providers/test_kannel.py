"""Kannel: what goes out, what its answers mean, and how it is looked at without sending."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from pydantic import ValidationError

from carloan_notify.app import system_clock
from carloan_notify.delivery.provider import UNLISTED_CODE, CheckVerdict, ReceiptMode
from carloan_notify.delivery.providers.kannel.kannel import REPLY_QUERY, KannelSettings, KannelSms
from carloan_notify.delivery.registry import DeliverySettings, build_provider
from carloan_notify.errors import ConfigError
from carloan_notify.records import Channel, Outcome, SendResult
from tests.unit.delivery.providers.vendors import Network, listed, message

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
SECRET = "0123456789abcdef"
PUBLIC = "http://10.0.0.2:8080/"
ACCEPTED = b"0: Accepted for delivery"
SERVER = {"Server": "Kannel/1.4.5", "Date": "Mon, 23 Nov 2026 01:02:00 GMT"}
KANNEL: Mapping[str, Any] = {
    "type": "kannel",
    "username": "lender",
    "password": "made-up password",
    "sender": "1069012345",
    "push_secret": SECRET,
}


def settings(**changes: Any) -> KannelSettings:
    return KannelSettings.model_validate({**KANNEL, **changes})


def kannel(network: Network | None = None, *, public_url: str = PUBLIC, **changes: Any) -> KannelSms:
    session, options = network.session if network else None, settings(**changes)
    push_url = options.push_url(public_url, "main")
    return KannelSms("main", options, session=session, clock=lambda: NOW, push_url=push_url)


def answered(status: int, text: bytes, headers: Mapping[str, str] = SERVER) -> SendResult:
    (only,) = kannel(Network.saying(status, text, headers)).send([message()])
    return only


def sent(text: str, **changes: Any) -> requests.PreparedRequest:
    network = Network.saying(202, ACCEPTED, SERVER)
    (only,) = kannel(network, **changes).send([message(text=text)])
    assert only.outcome is Outcome.ACCEPTED
    return network.requests[0]


NASTY = '您好 plus+ ~* %d %A "q" \'😀\n end'


def test_the_request() -> None:
    request = sent(NASTY)
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:13013/cgi-bin/sendsms")
    assert request.body == NASTY.encode()
    ours = {name: value for name, value in request.headers.items() if name.startswith(("X-", "Content-T"))}
    assert ours == {
        "Content-Type": "text/plain; charset=UTF-8",
        "X-Kannel-Username": "lender",
        "X-Kannel-Password": "made-up password",
        "X-Kannel-From": "1069012345",
        "X-Kannel-To": "+8613800138000",
        "X-Kannel-Coding": "2",
        "X-Kannel-DLR-Mask": "19",
        "X-Kannel-DLR-Url": f"http://10.0.0.2:8080/main/{SECRET}"
        f"?reference={'A' * 26}&type=%d&answer=%A&time=%T",
    }


def test_number_text_and_password_stay_out_of_every_address() -> None:
    request = sent("Due today")
    for place in (request.url or "", request.headers["X-Kannel-DLR-Url"]):
        assert "138001" not in place
        assert "Due" not in place
        assert "made-up" not in place


@pytest.mark.parametrize(
    ("text", "coding"), [("Due today: €5 [x] ~ £", "0"), ("Due `today`", "2"), ("您好", "2"), ("🚗", "2")]
)
def test_the_coding_follows_the_text(text: str, coding: str) -> None:
    request = sent(text)
    assert (request.headers["X-Kannel-Coding"], request.body) == (coding, text.encode())


def test_without_a_listener_and_a_sender() -> None:
    request = sent("hi", push_secret=None, sender="")
    assert not {"X-Kannel-DLR-Url", "X-Kannel-DLR-Mask", "X-Kannel-From"} & set(request.headers)
    assert kannel(public_url="").capabilities.receipts is ReceiptMode.NONE
    assert kannel().capabilities.receipts is ReceiptMode.PUSH


@pytest.mark.parametrize(
    ("text", "parts"), [("a" * 306, 2), ("a" * 307, 3), ("好" * 134, 2), ("好" * 135, 3)]
)
def test_a_text_that_kannel_would_cut_never_leaves(text: str, parts: int) -> None:
    network = Network.saying(202, ACCEPTED, SERVER)
    (only,) = kannel(network, max_parts=2).send([message(text=text)])
    if parts == 2:
        assert only.outcome is Outcome.ACCEPTED
    else:
        assert (only.outcome, only.code) == (Outcome.REJECTED, "too_many_parts")
        assert not network.requests


# Answers of the real one, tried by hand, and where they must go.
ANSWERS = {
    (202, b"0: Accepted for delivery"): (Outcome.ACCEPTED, "0_Accepted_for_delivery"),
    (202, b"3: Queued for later delivery"): (Outcome.ACCEPTED, "3_Queued_for_later_delivery"),
    (202, b"Sent."): (Outcome.ACCEPTED, "Sent"),
    (403, b"Authorization failed for sendsms"): (Outcome.ACCOUNT, "Authorization_failed_for_sendsms"),
    (403, b"Not routable. Do not try again."): (Outcome.REJECTED, "Not_routable_Do_not_try_again"),
    (400, b"Number(s) has/have been denied by white- and/or black-lists."): (
        Outcome.REJECTED,
        "Number_s_has_have_been_denied_by_white_and_or_black_lists",
    ),
    (400, b"Missing receiver number, rejected"): (Outcome.REJECTED, "Missing_receiver_number_rejected"),
    (400, b"Sender missing and no global set, rejected"): (
        Outcome.ACCOUNT,
        "Sender_missing_and_no_global_set_rejected",
    ),
    (400, b"Something new, rejected"): (Outcome.REJECTED, "http_400"),
    (404, b"Unknown request."): (Outcome.ACCOUNT, "Unknown_request"),
    (503, b"Temporal failure, try again later."): (Outcome.THROTTLED, "Temporal_failure_try_again_later"),
    (500, b"Sending failed."): (Outcome.UNKNOWN, "Sending_failed"),
    (503, b"Something new"): (Outcome.UNKNOWN, "http_503"),
    (403, b"Something new"): (Outcome.ACCOUNT, "http_403"),
    (202, b"Something new"): (Outcome.UNKNOWN, "Something_new"),
    (202, b"Authorization failed for sendsms"): (Outcome.UNKNOWN, "contradicting_answer"),
    (403, b"0: Accepted for delivery"): (Outcome.UNKNOWN, "contradicting_answer"),
    (202, b""): (Outcome.UNKNOWN, "unreadable_answer"),
    (202, b"<html>0: Accepted for delivery</html>"): (Outcome.UNKNOWN, "unreadable_answer"),
    (202, b"0: Accepted for delivery" + b" " * 200): (Outcome.UNKNOWN, "unreadable_answer"),
    (503, b"<html>down</html>"): (Outcome.UNKNOWN, "http_503"),
    (202, b"Sent to 13800138000"): (Outcome.UNKNOWN, "unprintable_code"),
}


@pytest.mark.parametrize("case", ANSWERS, ids=[f"{status}-{text[:24]!r}" for status, text in ANSWERS])
def test_answers(case: tuple[int, bytes]) -> None:
    only = answered(*case)
    assert (only.outcome, only.code) == ANSWERS[case]


def test_an_unlisted_yes_is_reported_by_name() -> None:
    assert answered(202, b"Something new").detail == UNLISTED_CODE


def test_another_servers_yes_is_no_yes() -> None:
    only = answered(202, ACCEPTED, {"Server": "nginx"})
    assert (only.outcome, only.code) == (Outcome.UNKNOWN, "unreadable_answer")
    assert answered(400, b"Bad Request", {"Server": "nginx"}).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(("code", "kind"), listed("kannel/codes.yaml"))
def test_every_listed_code(code: str, kind: str) -> None:
    status = 202 if kind == "accepted" else 400
    text = b"Anything else" if code == "http_400" else code.replace("_", " ").encode()
    only = answered(status, text)
    assert (only.outcome, only.code) == (Outcome(kind), code)
    assert only.detail or kind == "accepted"


def test_what_is_the_same_for_every_vendor() -> None:
    provider = kannel()
    assert (provider.name, provider.batch_limit, provider.batch_key(message())) == ("main", 1, "")
    assert provider.channels == {Channel.SMS}


def test_a_name_that_kannel_would_misread() -> None:
    with pytest.raises(ConfigError, match=r"delivery\.providers\.主: .*rename"):
        build_provider("主", settings(), system_clock, PUBLIC)
    assert build_provider("主", settings(), system_clock).name == "主"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"password": " x"}, "password: Kannel takes printable ASCII"),
        ({"password": "密码"}, "password: Kannel takes printable ASCII"),
        ({"username": "a b"}, "username"),
        ({"sender": "安达"}, "sender"),
        ({"push_secret": "0123456789%abcdef"}, "push_secret: Kannel reads %"),
        ({"admin_url": "http://127.0.0.1:13000"}, "admin_url and status_password: give both"),
        ({"status_password": "x"}, "admin_url and status_password: give both"),
        ({"base_url": "http://kannel.example:13013"}, "in the clear"),
        ({"base_url": ""}, "base_url"),
        ({"phone_region": "cn"}, "phone_region"),
        ({"max_parts": 0}, "max_parts"),
    ],
)
def test_settings_that_could_not_work(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        settings(**changes)
    assert "made-up" not in str(caught.value)


def test_secrets_never_show() -> None:
    shown = repr(settings(admin_url="http://127.0.0.1:13000", status_password="status-secret"))
    assert "made-up" not in shown
    assert SECRET not in shown
    assert "status-secret" not in shown


STATUS = b"""<?xml version="1.0"?><gateway><status>running, uptime 0d</status><smscs><count>2</count>
<smsc><id>one</id><status>online 3s</status></smsc><smsc><id>two</id><status>re-connecting</status></smsc>
</smscs></gateway>"""
LOOKED_AT = {"admin_url": "http://127.0.0.1:13000/", "status_password": "a&b"}


def looked(
    answers: Mapping[str, tuple[int, bytes]], headers: Mapping[str, str] = SERVER
) -> dict[str, tuple[CheckVerdict, str]]:
    network = Network(lambda request: answers["GET" if request.method == "GET" else "POST"], headers)
    rows = kannel(network, **LOOKED_AT if "GET" in answers else {}).check()
    assert "X-Kannel-To" not in network.requests[0].headers
    return {row.what: (row.verdict, row.detail) for row in rows}


ASKED = (400, b"Missing receiver(s) number(s), rejected")


def test_a_look_without_sending() -> None:
    rows = looked({"POST": ASKED, "GET": (200, STATUS)})
    assert rows["credentials"][0] is CheckVerdict.OK
    assert rows["clock"] == (CheckVerdict.OK, "3 s apart")
    assert rows["link one"] == (CheckVerdict.OK, "online")
    assert rows["link two"] == (CheckVerdict.WRONG, "re-connecting")
    assert looked({"POST": ASKED})["links"][0] is CheckVerdict.UNTOLD


@pytest.mark.parametrize(
    ("status", "text", "verdict"),
    [
        (403, b"Authorization failed for sendsms", "refuses user"),
        (404, b"Unknown request.", "no sendsms answers here: http_404"),
        (400, b"<html>Bad Request: receiver</html>", "no sendsms answers here: http_400"),
    ],
)
def test_wrong_credentials(status: int, text: bytes, verdict: str) -> None:
    found, detail = looked({"POST": (status, text)})["credentials"]
    assert found is CheckVerdict.WRONG
    assert verdict in detail


@pytest.mark.parametrize(
    ("date", "verdict"),
    [
        ("Mon, 23 Nov 2026 01:07:03 GMT", CheckVerdict.OK),
        ("Mon, 23 Nov 2026 01:07:04 GMT", CheckVerdict.WRONG),
        ("Mon, 23 Nov 2026 00:57:02 GMT", CheckVerdict.WRONG),
        ("yesterday", CheckVerdict.UNTOLD),
    ],
)
def test_the_clock(date: str, verdict: CheckVerdict) -> None:
    assert looked({"POST": ASKED}, {**SERVER, "Date": date})["clock"][0] is verdict


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"<gateway>Denied</gateway>", "check status_password"),
        (b"not XML", "check status_password"),
        (b"<!DOCTYPE html><html/>", "check status_password"),
        (b"<gateway><status>running</status></gateway>", "no link"),
        (b"<gateway><status>running</status><smscs><smsc><status/></smsc></smscs></gateway>", "?"),
    ],
)
def test_links_that_are_not_there(body: bytes, detail: str) -> None:
    rows = looked({"POST": ASKED, "GET": (200, body)})
    ((verdict, told),) = (row for what, row in rows.items() if what.startswith("link"))
    assert verdict is CheckVerdict.WRONG
    assert detail in told


def test_nobody_there() -> None:
    provider = kannel(base_url="http://127.0.0.1:9", admin_url="http://127.0.0.1:9", status_password="x")
    credentials, links = provider.check()
    assert (credentials.verdict, links.verdict) == (CheckVerdict.WRONG, CheckVerdict.WRONG)
    assert "cannot be reached" in credentials.detail


def test_references_of_several_messages() -> None:
    network = Network.saying(202, ACCEPTED, SERVER)
    batch = [message(reference=f"{number:026d}") for number in range(3)]
    results = kannel(network).send(batch)
    assert [result.message_id for result in results] == [one.message_id for one in batch]
    urls = [request.headers["X-Kannel-DLR-Url"] for request in network.requests]
    assert [f"reference={one.message_id}&" in url for one, url in zip(batch, urls, strict=True)] == [True] * 3


def test_a_lone_surrogate_is_no_fault() -> None:
    network = Network.saying(202, ACCEPTED, SERVER)
    assert kannel(network).send([message(text="a\ud800")])[0].outcome is Outcome.ACCEPTED
    assert network.requests[0].body == b"a?"


@pytest.mark.parametrize("vendor", ["kannel", "smpp"])
def test_the_documented_configuration_is_valid(vendor: str) -> None:
    page = (Path(__file__).parents[4] / "docs" / "providers" / f"{vendor}.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    written = re.sub(r"\$\{(\w+)\}", r"\1-16", block[1]).replace("SMPP_PASSWORD-16", "secret")
    settings = DeliverySettings.model_validate(yaml.safe_load(written)["delivery"])
    assert [provider.type for provider in settings.providers.values()] == [vendor]


def test_the_documented_address_of_replies() -> None:
    page = (Path(__file__).parents[4] / "docs" / "providers" / "kannel.md").read_text(encoding="utf-8")
    assert f'/kannel/SECRET?{REPLY_QUERY}"' in page
