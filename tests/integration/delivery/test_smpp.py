"""Our SMPP link against a loopback SMSC: binds, windows, losses, late answers, receipts that wait for the disk."""

import gc
import logging
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from carloan_notify.delivery.provider import (
    UNLISTED_CODE,
    CheckVerdict,
    Inquiry,
    MessageFate,
    ReceiptMode,
    Refused,
)
from carloan_notify.delivery.providers.smpp.link import Timers
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.delivery.providers.smpp.sms import SmppSms
from carloan_notify.delivery.testing import check_provider
from carloan_notify.records import Channel, OutboundMessage, Outcome, PushRequest, SendResult
from tests.integration.delivery.smsc import HANG_UP, OK, SILENT, Smsc, Submitted, unit_of
from tests.unit.delivery.providers.vendors import listed

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
PHONE = "+12025550123"
THROTTLED, INVALID_NUMBER, WRONG_PASSWORD, SYSTEM_ERROR, OWN_CODE = 0x58, 0x0B, 0x0E, 0x08, 0x400
LONG = "Your car loan payment of 1,033.33 is due on 1 December. " * 6  # three parts


def message(number: int = 1, text: str = "Due today") -> OutboundMessage:
    return OutboundMessage(f"M{number:025d}", Channel.SMS, "due_today", "en", PHONE, text, {})


QUICK = Timers(answer=0.3, receive=0.2, rebind=0)


def line(port: int, *, answer: float = QUICK.answer, timers: Timers | None = None, **changes: Any) -> SmppSms:
    settings = {
        "type": "smpp",
        "host": "127.0.0.1",
        "port": port,
        "system_id": "lender",
        "password": "made-up",
        "sender": "1069012345",
        **changes,
    }
    made = SmppSettings.model_validate(settings)
    timers = timers or replace(QUICK, answer=answer)
    return SmppSms("line", made, clock=lambda: NOW, sleep=lambda _: None, timers=timers)


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    with Smsc() as running:
        yield running


def only(results: list[SendResult]) -> SendResult:
    (result,) = results
    return result


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_message(smsc: Smsc) -> None:
    provider = line(smsc.port, system_type="VMA")
    result = only(provider.send([message()]))
    assert (result.outcome, result.provider_ref, result.code) == (Outcome.ACCEPTED, "id-0", "ESME_ROK")
    assert smsc.submitted == [Submitted("id-0", "12025550123", "1069012345", b"Due today", b"", 0, 0, 1)]
    assert smsc.binds == [{"system_id": "lender", "password": "made-up", "system_type": "VMA"}]


def test_the_contract(smsc: Smsc) -> None:
    assert check_provider(line(smsc.port), message(), NOW) == []
    assert smsc.heard.count("bind_transceiver") == 1


def test_what_is_the_same_for_all() -> None:
    provider = line(9)
    assert (provider.name, provider.batch_limit, provider.batch_key(message())) == ("line", 1, "")
    assert provider.channels == frozenset({Channel.SMS})
    assert provider.capabilities.receipts is ReceiptMode.PULL
    assert provider.receive(PushRequest("GET", "https://notify.example/", {}, b"")) == Refused(404, "no_push")
    inquiry = Inquiry("M", Channel.SMS, "", NOW, PHONE)
    assert [found.standing for found in provider.look_up([inquiry])] == [MessageFate.UNCLEAR]


@pytest.mark.parametrize(
    ("sender", "more", "expected"),
    [
        ("1069012345", {}, ("1069012345", 0, 1)),
        ("+12025550199", {}, ("12025550199", 1, 1)),
        ("ANDA", {}, ("ANDA", 5, 0)),
        ("", {}, ("", 0, 0)),
        ("1069", {"sender_ton": 3, "sender_npi": 8}, ("1069", 3, 8)),
    ],
)
def test_senders(sender: str, more: dict[str, Any], expected: tuple[str, int, int]) -> None:
    addresses = line(9, sender=sender, **more)._addresses(message())  # noqa: SLF001 - no SMSC shows the kinds
    kinds = (addresses["source_addr"], addresses["source_addr_ton"], addresses["source_addr_npi"])
    assert kinds == expected
    assert (addresses["dest_addr_ton"], addresses["dest_addr_npi"]) == (1, 1)


