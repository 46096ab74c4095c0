"""`providers check` and `providers test` where a cloud sends approved templates only."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.delivery.testing import closed_port
from tests.e2e.after import audited
from tests.e2e.conftest import Desk

APPROVED = Path(__file__).parents[2] / "samples" / "approved" / "aliyun.yaml"
SECRETS = {"ALIYUN_ACCESS_KEY_ID": "LTAIexample", "ALIYUN_ACCESS_KEY_SECRET": "hush-hush-hush"}
PHONE = "+8610000000001"


@pytest.fixture
def desk(after: Desk) -> Desk:
    return Desk(after.folder, SECRETS)


def configured(desk: Desk, url: str, *, in_use: bool = True, **changes: Any) -> None:
    """Alibaba Cloud beside the console, at this address."""
    cloud = yaml.safe_load(APPROVED.read_text(encoding="utf-8"))["aliyun_sms"]
    console = {"type": "console", "channels": ["sms", "voice"]}
    providers = {"console": console, "cloud": {**cloud, "base_url": url, **changes}}
    sms = ["cloud", "console"] if in_use else ["console"]
    desk.configure(delivery={"channels": {"sms": sms, "voice": ["console"]}, "providers": providers})


def rows_of(desk: Desk, *args: str, code: int = 0) -> list[dict[str, str]]:
    found: list[dict[str, str]] = desk.run("providers", "check", *args, "--format", "json", code=code).json
    return found


def test_check_looks_at_every_provider_without_a_word_to_borrowers(desk: Desk) -> None:
    configured(desk, closed_port())
    rows = rows_of(desk, code=1)
    assert rows[0] == {
        "provider": "console",
        "what": "console",
        "verdict": "ok",
        "detail": "prints, sends nothing",
    }
    missing = [row["detail"] for row in rows if row["what"] == "templates"]
    assert any(detail.startswith("no template words due_today in en to the borrower") for detail in missing)
    assert not any(" in zh-CN " in detail for detail in missing)
    assert {row["provider"] for row in rows} == {"console", "cloud"}
    assert "hush" not in json.dumps(rows)
    table = desk.run("providers", "check", "console").out
    assert "prints, sends nothing" in table
    assert "cloud" not in table


def test_what_is_worded_in_every_language_is_in_order(desk: Desk) -> None:
    cloud = yaml.safe_load(APPROVED.read_text(encoding="utf-8"))["aliyun_sms"]
    every = [{**template, "language": ""} for template in cloud["templates"]]
    configured(desk, closed_port(), templates=every)
    templates = [row for row in rows_of(desk) if row["what"] == "templates"]
    assert [(row["verdict"], row["detail"]) for row in templates] == [
        ("ok", "every notice of its channels has one")
    ]


def test_a_provider_that_no_channel_names_words_nothing(desk: Desk) -> None:
    configured(desk, closed_port(), in_use=False, templates=[])
    assert [row for row in rows_of(desk, "cloud") if row["what"] == "templates"] == []


def test_an_unknown_name_is_told(desk: Desk) -> None:
    assert (
        "no provider is called 'clod'; there is console" in desk.run("providers", "check", "clod", code=2).err
    )


def test_a_template_is_tried_with_sample_values(desk: Desk, httpserver: HTTPServer) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response('{"Code":"OK","Message":"OK","RequestId":"R","BizId":"B^0"}')

    httpserver.expect_request("/").respond_with_handler(answer)
    configured(desk, httpserver.url_for("").rstrip("/"))
    args = ("providers", "test", "cloud", "--to", PHONE, "--yes", "--format", "json")
    (row,) = desk.run(*args, "--notice", "due_today").json
    assert (row["outcome"], row["provider_ref"]) == ("accepted", "B^0")
    assert seen[0].args["TemplateCode"] == "SMS_000000003"
    assert json.loads(seen[0].args["TemplateParam"])["name"] == "王小明"
    assert "hush" not in seen[0].url
    before, after = audited(desk, "provider.test_begun"), audited(desk, "provider.tested")
    assert (len(before), len(after)) == (1, 1)
    assert PHONE not in before[0] + after[0]


def test_nothing_is_tried_to_no_number_or_while_the_kill_switch_is_on(desk: Desk) -> None:
    args = ("providers", "test", "console", "--yes", "--to")
    assert "--to: unknown_character; write it as +86" in desk.run(*args, "notanumber", code=2).err
    (desk.folder / "STOP").write_text("", encoding="utf-8")
    assert "STOP: the kill switch is on" in desk.run(*args, PHONE, code=2).err
    assert audited(desk, "provider.test_begun") == []
    (desk.folder / "STOP").unlink()
    assert desk.run(*args, PHONE).code == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            (),
            "delivery.providers.cloud: sends approved templates only; choose one with --notice (application_",
        ),
        (("--notice", "due_soon"), "rules: no rule sends 'due_soon' by sms in zh-CN; there is due_in_7_days"),
        (
            ("--notice", "due_today", "--language", "fr"),
            "no rule sends 'due_today' by sms in fr; there is none",
        ),
        (("--channel", "voice"), "delivery.providers.cloud: does not serve voice"),
    ],
)
def test_a_try_says_what_it_needs(desk: Desk, args: tuple[str, ...], said: str) -> None:
    configured(desk, closed_port())
    assert said in desk.run("providers", "test", "cloud", "--to", PHONE, "--yes", *args, code=2).err


def test_a_notice_can_be_tried_in_our_own_words(desk: Desk) -> None:
    console = {"type": "console", "channels": ["sms", "voice"], "reveal": True}
    desk.configure(delivery={"providers": {"console": console}})
    done = desk.run(
        "providers", "test", "console", "--to", PHONE, "--notice", "overdue_3", "--language", "en", "--yes"
    )
    assert f"{PHONE} overdue_3: [安达车贷] John Smith" in done.err
    (desk.folder / "templates" / "en" / "overdue_3.sms.j2").write_text("{{ nobody }}", encoding="utf-8")
    done = desk.run(
        "providers",
        "test",
        "console",
        "--to",
        PHONE,
        "--notice",
        "overdue_3",
        "--language",
        "en",
        "--yes",
        code=2,
    )
    assert "templates: overdue_3:" in done.err
