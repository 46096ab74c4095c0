"""The guard of a restored ledger stands beside those that compare nights."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.ledger.continuity import Gap
from carloan_notify.notices.guards import GUARDS
from carloan_notify.pipeline.night import (
    BUSINESS_DATE,
    LEDGER_RESTORED,
    NAMES,
    business_date_guard,
    check_night,
)
from carloan_notify.pipeline.plan import blank_memory
from carloan_notify.records import NightFacts
from tests.integration.inbound.desk import house_at

ROOT = Path(__file__).parents[3]
TONIGHT = NightFacts(
    as_of=date(2026, 11, 23),
    loans_read=1,
    payments_read=1,
    rows_read=2,
    rows_rejected=0,
    active_loans=1,
    overdue_loans=0,
    messages=1,
    cost_minor=5,
    export_on=date(2026, 11, 23),
    content_digest="x",
)
GAP = Gap(datetime(2026, 11, 22, 18, tzinfo=UTC), datetime(2026, 11, 23, 1, 30, tzinfo=UTC))


def test_a_whole_ledger_trips_nothing(tmp_path: Path) -> None:
    found = check_night(house_at(tmp_path), TONIGHT, blank_memory())
    assert [guard.guard for guard in found] == [*GUARDS, BUSINESS_DATE, LEDGER_RESTORED] == list(NAMES)
    assert [guard.guard for guard in found if guard.tripped] == []
    assert found[-1].message.startswith("The ledger is whole")
    assert found[-1].cure == ""


def test_a_gap_is_told_in_the_lenders_time(tmp_path: Path) -> None:
    *others, last = check_night(house_at(tmp_path), TONIGHT, replace(blank_memory(), gap=GAP))
    assert last.tripped
    assert not any(guard.tripped for guard in others)
    assert "from 2026-11-23 02:00 to 2026-11-23 09:30 is missing" in last.message
    assert last.cure.endswith("--accept ledger_restored --reason …")


def test_the_runbook_knows_it() -> None:
    assert f"`{LEDGER_RESTORED}`" in (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(-400, 400))
def test_only_today_and_yesterday_pass(today: date, back: int) -> None:
    found = business_date_guard(today - timedelta(days=back), today)
    assert found.tripped == (back not in (0, 1))
    assert bool(found.cure) == found.tripped
