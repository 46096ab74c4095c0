"""Every crash point of every command, and every pair of two senders: `make soak` prints the table of the docs."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.reliability.crash_pairs import assert_paired, pairs
from tests.integration.reliability.crash_scenarios import SCENARIOS, WORSE
from tests.integration.reliability.crashing import HEADING, Campaign, Scenario, campaign
from tests.integration.reliability.databases import Databases

pytestmark = pytest.mark.soak

EVERY = 10_000


@pytest.fixture(scope="module")
def table() -> Iterator[list[Campaign]]:
    """Collects what was found, and prints it at the end."""
    rows: list[Campaign] = []
    yield rows
    print("\n" + "\n".join([HEADING, *(row.row() for row in rows)]))  # noqa: T201 - the table is the result


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("scenario", [*SCENARIOS, *WORSE], ids=lambda scenario: scenario.name)
def test_a_crash_at_every_point_keeps_the_promise(
    request: pytest.FixtureRequest, tmp_path: Path, table: list[Campaign], scenario: Scenario, database: str
) -> None:
    fresh = Databases(request.getfixturevalue("postgres_url")).fresh if database == "postgresql" else _sqlite
    found = campaign(scenario, tmp_path, fresh, EVERY)
    table.append(found)
    assert found.points - scenario.fewer <= found.crashes <= found.points


def _sqlite() -> str:
    return ""


def test_two_senders_that_crash_at_every_pair_of_points(tmp_path: Path, postgres_url: str) -> None:
    began = time.monotonic()
    found = pairs(tmp_path, Databases(postgres_url))
    seconds = time.monotonic() - began
    print(f"\ntwo senders on PostgreSQL, {seconds:.0f} s: {found}")  # noqa: T201 - the figures are the result
    assert_paired(found)
