"""What earlier nights did, as the ledger tells it now."""

from typing import Any

from carloan_notify.app import App
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import outbox, runs
from carloan_notify.ledger.runs import NIGHT
from carloan_notify.reports.night import outcomes


def run_list(app: App) -> list[dict[str, Any]]:
    """Every run, newest first."""
    with app.open_ledger() as ledger, ledger.read() as tx:
        return runs.table(tx)


def run_figures(app: App, run_id: str | None) -> dict[str, Any]:
    """The reconciling object of a run (the last night if none is named) with its messages' present states.

    Raises:
        LedgerError: there is no such run.
    """
    with app.open_ledger() as ledger, ledger.read() as tx:
        run = runs.get(tx, run_id) if run_id else runs.last(tx, NIGHT)
        if run is None:
            raise LedgerError(
                f"run {run_id or '(last night)'}: not in the ledger; see `carloan-notify report --list`"
            )
        states = {state.value: number for state, number in outbox.counts(tx, run.run_id).items()}
    return {
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        **run.counts,
        "status": run.status,
        **outcomes(states),
    }
