"""Pushes as they come in: believed or not, kept before the answer, harmless when repeated."""

import json
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from structlog.testing import capture_logs

from carloan_notify.app import App
from carloan_notify.config.example import sample_values
from carloan_notify.delivery.provider import Received, Refused, ReturnPage
from carloan_notify.errors import ConfigError, LedgerError
from carloan_notify.inbound.listen import Listener
from carloan_notify.ledger import replies as kept_replies
from carloan_notify.ledger import unread
from carloan_notify.pipeline.inbox import keeper
from carloan_notify.pipeline.listen import Door, OpenLedger, Receiving, application, doors
from carloan_notify.records import PushAnswer, PushRequest
from tests.integration.inbound.desk import (
    GATE,
    SECRET,
    Scripted,
    Server,
    house_at,
    make_ledger,
    served,
    states,
)
from tests.transactions import commit, look

PUSH = PushRequest("POST", "https://x/gate/s", {}, b"")


def listener(app: App) -> Listener:
    receiving = Receiving(app, doors(app), OpenLedger(app), keeper(app))
    return Listener(receiving.take, receiving.healthy, app.settings.inbound.public_url)


def reports(*ids: str, state: str = "DELIVRD") -> dict[str, Any]:
    return {"reports": [{"ref": name, "stat": state, "at": 1795399200} for name in ids]}


@pytest.fixture(autouse=True)
def _lines_of_every_level() -> None:
    """A command run in this process before sets the level of the log, as commands do."""
    structlog.reset_defaults()


@pytest.fixture
def app(tmp_path: Path) -> App:
    return house_at(tmp_path)


@pytest.fixture
def ids(app: App) -> list[str]:
    return make_ledger(app)


def scripted(app: App, heard: Received | Refused | Exception, ledger: OpenLedger | None = None) -> Receiving:
    return Receiving(app, {"gate": Door(Scripted(heard), SECRET)}, ledger or OpenLedger(app), keeper(app))


def test_a_push_is_kept_before_the_answer_and_once(app: App, ids: list[str]) -> None:
    with served(listener(app)) as server, capture_logs() as lines:
        for _ in range(2):
            answer = server.push(f"/gate/{SECRET}", json=reports(*ids[:2]))
            assert (answer.status_code, answer.text) == (200, "OK")
            assert list(states(app).values()).count("delivered") == 2
    first, again = lines
    assert (first["receipts"], first["settled"], first["repeated"]) == (2, 2, 0)
    assert (again["receipts"], again["settled"], again["repeated"]) == (2, 0, 2)
    assert first["provider"] == "gate"
    assert SECRET not in str(lines)
    assert ids[0] not in str(lines)


@pytest.mark.parametrize(
    "path",
    [
        "/gate/wrong-wrong-wrong-wrong",
        "/gate/",
        "/gate",
        f"/gate/{SECRET}x",
        f"/gate/{SECRET[:-1]}",
        f"/gate/{SECRET.upper()}",
        f"/nobody/{SECRET}",
        "/nobody/",
        f"/console/{SECRET}",
        "/console/",
        "/gate/%00%ff",
        "/",
    ],
)
def test_whoever_does_not_know_the_address_learns_nothing(app: App, ids: list[str], path: str) -> None:
    wsgi = listener(app)
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "HTTP_HOST": "h",
        "wsgi.url_scheme": "http",
    }
    body = b"".join(wsgi(environ, lambda status, headers: told.append((status, dict(headers)))))
    headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": "10"}
    headers |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    assert (told, body) == ([("404 Not Found", headers)], b"Not Found\n")
    assert set(states(app).values()) == {"accepted"}
    assert len(ids) == 3


def test_what_the_provider_refuses_changes_nothing(app: App, ids: list[str]) -> None:
    with capture_logs() as lines:
        answer = scripted(app, Refused(403, "bad_signature")).take("gate", SECRET, PUSH)
    assert (answer.status, answer.body) == (403, b"Forbidden\n")
    assert [(line["provider"], line["status"], line["code"]) for line in lines] == [
        ("gate", 403, "bad_signature")
    ]
    assert set(states(app).values()) == {"accepted"}
    assert len(ids) == 3


