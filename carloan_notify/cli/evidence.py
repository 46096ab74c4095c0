"""`evidence`: what proves to a stranger that a borrower was told."""

import getpass
from pathlib import Path

import click

from carloan_notify import errors
from carloan_notify.cli.main import LoanId, open_app


class LoanFirst(click.Group):
    """A group whose subcommand `make` may be left out: `evidence LOAN_ID` is `evidence make LOAN_ID`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `make` in front of what names no subcommand."""
        if args and args[0] not in {*self.commands, *self.get_help_option_names(ctx)}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=LoanFirst)
def evidence_command() -> None:
    """Prove what a borrower was told, when, and in which words; or check such a proof.

    \b
    Example:
      carloan-notify evidence AD2026000001 --reason "case 4711"
      carloan-notify evidence verify evidence-AD2026000001.zip
    """


@evidence_command.command()
@click.argument("loan_id", type=LoanId())
@click.option("--notice", default="", help="Only messages of this notice, such as credit_bureau_notice.")
@click.option("--role", default="borrower", show_default=True, help="Whom they told; others are left out.")
@click.option("--reason", default="", help="Why it is needed; written to the audit with your name.")
@click.option(
    "--full-number",
    is_flag=True,
    help="Show the number in clear, with what opens its seal: for a court that must know whose it is.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file; evidence-LOAN-TIME.zip if left out.",
)
@click.pass_context
def make(
    ctx: click.Context, loan_id: str, notice: str, role: str, reason: str, full_number: bool, out: Path | None
) -> None:
    """Write one signed bundle about LOAN_ID: index.html to print, evidence.json, the proof, and verify.py.

    Anybody can check it with Python and the public key. Refused where the audit does not verify.

    \b
    Example:
      carloan-notify evidence AD2026000001 --notice credit_bureau_notice --reason "case 4711"
    """
    from carloan_notify.pipeline.evidence import EvidenceOrder, make_evidence

    if not reason.strip():
        raise click.UsageError("evidence shows personal data and needs --reason: it is written to the audit")
    order = EvidenceOrder(loan_id, getpass.getuser(), reason, notice, role, full_number, out)
    made = make_evidence(open_app(ctx), order)
    click.echo(f"{made.path}: {made.messages} messages; key fingerprint {made.fingerprint}")
    if made.to_others:
        click.echo(f"{made.to_others} messages about this loan went to other people and are left out")


@evidence_command.command()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@click.pass_context
def verify(ctx: click.Context, path: Path) -> None:
    """Check a bundle by our own keys, and against our own audit; exit 1 and name each place that was changed.

    \b
    Example:
      carloan-notify evidence verify evidence-AD2026000001.zip
    """
    from carloan_notify.pipeline.evidence import verify_evidence

    problems = verify_evidence(open_app(ctx), path)
    for problem in problems:
        click.echo(f"changed: {problem}", err=True)
    if problems:
        ctx.exit(errors.EXIT_FAILED_ITEMS)
    click.echo(f"ok: {path} is as this ledger made it")
