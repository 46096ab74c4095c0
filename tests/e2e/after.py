"""The morning after a night: what tests of operations share."""

from typing import Any, Final

from tests.e2e.conftest import MORNING, Lender

AS_OF: Final = "2026-11-23"
AT: Final = ("--now", MORNING)
YES: Final = ("--reason", "handset lost, ticket 4711", "--yes", *AT)


def one(desk: Lender, notice: str, state: str = "accepted") -> dict[str, Any]:
    """A message of the night about a single loan."""
    found = desk.messages("--notice", notice, "--state", state)
    return next(row for row in found if "," not in row["loans"])


def audited(desk: Lender, kind: str) -> list[str]:
    """The audit rows of a kind, each as text."""
    return [str(row) for row in desk.run("audit", "show", "--kind", kind, "--format", "json").json]


def pay(desk: Lender, loan_id: str) -> None:
    """A payment that settles everything reaches the export."""
    with (desk.folder / "export" / "payments.csv").open("a", encoding="utf-8") as file:
        file.write(f"P-{loan_id},{loan_id},{AS_OF},999999.00\n")
