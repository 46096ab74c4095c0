"""`templates lint --provider`: a lender's approved templates at two clouds, from the command line."""

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from carloan_notify.config.load import read_yaml
from tests.e2e.conftest import Desk

SAMPLES = Path(__file__).parents[2] / "samples" / "approved"
HUAWEI = {
    "type": "huawei",
    "app_key": "k",
    "app_secret": "${APP_SECRET}",
    "sender": "8823111111111",
    "templates": [
        {
            "notices": ["payment_received"],
            "code": "huawei-1",
            "params": {"name": "{borrower_name}", "amount": "{amount_text}"},
            "text": "${TXT_20}您好，已收到还款${MONEY}。拒收请回复R【安达】",
        }
    ],
}


@pytest.fixture
def clouds(desk: Desk) -> Desk:
    """A lender with two clouds and Chinese templates only."""
    values: dict[str, Any] = read_yaml(desk.folder / "config.yaml")
    providers = yaml.safe_load((SAMPLES / "aliyun.yaml").read_text(encoding="utf-8"))
    values["delivery"]["providers"] |= providers | {"huawei": HUAWEI}
    desk.configure(delivery=values["delivery"])
    shutil.rmtree(desk.folder / "templates" / "en")
    keys = {"ALIYUN_ACCESS_KEY_ID": "id", "ALIYUN_ACCESS_KEY_SECRET": "secret", "APP_SECRET": "secret"}
    return Desk(desk.folder, keys)


def test_two_clouds(clouds: Desk) -> None:
    assert clouds.run("templates", "lint", "--provider", "aliyun_calls", "--format", "json").json == []
    rows = clouds.run("templates", "lint", "--provider", "aliyun_sms", "--format", "json", code=1).json
    assert {row["code"] for row in rows} == {"text_differs"}
    *penalties, thanks = rows
    assert all("罚息0.00元" in row["approved"] and "罚息0" not in row["ours"] for row in penalties)
    assert "尚有逾期" in thanks["ours"]
    done = clouds.run("templates", "lint", "--provider", "huawei", "--format", "csv", code=1)
    found = {row["code"] for row in csv.DictReader(io.StringIO(done.out))}
    assert found == {"not_worded", "text_refused", "text_differs", "value_refused"}
    shown = clouds.run("templates", "lint", "--provider", "aliyun_sms", code=1).out
    assert "text_differs" in shown
    assert "approved:" in shown.replace("\n", "")


def test_the_consoles_export(clouds: Desk) -> None:
    export = clouds.folder / "导出.csv"
    export.write_text("模板名称,模板CODE,模板内容\n还款,huawei-1,您好${1}元${2}\n", encoding="gb18030")
    lint = ("templates", "lint", "--provider", "huawei", "--format", "json", "--approved", str(export))
    rows = clouds.run(*lint, code=1).json
    (differs,) = [row for row in rows if row["code"] == "text_differs"]
    assert differs["approved"] == "您好王小明元3,210.50元"
    export.write_text("名称,内容\n", encoding="gb18030")
    assert "names no column for code" in clouds.run(*lint, code=2).err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--approved", "x.csv"), "go with --provider NAME"),
        (("--variable-limit", "6"), "go with --provider NAME"),
        (("--provider", "nobody"), "no provider is called 'nobody'"),
        (("--provider", "console"), "console sends our own text"),
    ],
)
def test_what_cannot_be_checked(clouds: Desk, args: tuple[str, ...], said: str) -> None:
    assert said in clouds.run("templates", "lint", *args, code=2).err


def test_a_typing_error_stops_every_command(clouds: Desk) -> None:
    values: dict[str, Any] = read_yaml(clouds.folder / "config.yaml")
    values["delivery"]["providers"]["huawei"]["templates"][0]["notices"] = ["payment_recieved"]
    clouds.configure(delivery=values["delivery"])
    said = clouds.run("config", "check", code=2).err
    assert "delivery.providers.huawei.templates[0].notices[0]" in said
    assert "did you mean 'payment_received'?" in said


def test_the_variables_of_templates(desk: Desk) -> None:
    rows = desk.run("templates", "list", "--variables", "--format", "json").json
    assert {"variable": "amount_text", "for": "approved"}.items() <= next(
        row.items() for row in rows if row["variable"] == "amount_text"
    )
    assert {row["for"] for row in rows} == {"ours", "approved", "both"}
