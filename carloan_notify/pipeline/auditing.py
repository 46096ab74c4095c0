"""Verify the record, in the ledger or in an export of it."""

from pathlib import Path
from typing import Any

from carloan_notify.ledger import audit_export
from carloan_notify.ledger.audit_verify import Verification
from carloan_notify.pipeline.build import House


def verify_record(house: House | None, exported: Path | None, public_key: Path | None) -> Verification:
    """Verify an export if one is given, else the house's ledger; `public_key` replaces the trusted key at hand."""
    if exported is not None:
        return audit_export.verify(exported, public_key)
    if house is None:
        raise ValueError("nothing to verify: give a house or an export")
    with house.open_ledger() as ledger:
        return ledger.verify_audit(public_key)


def verify_rows(found: Verification) -> list[dict[str, Any]]:
    """One row per breach."""
    return [
        {"kind": breach.kind.value, "place": breach.place, "message": breach.message}
        for breach in found.breaches
    ]


def ailments(house: House) -> list[dict[str, Any]]:
    """What is wrong with the ledger, its audit chain included: code, place, message."""
    with house.open_ledger() as ledger:
        found = [
            {"code": ailment.code, "place": ailment.place, "message": ailment.message}
            for ailment in ledger.upkeep.doctor(house.clock())
        ]
        breaches = verify_rows(ledger.verify_audit())
    return found + [
        {"code": f"audit_{row['kind']}", "place": row["place"], "message": row["message"]} for row in breaches
    ]
