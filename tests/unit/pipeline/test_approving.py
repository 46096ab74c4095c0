"""Approved templates held against our own words: the sample passes, and each fault of a mapping is found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.app import App, system_clock
from carloan_notify.config.example import sample_values
from carloan_notify.config.load import validate
from carloan_notify.errors import ConfigError
from carloan_notify.pipeline.templates import FINDING_COLUMNS, lint_approved, variable_rows

ROOT = Path(__file__).parents[3]
KEYS = {"access_key_id": "id", "access_key_secret": "secret"}
SAMPLE: Mapping[str, dict[str, Any]] = {
    name: {**options, **KEYS}
    for name, options in yaml.safe_load(
        (ROOT / "samples" / "approved" / "aliyun.yaml").read_text(encoding="utf-8")
    ).items()
}
PENALTY_ALWAYS = ["overdue_1", "overdue_3", "overdue_7", "overdue_15", "overdue_30", "credit_bureau_notice"]


def house_of(providers: Mapping[str, Any], folder: Path = ROOT, **options: Any) -> App:
    values = sample_values() | options
    values["delivery"]["providers"] |= providers
    loaded = validate(values, source=Path("config.yaml"))
    return App(loaded, folder, loaded.lender.record(), system_clock)


def told(rows: list[dict[str, str]], language: str = "zh-CN") -> list[tuple[str, str]]:
    """Code and place of the findings, without those of what another language lacks."""
    assert all(tuple(row) == FINDING_COLUMNS and row["message"] for row in rows)
    return [
        (row["code"], row["place"].rpartition(".")[2])
        for row in rows
        if row["code"] != "not_worded" or f" in {language} " in row["message"]
    ]


def changed(**changes: Any) -> list[dict[str, str]]:
    """The findings when the sample's first template (due_in_7_days, one loan) says something else."""
    provider = SAMPLE["aliyun_sms"]
    first, *rest = provider["templates"]
    altered = {**provider, "templates": [{**first, **changes}, *rest]}
    return lint_approved(house_of({"main": altered}), "main")


def of_first(rows: list[dict[str, str]]) -> list[str]:
    return [code for code, place in told(rows) if place in ("templates[0]", "templates")]


def test_the_sample_differs_from_our_texts_only_in_naming_penalty_interest_and_not_what_remains() -> None:
    rows = [row for row in lint_approved(house_of(SAMPLE), "aliyun_sms") if row["code"] != "not_worded"]
    assert [row["code"] for row in rows] == ["text_differs"] * (len(PENALTY_ALWAYS) + 1)
    thanks = rows.pop()
    assert (
        thanks["ours"].replace("（第5期），谢谢。尚有逾期3,210.50元未还。", "，谢谢。") == thanks["approved"]
    )
    for row, notice in zip(rows, PENALTY_ALWAYS, strict=True):
        case = f"{notice} in zh-CN to the borrower with one loan, an ordinary recipient: "
        assert row["message"].startswith(case)
        assert "{+（含" in row["message"]
        ours = row["ours"].replace("，逾期按合同计收罚息", "")
        assert row["approved"].replace("（含罚息0.00元）", "", 1) == ours
    assert told(lint_approved(house_of(SAMPLE), "aliyun_calls")) == []


def test_the_sample_words_every_rule_in_chinese() -> None:
    for name, notices in (("aliyun_sms", 26), ("aliyun_calls", 2)):
        rows = lint_approved(house_of(SAMPLE), name)
        unworded = [row["message"] for row in rows if row["code"] == "not_worded"]
        assert len(unworded) == notices
        assert all(" in en to the borrower with one loan" in message for message in unworded)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"text": "${name}您好"}, ["param_unused"] * 7 + ["text_differs"]),
        ({"text": ""}, ["approved_text_missing"]),
        ({"sign": "安达"}, ["sign_differs"]),
        ({"language": "fr"}, ["not_worded", "unknown_language"]),
        ({"language": "en"}, ["not_worded", "text_differs"]),
        ({"loans": "several"}, ["not_worded", "text_differs"]),
        ({"party": "other"}, ["not_worded", "never_chosen"]),
    ],
    ids=["as it is", "short", "no text", "other sign", "fr", "en", "several", "other"],
)
def test_one_fault(changes: Mapping[str, Any], codes: list[str]) -> None:
    assert of_first(changed(**changes)) == codes


