"""The night that waiting messages come from: which tables it read, and what they held."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from carloan_notify.app import App
from carloan_notify.ledger import runs
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.runs import FINISHED, NIGHT, Run
from carloan_notify.records import NightFacts


@dataclass(frozen=True, slots=True)
class Planned:
    """The night that waiting messages come from: its run, the stamps of the tables it read, and its figures.

    `as_of` is the business date that paths and queries of the tables are dated with.
    """

    as_of: date
    run_id: str = ""
    stamps: Mapping[str, str] = field(default_factory=dict)
    facts: NightFacts | None = None


def newest_night(app: App, ledger: Ledger) -> Planned:
    """The night whose tables say most of today: one that was made up for afterwards reads older ones."""
    today = app.business_date()
    with ledger.read() as tx:
        return _planned(runs.newest(tx, NIGHT, today), today)


def _planned(night: Run | None, today: date) -> Planned:
    """A night as the last look needs it; one that did not finish has not screened what waits."""
    if night is None:
        return Planned(today)
    if night.status != FINISHED:
        return Planned(night.as_of)
    return Planned(night.as_of, night.run_id, night.sources.get("stamps", {}), night.facts)
