"""Replies: imported, listed, worked off; and what could not be read. Nothing here answers a borrower."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.app import App
from carloan_notify.errors import ConfigError
from carloan_notify.inbound.lexicon import action_for
from carloan_notify.ledger import replies, unread
from carloan_notify.ledger.replies import ReplyFilter
from carloan_notify.pipeline.inbox import open_lexicon
from carloan_notify.reports.tables import frame_rows

_ENDING: Final = ".bin"


def classify(app: App, text: str) -> dict[str, str]:
    """What the lexicon makes of a text: kind, rules, action."""
    reading = open_lexicon(app).read(text)
    action = action_for(reading, app.settings.inbound.opt_out_stops)
    return {"kind": reading.kind.value, "rule": reading.rule, "action": action.summary}


def reply_filter(
    app: App, *, open_only: bool, kind: str, since: date | None, reply_id: str = ""
) -> ReplyFilter:
    """Which replies to list; `since` is a day in the lender's own zone."""
    zone = ZoneInfo(app.lender.timezone)
    # The first day of all begins before the first instant of UTC in half of all zones: it means everything.
    start = datetime.combine(since, time(), zone) if since and since > date.min else None
    return ReplyFilter(reply_id=reply_id, open_only=open_only, kind=kind, since=start)


def list_replies(app: App, wanted: ReplyFilter) -> list[dict[str, Any]]:
    """Replies, masked."""
    with app.open_ledger() as ledger, ledger.read() as tx:
        return frame_rows(replies.table(tx, wanted))


def reveal_replies(app: App, wanted: ReplyFilter, operator: str, reason: str) -> list[dict[str, Any]]:
    """Replies in clear; that is audited."""
    with app.open_ledger() as ledger, ledger.write() as tx:
        return frame_rows(replies.reveal(tx, wanted, operator, reason, app.clock()))


def close_reply(app: App, reply_id: str, operator: str, note: str) -> None:
    """Take a reply off the work list.

    Raises:
        LedgerError: it is not on it.
    """
    with app.open_ledger() as ledger, ledger.write() as tx:
        replies.close(tx, reply_id, operator, note, app.clock())


def write_unread(
    app: App, folder: Path, operator: str, reason: str, *, everything: bool = False
) -> list[Path]:
    """Write what could not be read and nobody has done with (or all) into `folder`, as it came; audited.

    One private file each. Raises `ConfigError` when the folder is there already.
    """
    if folder.exists():
        raise ConfigError([f"{folder}: is there already; name a new folder"])
    with app.open_ledger() as ledger, ledger.write() as tx:
        found = unread.reveal(tx, operator, reason, app.clock(), everything=everything)
    folder.mkdir(parents=True, mode=0o700)
    for name, body in found.items():
        (folder / f"{name}{_ENDING}").write_bytes(body)
    return [folder / f"{name}{_ENDING}" for name in found]


def finish_unread(app: App, folder: Path, operator: str, reason: str) -> int:
    """What `write_unread` wrote into `folder` has been looked at; audited. Returns how many waited for that.

    Only these: what came back since then still waits. Raises `ConfigError` when the folder holds none.
    """
    names = [file.stem for file in sorted(folder.glob(f"*{_ENDING}"))]
    if not names:
        raise ConfigError([f"{folder}: no record of `replies unread` is in it; name the folder it wrote"])
    with app.open_ledger() as ledger, ledger.write() as tx:
        return unread.done(tx, names, operator, reason, app.clock())
