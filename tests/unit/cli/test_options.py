"""What people type on the command line."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.cli.main import IsoDate, IsoInstant, cli
from carloan_notify.cli.schedule import Amount, Payment


def refused(kind: click.ParamType[Any], text: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    return caught.value.message


@given(st.dates())
def test_dates(day: date) -> None:
    assert IsoDate().convert(day.isoformat(), None, None) == day
    assert IsoDate().convert(day, None, None) == day


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants(instant: datetime) -> None:
    assert IsoInstant().convert(instant.isoformat(), None, None) == instant
    assert IsoInstant().convert(instant, None, None) is instant


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_amounts_are_exact(number: Decimal) -> None:
    assert Amount().convert(str(number), None, None) == number
    assert Amount().convert(f"{number}%", None, None) == number / 100
    assert Amount().convert(number, None, None) == number


def test_payment() -> None:
    paid = (date(2026, 2, 1), Decimal("500.50"))
    assert Payment().convert("2026-02-01=500.50", None, None) == paid
    assert Payment().convert(paid, None, None) == paid


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (IsoDate(), "1.2.2026", "write it as 2026-11-23"),
        (IsoInstant(), "2026-11-23T02:00:00", "has no offset"),
        (IsoInstant(), "soon", "is no instant"),
        (Amount(), "nan", "is no number"),
        (Amount(), "1e", "is no number"),
        (Payment(), "2026-02-01", "write it as 2026-02-01=500.00"),
    ],
)
def test_refusals_show_how_it_is_written(kind: click.ParamType[Any], text: str, said: str) -> None:
    assert said in refused(kind, text)


@pytest.mark.parametrize("command", [("links", "serve"), ("receipts", "listen"), ("simulator",)])
@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_there_is_not_is_refused(command: tuple[str, ...], port: str) -> None:
    """65536 and more would be listened at as another port, and the proxy's would answer nothing."""
    done = CliRunner().invoke(cli, [*command, "--port", port])
    assert done.exit_code == 2
    assert "--port" in done.output
