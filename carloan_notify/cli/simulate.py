"""`simulate`: try a configuration on some weeks of nights before it goes live."""

import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import click

from carloan_notify.cli.main import IsoDate, format_option, now_option, open_app

USUAL_DAYS = 30


@click.command()
@click.option("--from", "first", type=IsoDate(), help="First business date; today if left out.")
@click.option(
    "--to", "last", type=IsoDate(), help=f"Last business date; {USUAL_DAYS} days in all if left out."
)
@click.option(
    "--payers",
    default="nobody",
    show_default=True,
    metavar="nobody|everybody|ledger|FILE",
    help="Who is assumed to pay: nobody, everybody on the due date, as late as the ledger's nights show, or a "
    "payments file.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another configuration to set beside this one, over the same days.",
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page to this file."
)
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@now_option
@format_option
@click.pass_context
def simulate_command(
    ctx: click.Context,
    first: date | None,
    last: date | None,
    payers: str,
    against: Path | None,
    html: Path | None,
    language: str,
    now: datetime | None,
    form: str,
) -> None:
    """What the nights from one day to another would send, what they would withhold and why, and what it costs.

    The export is that of the first day; what was told before is what the ledger knows. Writes nothing (but the page
    asked for), sends nothing, and asks no guard. Calls count as unanswered, so that costs are not made to look small.

    \b
    Example:
      carloan-notify simulate --from 2026-11-23 --to 2026-12-22
      carloan-notify simulate --from 2026-11-23 --payers everybody --against other.yaml --html compare.html
    """
    from carloan_notify.app import build_app
    from carloan_notify.pipeline.simulate import PAYERS, SimulationOrder, simulate
    from carloan_notify.reports.simulation import print_simulations, simulation_page

    app = open_app(ctx, now)
    start = first or app.business_date()
    order = SimulationOrder(start, last or start + timedelta(days=USUAL_DAYS - 1), payers)
    if payers not in PAYERS and not Path(payers).is_file():
        raise click.BadParameter(
            f"{payers!r} is neither {', '.join(PAYERS)} nor a file; correct it", param_hint="--payers"
        )
    named = {str(ctx.find_root().obj.config_path): app}
    if against is not None:
        named[str(against)] = build_app(against, now)
    done = [simulate(each, order, name, language) for name, each in named.items()]
    if html is not None:
        html.write_text(simulation_page(done, language), encoding="utf-8")
    print_simulations(done, sys.stdout, form, language)
