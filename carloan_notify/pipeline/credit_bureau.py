"""Of which loans negative data may be reported: the tables say who is late, the ledger who was told."""

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.hold_codes import NumberStatus
from carloan_notify.ledger import holds, numbers, proofs
from carloan_notify.ledger import replies as work_list
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.store import Transaction
from carloan_notify.messages.values import Money
from carloan_notify.notices.bureau import TOLD, Against, may_report
from carloan_notify.notices.settings import Role
from carloan_notify.pipeline.evidence import write_private_file
from carloan_notify.pipeline.facts import export_date
from carloan_notify.pipeline.portfolio import Portfolio, read_portfolio
from carloan_notify.pipeline.reading import payments_ahead
from carloan_notify.proof_codes import MayReport
from carloan_notify.reports.tables import csv_cell, frame_rows

COLUMNS: Final = (
    *("loan_id", "may_report", "reason", "why", "oldest_due_on", "days_past_due"),
    *("overdue", "message_id", "told_on", "as_of"),
)


@dataclass(frozen=True, slots=True)
class BureauList:
    """A row (COLUMNS) for each loan that is overdue or was told; `stale` says why none may be reported, else ""."""

    rows: list[dict[str, Any]]
    stale: str = ""


def list_reportable(app: App, as_of: date, language: str) -> BureauList:
    """Every loan that is overdue on `as_of`, and every one that was told of a report: may it be reported, and why not.

    Raises:
        SourceError: a table cannot be read; nothing is listed then.
        LedgerError: there is no ledger, so nobody was told.
    """
    with app.open_ledger() as ledger:
        portfolio = read_portfolio(app, as_of)
        told, against = _known(app, ledger, portfolio)
    stale = _stale(app, portfolio)
    everybody = {*portfolio.loans["loan_id"], *told["loan_id"]}
    against = Against(everybody, against.in_dispute, against.open_reply) if stale else against
    standing = portfolio.standing.loans
    listed = may_report(standing, told, against, as_of, app.settings.credit_bureau)
    return BureauList([_row(app, row, as_of, language) for row in frame_rows(listed)], stale)


def _row(app: App, row: Mapping[str, Any], as_of: date, language: str) -> dict[str, Any]:
    days = {
        name: "" if pd.isna(row[name]) else row[name].date().isoformat()
        for name in ("oldest_due_on", "told_on")
    }
    return {
        "loan_id": row["loan_id"],
        "may_report": "yes" if row["may_report"] else "no",
        "reason": row["reason"],
        "why": MayReport(row["reason"]).sentence(language),
        **days,
        "days_past_due": row["days_past_due"],
        "overdue": Money(row["overdue_minor"], app.lender.currency).plain(),
        "message_id": row["message_id"],
        "as_of": as_of.isoformat(),
    }


def _stale(app: App, portfolio: Portfolio) -> str:
    """Whether the loans are too old to say who has paid since, in the words of the night's guard."""
    exported, most = export_date(app, portfolio.sources.loans), app.settings.guards.max_export_age_days
    if exported is None or (portfolio.as_of - exported).days <= most:
        return ""
    age = (portfolio.as_of - exported).days
    return (
        f"the loan export is of {exported}, {age} days before {portfolio.as_of}; {most} are allowed "
        "(guards.max_export_age_days): nobody may be reported by it. Export the loans again"
    )


def _known(app: App, ledger: Ledger, portfolio: Portfolio) -> tuple[pd.DataFrame, Against]:
    """What the ledger knows of who was told (TOLD), and which loans may not be reported whatever was told."""
    with ledger.read() as tx:
        held, known = holds.table(tx), numbers.all_known(tx, None)
        foreign = known.loc[known["status"] == NumberStatus.REASSIGNED.value, "phone_hash"]
        told = _told(app, tx, set(foreign))
        replying = work_list.waiting_people(tx)
    standing = portfolio.standing.loans
    late = set(standing.loc[standing["overdue_minor"] > 0, "loan_id"]) | set(told["loan_id"])
    people = portfolio.loans.loc[
        frames.among(portfolio.loans["loan_id"], late), ["loan_id", "customer_id", "phone"]
    ]
    hashed = pd.DataFrame(
        {
            "loan_id": people["loan_id"],
            "customer_ref": frames.per_value(people["customer_id"], ledger.cipher.customer_ref),
            "phone_hash": frames.per_value(people["phone"], ledger.cipher.phone_hash),
        }
    )
    loans = portfolio.loans
    lasts = (loans["hold"] != "") & ~(loans["hold_until"] < pd.Timestamp(portfolio.as_of))
    by_column = loans.loc[lasts | loans["in_dispute"], "loan_id"]
    doubtful = {*portfolio.incomplete_loans, *payments_ahead(portfolio, app.business_date())["loan_id"]}
    return told, Against(
        in_doubt=frozenset(doubtful),
        in_dispute=_of(hashed, held["customer_ref"], held["phone_hash"]) | {*held["loan_id"], *by_column},
        open_reply=_of(hashed, *replying),
    )


def _of(people: pd.DataFrame, customers: Collection[str], phones: Collection[str]) -> frozenset[str]:
    """Loans of these people (keyed hashes)."""
    theirs = frames.among(people["customer_ref"], set(customers) - {""})
    theirs |= frames.among(people["phone_hash"], set(phones) - {""})
    return frozenset(people.loc[theirs, "loan_id"])


def _told(app: App, tx: Transaction, wrong: Collection[str]) -> pd.DataFrame:
    """TOLD, from the ledger; days are those of the lender's zone. `wrong` are numbers of somebody else (hashes)."""
    rows = proofs.warned(tx, app.settings.credit_bureau.notices, Role.BORROWER.value)
    found = pd.DataFrame(rows, columns=list(proofs.WARNED))
    instants = pd.to_datetime(found["arrived_at"], utc=True, format="ISO8601")
    local = instants.dt.tz_convert(ZoneInfo(app.lender.timezone)).dt.tz_localize(None).dt.normalize()
    return pd.DataFrame(
        {
            "loan_id": found["loan_id"],
            "original_due_on": pd.to_datetime(found["original_due_on"]),
            "message_id": found["message_id"],
            "state": found["state"],
            "arrived_on": local,
            "wrong_number": found["phone_hash"].isin(set(wrong) - {""}),
        }
    ).astype(dict(TOLD))


def write_list(path: Path, listed: BureauList) -> None:
    """The rows as CSV for the job that reports: in one step, for the owner alone (mode 0600).

    LedgerError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([csv_cell(row[name]) for name in COLUMNS] for row in listed.rows)
    write_private_file(path, text.getvalue().encode())
