"""A disk that is full after any number of bytes: whatever the ledger had written by then, nobody is told twice."""

from pathlib import Path

import pytest

from tests.integration.reliability.faults import AS_FAR, RESENT, Case, measure, send_with_room

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("kibibytes", range(160, 641, 24))
def test_a_disk_full_at_any_moment_tells_nobody_twice(tmp_path: Path, kibibytes: int) -> None:
    case = Case(
        "disk full", lambda world: send_with_room(world, kibibytes * 1024), RESENT, messages=300, then=AS_FAR
    )
    found = measure(case, tmp_path / "lender")
    assert (found.exit_code, found.end, found.told_twice, found.lost) == (1, "delivered", 0, 0), found
