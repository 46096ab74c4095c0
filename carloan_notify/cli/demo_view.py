"""The demo, told step by step."""

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from carloan_notify.reports.messages import print_messages
from carloan_notify.reports.tables import print_rows, terminal
from carloan_notify.reports.terminal import print_night

if TYPE_CHECKING:
    from carloan_notify.pipeline.demo import Demo

WITHHELD = ("loan_id", "notice", "channel", "decision", "why")
FIGURES = ("queued", "accepted", "rejected", "unknown", "failed", "cancelled", "pending")


def print_demo(demo: "Demo", stream: IO[str]) -> None:
    """Every step of the night, as its people would see it."""
    from carloan_notify.pipeline.keeping import RECEIPT_FIGURES
    from carloan_notify.pipeline.sending import summary_row

    _heading(stream, "02:00  The night is planned: nothing leaves yet, everybody sleeps")
    print_night(demo.night, stream, "table")
    _heading(stream, "The messages, one of each kind, as borrowers will read and hear them")
    print_messages(_one_of_each(demo.rows), stream)
    _heading(stream, "Withheld, and why")
    withheld = [row for row in demo.rows if row["decision"] in ("suppressed", "held")]
    print_rows(withheld, stream, "table", columns=WITHHELD)
    _heading(stream, "02:01  The same night again, by mistake: nobody is told twice")
    print_rows([{"notices": demo.again.notices, **demo.again.decisions}], stream, "table")
    _heading(
        stream,
        f"08:00  {demo.paid_loan}, one day late, pays.  10:00  `send` looks again, cancels, sends the rest",
    )
    print_rows([{"time": "10:00", **summary_row(demo.morning)}], stream, "table")
    _heading(stream, "18:30  `send` again, for those who asked to be told in the evening")
    print_rows([{"time": "18:30", **summary_row(demo.evening)}], stream, "table")
    _heading(
        stream, "Answers that were lost on the way: the provider is asked, nothing is sent again by itself"
    )
    print_rows(demo.reconciled, stream, "table", columns=("message_id", "notice", "provider", "found"))
    _heading(stream, "Receipts")
    print_rows(demo.receipts, stream, "table", columns=("provider", *RECEIPT_FIGURES))
    _heading(stream, "What the night came to")
    print_rows([{name: demo.figures[name] for name in FIGURES}], stream, "table")
    _closing(demo, stream)


def _heading(stream: IO[str], text: str) -> None:
    stream.write("\n")
    terminal(stream).rule(text, align="left", style="cyan")


def _one_of_each(rows: tuple[Mapping[str, Any], ...]) -> list[Mapping[str, Any]]:
    seen: set[tuple[str, str]] = set()
    chosen = []
    for row in rows:
        kind = (row["notice"], row["channel"])
        if row["decision"] == "queued" and kind not in seen:
            seen.add(kind)
            chosen.append(row)
    return chosen


def _closing(demo: "Demo", stream: IO[str]) -> None:
    console = terminal(stream)
    gateway = demo.gateway
    console.print(
        f"\nThe gateway accepted {gateway['accepted']} messages in {gateway['requests']} requests; "
        f"told twice: {gateway['duplicates']}."
    )
    proof = "verified" if demo.verified.ok else "BROKEN"
    console.print(
        f"Audit {proof}: {demo.verified.rows} rows in the hash chain, {demo.verified.digests} signed digests."
    )
    console.print(
        f"Look around in {demo.folder}: carloan-notify --config {demo.folder}/config.yaml explain {demo.paid_loan}"
    )
