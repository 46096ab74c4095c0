"""What the documents copy from the code is what the code says."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from carloan_notify.cli.main import COMMANDS, cli
from carloan_notify.codes import GuardName
from carloan_notify.config.example import example_text, sample_values
from carloan_notify.config.model import AppSettings
from carloan_notify.notices.guards import GUARDS
from tools.code_tables import document, runbook

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_readme_shows_the_real_help() -> None:
    shown = re.search(r"<!-- help:begin -->\n```\n(.*?)```\n<!-- help:end -->", read("README.md"), re.DOTALL)
    real = CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["--help"], prog_name="carloan-notify").output
    assert shown is not None
    assert shown[1] == real, "paste the output of `carloan-notify --help` between the help marks of README.md"


def test_example_configuration_is_the_generated_one() -> None:
    assert read("config.example.yaml") == example_text(), (
        "run `carloan-notify config example > config.example.yaml`"
    )


def test_example_configuration_holds_what_init_writes_and_is_valid() -> None:
    assert yaml.safe_load(example_text()) == sample_values()
    assert AppSettings.model_validate(sample_values()).lender.currency == "CNY"


def test_every_option_of_the_example_is_described() -> None:
    schema = AppSettings.model_json_schema()
    named = [(name, node) for name, node in schema["$defs"].items() if node.get("type") == "object"]
    blank = [
        f"{name}.{option}"
        for name, node in [("top", schema), *named]
        for option, field in node.get("properties", {}).items()
        if not field.get("description") and "$ref" not in field  # a reference says what its class says
    ]
    assert blank == []
    json.dumps(schema)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_begins_with_the_two_commands(name: str) -> None:
    assert re.search(r"^# .*\n\n```\nmake demo .*\nmake test ", read(name))


def test_the_tables_of_codes_are_the_generated_ones() -> None:
    assert (ROOT / "docs" / "codes.md").read_text(encoding="utf-8") == document()


def test_runbook_knows_every_guard() -> None:
    assert read("docs/runbook.md") == runbook(), "run `python -m tools.code_tables runbook`"
    assert [name for name in GuardName if f"| `{name}` |" not in runbook()] == []
    assert len(GUARDS) == 28, "README.md and README.zh-CN.md say how many there are"


def test_documents_name_only_commands_that_exist() -> None:
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for command in re.findall(
            r"carloan-notify (?:--config \S+ )?([a-z][a-z-]+)", path.read_text(encoding="utf-8")
        ):
            assert command in COMMANDS or command in {"from", "is"}, f"{path.name}: {command}"
