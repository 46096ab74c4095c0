"""The page behind a link, on a real ledger and real tables: what it says, and what becomes of an answer."""

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from carloan_notify.cli.main import cli
from carloan_notify.errors import ConfigError
from carloan_notify.ledger import views
from carloan_notify.ledger.promises import PromiseFilter
from carloan_notify.messages.links import Purpose, tokens
from carloan_notify.pipeline import promises
from carloan_notify.pipeline.link_page import application
from carloan_notify.pipeline.setup import MORNING, NIGHT
from tests.integration.inbound.link_house import (
    BASE,
    ask,
    audited,
    copy_of,
    first,
    house,
    make_house,
    page_of,
    sent,
    work_list,
)
from tests.transactions import look

Links = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_house(tmp_path_factory.mktemp("links") / "night")


@pytest.fixture(scope="module")
def links(night: Path) -> Links:
    return sent(night)


@pytest.fixture
def mine(night: Path, tmp_path: Path) -> Path:
    return copy_of(night, tmp_path / "house")


def pay(folder: Path, loan_id: str, amount: str) -> None:
    with (folder / "export" / "payments.csv").open("a", encoding="utf-8") as file:
        file.write(f"P-TEST,{loan_id},{NIGHT.date()},{amount}\n")


def rewrite(path: Path, loan_id: str, column: str, value: str) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if loan_id in row.values():
            row[column] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_it_says_what_is_due_and_no_more_than_that(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    got = ask(page_of(mine), f"/p/{link['token']}")
    assert got.status == 200
    assert "今日应还合计" in got.text
    assert f"合同尾号 {link['loan'][-4:]}" in got.text
    shown = got.text.replace("https://pay.lender.example", "")
    assert link["phone"] not in shown
    assert link["phone"].removeprefix("+86") not in shown
    english = ask(page_of(mine), f"/p/{link['token']}?lang=en").text
    assert "Overdue since 16 November 2026" in english


def test_the_payment_page_gets_what_it_asks_for(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    text = ask(page_of(mine), f"/p/{link['token']}?lang=en").text
    amount = text.partition("amount=")[2].partition("&")[0]
    assert amount.endswith("CNY")
    assert f"l={link['loan']}" in text
    assert f"checkout?t={link['token']}&amp;" in text


def test_who_paid_meanwhile_is_told_so(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    page = page_of(mine)
    assert "今日应还合计" in ask(page, f"/p/{link['token']}").text
    pay(mine, link["loan"], "999999.00")
    settled = ask(page_of(mine), f"/p/{link['token']}").text
    assert "已结清" in settled
    assert "<form" not in settled
    assert "checkout" not in settled
    found = verified(mine, link["token"])
    assert (found["valid"], found["code"]) == (False, "link_settled")


@pytest.mark.parametrize("trouble", ["payment ahead", "rejected", "no table", "shrunk", "night stopped"])
def test_where_nobody_can_tell_it_says_so(
    mine: Path, links: Links, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, export = first(links, "overdue_7"), mine / "export"
    page = page_of(mine)
    assert "今日应还合计" in ask(page, f"/p/{link['token']}").text
    if trouble == "payment ahead":
        with (export / "payments.csv").open("a", encoding="utf-8") as file:
            file.write(f"P-TEST,{link['loan']},2026-12-24,1.00\n")
    elif trouble == "rejected":
        pay(mine, link["loan"], "many")
    elif trouble == "no table":
        (export / "payments.csv").unlink()
    elif trouble == "shrunk":
        lines = (export / "loans.csv").read_text(encoding="utf-8-sig").splitlines(keepends=True)
        kept = [line for line in lines[1:] if link["loan"] in line]
        (export / "loans.csv").write_text(lines[0] + "".join(kept), encoding="utf-8")
        page = page_of(mine)
    else:
        monkeypatch.setattr("carloan_notify.pipeline.planned.FINISHED", "another")
        page = page_of(mine)
    shown = ask(page, f"/p/{link['token']}").text
    assert "目前无法确认应还金额" in shown
    assert "今日应还合计" not in shown
    assert "<form" in shown


ANSWERS = {
    "paid": ({}, "paid_already", "我已还款"),
    "time": ({"until": "2026-12-01"}, "asks_for_time", "2026-12-01"),
    "call": ({"when": "2026-11-24 14:00-18:00"}, "asks_for_call", "2026-11-24 14:00-18:00"),
    "wrong": ({}, "wrong_person", "不是我本人"),
}


def test_each_answer_is_one_entry_of_the_work_list(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    page = page_of(mine)
    proof = ask(page, f"/p/{link['token']}").form
    for answer, (more, _, _) in ANSWERS.items():
        form = {"form": proof, "answer": answer, **more}
        for _ in range(2):  # somebody taps twice
            assert ask(page, f"/p/{link['token']}", form).status == 303
    entries = {entry["kind"]: entry for entry in work_list(mine)}
    assert len(work_list(mine)) == len(ANSWERS)
    for _, kind, words in ANSWERS.values():
        entry = entries[kind]
        assert (set(entry["rule"].split(", ")), entry["provider"]) == ({"page"}, "page")
        assert (entry["loans"], entry["message_id"]) == (link["loan"], link["message_id"])
        assert words in entry["text"]
    (promise,) = promises.rows(house(mine), PromiseFilter())
    assert (promise["loan_id"], promise["pay_on"], promise["state"]) == (
        link["loan"],
        "2026-12-01",
        "proposed",
    )
    assert len(audited(mine, "reply.taken")) == len(ANSWERS)
    assert link["token"] not in str(audited(mine, "reply.taken"))


def test_an_answer_is_shown_when_the_link_is_opened_again(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    page = page_of(mine)
    form = {"form": ask(page, f"/p/{link['token']}").form, "answer": "paid"}
    ask(page, f"/p/{link['token']}", form)
    again = ask(page_of(mine), f"/p/{link['token']}?lang=en").text
    assert "We have received" in again
    assert "I have paid, received on 23 November 2026" in again
    other = first({k: v for k, v in links.items() if v["loan"] != link["loan"]}, "overdue_7")
    assert "We have received" not in ask(page, f"/p/{other['token']}?lang=en").text


def test_a_stranger_ends_all_at_once_and_sees_nothing_more(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    page = page_of(mine)
    form = {"form": ask(page, f"/p/{link['token']}").form, "answer": "wrong"}
    ask(page, f"/p/{link['token']}", form)
    with house(mine).open_ledger() as ledger:
        rows = look(ledger, views.messages, views.MessageFilter(message_id=link["message_id"]))
    assert list(rows["state"]) == ["cancelled"]
    shown = ask(page, f"/p/{link['token']}").text
    assert "不再使用此号码" in shown
    for told in (link["loan"][-4:], "今日应还", "<form", "**", "checkout"):
        assert told not in shown
    assert ask(page, f"/p/{link['token']}", form).status == 303
    assert len(work_list(mine)) == 1


REFUSED = (
    ({"answer": "time"}, "请选择2026年11月24日至2026年12月23日之间的日期"),
    ({"answer": "time", "until": "2026-11-23"}, "请选择"),
    ({"answer": "time", "until": "2026-12-24"}, "请选择"),
    ({"answer": "time", "until": "9999-12-31"}, "请选择"),
    ({"answer": "call", "when": "2026-11-24 03:00-04:00"}, "请选择一个时段"),
    ({"answer": "call"}, "请选择一个时段"),
    ({"answer": "paid", "form": "A" * 16}, "页面打开时间过长"),
    ({"answer": "paid", "form": ""}, "页面打开时间过长"),
    ({"answer": "paid", "form": "还"}, "页面打开时间过长"),
)


def test_what_cannot_be_taken_is_said(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    page = page_of(mine)
    proof = ask(page, f"/p/{link['token']}").form
    for form, words in REFUSED:
        got = ask(page, f"/p/{link['token']}", {"form": proof, **form})
        assert (got.status, words in got.text) == (422, True), form
    assert ask(page, f"/p/{link['token']}", {"form": proof, "answer": "jump"}).status == 303
    assert work_list(mine) == []


def test_a_form_is_good_until_tomorrow(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    form = {"form": ask(page_of(mine), f"/p/{link['token']}").form, "answer": "paid"}
    tomorrow = page_of(mine, MORNING + timedelta(days=1))
    assert ask(tomorrow, f"/p/{link['token']}", form).status == 303
    later = page_of(mine, MORNING + timedelta(days=2))
    assert ask(later, f"/p/{link['token']}", form).status == 422
    other = first(links, "overdue_3")
    assert ask(tomorrow, f"/p/{other['token']}", form).status == 422


def test_forged_expired_and_corrected(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    token, page = link["token"], page_of(mine)
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert ask(page, f"/p/{forged}").status == 404
    assert "overdue" not in ask(page, f"/p/{forged}?lang=en").text
    assert ask(page_of(mine, MORNING + timedelta(days=31)), f"/p/{token}").status == 410
    certificate = tokens(
        house(mine).link_keys().current, Purpose.CERTIFICATE, [link["loan"]], [link["phone"]], MORNING
    )
    assert ask(page, f"/p/{certificate[0]}").status == 404
    rewrite(mine / "export" / "loans.csv", link["loan"], "phone", "10099887766")
    gone = ask(page_of(mine), f"/p/{token}")
    assert (gone.status, link["loan"][-4:] in gone.text) == (404, False)
    assert verified(mine, token)["code"] == "link_forged"


# `links verify`, `links rotate`, `links serve`.


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(cli, ["--config", str(folder / "config.yaml"), "links", *args])


def verified(folder: Path, token: str, *args: str) -> dict[str, Any]:
    done = run(folder, "verify", "--now", MORNING.isoformat(), "--format", "json", *args, "--", token)
    (found,) = json.loads(done.stdout)
    assert done.exit_code == (0 if found["valid"] else 1)
    return found  # type: ignore[no-any-return]  # any JSON


def test_verify_says_what_a_token_proves(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    found = verified(mine, BASE + link["token"])
    assert found == {
        "valid": True,
        "code": "",
        "says": "It is genuine and valid.",
        "purpose": "pay",
        "loan_id": link["loan"],
        "role": "borrower",
        "name": found["name"],
        "phone": found["phone"],
        "valid_until": "2026-12-22",
        "state": "due",
    }
    assert "*" in found["name"]
    assert "****" in found["phone"]
    chinese = run(mine, "verify", "--now", MORNING.isoformat(), "--language", "zh", "--", link["token"])
    assert "令牌真实有效" in chinese.stdout
    assert verified(mine, "rubbish")["code"] == "link_malformed"
    old = run(mine, "verify", "--now", (MORNING + timedelta(days=40)).isoformat(), "--", link["token"])
    assert (old.exit_code, "Its last valid day is over" in " ".join(old.stdout.split())) == (1, True)


def test_verify_needs_no_ledger(tmp_path: Path) -> None:
    folder = make_house(tmp_path / "house", run=False)
    app = house(folder, NIGHT)
    with (folder / "export" / "loans.csv").open(encoding="utf-8-sig", newline="") as file:
        row = next(csv.DictReader(file))
    phone = f"+86{row['phone'].removeprefix('+86')}"
    (token,) = tokens(app.link_keys().current, Purpose.PAY, [row["loan_id"]], [phone], NIGHT)
    assert verified(folder, token)["loan_id"] == row["loan_id"]


def test_a_rotated_key_leaves_links_alive(mine: Path, links: Links) -> None:
    link = first(links, "overdue_7")
    before = house(mine).link_keys().current
    assert run(mine, "rotate").exit_code == 0
    keys = house(mine).link_keys()
    assert keys.current != before
    assert keys.earlier == (before,)
    assert verified(mine, link["token"])["valid"]
    assert ask(page_of(mine), f"/p/{link['token']}").status == 200
    assert len(audited(mine, "links.key_rotated")) == 1
    assert before.decode() not in audited(mine, "links.key_rotated")[0]


def test_a_page_without_links_is_refused(mine: Path) -> None:
    config = mine / "config.yaml"
    text = config.read_text(encoding="utf-8")
    for base, said in (("''", "is empty"), ("https://pay.example.com/?t=", "does not end with /")):
        config.write_text(text.replace(BASE, base), encoding="utf-8")
        with pytest.raises(ConfigError, match=said):
            application(config)
    config.write_text(text, encoding="utf-8")
    (mine / "secrets" / "links.key").write_text("two words\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"links\.key: its first line"):
        application(config)


def test_it_is_healthy_while_ledger_and_tables_are_there(mine: Path) -> None:
    assert ask(page_of(mine), "/healthz").status == 200
    (mine / "export" / "loans.csv").unlink()
    assert ask(page_of(mine), "/healthz").status == 503
    assert ask(page_of(mine), "/p/AAAAAAAAAAAAAAAA").status == 503