def test_a_long_message_in_parts_asks_for_one_receipt(smsc: Smsc) -> None:
    result = only(line(smsc.port).send([message(text=LONG)]))
    assert (result.outcome, result.provider_ref) == (Outcome.ACCEPTED, "id-2")
    assert [unit.registered for unit in smsc.submitted] == [0, 0, 1]
    assert [unit.octets[:3] + unit.octets[4:6] for unit in smsc.submitted] == [
        b"\x05\x00\x03\x03\x01",
        b"\x05\x00\x03\x03\x02",
        b"\x05\x00\x03\x03\x03",
    ]
    assert len({unit.octets[3] for unit in smsc.submitted}) == 1
    assert b"".join(unit.octets[6:] for unit in smsc.submitted) == LONG.encode()


def test_a_long_message_whole(smsc: Smsc) -> None:
    only(line(smsc.port, long_messages="payload").send([message(text=LONG)]))
    assert [(unit.payload, unit.octets, unit.registered) for unit in smsc.submitted] == [
        (LONG.encode(), b"", 1)
    ]


def test_a_message_that_is_too_long_never_leaves(smsc: Smsc) -> None:
    result = only(line(smsc.port).send([message(text=LONG * 5)]))
    assert (result.outcome, result.code) == (Outcome.REJECTED, "too_many_parts")
    assert not smsc.binds


@pytest.mark.parametrize(
    ("code", "kind"), [pair for pair in listed("smpp/codes.yaml") if pair[0] != "ESME_ROK"]
)
def test_every_listed_status(smsc: Smsc, code: str, kind: str) -> None:
    from smpplib import consts  # noqa: PLC0415 - only here

    smsc.answer = lambda _: int(getattr(consts, f"SMPP_{code}"))
    result = only(line(smsc.port).send([message()]))
    assert (result.outcome, result.code) == (Outcome(kind), code)
    assert result.detail
    assert result.provider_ref == ""


def test_an_operators_own_status_is_unknown(smsc: Smsc) -> None:
    smsc.answer = lambda _: OWN_CODE
    result = only(line(smsc.port).send([message()]))
    assert (result.outcome, result.code, result.detail) == (Outcome.UNKNOWN, "0x400", UNLISTED_CODE)


def scripted(*statuses: int) -> Callable[[Submitted], int]:
    left = list(statuses)
    return lambda _: left.pop(0) if left else OK


@pytest.mark.parametrize(
    ("statuses", "outcome", "code", "submits"),
    [
        ((THROTTLED,), Outcome.THROTTLED, "ESME_RTHROTTLED", 1),
        ((OK, THROTTLED, THROTTLED), Outcome.ACCEPTED, "ESME_ROK", 5),
        ((OK, THROTTLED, THROTTLED, THROTTLED, THROTTLED), Outcome.UNKNOWN, "sent_in_part", 5),
        ((OK, INVALID_NUMBER), Outcome.UNKNOWN, "sent_in_part", 2),
        ((OK, SYSTEM_ERROR), Outcome.UNKNOWN, "ESME_RSYSERR", 2),
        ((OK, SILENT), Outcome.UNKNOWN, "timed_out", 2),
        ((INVALID_NUMBER,), Outcome.REJECTED, "ESME_RINVDSTADR", 1),
    ],
)
def test_parts_that_stay_out(
    smsc: Smsc, statuses: tuple[int, ...], outcome: Outcome, code: str, submits: int
) -> None:
    smsc.answer = scripted(*statuses)
    result = only(line(smsc.port).send([message(text=LONG)]))
    assert (result.outcome, result.code) == (outcome, code)
    assert len(smsc.submitted) == submits


def test_silence_and_loss_after_the_message_left_are_unknown(smsc: Smsc) -> None:
    provider = line(smsc.port)
    smsc.answer = scripted(SILENT, HANG_UP)
    results = [only(provider.send([message(number)])) for number in range(3)]
    assert [(one.outcome, one.code) for one in results] == [
        (Outcome.UNKNOWN, "timed_out"),
        (Outcome.UNKNOWN, "link_lost"),
        (Outcome.ACCEPTED, "ESME_ROK"),
    ]
    assert len(smsc.binds) == 2


def test_a_late_answer_is_nobody_elses(smsc: Smsc) -> None:
    provider = line(smsc.port)
    smsc.answer = scripted(SILENT)
    assert only(provider.send([message(1)])).code == "timed_out"
    smsc.send_raw(unit_of("submit_sm_resp", 3, message_id="late"))
    assert only(provider.send([message(2)])).provider_ref == "id-1"


def test_an_answer_to_something_else_is_unknown(smsc: Smsc) -> None:
    provider = line(smsc.port, answer=5)
    smsc.answer = scripted(SILENT)
    threading.Timer(0.1, smsc.send_raw, [unit_of("enquire_link_resp", 3)]).start()
    assert only(provider.send([message()])).code == "answer_to_something_else"