def test_values_are_checked_for_the_longest_recipient() -> None:
    (row,) = [
        row
        for row in changed(
            params={**SAMPLE["aliyun_sms"]["templates"][0]["params"], "name": "{borrower_name}" * 4}
        )
        if row["code"] == "value_too_long"
    ]
    assert (
        "the longest plausible recipient: `name` may hold 35 characters; here it takes 40" in row["message"]
    )
    link = {**SAMPLE["aliyun_sms"]["templates"][0]["params"], "token": "{pay_link}"}
    assert "value_refused" in of_first(changed(params=link))


def test_a_shorter_limit_of_the_account() -> None:
    rows = lint_approved(house_of(SAMPLE), "aliyun_sms", variable_limit=6)
    assert {code for code, _ in told(rows)} == {"text_differs", "value_too_long"}


def test_an_export_replaces_the_texts(tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text("code,text\nSMS_000000001,您好${name}\nSMS_999,别的\n", encoding="gb18030")
    rows = lint_approved(house_of(SAMPLE), "aliyun_sms", export)
    assert of_first(rows) == ["param_unused"] * 7 + ["text_differs"]
    (first,) = [row for row in rows if row["code"] == "text_differs" and "templates[0]" in row["place"]]
    assert first["approved"] == "您好王小明"


def test_templates_that_nothing_uses() -> None:
    values = sample_values()
    rules = [rule for rule in values["rules"] if rule["notice"] != "loan_settled"]
    rows = lint_approved(house_of(SAMPLE, rules=rules), "aliyun_sms")
    assert ("notice_unused", "templates[28]") in told(rows)
    twice = {**SAMPLE["aliyun_sms"], "templates": SAMPLE["aliyun_sms"]["templates"][:1] * 2}
    rows = lint_approved(house_of({"main": twice}), "main")
    assert [code for code, place in told(rows) if place == "templates[1]"] == [
        "code_repeated",
        "never_chosen",
    ]


def test_tencent_fills_by_number_and_huawei_by_place() -> None:
    template = {"notices": ["application_approved"], "language": "en", "code": "1"}
    params = {"tail": "{contract_tail}", "amount": "{amount}"}
    tencent = {
        "type": "tencent",
        "secret_id": "i",
        "secret_key": "k",
        "app_id": "1400006666",
        "templates": [{**template, "params": params, "text": "{2}元{1}"}],
    }
    huawei = {
        "type": "huawei",
        "app_key": "k",
        "app_secret": "s",
        "sender": "8823",
        "templates": [{**template, "params": params, "text": "${NUM_4}元${MONEY}"}],
    }
    app = house_of({"tencent": tencent, "huawei": huawei})
    read = {}
    for name in ("tencent", "huawei"):
        rows = [row for row in lint_approved(app, name) if row["code"] != "not_worded"]
        read[name] = [(row["code"], row["approved"]) for row in rows]
    assert read == {
        "tencent": [("sign_missing", ""), ("text_differs", "3210.50元1234")],
        "huawei": [("text_differs", "1234元3210.50")],
    }


def test_our_own_text_must_be_there(tmp_path: Path) -> None:
    broken = tmp_path / "templates" / "zh-CN"
    broken.mkdir(parents=True)
    (broken / "due_in_7_days.sms.j2").write_text("{% if %}", encoding="utf-8")
    (broken / "due_today.sms.j2").write_text("{{ amout }}", encoding="utf-8")
    rows = lint_approved(house_of(SAMPLE, tmp_path), "aliyun_sms")
    found = {row["place"].rpartition(".")[2] for row in rows if row["code"] == "our_text_missing"}
    assert found == {f"templates[{number}]" for number in range(4)}
    assert not [row for row in rows if row["code"] == "value_empty"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing", "no provider is called 'nothing'"), ("console", "console sends our own text")],
)
def test_providers_without_approved_templates(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lint_approved(house_of(SAMPLE), name)


def test_variables_say_where_they_may_be_used() -> None:
    rows = {row["variable"]: row["for"] for row in variable_rows()}
    assert (rows["hotline"], rows["amount"], rows["amount_text"]) == ("ours", "both", "approved")
    assert all(row["meaning"] for row in variable_rows())


@settings(max_examples=10, deadline=None)
@given(st.text("，。请", max_size=2), st.integers(0, 4))
def test_a_difference_is_reported_if_and_only_if_there_is_one(added: str, place: int) -> None:
    text = SAMPLE["aliyun_sms"]["templates"][0]["text"]
    at = text.index("。请备足") + place  # no variable is cut in two
    rows = changed(text=text[:at] + added + text[at:])
    assert ("text_differs" in of_first(rows)) == bool(added)
