"""`ledger`: look into the record and keep it well."""

import getpass
import sys
from datetime import timedelta
from pathlib import Path

import click

from carloan_notify import errors
from carloan_notify.cli.main import LoanId, format_option, open_app
from carloan_notify.records import MessageState

SHOWN = (
    "message_id",
    "loans",
    "notice",
    "channel",
    "phone",
    "state",
    "not_before",
    "provider",
    "code",
    "attempts",
)
DAYS_A_YEAR = 365.25
SHORTEST_YEARS = 1.0  # younger messages keep anybody from being told twice; caps count them too


@click.group()
def ledger_command() -> None:
    """Look into the ledger and keep it well.

    \b
    Example:
      carloan-notify ledger messages --loan AD2026000001
    """


@ledger_command.command()
@click.option("--loan", "loan_id", type=LoanId(), default="", help="Only messages that tell this loan.")
@click.option("--run", "run_id", default="", help="Only messages of this run.")
@click.option("--notice", default="", help="Only messages of this notice.")
@click.option(
    "--state", type=click.Choice([state.value for state in MessageState]), help="Only messages in this state."
)
@click.option("--limit", default=100, show_default=True)
@click.option(
    "--reveal", is_flag=True, help="Show phone, name and text in clear; who looked, and why, is audited."
)
@click.option("--reason", default="", help="Why it is revealed; needed with --reveal.")
@format_option
@click.pass_context
def messages(
    ctx: click.Context,
    loan_id: str,
    run_id: str,
    notice: str,
    state: str | None,
    limit: int,
    reveal: bool,
    reason: str,
    form: str,
) -> None:
    """List messages, newest first, phones masked.

    \b
    Example:
      carloan-notify ledger messages --state unknown
      carloan-notify ledger messages --loan AD2026000001 --reveal --reason "complaint 4711" --format json
    """
    from carloan_notify.ledger import views
    from carloan_notify.reports.tables import frame_rows, print_rows

    if reveal and not reason:
        raise click.UsageError("--reveal needs --reason: it is written to the audit")
    wanted = views.MessageFilter(
        run_id=run_id,
        loan_id=loan_id,
        notice=notice,
        state=MessageState(state) if state else None,
        limit=limit,
    )
    app = open_app(ctx)
    with app.open_ledger() as ledger, ledger.write() if reveal else ledger.read() as tx:
        found = (
            views.reveal(tx, wanted, getpass.getuser(), reason, app.clock())
            if reveal
            else views.messages(tx, wanted)
        )
    columns = (*SHOWN, "name", "text") if reveal else SHOWN
    print_rows(
        frame_rows(found), sys.stdout, form, columns=columns if form == "table" else tuple(found.columns)
    )


@ledger_command.command()
@click.pass_context
def migrate(ctx: click.Context) -> None:
    """Make the ledger, or bring it to this version's schema; a backup is taken first.

    \b
    Example:
      carloan-notify ledger migrate
    """
    from carloan_notify.app import one_night
    from carloan_notify.ledger import upkeep

    app = open_app(ctx)
    with one_night(app, getpass.getuser(), "migrates the ledger"):
        if app.has_ledger() and (made := upkeep.migrate(app.settings.ledger, app.folder, app.clock())):
            click.echo(f"{made.path}: backup of the ledger as it was")
        with app.open_ledger(create=True):
            click.echo("the ledger is at this version's schema")


@ledger_command.command()
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder; `backups` if left out.",
)
@click.pass_context
def backup(ctx: click.Context, folder: Path | None) -> None:
    """Write an encrypted, checksummed copy of one moment while others go on working.

    Take one after `run` and one after the day's last `send`: what leaves later is unknown when it is restored.

    \b
    Example:
      carloan-notify ledger backup --to /mnt/backup
    """
    from carloan_notify.ledger.upkeep import back_up

    app = open_app(ctx)
    made = back_up(app.settings.ledger, app.folder, app.clock(), folder)
    click.echo(f"{made.path}: {made.rows} rows, sha256 {made.sha256}")


@ledger_command.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def restore(ctx: click.Context, source: Path) -> None:
    """Put the backup SOURCE where ledger.url points; that place must be empty. It is verified first.

    Messages that waited in it may have left since: they become unknown, for `reconcile`. The next `run` stops
    until somebody accepts that the time since is missing (guard ledger_restored). After a crash it may simply run
    again: what it did already stays, and whoever was erased since the backup is erased from it.

    \b
    Example:
      carloan-notify ledger restore backups/ledger-3f9c21d0-20261123T020000.000000Z.backup
    """
    from carloan_notify.app import one_night
    from carloan_notify.ledger import upkeep

    app = open_app(ctx)
    with one_night(app, getpass.getuser(), "restores the ledger"):
        done = upkeep.restore(app.settings.ledger, app.folder, source, app.clock())
    click.echo(
        (f"put back already, at {done.before}: " if done.before else "")
        + f"{done.rows} rows as of {done.written_at}; {done.unknown} messages may have left since and are unknown: "
        "see reconcile; now run: carloan-notify audit verify"
    )