def test_nobody_there_and_no_storm_of_binds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    provider = line(port, timers=replace(QUICK, rebind=60))
    first, second = (only(provider.send([message(number)])) for number in (1, 2))
    assert first.outcome is second.outcome is Outcome.RETRYABLE
    assert first.code == second.code == "not_connected:ConnectionRefusedError"
    page = provider.pull(NOW, "")
    assert (page.problems, page.more) == (("line: not_connected:ConnectionRefusedError",), False)
    assert provider.check()[0].verdict is CheckVerdict.WRONG


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (WRONG_PASSWORD, Outcome.ACCOUNT, "not_bound:ESME_RINVPASWD"),
        (THROTTLED, Outcome.THROTTLED, "not_bound:ESME_RTHROTTLED"),
        (0x05, Outcome.RETRYABLE, "not_bound:ESME_RALYBND"),
        (SYSTEM_ERROR, Outcome.RETRYABLE, "not_bound:ESME_RSYSERR"),
        (OWN_CODE, Outcome.RETRYABLE, "not_bound:0x400"),
    ],
)
def test_a_refused_bind(smsc: Smsc, status: int, outcome: Outcome, code: str) -> None:
    smsc.bind_status = status
    provider = line(smsc.port, timers=replace(QUICK, rebind=60))
    results = [only(provider.send([message(number)])) for number in range(5)]
    assert {(one.outcome, one.code) for one in results} == {(outcome, code)}
    assert len(smsc.binds) == 1
    assert not smsc.submitted


def test_the_next_bind_comes_after_the_pause(smsc: Smsc) -> None:
    smsc.bind_status = WRONG_PASSWORD
    provider = line(smsc.port, timers=replace(QUICK, rebind=0.05))
    provider.send([message(1)])
    smsc.bind_status = OK
    time.sleep(0.06)
    assert only(provider.send([message(2)])).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 16, b""])
def test_what_is_no_smsc_was_certainly_not_sent(noise: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(noise)

        thread = threading.Thread(target=serve)
        thread.start()
        result = only(line(listener.getsockname()[1]).send([message()]))
        thread.join()
    assert (result.outcome, result.code) == (Outcome.RETRYABLE, "not_bound:link_lost")


def test_many_threads_one_link_and_never_more_than_the_window(smsc: Smsc) -> None:
    waiting: list[int] = []
    lock = threading.Lock()

    def slowly(_: Submitted) -> int:
        with lock:
            waiting.append(len(smsc.submitted))
        return OK

    smsc.answer = slowly
    provider = line(smsc.port, window=4, answer=5)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda number: only(provider.send([message(number)])), range(200)))
    assert {one.outcome for one in results} == {Outcome.ACCEPTED}
    assert len({one.provider_ref for one in results}) == 200
    assert len(smsc.binds) == 1


def test_a_full_window_was_certainly_not_sent(smsc: Smsc) -> None:
    smsc.answer = lambda _: SILENT
    provider = line(smsc.port, window=1, answer=0.2)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda number: only(provider.send([message(number)])), range(2)))
    # Both waited 0.2 s: one for its answer, the other for its turn, which may come just in time.
    assert sorted((one.outcome, one.code) for one in results) in (
        [(Outcome.RETRYABLE, "window_full"), (Outcome.UNKNOWN, "timed_out")],
        [(Outcome.UNKNOWN, "timed_out"), (Outcome.UNKNOWN, "timed_out")],
    )


def test_receipts_are_answered_once_they_are_on_disk(smsc: Smsc) -> None:
    smsc.reports = True
    provider = line(smsc.port)
    result = only(provider.send([message()]))
    page = provider.pull(NOW, "")
    assert [(one.provider_ref, one.delivered) for one in page.receipts] == [(result.provider_ref, True)]
    assert page.more
    assert smsc.unanswered
    last = provider.pull(NOW, page.cursor)
    assert (last.receipts, last.more, last.cursor) == ((), False, "")
    until(lambda: not smsc.unanswered)


def test_what_was_not_confirmed_comes_again(smsc: Smsc) -> None:
    smsc.reports = True
    provider = line(smsc.port)
    provider.send([message()])
    first = provider.pull(NOW, "")
    smsc.hang_up()
    assert first.receipts
    until(lambda: provider.pull(NOW, "").receipts == first.receipts)
    assert len(smsc.binds) == 2


