"""`audit`: was the record changed?"""

import sys
from datetime import datetime
from pathlib import Path

import click

from carloan_notify import errors
from carloan_notify.cli.main import IsoInstant, format_option, open_app


@click.group()
def audit_command() -> None:
    """Verify, show or export the audit chain.

    \b
    Example:
      carloan-notify audit verify
    """


@audit_command.command()
@click.option(
    "--export",
    "exported",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Verify this export instead.",
)
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The auditor's own copy of the key.",
)
@format_option
@click.pass_context
def verify(ctx: click.Context, exported: Path | None, public_key: Path | None, form: str) -> None:
    """Walk the whole chain and every signed digest; exit 1 and name the row if anything was touched.

    \b
    Example:
      carloan-notify audit verify
      carloan-notify audit verify --export audit-2026.jsonl --public-key auditor.pub
    """
    from carloan_notify.pipeline.upkeep import verify_record, verify_rows
    from carloan_notify.reports.tables import print_json, print_rows

    # An export proves itself: no ledger, and so no configuration, is needed.
    found = verify_record(None if exported else open_app(ctx), exported, public_key)
    rows = verify_rows(found)
    if form == "json":
        print_json(
            {
                "ok": found.ok,
                "rows": found.rows,
                "digests": found.digests,
                "head": found.head,
                "breaches": rows,
            },
            sys.stdout,
        )
    elif rows or form == "csv":
        print_rows(rows, sys.stdout, form, columns=("kind", "place", "message"))
    else:
        click.echo(f"ok: {found.rows} audit rows, {found.digests} signed digests, head {found.head[:16]}")
    ctx.exit(errors.EXIT_OK if found.ok else errors.EXIT_FAILED_ITEMS)


@audit_command.command()
@click.option("--kind", default="", help="Only events of this kind, such as message.accepted.")
@click.option("--about", default="", help="Only events that name this loan, message, run or operator.")
@click.option("--since", type=IsoInstant(), help="Only events from this instant on.")
@click.option("--limit", default=100, show_default=True)
@format_option
@click.pass_context
def show(ctx: click.Context, kind: str, about: str, since: datetime | None, limit: int, form: str) -> None:
    """Show audit rows, newest last.

    \b
    Example:
      carloan-notify audit show --about AD2026000001
    """
    from carloan_notify.ledger import audit
    from carloan_notify.reports.tables import frame_rows, print_rows

    with open_app(ctx).open_ledger() as ledger, ledger.read() as tx:
        rows = frame_rows(audit.show(tx, kind=kind, mentions=about, since=since, limit=limit))
    print_rows(rows, sys.stdout, form)


@audit_command.command()
@click.argument("message_id")
@click.pass_context
def prove(ctx: click.Context, message_id: str) -> None:
    """Show what a message was queued with, and the few hashes that lead from there to its row in the chain, as JSON.

    Exit 1 where the audit tells of no such message.

    \b
    Example:
      carloan-notify audit prove 7QK2M4XJ5T3WZ6AB8CD9EF0GH1
    """
    from dataclasses import asdict

    from carloan_notify.ledger import audit
    from carloan_notify.reports.tables import print_json

    with open_app(ctx).open_ledger() as ledger, ledger.read() as tx:
        found = audit.prove(tx, message_id)
    if found is None:
        click.echo(f"message {message_id}: not in the audit; see: carloan-notify ledger messages", err=True)
        ctx.exit(errors.EXIT_FAILED_ITEMS)
    print_json(asdict(found), sys.stdout)


@audit_command.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def export(ctx: click.Context, path: Path) -> None:
    """Write the whole audit to PATH as JSONL that can be verified alone, without the ledger.

    \b
    Example:
      carloan-notify audit export audit-2026.jsonl
    """
    with open_app(ctx).open_ledger() as ledger:
        done = ledger.export_audit(path)
    click.echo(f"{path}: {done.rows} rows, {done.digests} digests")
