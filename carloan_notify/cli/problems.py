"""Problems with what came back: a line each on standard error, and an exit code that cron notices."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from carloan_notify import errors


class Problems:
    """Prints each problem as it is told."""

    def __init__(self) -> None:
        """None yet."""
        self._any = False

    def __call__(self, problem: str) -> None:
        """Print one."""
        self._any = True
        click.echo(f"problem: {problem}", err=True)

    @property
    def exit_code(self) -> int:
        """1 once there was any."""
        return errors.EXIT_FAILED_ITEMS if self._any else errors.EXIT_OK


def print_returns(
    ctx: click.Context,
    form: str,
    rows: Callable[[Problems], Sequence[Mapping[str, Any]]],
    columns: Sequence[str] = (),
) -> None:
    """Print what came back, every problem with it, and exit with 1 if there was any."""
    from carloan_notify.reports.tables import print_rows

    problems = Problems()
    print_rows(rows(problems), sys.stdout, form, columns=columns)
    ctx.exit(problems.exit_code)
