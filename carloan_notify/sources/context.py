"""What every table is read with."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision

from carloan_notify.sources.tables import Basis

_AS_OF: Final = re.compile(r"\{as_of(?::([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The night's circumstances. `base_dir`: where relative paths start; `currency`: ISO 4217.

    `phone_region`: ISO 3166 country in which numbers without + are dialled; `timezone`: the lender's IANA
    zone, into which moments with an offset are carried before they become dates.
    """

    as_of: date
    base_dir: Path
    basis: Basis
    currency: str
    phone_region: str
    timezone: str
    chunk_rows: int = 50_000
    max_line_bytes: int = 1024 * 1024

    @property
    def currency_digits(self) -> int:
        """Decimals of the currency's minor unit (CLDR): 2 for CNY, 0 for JPY."""
        return int(get_currency_precision(self.currency))

    @property
    def zone(self) -> ZoneInfo:
        """The lender's time zone."""
        return ZoneInfo(self.timezone)

    def dated(self, text: str) -> str:
        """`text` with the business date for {as_of} and {as_of:%Y%m%d}; all other braces stay."""
        return _AS_OF.sub(lambda found: self.as_of.strftime(found[1] or "%Y-%m-%d"), text)