@ledger_command.command()
@click.option(
    "--older-than",
    "years",
    type=click.FloatRange(min=SHORTEST_YEARS),
    required=True,
    metavar="YEARS",
    help="Age in years, at least 1.",
)
@click.confirmation_option(prompt="Delete messages and decisions of that age for good?")
@click.pass_context
def purge(ctx: click.Context, years: float) -> None:
    """Delete messages, decisions and replies older than so many years, empty certificates; the audit stays.

    \b
    Example:
      carloan-notify ledger purge --older-than 5 --yes
    """
    from carloan_notify.app import one_night
    from carloan_notify.ledger import certificates, store, upkeep
    from carloan_notify.pipeline.certificates import forget_files

    app = open_app(ctx)
    now = app.clock()
    cutoff = now - timedelta(days=years * DAYS_A_YEAR)
    with one_night(app, getpass.getuser(), "purges the ledger"), app.open_ledger() as ledger:
        forget_files(app, ledger, certificates.issued_before(store.to_text(cutoff)))
        with ledger.write(wipes=True) as tx:
            gone = upkeep.purge(tx, cutoff, now)
    click.echo(
        f"deleted {gone.messages} messages, {gone.notices} decisions, {gone.receipts} receipts, "
        f"{gone.replies} replies, {gone.unread} unread records; emptied {gone.certificates} certificates; "
        "`ledger compact` gives their room back"
    )


@ledger_command.command()
@click.confirmation_option(prompt="Pack the ledger anew? Nothing can be written meanwhile.")
@click.pass_context
def compact(ctx: click.Context) -> None:
    """Pack the ledger anew and give the room of purged nights back to the disk; no row changes.

    Takes minutes where the ledger has gigabytes, and as much free disk again. Refused while a sender holds messages.

    \b
    Example:
      carloan-notify ledger compact --yes
    """
    from carloan_notify.app import one_night
    from carloan_notify.ledger import upkeep

    app = open_app(ctx)
    with one_night(app, getpass.getuser(), "compacts the ledger"), app.open_ledger() as ledger:
        done = upkeep.compact(ledger, getpass.getuser(), app.clock())
    click.echo(f"the ledger took {done.before:,} bytes and takes {done.after:,} now")


@ledger_command.command()
@click.option("--customer", "customer_id", required=True, help="The lender's customer id.")
@click.confirmation_option(prompt="Erase everything personal of this customer for good?")
@click.pass_context
def erase(ctx: click.Context, customer_id: str) -> None:
    """Erase a customer's phone, name, message texts, replies and certificates; the chain stays valid.

    A record stays that it was done. A certificate can still be checked by its code and its file.

    \b
    Example:
      carloan-notify ledger erase --customer C20001 --yes
    """
    from carloan_notify.app import one_night
    from carloan_notify.ledger import certificates, upkeep
    from carloan_notify.pipeline.certificates import forget_files

    app = open_app(ctx)
    with one_night(app, getpass.getuser(), "erases a customer"), app.open_ledger() as ledger:
        upkeep.keep_erasure(ledger.places, ledger.cipher, customer_id, app.clock())
        forget_files(app, ledger, certificates.of_customer(ledger.cipher.customer_ref(customer_id)))
        with ledger.write(wipes=True) as tx:
            done = upkeep.erase(tx, customer_id, getpass.getuser(), app.clock())
    click.echo(
        f"erased {done.messages} messages; {done.cancelled} of them were waiting and are cancelled; "
        f"erased {done.replies} replies and {done.certificates} certificates, deleted {done.unread} unread records"
    )


@ledger_command.command()
@format_option
@click.pass_context
def doctor(ctx: click.Context, form: str) -> None:
    """Check integrity, states and the audit chain; exit 1 if anything is wrong.

    \b
    Example:
      carloan-notify ledger doctor
    """
    from carloan_notify.pipeline.upkeep import ailments
    from carloan_notify.reports.tables import print_rows

    found = ailments(open_app(ctx))
    if found or form != "table":
        print_rows(found, sys.stdout, form, columns=("code", "place", "message"))
    else:
        click.echo("ok: nothing is wrong with the ledger")
    ctx.exit(errors.EXIT_FAILED_ITEMS if found else errors.EXIT_OK)


@ledger_command.command(name="rotate-keys")
@click.confirmation_option(prompt="Encrypt every message with a new key?")
@click.pass_context
def rotate_keys(ctx: click.Context) -> None:
    """Encrypt every message with a new key. Interrupted, it may simply run again; old keys serve old backups.

    Refused while a sender holds messages: it knows the old keys only.

    \b
    Example:
      carloan-notify ledger rotate-keys --yes
    """
    from carloan_notify.app import one_night
    from carloan_notify.ledger import upkeep

    app = open_app(ctx)
    with one_night(app, getpass.getuser(), "rotates the keys"), app.open_ledger() as ledger:
        upkeep.rotate_keys(ledger, getpass.getuser(), app.clock())
    click.echo(f"{app.path(app.settings.ledger.key_file)}: holds a new key; put a copy into your safe")
