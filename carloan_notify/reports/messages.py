"""Messages as people will read and hear them, in full."""

from collections.abc import Mapping, Sequence
from typing import IO, Any

from carloan_notify.reports.tables import terminal


def print_messages(rows: Sequence[Mapping[str, Any]], stream: IO[str]) -> None:
    """One block per message: what it is, from when it may go, then its whole text."""
    from rich.markup import escape  # noqa: PLC0415 - rich is slow to import
    from rich.panel import Panel  # noqa: PLC0415 - as above

    console = terminal(stream)
    for row in rows:
        title = (
            f"[bold]{escape(str(row['notice']))}[/bold] · {row['channel']} · {escape(str(row['loan_id']))}"
        )
        detail = f"{row['phone']} · from {row['not_before']} · {row['segments']} part(s)"
        console.print(
            Panel(
                escape(str(row["text"])),
                title=title,
                subtitle=detail,
                title_align="left",
                subtitle_align="right",
            )
        )
