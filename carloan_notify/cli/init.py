"""`init`: a folder that is ready to run."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def command(folder: Path) -> None:
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
