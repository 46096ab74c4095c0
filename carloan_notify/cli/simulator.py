"""`simulator`: a provider to rehearse with."""

from pathlib import Path

import click


@click.command()
@click.option("--port", default=8025, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same faults.")
@click.option(
    "--faults", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file of faults."
)
def command(port: int, seed: int, faults: Path | None) -> None:
    """Run a provider on the loopback interface that accepts messages, fails as told and makes receipts.

    \b
    Example:
      carloan-notify simulator --port 8025
      echo 'receipt_delay_s: 2' > faults.yaml; carloan-notify simulator --faults faults.yaml
    """
    from carloan_notify.pipeline.simulating import make_simulator

    simulator = make_simulator(port, seed, faults)
    click.echo(f"simulator at {simulator.url} (GET /stats counts, /messages/REFERENCE tells); Ctrl-C ends it")
    simulator.serve_forever()
