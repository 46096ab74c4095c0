"""Several senders on one ledger, small; `make soak` does 20,000 messages."""

from pathlib import Path

import pytest

from tests.integration.reliability.crowd import assert_shared, drain_together


@pytest.mark.no_cover  # the senders are processes of their own, and the gateway they talk to must be quick
def test_four_senders_share_a_postgresql(tmp_path: Path, fresh_postgres: str) -> None:
    found = drain_together(tmp_path / "lender", fresh_postgres, senders=4, messages=1000, batch=5)
    assert_shared(found, messages=1000)


@pytest.mark.no_cover  # the senders are processes of their own, and the gateway they talk to must be quick
def test_two_senders_share_a_sqlite(tmp_path: Path) -> None:
    found = drain_together(tmp_path / "lender", "", senders=2, messages=1000, batch=5)
    assert_shared(found, messages=1000)
