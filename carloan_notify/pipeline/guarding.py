"""May this night go? The guards compare it with earlier nights; one more asks whether the ledger is whole."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from carloan_notify.ledger.restored import Gap
from carloan_notify.notices.guards import GUARDS, check_guards
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.memory import Memory
from carloan_notify.records import GuardResult, NightFacts

LEDGER_RESTORED: Final = "ledger_restored"
NAMES: Final = (*GUARDS, LEDGER_RESTORED)
"""What `--accept` takes."""

_CURE: Final = (
    "Enter opt-outs of that time once more (suppress add) and settle unknown messages (reconcile). Wait until no "
    "notice of those days can be due any more; or, if it may be told once more, accept it with --accept "
)


def check_night(house: House, tonight: NightFacts, memory: Memory) -> list[GuardResult]:
    """Every guard's view of the night, in the order of `NAMES`."""
    compared = check_guards(tonight, memory.history, house.settings.guards)
    return [*compared, _ledger_restored(memory.gap, ZoneInfo(house.lender.timezone))]


def _ledger_restored(gap: Gap | None, zone: ZoneInfo) -> GuardResult:
    if gap is None:
        whole = "The ledger is whole: no restore left out a time that nobody has accepted."
        return GuardResult(LEDGER_RESTORED, tripped=False, message=whole, cure="")
    message = (
        f"The ledger was restored from a backup: whatever was queued, sent, answered or opted out from "
        f"{_shown(gap.since, zone)} to {_shown(gap.until, zone)} is missing in it and could be told twice."
    )
    return GuardResult(
        LEDGER_RESTORED, tripped=True, message=message, cure=f"{_CURE}{LEDGER_RESTORED} --reason …"
    )


def _shown(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"
