"""For those who write templates and configurations: segments, list, lint, show, config."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.config.load import load_settings
from tests.e2e.conftest import Desk, Lender

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "data" / "sms_cases.json").read_text(encoding="utf-8")
)["segments"]


@pytest.fixture
def outside(tmp_path: Path) -> Desk:
    """An empty folder: what is run here needs no configuration."""
    return Desk(tmp_path)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_segments_of_published_cases(outside: Desk, case: dict[str, Any]) -> None:
    wanted = {"encoding": case["encoding"], "segments": case["segments"]}
    given = outside.run("templates", "segments", "--format", "json", "--", case["text"]).json
    assert given.items() >= wanted.items()
    read = outside.run("templates", "segments", "-", "--format", "json", stdin=case["text"] + "\n").json
    assert read == given


def test_segments_through_a_pipe(lender: Lender) -> None:
    done = lender.run("templates", "segments", "-", stdin="【安达车贷】您好" * 10 + "\n")
    assert done.json == {"encoding": "UCS-2", "units": 80, "segments": 2}


def test_segments_as_a_table_and_as_csv(outside: Desk) -> None:
    (row,) = csv.DictReader(io.StringIO(outside.run("templates", "segments", "{}", "--format", "csv").out))
    assert row == {"encoding": "GSM-7", "units": "4", "segments": "1"}
    assert "GSM-7" in outside.run("templates", "segments", "{}", "--format", "table").out


def test_list_has_every_notice_in_both_languages(desk: Desk) -> None:
    rows = desk.run("templates", "list", "--format", "json").json
    files = {path.name for path in (ROOT / "templates" / "en").glob("[a-z]*.j2")}
    for language in ("en", "zh-CN"):
        mine = {f"{row['notice']}.{row['channel']}.j2" for row in rows if row["language"] == language}
        assert mine == files
    assert all(row["version"] for row in rows)
    most = {"zh-CN": 2, "en": 3}
    for row in rows:
        if row["channel"] == "sms":
            assert 1 <= row["parts"] <= row["most_parts"] <= most[row["language"]]
            assert Decimal(row["most_price"]) == row["most_parts"] * Decimal("0.045")


def test_version_changes_with_the_wording(desk: Desk) -> None:
    before = desk.run("templates", "list", "--format", "json").json
    with (desk.folder / "templates" / "en" / "due_today.sms.j2").open("a", encoding="utf-8") as file:
        file.write(" Thank you.")
    after = desk.run("templates", "list", "--format", "json").json
    changed = [row for row in after if row not in before]
    assert [(row["notice"], row["channel"], row["language"]) for row in changed] == [
        ("due_today", "sms", "en")
    ]


def test_packaged_templates_have_no_finding(desk: Desk) -> None:
    assert desk.run("templates", "lint", "--format", "json").json == []


def test_lint_names_every_kind_of_fault(desk: Desk) -> None:
    folder = desk.folder / "templates" / "zh-CN"
    faults = {
        "due_today.sms.j2": ("{{ amout }}", "unknown_variable"),
        "overdue_1.sms.j2": ("{% if %}", "template_broken"),
        "overdue_3.sms.j2": ("再不还款就曝光你。{{ borrower_name }}", "forbidden_word"),
        "overdue_7.sms.j2": ("限时优惠，{{ borrower_name }}", "marketing_word"),
        "payment_received.sms.j2": ("{{ borrower_name }}拒收请回复R", "opt_out_not_owed"),
        "loan_settled.sms.j2": ("{{ borrower_name }}" + "您的贷款已经结清。" * 40, "over_segment_limit"),
    }
    for name, (source, _) in faults.items():
        (folder / name).write_text(source, encoding="utf-8")
    (folder / "overdue_30.sms.j2").unlink()
    found = desk.run("templates", "lint", "--format", "json", code=1).json
    places = {row["place"].split(":")[0].removeprefix("zh-CN/") for row in found}
    assert places >= set(faults)
    assert any("overdue_30" in row["place"] + row["message"] for row in found)
    assert all(row["code"] and row["message"] for row in found)
    done = desk.run("config", "check", code=2)
    assert len(done.err.splitlines()) == len(found)  # all problems at once


@pytest.mark.parametrize(
    ("language", "channel", "opening"),
    [
        ("zh-CN", "sms", "【安达车贷】"),
        ("zh-CN", "voice", ""),
        ("en", "sms", "[安达车贷] "),
        ("en", "voice", ""),
    ],
)
def test_show(desk: Desk, language: str, channel: str, opening: str) -> None:
    shown = desk.run("templates", "show", "due_today", "--language", language, "--channel", channel).out
    assert shown.startswith(opening)
    assert "{{" not in shown
    words = shown.replace("安达车贷", "").replace("安达汽车金融有限公司", "")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in words) == (language != "en")


def test_show_in_the_default_language(desk: Desk) -> None:
    assert desk.run("templates", "show", "loan_settled").out.startswith("【安达车贷】")


@pytest.mark.parametrize("args", [("nothing",), ("due_today", "--language", "fr")])
def test_show_what_is_not_there(desk: Desk, args: tuple[str, ...]) -> None:
    assert args[-1] in desk.run("templates", "show", *args, code=2).err


def test_config_check(desk: Desk) -> None:
    assert "keys: present and private" in desk.run("config", "check").out
    (desk.folder / "secrets" / "ledger.key").unlink()
    done = desk.run("config", "check", code=2)
    assert "ledger.key: no such key file; run `carloan-notify ledger migrate` for a new ledger" in done.err


def test_config_schema_knows_every_option(outside: Desk) -> None:
    schema = outside.run("config", "schema").json
    assert set(schema["properties"]) >= {"lender", "sources", "rules", "policy", "delivery", "ledger"}
    options = [option for part in schema["$defs"].values() for option in part.get("properties", {}).values()]
    assert all(option.get("description") for option in options)


def test_example_at_the_top_of_the_repository_is_the_generated_one(outside: Desk) -> None:
    printed = outside.run("config", "example").out
    assert (ROOT / "config.example.yaml").read_text(encoding="utf-8") == printed, (
        "the settings have changed; write it again: carloan-notify config example > config.example.yaml"
    )


def test_example_is_what_init_writes_and_loads(lender: Lender) -> None:
    written = lender.folder / "config.yaml"
    assert written.read_text(encoding="utf-8") == Desk(lender.folder).run("config", "example").out
    assert load_settings(written).lender.sign == "安达车贷"
