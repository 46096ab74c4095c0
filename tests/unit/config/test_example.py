"""The commented example parses back to exactly its values and shows every option."""

from typing import Any

import yaml
from pydantic import Field

from carloan_notify.config.example import WIDTH, example_text, ladder_values, sample_values, write_example
from carloan_notify.config.load import option_names
from carloan_notify.notices.ladder import DEFAULT_LADDER
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.settings import Settings


class Inner(Settings):
    """Options in a section."""

    size: int = Field(default=3, description="How big it is.", examples=[3, 4])
    name: str = Field(description="What it is called.", examples=["x: y"])


class Outer(Settings):
    """Options in two sections of one kind."""

    first: Inner = Field(description="The first.")
    second: Inner | None = Field(default=None, description="The second.")
    tags: list[str] = Field(default=["a"], description="Words. " * 40)


def test_example_of_a_small_model() -> None:
    values: dict[str, Any] = {"first": {"name": "n"}, "second": {"name": "m", "size": 9}, "tags": ["b", "c"]}
    text = write_example(Outer, values, "Head.\n\nLine.")
    assert yaml.safe_load(text) == values
    assert text.startswith("# Head.\n#\n# Line.\n")
    assert "  # How big it is. For example: 3, 4\n  # size: 3\n" in text
    assert text.count("How big it is.") == 1  # the second of a kind needs no second explanation
    assert "tags: [b, c]\n" in text
    assert max(map(len, text.splitlines())) <= WIDTH + 2


def test_required_option_that_is_not_given_shows_its_example() -> None:
    text = write_example(Outer, {"first": {}}, "")
    assert "  # name: 'x: y'\n" in text


def test_sample_parses_back_and_names_every_section() -> None:
    text = example_text()
    assert yaml.safe_load(text) == sample_values()
    shown = {line.strip("# ").split(":")[0] for line in text.splitlines()}
    sections = {"lender", "sources", "schedule", "allocation", "delinquency", "policy", "guards", "inbound"}
    assert sections <= shown
    assert {"max_row_drop", "kill_switch_file", "contact_hours", "keep_backups"} & set(
        option_names()
    ) <= shown


def test_ladder_survives_the_way_through_yaml() -> None:
    again = yaml.safe_load(yaml.safe_dump(ladder_values()))
    assert [RuleSettings.model_validate(rule) for rule in again] == list(DEFAULT_LADDER)
