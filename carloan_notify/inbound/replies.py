"""Replies imported from a portal's export."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from carloan_notify.frames import FINDINGS, stack
from carloan_notify.inbound.export_file import columns, findings, instants
from carloan_notify.inbound.settings import ReplyFileSettings
from carloan_notify.inbound.times import ODD, Span
from carloan_notify.records import Reply


@dataclass(frozen=True, slots=True)
class ImportedReplies:
    """Replies of a file, and a finding for each row that is wrong.

    A row without a number is no reply. One whose time cannot be read or cannot be is taken all the same, as
    received now, because it may say "stop": it is a reply and a finding.
    """

    replies: tuple[Reply, ...]
    findings: pd.DataFrame


def read_replies(path: Path, settings: ReplyFileSettings, now: datetime, span: Span) -> ImportedReplies:
    """Replies of a portal's export, numbers as the file writes them; `span` holds the times that can be true.

    Raises:
        SourceError: the file cannot be read at all, or a column is missing.
    """
    names = ("phone", "text", "time", "id", "reference")
    table = columns(path, settings, {name: getattr(settings, name) for name in names})
    at, odd = instants(table["time"], settings, span)
    senderless = table["phone"] == ""
    untimed = ~senderless & at.isna()
    faults = [
        (senderless, "reply_without_number", "no number; check the column"),
        (untimed & ~odd, "reply_time", f"time is not {settings.time_format}; taken as received now"),
        (untimed & odd, "reply_time_odd", ODD),
    ]
    # Read again, the row is the same reply: without a time, what stands in its place tells it apart.
    table["id"] = table["id"].mask(untimed & (table["id"] == ""), "time: " + table["time"])
    good = table[~senderless]
    moments = at[good.index].fillna(pd.Timestamp(now)).dt.to_pydatetime()
    cells = zip(good["id"], good["phone"], good["text"], moments, good["reference"], strict=True)
    return ImportedReplies(
        tuple(Reply(settings.provider, *cell) for cell in cells),
        stack([findings(path, mask, code, text) for mask, code, text in faults], FINDINGS),
    )
