"""A ladder per product, and a notice of the lender's own, in YAML alone."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.e2e.conftest import Desk
from tests.e2e.tiny import AS_OF, CONTACTS, LOANS, NOON, PAYMENTS, Loan, options, preview

# The line before the last of the ladder tells a day that stands in the lender's own column.
LADDER = """
- {notice: due_soon_ev, when: {days_before_due: 7}, where: {product: ev}, template: due_in_7_days}
- notice: due_soon
  when: {days_before_due: 7}
  where: {product: {not: ev}, segment: {not: vip}}
  template: due_in_7_days
- {notice: due_today, when: {days_before_due: 0}, where: {principal: {from: 5000}}}
- {notice: overdue_1, when: {days_past_due: 1}, where: {product: [ev, used], bucket: M1}, class: collection}
- {notice: insurance, when: {date: insurance_ends_on, days_before: 30}, where: {insured_for: {from: 50000}}}
- {notice: inspection, when: {event: inspection_due, days_before: 10}}
"""
DAY = "2026-11-30"
"""Seven days after AS_OF."""


def loan(number: int, product: str, segment: str, insurance: str = "", insured: str = "") -> str:
    row = Loan(f"L{number}", DAY, phone=f"1000000{number:04d}").row(AS_OF).replace(",car,", f",{product},")
    return f"{row},{segment},{insurance},{insured}"


@pytest.fixture
def own(desk: Desk) -> Desk:
    sources = options(desk)["sources"]
    sources["loans"]["extra"] = {
        "segment": "客户分层",
        "insurance_ends_on": {"header": "保险到期日", "kind": "date"},
        "insured_for": {"header": "保额", "kind": "amount"},
    }
    desk.configure(
        sources=sources,
        rules=yaml.safe_load(LADDER),
        events={"inspection_due": {"words": ["年检到期"]}},
    )
    for name, text in {
        "insurance": "保险于{{ extra.insurance_ends_on | date }}到期，保额{{ extra.insured_for | money }}，请续保。",
        "inspection": "车辆年检于{{ occurred_on | date }}到期，{{ event_detail }}。",
    }.items():
        (desk.folder / "templates" / "zh-CN" / f"{name}.sms.j2").write_text(text, encoding="utf-8")
    write(
        desk,
        loan(1, "ev", "vip", "2026-12-23", "80000"),
        loan(2, "used", "vip"),
        loan(3, "used", "b", "2026-12-23", "40000"),
    )
    return desk


def write(desk: Desk, *loans: str, events: tuple[str, ...] = ()) -> None:
    desk.write("loans", f"{LOANS},客户分层,保险到期日,保额", loans)
    desk.write("payments", PAYMENTS, ())
    desk.write("changes", "change_id,loan_id,type,effective_on,value")
    desk.write("events", "event_id,loan_id,type,occurred_at,amount,detail", events)
    desk.write("contacts", CONTACTS, ())


def told(desk: Desk, as_of: str = AS_OF) -> dict[tuple[str, str], str]:
    rows = preview(desk, as_of, NOON.replace(AS_OF, as_of))
    return {(row["loan_id"], row["notice"]): row["text"] or row["decision"] for row in rows}


def test_each_product_has_its_ladder_and_a_date_column_its_notice(own: Desk) -> None:
    found = told(own)
    assert set(found) == {("L1", "due_soon_ev"), ("L1", "insurance"), ("L3", "due_soon")}
    assert found["L1", "insurance"] == "【安达车贷】保险于12月23日到期，保额80,000.00元，请续保。"


def test_explain_names_the_condition_that_does_not_fit(own: Desk) -> None:
    said = own.run("explain", "L2", "--as-of", AS_OF, "--now", NOON, "--format", "json").json["rules"]
    by_notice = {row["notice"]: row["says"] for row in said}
    assert "product" in by_notice["due_soon_ev"]
    assert "segment" in by_notice["due_soon"]
    assert "product" not in by_notice["due_soon"]


def test_an_event_of_the_lenders_own_is_told_once_for_each_day(own: Desk) -> None:
    rows = ("E1,L1,年检到期,2026-12-03,,请到场", "E2,L1,inspection_due,2026-12-03,,请到场")
    write(own, loan(1, "ev", ""), events=rows)
    assert told(own)["L1", "inspection"] == "【安达车贷】车辆年检于12月3日到期，请到场。"
    own.run("run", "--as-of", AS_OF, "--now", NOON)
    assert told(own)["L1", "inspection"] == "already_sent"


def test_a_renewed_insurance_is_told_again_and_the_same_day_never(own: Desk) -> None:
    write(own, loan(1, "ev", "", "2026-12-23", "80000"))
    own.run("run", "--as-of", AS_OF, "--now", NOON)
    assert told(own)["L1", "insurance"] == "already_sent"
    write(own, loan(1, "ev", "", "2026-12-22", "80000"))
    assert "12月22日" in told(own)["L1", "insurance"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"segmnet": "vip"}, "rules[0].where.segmnet: no source maps such a column; did you mean 'segment'?"),
        ({"product": 7}, "rules[0].where.product: 7 is not a text; put it in quotes"),
        ({"product": []}, "lists nothing"),
        ({"product": {"in": ["ev"]}}, "in: no such condition"),
        ({"product": [{"not": "ev"}]}, "is no value"),
        ({"product": None}, "says nothing"),
        ({"product": {"from": "a"}}, "which has no from and to"),
        ({"principal": {"from": 10, "to": 5}}, "from is more than to"),
        ({"status": "activ"}, "did you mean 'active'?"),
        ({"bucket": "M11"}, "rules[0].where.bucket: 'M11' is no value of it; did you mean 'M1'?"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(own: Desk, where: dict[str, Any], said: str) -> None:
    own.configure(rules=[{"notice": "due_today", "when": {"days_before_due": 0}, "where": where}])
    told = own.run("config", "check", code=2)
    assert said in " ".join(told.err.split())


def test_a_date_or_an_event_that_nobody_reports_is_refused(own: Desk) -> None:
    own.configure(
        rules=[
            {"notice": "a", "when": {"date": "insurance_end_on"}},
            {"notice": "b", "when": {"event": "nope"}},
            {"notice": "c", "when": {"event": "loan_setled"}},
        ]
    )
    said = " ".join(own.run("config", "check", code=2).err.split())
    assert "rules[0].when.date" in said
    assert "insurance_ends_on" in said
    assert "rules[1].when.event: there is no event 'nope'" in said
    assert "there is no event 'loan_setled'; did you mean 'loan_settled'?" in said


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (loan(1, "ev", "", "2026-12-23", "80000"), ""),
        (loan(1, "ev", "", "2026-12-22", "80000"), "no_longer_true"),
        (loan(1, "ev", "", "", "80000"), "no_longer_true"),
        (loan(1, "ev", "", "2026-12-23", "40000"), "other_loans"),
    ],
)
def test_the_last_look_asks_the_column_and_the_condition_again(own: Desk, row: str, why: str) -> None:
    own.configure(rules=[rule for rule in yaml.safe_load(LADDER) if rule["notice"] == "insurance"])
    write(own, loan(1, "ev", "", "2026-12-23", "80000"))
    own.night(AS_OF)
    write(own, row)
    own.send(NOON)
    [message] = own.messages()
    assert message["state"] == (
        "cancelled" if why else "delivered" if message["state"] == "delivered" else "accepted"
    )
    assert why in str(message)


def test_a_value_that_no_loan_and_nobody_has_is_found(own: Desk) -> None:
    rules = """
