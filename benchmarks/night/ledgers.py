"""The floor's ledger: empty in the schema of the package, and the rows that the command's night added to its own."""

import sqlite3
from datetime import date, datetime, timedelta
from pathlib import Path

from benchmarks.night.folder import Export
from benchmarks.night.plain import LANGUAGE, Job
from carloan_notify.app import App, build_app
from carloan_notify.messages.links import VALID_DAYS
from carloan_notify.pipeline.setup import init_folder

LEDGER = "ledger.db"


def at(day: date, hour: int, minute: int = 0) -> str:
    """An instant of the lender's own day, as `--now` takes it."""
    return f"{day}T{hour:02}:{minute:02}:00+08:00"


def app_of(folder: Path, day: date) -> App:
    """The app at two in the morning."""
    return build_app(folder / "config.yaml", datetime.fromisoformat(at(day, 2)))


def make_floor(folder: Path, day: date) -> None:
    """A folder with an empty ledger as the package makes it."""
    init_folder(folder)
    app_of(folder, day).open_ledger(create=True).close()


def added_rows(ledger: Path, before: Path, target: Path) -> None:
    """Every row of `ledger` that is not, or not the same, in `before`, into tables of a new file `target`."""
    target.unlink(missing_ok=True)
    connection = sqlite3.connect(target)
    connection.execute("PRAGMA synchronous = OFF")
    for name, path in (("ours", ledger), ("theirs", before)):
        connection.execute(f"ATTACH '{path}' AS {name}")
    tables = connection.execute(
        "SELECT name FROM ours.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid"
    ).fetchall()
    for (table,) in tables:
        connection.execute(
            f'CREATE TABLE main."{table}" AS '  # noqa: S608 - the package's own tables
            f'SELECT * FROM ours."{table}" EXCEPT SELECT * FROM theirs."{table}"'
        )
    connection.commit()
    connection.close()


def job_of(export: Export, floor: Path, day: date, *, words: Path | None = None) -> Job:
    """The night of `export` for the floor or the script, with the lender's own words and key."""
    app = app_of(export.folder, day)
    messages, lender = app.settings.messages, app.lender
    until = app.clock().date() + timedelta(days=VALID_DAYS)
    return Job(
        as_of=day.isoformat(),
        loans=str(export.path("loans")),
        payments=str(export.path("payments")) if export.payments else "",
        templates=str(app.path(messages.templates_dir)),
        told=str(floor / "told.npy"),
        words=str(words or ""),
        sign=lender.sign,
        hotline=lender.hotline,
        reply_hint=messages.reply_hint[LANGUAGE],
        pay_link=messages.pay_link_base,
        link_key=app.link_key().hex(),
        links_until=until.isoformat(),
    )
