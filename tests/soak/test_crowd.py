"""Four senders and 20,000 messages."""

from pathlib import Path

import pytest

from tests.integration.reliability.crowd import assert_shared, drain_together

pytestmark = pytest.mark.soak

MESSAGES = 20_000


def test_four_senders_share_a_postgresql(tmp_path: Path, fresh_postgres: str) -> None:
    found = drain_together(tmp_path / "lender", fresh_postgres, senders=4, messages=MESSAGES, batch=20)
    print(f"\nfour senders, PostgreSQL, {MESSAGES} messages: {found}")  # noqa: T201 - the figures are the result
    assert_shared(found, messages=MESSAGES)


def test_two_senders_share_a_sqlite(tmp_path: Path) -> None:
    found = drain_together(tmp_path / "lender", "", senders=2, messages=MESSAGES, batch=20)
    print(f"\ntwo senders, SQLite, {MESSAGES} messages: {found}")  # noqa: T201 - the figures are the result
    assert_shared(found, messages=MESSAGES)
