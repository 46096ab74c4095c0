"""`config`: check the file, print the schema or an example."""

import sys

import click

from carloan_notify.cli.options import open_house


@click.group()
def command() -> None:
    """Check the configuration, print its JSON schema or a commented example.

    \b
    Example:
      carloan-notify config check
    """


@command.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check the whole configuration: options, files, folders, templates. All problems at once; 2 if there are any.

    \b
    Example:
      carloan-notify --config config.yaml config check
    """
    from carloan_notify.pipeline.checking import check_setup

    for line in check_setup(open_house(ctx)):
        click.echo(line)


@command.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors.

    \b
    Example:
      carloan-notify config schema > config.schema.json
    """
    from carloan_notify.config.model import AppSettings
    from carloan_notify.reports.tables import print_json

    print_json(AppSettings.model_json_schema(), sys.stdout)


@command.command()
def example() -> None:
    """Print a commented configuration with every option.

    \b
    Example:
      carloan-notify config example > config.yaml
    """
    from carloan_notify.config.sample import example_text

    click.echo(example_text(), nl=False)
