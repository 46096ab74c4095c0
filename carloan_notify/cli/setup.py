"""`init`: a folder that is ready to run."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from carloan_notify import errors
from carloan_notify.cli.main import open_app
from carloan_notify.reports.night import print_night
from carloan_notify.reports.tables import print_messages, print_rows, terminal

if TYPE_CHECKING:
    from carloan_notify.pipeline.setup import Demo


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init_command(folder: Path) -> None:
    """Write a configuration, templates, keys and a sample export into FOLDER (default: here).

    The sample is dated 2026-11-23 and has loans for every notice of the ladder; its phone numbers reach nobody.

    \b
    Example:
      carloan-notify init my-lender
      cd my-lender
      carloan-notify run --as-of 2026-11-23
    """
    from carloan_notify.pipeline.setup import SAMPLE_DATE, init_folder

    for path in init_folder(folder):
        click.echo(path)
    enter = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"Now: {enter}carloan-notify preview --as-of {SAMPLE_DATE}", err=True)


# `config`: check the file, print the schema or an example.


@click.group()
def config_command() -> None:
    """Check the configuration, print its JSON schema or a commented example.

    \b
    Example:
      carloan-notify config check
    """


@config_command.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check the whole configuration: options, files, folders, templates. All problems at once; 2 if there are any.

    \b
    Example:
      carloan-notify --config config.yaml config check
    """
    from carloan_notify.pipeline.providers import check_setup

    for line in check_setup(open_app(ctx)):
        click.echo(line)


@config_command.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors.

    \b
    Example:
      carloan-notify config schema > config.schema.json
    """
    from carloan_notify.config.model import AppSettings
    from carloan_notify.reports.tables import print_json

    print_json(AppSettings.model_json_schema(), sys.stdout)


@config_command.command()
def example() -> None:
    """Print a commented configuration with every option.

    \b
    Example:
      carloan-notify config example > config.yaml
    """
    from carloan_notify.config.example import example_text

    click.echo(example_text(), nl=False)


# `demo`: see a whole night.


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-night"),
    show_default=True,
)
def demo_command(folder: Path) -> None:
    """A whole night on the sample portfolio: planned at 02:00, sent from 10:00 through the simulator, proven.

    Everything happens in FOLDER and on the loopback interface; a demo that lies there is replaced.

    \b
    Example:
      carloan-notify demo
    """
    from carloan_notify.pipeline.setup import run_demo

    marker = folder / ".carloan-notify-demo"
    if folder.exists() and not marker.exists():
        raise click.UsageError(f"{folder} is there and is no demo; name another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marker.touch()
    demo = run_demo(folder)
    print_demo(demo, sys.stdout)
    sys.exit(errors.EXIT_OK if demo.verified.ok else errors.EXIT_FAILED_ITEMS)


# The demo, told step by step.

WITHHELD = ("loan_id", "notice", "channel", "decision", "why")
FIGURES = ("queued", "accepted", "rejected", "unknown", "failed", "cancelled", "pending")


def print_demo(demo: "Demo", stream: IO[str]) -> None:
    """Every step of the night, as its people would see it."""
    from carloan_notify.pipeline.inbox import RECEIPT_FIGURES
    from carloan_notify.pipeline.send import summary_row

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


# `simulator`: a provider to rehearse with.


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8025,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same faults.")
@click.option(
    "--faults", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file of faults."
)
def simulator_command(port: int, seed: int, faults: Path | None) -> None:
    """Run a provider on the loopback interface that accepts messages, fails as told and makes receipts.

    \b
    Example:
      carloan-notify simulator --port 8025
      echo 'receipt_delay_s: 2' > faults.yaml; carloan-notify simulator --faults faults.yaml
    """
    from carloan_notify.pipeline.setup import make_simulator

    simulator = make_simulator(port, seed, faults)
    click.echo(f"simulator at {simulator.url} (GET /stats counts, /messages/REFERENCE tells); Ctrl-C ends it")
    simulator.serve_forever()
