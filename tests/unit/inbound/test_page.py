"""The limits and the headers of the page behind a link, with a desk of cardboard."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.inbound.page import (
    ANSWERS,
    LONGEST_FORM,
    LOOKS,
    MOST_REMEMBERED,
    WRONG_TRIES,
    Answer,
    Caller,
    LinkPage,
    PageState,
    PageView,
    Refusal,
    Tries,
    peer_of,
)
from carloan_notify.page_codes import LinkFault, PageWord
from tests.integration.inbound.link_house import Got, ask

GOOD = "G" * 16
OLD = "O" * 16
FAILING = "F" * 16


class Desk:
    """Knows three tokens; counts what it takes."""

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self.taken: list[Mapping[str, str]] = []
        self.looks = 0

    def look(self, token: str, language: str) -> PageView | LinkFault:
        self.looks += 1
        if token == FAILING:
            raise ValueError(f"a bug that knows {token}")
        faults = {GOOD: None, OLD: LinkFault.EXPIRED}
        fault = faults.get(token, LinkFault.FORGED)
        return fault or PageView(
            language or "en",
            PageState.DUE,
            name="A** <M**>",
            tail="0001",
            lines=(("Due <b>", "1"),),
            payment="https://pay.example.com/?a=1&b=2",
            answers=tuple(Answer),
            form="proof",
        )

    def take(self, token: str, form: Mapping[str, str]) -> LinkFault | Refusal | None:
        view = self.look(token, "")
        if isinstance(view, LinkFault):
            return view
        if form.get("answer") == "time":
            return Refusal(Answer.TIME, PageWord.CHOOSE_DAY)
        self.taken.append(form)
        return None

    def healthy(self) -> bool:
        return True


class Clock:
    """Seconds, as told."""

    def __init__(self) -> None:
        """At the beginning."""
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made(proxies: int = 0) -> tuple[LinkPage, Desk, Clock]:
    desk, clock = Desk(), Clock()
    return LinkPage(desk, Caller("Lender & Co", "400-000", "en"), proxies, clock), desk, clock


def test_every_answer_keeps_itself_to_itself() -> None:
    page, _, _ = made()
    answers = [
        ask(page, f"/p/{GOOD}"),
        ask(page, f"/p/{OLD}"),
        ask(page, "/p/none"),
        ask(page, f"/p/{GOOD}", {"answer": "paid"}),
        ask(page, f"/p/{FAILING}"),
        ask(page, "/"),
        ask(page, "/healthz"),
        ask(page, "/robots.txt"),
        ask(page, f"/p/{GOOD}", method="PUT"),
    ]
    assert [got.status for got in answers] == [200, 410, 404, 303, 503, 404, 200, 200, 405]
    for got in answers:
        assert got.headers["Referrer-Policy"] == "no-referrer"
        assert got.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in got.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in got.headers["Content-Security-Policy"]
        assert "max-age=" in got.headers["Strict-Transport-Security"]
        assert int(got.headers["Content-Length"]) == len(got.text.encode())
        assert "Set-Cookie" not in got.headers
        assert "<script" not in got.text


def test_what_is_shown_is_escaped() -> None:
    page, _, _ = made()
    shown = ask(page, f"/p/{GOOD}").text
    assert "A** &lt;M**&gt;" in shown
    assert "Due &lt;b&gt;" in shown
    assert "a=1&amp;b=2" in shown
    assert "Lender &amp; Co" in shown


def test_a_look_changes_nothing_and_head_has_no_body() -> None:
    page, desk, _ = made()
    for method in ("GET", "HEAD", "GET"):
        got = ask(page, f"/p/{GOOD}?answer=wrong&form=proof", method=method)
        assert got.status == 200
    assert ask(page, f"/p/{GOOD}", method="HEAD").text == ""
    assert desk.taken == []


def test_an_answer_leads_back_to_the_page_in_its_language() -> None:
    page, desk, _ = made()
    assert ask(page, f"/p/{GOOD}", {"answer": "paid"}).headers["Location"] == GOOD
    got = ask(page, f"/p/{GOOD}?lang=zh-CN&x=//evil.example", {"answer": "call"})
    assert got.headers["Location"] == f"{GOOD}?lang=zh-CN"
    assert [form["answer"] for form in desk.taken] == ["paid", "call"]


def test_what_is_refused_is_said_beside_its_form() -> None:
    page, _, _ = made()
    got = ask(page, f"/p/{GOOD}", {"answer": "time"})
    assert got.status == 422
    assert got.text.count('role="alert"') == 1
    assert got.text.count("<details open>") == 1


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, 303),
        ({"CONTENT_TYPE": "text/plain"}, 415),
        ({"CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8"}, 303),
        ({"CONTENT_LENGTH": str(LONGEST_FORM + 1)}, 413),
        ({"CONTENT_LENGTH": "many"}, 400),
        ({"CONTENT_LENGTH": "400"}, 400),
    ],
)
def test_forms_of_others_are_not_looked_at(environ: dict[str, Any], status: int) -> None:
    page, desk, _ = made()
    assert ask(page, f"/p/{GOOD}", {"answer": "paid"}, **environ).status == status
    assert len(desk.taken) == (status == 303)


def test_whoever_tries_links_is_stopped_and_others_are_not() -> None:
    page, desk, clock = made()
    for _ in range(WRONG_TRIES):
        assert ask(page, "/p/AAAAAAAAAAAAAAAA").status == 404
    looks = desk.looks
    stopped = ask(page, f"/p/{GOOD}")
    assert (stopped.status, stopped.headers["Retry-After"], desk.looks) == (429, "600", looks)
    assert ask(page, f"/p/{GOOD}", {"answer": "paid"}).status == 429
    assert ask(page, f"/p/{GOOD}", REMOTE_ADDR="198.51.100.9").status == 200
    clock.now = 601
    assert ask(page, f"/p/{GOOD}").status == 200
    assert desk.taken == []


def test_one_link_is_looked_at_and_answered_so_often() -> None:
    page, desk, _ = made()
    for number in range(ANSWERS):
        assert ask(page, f"/p/{GOOD}", {"answer": "paid"}, REMOTE_ADDR=f"192.0.2.{number}").status == 303
    assert ask(page, f"/p/{GOOD}", {"answer": "paid"}).status == 429
    assert len(desk.taken) == ANSWERS
    for _ in range(LOOKS - ANSWERS - 1):
        assert ask(page, f"/p/{GOOD}").status == 200
    assert ask(page, f"/p/{GOOD}").status == 429


def test_an_expired_link_is_no_wrong_try() -> None:
    page, _, _ = made()
    for _ in range(WRONG_TRIES + 1):
        assert ask(page, f"/p/{OLD}").status == 410


def test_only_so_many_are_remembered() -> None:
    tries = Tries(1, Clock())
    for number in range(MOST_REMEMBERED + 1):
        tries.note(str(number))
    assert (tries.over("0"), tries.over("1")) == (False, True)


@given(st.lists(st.text(max_size=20), max_size=4), st.integers(0, 5))
def test_a_forged_address_is_not_believed(heard: list[str], proxies: int) -> None:
    environ = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": ", ".join([*heard, "203.0.113.5"])}
    if proxies < 2:
        assert peer_of(environ, proxies) == ("203.0.113.5" if proxies else "192.0.2.1")
    assert peer_of(environ, proxies)


def test_an_ipv6_network_is_one_caller() -> None:
    one, other = ({"REMOTE_ADDR": f"2001:db8:1:2::{last}"} for last in ("1", "ffff"))
    assert peer_of(one, 0) == peer_of(other, 0) == "2001:db8:1:2::/64"


def test_no_log_line_holds_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    page, _, _ = made()
    for token in (GOOD, OLD, FAILING, "B" * 16):
        ask(page, f"/p/{token}")
        ask(page, f"/p/{token}", {"answer": "paid"})
    heard = capsys.readouterr()
    for token in (GOOD, OLD, FAILING, "B" * 16):
        assert token not in heard.out + heard.err


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_page_speaks_one_language_and_offers_the_other(language: str) -> None:
    page, _, _ = made()
    other = "en" if language == "zh-CN" else "zh-CN"
    for token in (GOOD, OLD, "A" * 16, FAILING):
        got: Got = ask(page, f"/p/{token}?lang={language}")
        assert f'<html lang="{language}">' in got.text
        assert f'href="?lang={other}"' in got.text