- {notice: due_today, when: {days_before_due: 0}, where: {product: [ev, usde], bucket: M2, segment: {not: vipp}}}
- {notice: due_in_7_days, when: {days_before_due: 7}, where: {language: [en, zh-CN], principal: 7}}
"""
    own.configure(rules=yaml.safe_load(rules))
    shown = own.run("preview", "--as-of", AS_OF, "--now", NOON)
    said = " ".join((shown.out + shown.err).split())
    assert "rules[0].where.product: 'usde' stands in no row tonight; did you mean 'used'?" in said
    assert "rules[0].where.segment: 'vipp' stands in no row tonight; did you mean 'vip'?" in said
    assert "rules[1].where.language: 'en' stands in no row tonight; correct it, or take it out" in said
    assert own.night(AS_OF)["findings"] == {"where_value_unknown": 3}


PRODUCTS = """
- {notice: due_soon, when: {days_before_due: 7}, where: {product: ev}, template: due_in_7_days}
- {notice: due_soon, when: {days_before_due: 5}, where: {product: used}, template: due_used, window: "14:00-15:00"}
- {notice: due_soon, when: {days_before_due: 3}, where: {product: {not: [ev, used]}}, template: due_in_7_days}
- {notice: hello, when: {days_before_due: 6}, where: {language: zh-CN}, template: due_in_7_days}
- {notice: hello, when: {days_before_due: 6}, where: {language: {not: zh-CN}}, template: due_used}
"""


@pytest.fixture
def products(own: Desk) -> Desk:
    own.configure(rules=yaml.safe_load(PRODUCTS))
    (own.folder / "templates" / "zh-CN" / "due_used.sms.j2").write_text(
        "二手车贷款{{ due_on | date }}到期，应还{{ amount | money }}。", encoding="utf-8"
    )
    write(own, *(loan(number, product, "") for number, product in enumerate(("ev", "used", "new"), 1)))
    return own


def test_one_notice_has_another_day_and_other_words_for_each_product(products: Desk) -> None:
    days = {"2026-11-23": "L1", "2026-11-25": "L2", "2026-11-27": "L3"}
    for day, loan_id in days.items():
        found = {whose: text for (whose, notice), text in told(products, day).items() if notice == "due_soon"}
        assert [whose for whose, text in found.items() if text != "superseded"][-1] == loan_id
        assert ("二手车" in found[loan_id]) == (loan_id == "L2")


@pytest.mark.parametrize(
    ("product", "at", "state"),
    [
        ("used", "14:30", "sent"),
        ("used", "10:00", "queued"),  # its own rule's hours, not those of another product's
        ("ev", "14:30", "sent"),  # told late by the other rule, and its key is the same
        ("new", "14:30", "other_loans"),
    ],
)
def test_the_last_look_goes_by_the_rule_that_fits_the_loan(
    products: Desk, product: str, at: str, state: str
) -> None:
    day = "2026-11-25"
    products.configure(rules=yaml.safe_load(PRODUCTS)[:3])
    write(products, loan(2, "used", "").replace(AS_OF, day))
    products.night(day)
    write(products, loan(2, product, "").replace(AS_OF, day))
    products.send(f"{day}T{at}:00+08:00")
    [message] = products.messages()
    found = "sent" if message["state"] in ("accepted", "delivered") else message["state"]
    assert state == found or state in str(message)
    if state == "sent":
        [shown] = products.messages("--reveal", "--reason", "test")
        assert ("二手车" in shown["text"]) == (product == "used")


def test_a_cloud_that_words_a_notice_by_one_template_wants_one_template(products: Desk) -> None:
    delivery = options(products)["delivery"]
    delivery["providers"]["cloud"] = {
        "type": "aliyun",
        "access_key_id": "${file:k}",
        "access_key_secret": "${file:k}",
        "templates": [{"code": "SMS_1", "notices": ["due_soon"], "language": "zh-CN", "sign": "安达车贷"}],
    }
    (products.folder / "k").write_text("secret", encoding="utf-8")
    (products.folder / "k").chmod(0o600)
    delivery["channels"]["sms"] = ["cloud"]
    products.configure(delivery=delivery)
    said = " ".join(products.run("config", "check", code=2).err.split())
    assert "rules[1].template: cloud has approved templates, and words due_soon by one of them" in said


def _as_parquet(desk: Desk, table: dict[str, Any]) -> dict[str, Any]:
    rows = pd.read_csv(desk.folder / table["path"], dtype=str)
    rows["保险到期日"] = pd.to_datetime(rows["保险到期日"]).dt.date
    rows["保额"] = rows["保额"].astype(float)
    rows.to_parquet(desk.folder / "loans.parquet", index=False)
    return {**table, "path": "loans.parquet"}


def _as_sql(desk: Desk, table: dict[str, Any]) -> dict[str, Any]:
    rows = pd.read_csv(desk.folder / table["path"], dtype=str)
    with closing(sqlite3.connect(desk.folder / "lender.db")) as database:
        rows.to_sql("loans", database, index=False)
    query = {"url": f"sqlite:///{desk.folder / 'lender.db'}", "query": "SELECT * FROM loans"}
    return {**{name: value for name, value in table.items() if name != "path"}, **query}


@pytest.mark.parametrize("stored", [_as_parquet, _as_sql])
def test_files_and_databases_give_the_same_decisions(
    own: Desk, stored: Callable[[Desk, dict[str, Any]], dict[str, Any]]
) -> None:
    ladder = yaml.safe_load(PRODUCTS)[:3] + yaml.safe_load(LADDER)[-2:-1]
    own.configure(rules=ladder)
    (own.folder / "templates" / "zh-CN" / "due_used.sms.j2").write_text(
        "{{ due_on | date }}到期。", encoding="utf-8"
    )
    write(
        own,
        loan(1, "ev", "vip", "2026-12-23", "80000"),
        loan(2, "used", "", "2026-12-23", "50000.00"),
        loan(3, "used", "", "2026-12-23", "49999.99"),
        loan(4, "new", "", "", ""),
    )
    from_csv = preview(own)
    assert {(row["loan_id"], row["notice"]) for row in from_csv} == {
        ("L1", "due_soon"),
        ("L1", "insurance"),
        ("L2", "insurance"),
    }
    sources = options(own)["sources"]
    own.configure(sources={**sources, "loans": stored(own, sources["loans"])})
    assert preview(own) == from_csv


@pytest.mark.parametrize(("language", "why"), [("zh-CN", ""), ("en", "other_loans")])
def test_the_last_look_asks_again_whom_a_rule_is_for(products: Desk, language: str, why: str) -> None:
    products.configure(rules=yaml.safe_load(PRODUCTS)[3:4])
    write(products, loan(1, "ev", ""))
    products.night("2026-11-24")
    write(products, loan(1, "ev", "").replace("zh-CN", language))
    products.send(NOON.replace(AS_OF, "2026-11-24"))
    [message] = products.messages()
    assert message["state"] == "cancelled" if why else message["state"] in ("accepted", "delivered")
    assert why in str(message)


def test_what_a_language_lacks_falls_back_and_lint_says_so(own: Desk) -> None:
    assert "missing_language" in own.run("templates", "lint", "--format", "json", code=1).out
    own.configure(messages={**options(own)["messages"], "fallback": {"en": ["zh-CN"]}})
    found = own.run("templates", "lint", "--format", "json", code=1).json
    assert {(row["code"], row["place"]) for row in found} == {
        ("falls_back", "en/insurance.sms.j2"),
        ("falls_back", "en/inspection.sms.j2"),
    }
    checked = own.run("config", "check").out  # as it was configured: no reason to refuse the configuration
    assert "templates: nothing wrong" in checked
    assert "en/insurance.sms.j2: is not written yet; its notices fall back to" in checked


def test_words_of_another_language_say_so(own: Desk) -> None:
    own.configure(messages={**options(own)["messages"], "fallback": {"en": ["zh-CN"]}})
    write(own, loan(1, "ev", "", "2026-12-23", "80000").replace("zh-CN", "en"))
    at = ("--as-of", AS_OF, "--now", NOON)
    by_notice = {row["notice"]: row for row in preview(own)}
    says = "In zh-CN: en has no template for it yet."
    assert (by_notice["insurance"]["language"], by_notice["insurance"]["why"]) == ("zh-CN", says)
    assert (by_notice["due_soon_ev"]["language"], by_notice["due_soon_ev"]["why"]) == ("en", "")
    assert says in " ".join(own.run("preview", *at).out.split())
    explained = own.run("explain", "L1", *at, "--format", "json").json["tonight"]
    assert {row["notice"]: (row["language"], row["why"]) for row in explained}["insurance"] == ("zh-CN", says)
    own.run("run", *at)
    assert {row["notice"]: row["language"] for row in own.messages()} == {
        "insurance": "zh-CN",
        "due_soon_ev": "en",
    }