def test_a_sender_that_ends_puts_off_what_it_did_not_fetch(smsc: Smsc) -> None:
    smsc.reports = True
    provider = line(smsc.port)
    provider.send([message()])
    until(lambda: bool(smsc.unanswered))
    time.sleep(0.1)  # until it has arrived
    del provider
    gc.collect()
    until(lambda: "unbind" in smsc.heard)
    assert len(smsc.refused) == 1
    assert smsc.unanswered


def test_two_links_where_the_account_has_them(smsc: Smsc) -> None:
    smsc.reports = True
    provider = line(smsc.port, bind="transmitter_and_receiver")
    assert [(row.what, row.verdict) for row in provider.check()] == [
        ("credentials (sending)", CheckVerdict.OK),
        ("credentials (receiving)", CheckVerdict.OK),
    ]
    result = only(provider.send([message()]))
    assert [one.provider_ref for one in provider.pull(NOW, "").receipts] == [result.provider_ref]
    assert sorted(smsc.heard[:2]) == ["bind_receiver", "bind_transmitter"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"password": "密码"}, "SMPP carries ASCII only"),
        ({"password": "123456789"}, "at most 8"),
        ({"host": "smsc.example"}, "in the clear"),
        ({"time_zone": "Mars/Base"}, "no time zone is called"),
        ({"time_zone": "../etc"}, "no time zone is called"),
        ({"system_id": "安达"}, "system_id"),
        ({"sender": "安达"}, "sender"),
    ],
)
def test_settings_that_could_not_work(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        line(9, **changes)


@pytest.mark.parametrize("more", [{"tls": True}, {"private_line": True}])
def test_ways_to_another_host(more: dict[str, Any]) -> None:
    assert line(9, host="smsc.example", **more).name == "line"


def test_ids_in_one_spelling(smsc: Smsc) -> None:
    provider = line(smsc.port, receipt_ids="decimal_in_answer")
    result = only(provider.send([message()]))
    assert result.provider_ref == "id-0"  # no number, so it stays
    smsc.report(replace(smsc.submitted[0], reference="FF"))
    assert [one.provider_ref for one in provider.pull(NOW, "").receipts] == ["255"]


def test_theirs_are_answered(smsc: Smsc) -> None:
    provider = line(smsc.port)
    provider.send([message(1)])
    smsc.send_raw(unit_of("enquire_link", 77) + unit_of("query_sm", 78, message_id="x"))
    until(lambda: {"enquire_link_resp", "generic_nack"} <= set(smsc.heard))
    smsc.send_raw(unit_of("unbind", 79))
    until(lambda: "unbind_resp" in smsc.heard)
    until(lambda: only(provider.send([message(2)])).outcome is Outcome.ACCEPTED)
    assert len(smsc.binds) == 2


def test_silence_is_asked_after_and_then_a_loss(smsc: Smsc) -> None:
    provider = line(smsc.port, timers=replace(QUICK, enquire=0.1, answer=0.2))
    provider.send([message(1)])
    until(lambda: smsc.heard.count("enquire_link") >= 2)
    assert len(smsc.binds) == 1
    smsc.deaf = True
    until(lambda: only(provider.send([message(2)])).code == "not_bound:timed_out")


def test_nothing_personal_in_any_log(smsc: Smsc, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    provider = line(smsc.port)
    smsc.answer = scripted(OK, INVALID_NUMBER, HANG_UP)
    for number in range(4):
        provider.send([message(number)])
    smsc.deliver(source_addr="12025550123", destination_addr="1069", short_message=b"R")
    page = provider.pull(NOW, "")
    assert [one.text for one in page.replies] == ["R"]
    for secret in ("2025550123", "made-up", "Due today"):
        assert secret not in caplog.text
        assert secret not in repr(page)
        assert secret not in repr(provider._settings)  # noqa: SLF001 - whatever a traceback may show


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "smsc.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-days",
        "2",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(tmp_path / "cert")]
    subprocess.run(make, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "cert").read_text())
    return path


def test_tls(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Smsc(reports=True, context=context) as smsc:
        stranger = only(line(smsc.port, tls=True, answer=2).send([message()]))
        assert (stranger.outcome, stranger.code) == (
            Outcome.RETRYABLE,
            "not_connected:SSLCertVerificationError",
        )
        provider = line(smsc.port, tls=True, ca_file=str(certificate), answer=2)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda number: only(provider.send([message(number)])), range(40)))
        assert {one.outcome for one in results} == {Outcome.ACCEPTED}
        assert len(provider.pull(NOW, "").receipts) == 40
