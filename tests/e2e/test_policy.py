"""The law of a place over several nights: what binds, what is shown of it, and what holds at the moment of leaving."""

from datetime import datetime
from typing import Any

import pytest

from carloan_notify.app import build_app, one_night
from carloan_notify.ledger import receipts
from carloan_notify.records import Receipt
from tests.e2e.after import audited
from tests.e2e.conftest import Desk
from tests.e2e.tiny import AS_OF, LOANS, Loan, export, options
from tests.transactions import commit

TEXAS, BOSTON = "L-TX", "L-MA"


def ladder(desk: Desk, *notices: str) -> list[dict[str, Any]]:
    """The rules of these notices."""
    rules: list[dict[str, Any]] = options(desk)["rules"]
    return [rule for rule in rules if rule["notice"] in notices]


def american(desk: Desk, day: str = AS_OF) -> None:
    """Two loans, one day past due on 23 November 2026: one in Texas, one in Massachusetts."""
    header = f"{LOANS},country,region"
    rows = [
        f"{Loan(loan_id, '2026-11-22', phone=phone).row(day)},US,{region}"
        for loan_id, phone, region in ((TEXAS, "10000000001", "TX"), (BOSTON, "10000000002", "Massachusetts"))
    ]
    desk.write("loans", header, rows)


@pytest.fixture
def boston(desk: Desk) -> Desk:
    """A lender of both, bound by the law of the United States."""
    export(desk, [])
    policy = options(desk)["policy"] | {"presets": ["us-reg-f", "us-ma", "us-tcpa"]}
    desk.configure(policy=policy, rules=ladder(desk, "overdue_1", "overdue_3"))
    american(desk)
    return desk


def told(desk: Desk, as_of: str) -> dict[tuple[str, str, str], str]:
    """What would be decided on a night, by loan, notice and channel: the decision, or why not."""
    args = ("preview", "--as-of", as_of, "--now", f"{as_of}T02:00:00+08:00", "--format", "json")
    rows = desk.run(*args).json
    return {(row["loan_id"], row["notice"], row["channel"]): row["why"] or row["decision"] for row in rows}


def test_a_cap_per_loan_holds_over_nights_and_through_a_resend(boston: Desk) -> None:
    boston.night(AS_OF)
    boston.send("2026-11-23T09:30:00+08:00")
    boston.send("2026-11-23T11:00:00+08:00")  # nobody answered: the texts follow
    american(boston, "2026-11-25")
    third = told(boston, "2026-11-25")
    assert third[TEXAS, "overdue_3", "sms"] == "queued"
    assert "as often as" in third[BOSTON, "overdue_3", "sms"]
    messages = {row["loans"]: row["message_id"] for row in boston.messages() if row["channel"] == "sms"}
    again = ("--reason", "ticket 1", "--yes", "--now", "2026-11-23T12:30:00+08:00")
    refused = boston.run("resend", "--message", messages[BOSTON], *again, code=1)
    assert "as often as" in refused.out + refused.err
    boston.run("resend", "--message", messages[TEXAS], *again)
    shown = boston.run("policy", "show", "--loan", BOSTON, "--as-of", "2026-11-25", "--format", "json").json
    (person,) = shown["people"]
    assert [one["preset"] for one in person["presets"]] == ["us-reg-f", "us-ma", "us-tcpa"]
    assert person["presets"][1]["because"] == "US-MA (country, region)"
    caps = {(cap["by"], cap["in_days"]): (cap["limit"], cap["used"], cap["left"]) for cap in person["caps"]}
    assert caps["us-ma", 7] == (2, 2, 0)
    assert caps["us-reg-f", 7] == (7, 1, 6)
    (ma,) = [cap for cap in person["caps"] if cap["by"] == "us-ma"]
    assert (ma["certainty"], ma["gathered"]) == ("T", "2026-11-26")
    assert "940 CMR 7.04" in ma["source"]


