"""A few kills in every test run; `make soak` does hundreds."""

from pathlib import Path

import pytest

from tests.integration.reliability.killing import FORKING, assert_survived, hunt

KILLS = 10


@pytest.mark.no_cover  # what is killed saves no figures, and the gateway it talks to must be quick
@pytest.mark.parametrize(("database", "batch"), [("sqlite", 1), ("postgresql", 10)])
def test_a_sender_killed_any_time_tells_nobody_twice(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, batch: int
) -> None:
    url = "" if database == "sqlite" else request.getfixturevalue("fresh_postgres")
    found = hunt(tmp_path / "lender", url, FORKING, batch=batch, kills=KILLS, seed=batch)
    assert found.kills == KILLS
    assert_survived(found)