def test_a_code_that_may_be_a_person_s_is_not_logged(app: App) -> None:
    with capture_logs() as lines:
        scripted(app, Refused(403, "+12025550100 said")).take("gate", SECRET, PUSH)
    assert "2025550100" not in str(lines)


def test_the_vendor_s_own_answer_is_given(app: App, ids: list[str]) -> None:
    told = PushAnswer(200, "application/json", b'{"code":0,"msg":"ok"}')
    heard = Received(ReturnPage(problems=("record 0: no state",), unread=b"junk"), told)
    with capture_logs() as lines:
        assert scripted(app, heard).take("gate", SECRET, PUSH) == told
    assert [(line["status"], line["problems"]) for line in lines] == [(200, 1)]
    assert ids


def test_a_bug_is_logged_without_content_and_the_vendor_sends_again(app: App) -> None:
    with capture_logs() as lines:
        answer = scripted(app, ValueError("phone +12025550100")).take("gate", SECRET, PUSH)
    assert answer.status == 500
    bug, line = lines
    assert (bug["log_level"], bug["error"], bug["at"].split(":")[0]) == ("error", "ValueError", "desk.py")
    assert line["status"] == 500
    assert "2025550100" not in str(lines)


def test_without_a_ledger_the_vendor_sends_again(tmp_path: Path) -> None:
    app = house_at(tmp_path)
    with served(listener(app)) as server:
        assert server.push("/healthz", method="GET").status_code == 503
        assert server.push(f"/gate/{SECRET}", json=reports("x")).status_code == 503
        ids = make_ledger(app)
        assert server.push("/healthz", method="GET").status_code == 200
        assert server.push(f"/gate/{SECRET}", json=reports(*ids)).status_code == 200
    assert set(states(app).values()) == {"delivered"}