def test_no_message_is_sent_again_while_a_night_runs(boston: Desk) -> None:
    boston.night(AS_OF)
    boston.send("2026-11-23T09:30:00+08:00")
    call = next(row for row in boston.messages() if row["loans"] == TEXAS and row["channel"] == "voice")
    app = build_app(boston.folder / "config.yaml", datetime.fromisoformat("2026-11-23T10:30:00+08:00"))
    args = ("--reason", "ticket 2", "--yes", "--now", "2026-11-23T10:30:00+08:00")
    with one_night(app, "clerk"):
        assert "clerk" in boston.run("resend", "--message", call["message_id"], *args, code=4).err


def test_an_answered_call_is_followed_by_seven_days_of_rest(boston: Desk) -> None:
    """The call of one day past due is answered: none may follow for seven days, not even the next morning's resend."""
    boston.configure(rules=[rule for rule in ladder(boston, "overdue_1") if rule.get("channel") == "voice"])
    boston.night(AS_OF)
    boston.send("2026-11-23T09:30:00+08:00")
    (call,) = [row for row in boston.messages() if row["loans"] == TEXAS]
    app = build_app(boston.folder / "config.yaml", datetime.fromisoformat("2026-11-23T09:40:00+08:00"))
    answered = Receipt("console", "", call["message_id"], True, "ok", "answered", app.clock())  # noqa: FBT003 - delivered
    with app.open_ledger() as ledger:
        commit(ledger, receipts.settle, [answered], app.clock())
    american(boston, "2026-11-29")
    for day, expected in (("2026-11-29", 1), ("2026-11-30", 0)):
        american(boston, day)
        again = ("--reason", "ticket 3", "--yes", "--now", f"{day}T10:00:00+08:00")
        done = boston.run("resend", "--message", call["message_id"], *again, code=expected)
        assert ("answered call" in done.out + done.err) == bool(expected)


def test_a_reply_since_the_night_puts_the_waiting_call_off(boston: Desk) -> None:
    portal = {"provider": "portal", "phone": "手机号", "text": "内容", "time": "时间", "id": "编号"}
    boston.configure(inbound={"reply_files": {"portal": portal}})
    boston.night(AS_OF)
    said = "手机号,内容,时间,编号\n10000000001,收到,2026-11-23T08:30:00,1\n"
    (boston.folder / "replies.csv").write_text(said, encoding="utf-8")
    boston.run("replies", "import", "replies.csv", "--kind", "portal", "--now", "2026-11-23T08:40:00+08:00")
    assert boston.send("2026-11-23T09:30:00+08:00", code=1)["accepted"] == 1
    calls = {row["loans"]: row["state"] for row in boston.messages() if row["channel"] == "voice"}
    # Its notice is free again, for a night after the rest.
    assert calls == {TEXAS: "expired", BOSTON: "accepted"}
    assert any("talked" in row for row in audited(boston, "message.held"))


def test_a_policy_that_grew_stricter_binds_what_waits_already(boston: Desk) -> None:
    boston.night(AS_OF)
    policy = options(boston)["policy"] | {"hours": [{"window": "12:00-13:00"}]}
    boston.configure(policy=policy)
    assert boston.send("2026-11-23T09:30:00+08:00", code=1)["accepted"] == 0
    assert {row["state"] for row in boston.messages()} == {"queued"}
    assert boston.send("2026-11-23T12:10:00+08:00")["accepted"] == 2


def test_lint_tells_what_presets_do_to_the_ladder(desk: Desk) -> None:
    desk.configure(rules=ladder(desk, "overdue_1", "overdue_3", "overdue_7"))
    at = ("--now", "2026-03-02T08:00:00+08:00")
    rows = desk.run(
        "policy", "lint", "--preset", "au", "--preset", "us-ma", *at, "--format", "json", code=1
    ).json
    found = {(row["preset"], row["place"], row["code"]): row["message"] for row in rows}
    assert "1 day" in found["au", "overdue_7 sms", "stage_delayed"]
    assert "nobody answers" in found["au", "overdue_7 sms", "stage_delayed"]
    assert "nobody answers" in found["us-ma", "overdue_3 sms", "stage_suppressed"]
    assert "nobody answers" not in found["us-ma", "overdue_7 sms", "stage_delayed"]
    looser = {row["message"] for row in rows if row["code"] == "cap_looser" and row["preset"] == "au"}
    assert [sum(f"more than {cap}" in message for message in looser) for cap in ("3 in 7", "10 in 31")] == [
        1,
        1,
    ]
    assert {row["preset"] for row in rows} == {"au", "us-ma"}
    chinese = desk.run("policy", "lint", "--preset", "in", *at, "--language", "zh", "--format", "csv").out
    assert "以法规预设为准，08:00-19:00" in chinese
    assert "did you mean 'us-ma'" in desk.run("policy", "lint", "--preset", "us-m", code=2).err


