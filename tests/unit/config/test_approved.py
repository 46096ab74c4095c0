"""What approved templates name must exist; a typing error is told with its place and the nearest name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from carloan_notify.config.example import sample_values
from carloan_notify.config.load import load_settings, validate
from carloan_notify.delivery.approved import templates_of
from carloan_notify.errors import ConfigError

GOOD = {
    "notices": ["overdue_1"],
    "code": "SMS_1",
    "sign": "安达车贷",
    "params": {"x": "{amount_text}"},
    "language": "zh-CN",
}


def values_with(**changes: Any) -> dict[str, Any]:
    values = sample_values()
    values["delivery"]["providers"]["main"] = {
        "type": "aliyun",
        "access_key_id": "${ID}",
        "access_key_secret": "${SECRET}",
        "templates": [GOOD, {**GOOD, **changes}],
    }
    return values


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"notices": ["overdue_1", "overdu_3"]},
            ".notices[1]: there is no notice 'overdu_3'; did you mean 'overdue_3'?",
        ),
        ({"notices": ["balloon"]}, ".notices[0]: there is no notice 'balloon'; see `rules`"),
        ({"language": "zh_CN"}, ".language: 'zh_CN' is no language tag; write one such as zh-CN or en"),
        ({"params": {"x": "{amout}"}}, ".params.x: there is no value 'amout'; did you mean 'amount'?"),
        ({"params": {"x": "{hotline}"}}, ".params.x: there is no value 'hotline'"),
        ({"params": {"x": "{extra.branch}"}}, "see `templates list --variables`"),
        ({"params": {"x": "{Amount}"}}, ".params.x: a brace is left over"),
    ],
)
def test_names_that_do_not_exist(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(values_with(**changes), source=Path("config.yaml"))
    (problem,) = caught.value.problems
    assert "delivery.providers.main.templates[1]" in problem
    assert said in problem


def test_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(values_with(notices=["x"], language="?", params={"a": "{b}"}), source=Path("config.yaml"))
    assert str(caught.value).count("templates[1]") == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"language": ""},
        {"language": "en"},
        {"params": {"x": "{params.amount}元 {reference}"}},
        {"params": {"x": "固定"}},
    ],
)
def test_names_that_exist(changes: dict[str, Any]) -> None:
    loaded = validate(values_with(**changes), source=Path("config.yaml"))
    assert len(templates_of(loaded.delivery.providers["main"])) == 2


def test_a_notice_of_the_default_ladder_is_known_without_its_rule() -> None:
    values = values_with(notices=["overdue_30"])
    values["rules"] = [rule for rule in values["rules"] if rule["notice"] != "overdue_30"]
    validate(values, source=Path("config.yaml"))


def test_variables_of_an_approved_text_are_none_of_the_environment(tmp_path: Path) -> None:
    values = values_with(text="应还${amount}元，${file:x}")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    loaded = load_settings(path, {"ID": "id", "SECRET": "s", "amount": "never"})
    assert templates_of(loaded.delivery.providers["main"])[1].text == "应还${amount}元，${file:x}"