def test_a_ledger_that_is_held_answers_later(app: App, ids: list[str]) -> None:
    """Another writer for longer than the busy time-out; afterwards the same push is taken."""
    with served(listener(app)) as server:
        other = sqlite3.connect(app.folder / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        held = server.push(f"/gate/{SECRET}", json=reports(*ids))
        other.execute("ROLLBACK")
        other.close()
        assert held.status_code == 503
        assert server.push(f"/gate/{SECRET}", json=reports(*ids)).status_code == 200
    assert set(states(app).values()) == {"delivered"}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_many_pushes_at_once_settle_each_message_once(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = "sqlite:///ledger.db" if database == "sqlite" else request.getfixturevalue("fresh_postgres")
    app = house_at(tmp_path, url=url)
    ids = make_ledger(app, messages=12)
    with served(listener(app)) as server, capture_logs() as lines, ThreadPoolExecutor(8) as pool:
        pairs = [(ids[number % 12], ids[(number + 5) % 12]) for number in range(36)]
        answers = list(pool.map(lambda pair: server.push(f"/gate/{SECRET}", json=reports(*pair)), pairs))
    again = sum(answer.status_code != 200 for answer in answers)
    assert again == 0
    assert set(states(app).values()) == {"delivered"}
    assert sum(line["settled"] for line in lines) == 12
    with app.open_ledger() as ledger:
        assert ledger.verify_audit().ok


def test_it_takes_pushes_while_a_sender_holds_the_night_s_lock(app: App, ids: list[str]) -> None:
    from carloan_notify.app import one_night  # noqa: PLC0415 - only here

    with one_night(app, "night"), served(listener(app)) as server:
        assert server.push(f"/gate/{SECRET}", json=reports(*ids)).status_code == 200


def test_a_reply_is_taken_once_and_acted_on(tmp_path: Path) -> None:
    replies = {
        "items": "mo",
        "phone": "from",
        "text": "text",
        "id": "id",
        "time": "at",
        "time_format": "unix",
    }
    app = house_at(tmp_path, gate={**GATE, "replies": {**replies, "country": "US"}})
    make_ledger(app)
    body = {"mo": [{"from": "2025550100", "text": "STOP", "id": "r1", "at": 1795399200}, {"from": "?"}]}
    with served(listener(app)) as server, capture_logs() as lines:
        for _ in range(2):
            assert server.push(f"/gate/{SECRET}/replies", json=body).status_code == 200
    assert [(line["replies"], line["known"], line["stopping"]) for line in lines] == [(1, 0, 1), (1, 1, 0)]
    assert {line["problems"] for line in lines} == {1}
    with app.open_ledger() as ledger:
        assert list(look(ledger, kept_replies.table)["kind"]) == ["opt_out"]
        assert len(commit(ledger, unread.reveal, "tester", "to see", app.clock())) == 1
    assert "STOP" not in str(lines)
    assert "2025550100" not in str(lines)


RESET = b" reset "
"""What a refused sender sees who is still sending: the answer, or that nobody listens any more."""


def raw(server: Server, *parts: bytes) -> bytes:
    """What the server says to these bytes."""
    place = server.url.removeprefix("http://").split(":")
    with socket.create_connection((place[0], int(place[1])), 10) as connection:
        said = b""
        try:
            for part in parts:
                connection.sendall(part)
            while b"\r\n\r\n" not in said and (more := connection.recv(65536)):
                said += more
        except (ConnectionResetError, BrokenPipeError):
            said += RESET
        return said


def test_oversized_requests_are_refused_before_they_are_read(app: App) -> None:
    post = f"POST /gate/{SECRET} HTTP/1.1\r\nHost: h\r\n".encode()
    with served(listener(app)) as server:
        assert b" 413 " in raw(server, post + b"Content-Length: 1048577\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        endless = raw(server, post + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 17)
        assert b" 413 " in endless or endless == RESET
        long = raw(server, b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000)
        assert b" 431 " in long or long == RESET
        assert b" 414 " in raw(server, b"GET /gate/s?" + b"q" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 405 " in raw(server, b"DELETE /gate/s HTTP/1.1\r\nHost: h\r\n\r\n")
        whole = json.dumps({"reports": [], "pad": "x" * 1_048_000}).encode()
        assert server.push(f"/gate/{SECRET}", data=whole).status_code == 503  # read; there is no ledger


def test_the_server_does_not_say_what_it_is(app: App) -> None:
    with served(listener(app)) as server:
        assert "waitress" not in str(server.push("/x").headers)


def test_an_open_ledger_is_opened_anew_after_a_while(app: App, ids: list[str]) -> None:
    seconds = [0.0]
    opened = OpenLedger(app, lambda: seconds[0])
    first = opened.get()
    seconds[0] = 59
    assert opened.get() is first
    seconds[0] = 61
    assert opened.get() is not first
    opened.drop()
    opened.drop()
    assert ids


def test_a_failure_opens_the_ledger_anew(app: App, ids: list[str]) -> None:
    opened = OpenLedger(app)
    first = opened.get()
    with capture_logs() as lines:
        assert scripted(app, LedgerError("disk full"), opened).take("gate", SECRET, PUSH).status == 503
    assert [line["ledger"] for line in lines] == ["LedgerError"]
    assert opened.get() is not first
    assert ids


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({**GATE, "push_secret": None}, "none has a push_secret"),
        (
            {**GATE, "push_secret": "slash/in/the/middle"},
            "delivery.providers.gate.push_secret: cannot stand in",
        ),
        ({**GATE, "push_secret": "ünicode-ünicode-ünicode"}, "cannot stand in an address"),
    ],
)
def test_who_may_push_is_checked_at_the_start(tmp_path: Path, gate: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        doors(house_at(tmp_path, gate=gate))
    assert "slash" not in str(caught.value)


def test_the_application_can_be_mounted_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSH", SECRET)
    values = sample_values()
    values["delivery"]["providers"]["gate"] = {**GATE, "push_secret": "${PUSH}"}
    values["inbound"] = {"public_url": "https://notify.lender.example"}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    ids = make_ledger(house_at(tmp_path))
    with served(application(path)) as server:
        assert server.push(f"/gate/{SECRET}", json=reports(*ids)).status_code == 200
    assert set(states(house_at(tmp_path)).values()) == {"delivered"}


def test_threads_share_one_ledger(app: App, ids: list[str]) -> None:
    opened = OpenLedger(app)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(id(opened.get()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert ids