def test_lint_of_the_configured_presets_looks_at_texts_and_lexicon(desk: Desk) -> None:
    policy = options(desk)["policy"] | {"presets": ["us-reg-f", "us-tcpa"]}
    desk.configure(policy=policy, rules=ladder(desk, "overdue_1"))
    codes = {row["code"] for row in desk.run("policy", "lint", "--format", "json", code=1).json}
    assert codes == {"opt_out_text_missing", "cap_looser"}
    hints = {"zh-CN": "退订请回复R。", "en": "Reply STOP to opt out."}
    desk.configure(messages=options(desk)["messages"] | {"reply_hint": hints})
    assert "opt_out_text_missing" not in desk.run("policy", "lint", "--format", "json").out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_show_prints_the_law_of_each_place(desk: Desk, language: str) -> None:
    policy = options(desk)["policy"] | {"presets": ["id", "us-reg-f"], "no_contact_dates": ["2026-12-01"]}
    desk.configure(policy=policy)
    out = "".join(desk.run("policy", "show", "--as-of", AS_OF, "--language", language).out.split())
    for text in ("id", "08:00-20:00", "12CFR1006", "2026-12-25", "2026-12-01", "US"):
        assert text in out
    assert ("节假日" in out) == (language == "zh")
    shown = desk.run("policy", "show", "--as-of", AS_OF, "--format", "json").json
    assert [one["who"] for one in shown["people"]] == ["id", "us-reg-f"]
    texts = next(
        row for row in shown["people"][0]["hours"] if (row["channel"], row["class"]) == ("sms", "collection")
    )
    assert (texts["sat"], texts["sun"], texts["holiday"]) == ("08:00-20:00", "none", "none")
    assert {source["certainty"] for source in texts["sources"]} == {"", "N"}
    closed = {row["date"]: row["why"] for row in shown["people"][0]["no_contact"]}
    new_year, ascension = "2027-01-01", "2027-01-05"
    assert closed == {
        "2026-12-01": "no_contact_dates",
        **dict.fromkeys(("2026-12-25", new_year, ascension), "holiday"),
    }


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"presets": ["usa"]}, "policy: presets[0]: there is no preset 'usa'"),
        ({"presets": ["cn", "cn"]}, "policy.presets: named twice: cn"),
        ({"hours": [{"window": "08:00-21:00", "days": ["monday"]}]}, "policy.hours[0].days[0]"),
        ({"gaps": [{"per": "number"}]}, "policy.gaps[0]: a gap of nothing"),
        ({"caps": [{"per": "loan", "limit": -1}]}, "policy.caps[0].limit"),
    ],
)
def test_what_is_wrong_in_a_policy_is_told_with_its_place(
    desk: Desk, policy: dict[str, Any], said: str
) -> None:
    desk.configure(policy=policy)
    assert said in desk.run("config", "check", code=2).err


def test_an_unknown_country_rejects_its_row_and_says_how_to_write_one(desk: Desk) -> None:
    export(desk, [])
    desk.write("loans", f"{LOANS},country", [f"{Loan('L1', '2026-11-22').row(AS_OF)},Atlantis"])
    args = ("--as-of", AS_OF, "--now", f"{AS_OF}T02:00:00+08:00", "--format", "json")
    explained = desk.run("explain", "L1", *args).json
    assert any("unknown_country" in row for row in explained["rejected_rows"])
