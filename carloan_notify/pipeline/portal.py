"""Receipts and replies of a file that was downloaded from a provider's portal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from carloan_notify.app import App
from carloan_notify.errors import ConfigError
from carloan_notify.inbound.files import read_export, read_replies, sentences
from carloan_notify.ledger import receipts
from carloan_notify.pipeline.inbox import believed_times, masked, open_lexicon, take_replies
from carloan_notify.pipeline.returns import Tell

Described = TypeVar("Described")


def import_receipts(app: App, path: Path, kind: str, tell: Tell) -> dict[str, Any]:
    """Settle the receipts of a portal's export; `kind` is a name under inbound.receipt_files.

    Every problem is told, one of the file with its place.

    Raises:
        ConfigError: no such kind.
        SourceError: the file cannot be read.
    """
    described = _of_kind(app.settings.inbound.receipt_files, kind, "receipt_files")
    read = read_export(path, described, app.clock(), believed_times(app), app.settings.lender.timezone)
    with app.open_ledger() as ledger, ledger.write() as tx:
        done = receipts.settle(tx, read.receipts, app.clock())
    for problem in (*sentences(read.findings), *masked(done.refused)):
        tell(problem)
    return {
        "provider": described.provider,
        "receipts": len(read.receipts),
        "settled": done.settled,
        "repeated": done.repeated,
        "unmatched": done.unmatched,
        "refused": len(done.refused),
        "problems": len(read.findings),
    }


def import_replies(app: App, path: Path, kind: str, tell: Tell) -> dict[str, Any]:
    """Take the replies of a portal's export; `kind` is a name under inbound.reply_files.

    Every problem is told with its place. Returns the provider and `keeping.REPLY_FIGURES`.

    Raises:
        ConfigError: no such kind, or the lexicon is wrong.
        SourceError: the file cannot be read.
    """
    described = _of_kind(app.settings.inbound.reply_files, kind, "reply_files")
    lexicon = open_lexicon(app)
    read = read_replies(path, described, app.clock(), believed_times(app), app.settings.lender.timezone)
    with app.open_ledger() as ledger:
        kept = take_replies(app, ledger, lexicon, read.replies)
    problems = [*sentences(read.findings), *kept.problems]
    for problem in problems:
        tell(problem)
    return {"provider": described.provider, **kept.figures, "problems": len(problems)}


def _of_kind(kinds: Mapping[str, Described], kind: str, option: str) -> Described:
    """The columns of such a file, as the configuration describes them under inbound.`option`."""
    if kind not in kinds:
        known = ", ".join(sorted(kinds)) or "none yet"
        raise ConfigError(
            [f"inbound.{option}: no kind {kind!r} ({known}); describe the file's columns there"]
        )
    return kinds[kind]
