"""Hundreds of kills over both databases, single and batched: `make soak` prints the table of docs/reliability.md."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.reliability.killing import SPAWNING, Hunt, assert_survived, heading, hunt

pytestmark = pytest.mark.soak

KILLS = 60


@pytest.fixture(scope="module")
def table() -> Iterator[list[Hunt]]:
    """Collects what was found, and prints it at the end."""
    rows: list[Hunt] = []
    yield rows
    print("\n" + "\n".join([heading(), *(row.row() for row in rows)]))  # noqa: T201 - the table is the result


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_sender_killed_any_time_tells_nobody_twice(
    request: pytest.FixtureRequest, tmp_path: Path, table: list[Hunt], database: str, batch: int
) -> None:
    url = "" if database == "sqlite" else request.getfixturevalue("fresh_postgres")
    found = hunt(tmp_path / "lender", url, SPAWNING, batch=batch, kills=KILLS, seed=1000 + batch)
    table.append(found)
    assert found.kills == KILLS
    assert_survived(found)
