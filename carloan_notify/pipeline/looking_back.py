"""What earlier nights did, as the ledger tells it now."""

from typing import Any

from carloan_notify.errors import LedgerError
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.sending import NIGHT
from carloan_notify.reports.night import outcomes
from carloan_notify.reports.tables import frame_rows


def run_list(house: House) -> list[dict[str, Any]]:
    """Every run, newest first."""
    with house.open_ledger() as ledger:
        return frame_rows(ledger.runs())


def run_figures(house: House, run_id: str | None) -> dict[str, Any]:
    """The reconciling object of a run (the last night if none is named) with its messages' present states.

    Raises:
        LedgerError: there is no such run.
    """
    with house.open_ledger() as ledger:
        run = ledger.get_run(run_id) if run_id else ledger.last_run(NIGHT)
        if run is None:
            raise LedgerError(
                f"run {run_id or '(last night)'}: not in the ledger; see `carloan-notify report --list`"
            )
        states = {state.value: number for state, number in ledger.outbox.counts(run.run_id).items()}
    return {
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        **run.counts,
        "status": run.status,
        **outcomes(states),
    }
