"""A fresh ledger, once on SQLite and once on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from tests.integration.ledger.drafts import NOW


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> LedgerSettings:
    url = "sqlite:///ledger.db" if request.param == "sqlite" else request.getfixturevalue("fresh_postgres")
    return LedgerSettings(url=url, audit_copy_dir=Path("copy"), keep_backups=2)


@pytest.fixture
def ledger(settings: LedgerSettings, tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(settings, tmp_path, create=True, now=NOW) as opened:
        yield opened


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(LedgerSettings(audit_copy_dir=Path("copy")), tmp_path, create=True, now=NOW) as opened:
        yield opened
