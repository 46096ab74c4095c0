"""`demo`: see a whole night."""

import shutil
import sys
from pathlib import Path

import click

from carloan_notify import errors


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-night"),
    show_default=True,
)
def command(folder: Path) -> None:
    """A whole night on the sample portfolio: planned at 02:00, sent from 10:00 through the simulator, proven.

    Everything happens in FOLDER and on the loopback interface; a demo that lies there is replaced.

    \b
    Example:
      carloan-notify demo
    """
    from carloan_notify.cli.demo_view import print_demo
    from carloan_notify.pipeline.demo import run_demo

    marker = folder / ".carloan-notify-demo"
    if folder.exists() and not marker.exists():
        raise click.UsageError(f"{folder} is there and is no demo; name another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marker.touch()
    demo = run_demo(folder)
    print_demo(demo, sys.stdout)
    sys.exit(errors.EXIT_OK if demo.verified.ok else errors.EXIT_FAILED_ITEMS)
