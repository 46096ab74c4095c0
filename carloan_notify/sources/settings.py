"""Where the lender's tables are, and how to read them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from carloan_notify.notices.where import PERSON_COLUMNS, STANDING_COLUMNS, Kind, Of, WhereColumn
from carloan_notify.records import currency_exponent
from carloan_notify.settings import Settings
from carloan_notify.sources.tables import (
    EXTRA_TABLES,
    MINOR,
    TABLES,
    Basis,
    CellKind,
    ExtraKind,
    TableName,
    TableSpec,
    extra_column,
    with_event_types,
    with_extras,
)

ExtraName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class ExtraSettings(Settings):
    """A column of the lender's own: where it stands, and how its cells are read."""

    header: str = Field(min_length=1, description="Its header in your file.", examples=["保险到期日"])
    kind: ExtraKind = Field(
        default=ExtraKind.TEXT,
        description="text, date, amount, count (a whole number from 0) or flag. A row whose cell cannot be read so is "
        "rejected.",
        examples=["date"],
    )


class TableSettings(Settings):
    """One table: a file (`path`) or a database query (`url` and `query`)."""

    path: str = Field(
        default="",
        description="File to read, relative to the configuration file. CSV, TSV, either of them gzipped, or "
        "Parquet. {as_of} stands for the business date; {as_of:%Y%m%d} writes it another way.",
        examples=["exports/loans-{as_of}.csv"],
    )
    url: str = Field(
        default="",
        description="SQLAlchemy URL of a database to read instead of a file. Take the password from the "
        "environment.",
        examples=["postgresql+psycopg://reader:${CORE_DB_PASSWORD}@db.example/core"],
        repr=False,
    )
    query: str = Field(
        default="",
        description="Query to run at `url`. :as_of is the business date as a bound parameter.",
        examples=["SELECT * FROM loans WHERE export_date = :as_of"],
    )
    encoding: Literal["auto", "utf-8", "gb18030"] = Field(
        default="auto",
        description="Encoding of a text file; auto decodes the whole file to find out, and looks at the other tables "
        "where it could be in both. gb18030 includes GBK and GB2312.",
        examples=["gb18030"],
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Our column name to the header in your file, where they differ. Case and spaces do not "
        "matter, "
        "and the usual Chinese headers (合同号, 手机号, 还款日) are known already.",
        examples=[{"loan_id": "CONTRACT_NO"}],
    )
    extra: dict[ExtraName, ExtraSettings] = Field(
        default_factory=dict,
        description="Columns of your own, by the name that rules (`where`, `when.date`) and templates (extra.NAME) "
        "call them: the header in your file, or header and kind. Only of loans and contacts; templates see "
        "those of loans.",
        examples=[{"segment": "客户分层", "insurance_ends_on": {"header": "保险到期日", "kind": "date"}}],
    )
    defaults: dict[str, str] = Field(
        default_factory=dict,
        description="Value for blank cells and for columns the file lacks, written as it would stand in the "
        "file.",
        examples=[{"timezone": "Asia/Shanghai", "language": "zh-CN"}],
    )
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="Per column, your codes to our words. Common Chinese names (等额本息, 已结清) are known "
        "already.",
        examples=[{"status": {"01": "active", "09": "settled"}}],
    )
    date_format: str = Field(
        default="",
        description="Format of the dates (Python strptime), needed only for day-first or month-first dates.",
        examples=["%d/%m/%Y"],
    )
    complete_marker: str = Field(
        default="",
        description="File that the export job writes last; the night stops where it is missing. A number in it "
        "is the row count. {as_of} as in `path`.",
        examples=["exports/loans-{as_of}.done"],
    )
    trailer: str = Field(
        default="",
        description="Text that the last line of a text file begins with; the night stops where it is missing. "
        "The first number behind it is the row count.",
        examples=["TRAILER"],
    )
    fictitious_phones: bool = Field(
        default=False,
        description="Accept phone numbers that reach nobody (+86 100…, +1 202 555 01xx, +44 7700 900xxx), "
        "for rehearsals and samples. Leave it off with real exports.",
    )

    @field_validator("extra", mode="before")
    @classmethod
    def _header_alone(cls, extra: Any) -> Any:  # noqa: ANN401 - YAML data, before it is checked
        """A text is the header of a column of texts."""
        if not isinstance(extra, dict):
            return extra
        return {name: {"header": one} if isinstance(one, str) else one for name, one in extra.items()}

    def header_of(self, name: str) -> str | None:
        """The header that this column is mapped to, None where it is not."""
        return self.extra[name].header if name in self.extra else self.columns.get(name)

    @property
    def mapped(self) -> Mapping[str, str]:
        """Every header that the table must have, by column."""
        return {**self.columns, **{name: one.header for name, one in self.extra.items()}}

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.path) == bool(self.url or self.query):
            raise ValueError("give either `path`, or `url` and `query`")
        if bool(self.url) != bool(self.query):
            raise ValueError("`url` and `query` belong together: give both")
        return self


class SourcesSettings(Settings):
    """All tables of the lender; only `loans` is always needed."""

    loans: TableSettings = Field(description="One row per loan.")
    installments: TableSettings | None = Field(
        default=None,
        description="The repayment schedule, one row per installment; needed for basis `supplied`.",
    )
    payments: TableSettings | None = Field(
        default=None, description="What borrowers paid, one row per payment."
    )
    changes: TableSettings | None = Field(
        default=None, description="Changes to running loans: deferral, extension, due-day change, prepayment."
    )
    events: TableSettings | None = Field(
        default=None, description="Events to tell the borrower: application received, approved, disbursed…"
    )
    contacts: TableSettings | None = Field(
        default=None,
        description="Other persons and preferences: co-borrowers, guarantors, consent, opt-outs.",
    )

    @model_validator(mode="after")
    def _known_columns(self) -> Self:
        problems = [problem for name in TABLES for problem in self._unknown_columns(name)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def table(self, name: TableName) -> TableSettings | None:
        """The settings of one table by its name, None when it is not configured."""
        settings: TableSettings | None = getattr(self, name)
        return settings

    def _unknown_columns(self, name: TableName) -> list[str]:
        settings = self.table(name)
        if settings is None:
            return []
        ours = {column.name for column in TABLES[name].columns}
        known = {*ours, *settings.extra}
        options: dict[str, Mapping[str, object]] = {
            "columns": settings.columns,
            "defaults": settings.defaults,
            "values": settings.values,
        }
        return [
            *(
                f"{name}.{option}.{column}: no such column; the columns are {', '.join(sorted(known))}"
                for option, mapping in options.items()
                for column in mapping
                if column not in (ours if option == "columns" else known)
            ),
            *_extra_problems(name, settings.extra),
        ]


def _extra_problems(name: TableName, extra: Mapping[str, ExtraSettings]) -> list[str]:
    """Columns of the lender's own that would hide ours, or of which nobody would hear."""
    if extra and name not in EXTRA_TABLES:
        return [f"{name}.extra: only {' and '.join(EXTRA_TABLES)} have columns of your own; take it out"]
    taken = {each for column in TABLES[name].columns for each in (column.name, column.frame_name)}
    return [
        f"{name}.extra.{column}: is a name of ours; map it in `columns`, or call it otherwise"
        for column in extra
        if column in taken or column.endswith(MINOR) or column in STANDING_COLUMNS
    ]


# The columns that rules may name.

_KINDS: Final = {
    CellKind.TEXT: Kind.TEXT,
    CellKind.IDENTIFIER: Kind.TEXT,
    CellKind.CHOICE: Kind.CHOICE,
    CellKind.COUNT: Kind.COUNT,
    CellKind.AMOUNT: Kind.AMOUNT,
    CellKind.DATE: Kind.DATE,
    CellKind.FLAG: Kind.FLAG,
}


def where_columns(sources: SourcesSettings) -> dict[str, WhereColumn]:
    """What `where` may name: the columns of loans, what is worked out of them, and the lender's own of both tables.

    Columns that name a person or a number are not among them.
    """
    loans = with_extras(TABLES["loans"], {name: one.kind for name, one in sources.loans.extra.items()})
    found = {
        column.name: WhereColumn(_KINDS[column.kind], Of.LOAN, column.frame_name, column.words or None)
        for column in loans.columns
        if column.kind in _KINDS and not column.personal
    }
    words = found["status"].words
    contacts = sources.contacts.extra if sources.contacts else {}
    people = {name: extra_column(name, one.kind) for name, one in contacts.items()}
    return {
        **found,
        **STANDING_COLUMNS,
        **PERSON_COLUMNS,
        **{name: WhereColumn(_KINDS[each.kind], Of.PERSON, each.frame_name) for name, each in people.items()},
        "status": replace(STANDING_COLUMNS["status"], words=words),
    }


# What every table is read with.

CHUNK_ROWS: Final = 50_000
"""Rows read and parsed at a time: some tens of MB, and larger chunks are not read faster."""
LONGEST_LINE: Final = 1024 * 1024
"""Bytes. No row of an export is so long; a longer line has lost its line end, and is rejected without being loaded."""
_AS_OF: Final = re.compile(r"\{as_of(?::([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The night's circumstances. `base_dir`: where relative paths start; `currency`: ISO 4217.

    `phone_region`: ISO 3166 country in which numbers without + are dialled; `timezone`: the lender's IANA
    zone, into which moments with an offset are carried before they become dates. `sources` are all tables of the
    night, which help to tell the encoding of one that could be in two. `event_types` are the lender's own, each with
    the other words for it.
    """

    as_of: date
    base_dir: Path
    basis: Basis
    currency: str
    phone_region: str
    timezone: str
    chunk_rows: int = CHUNK_ROWS
    longest_line: int = LONGEST_LINE
    sources: SourcesSettings | None = None
    event_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def spec(self, name: TableName, settings: TableSettings) -> TableSpec:
        """The table's columns, the lender's own columns and event types among them."""
        spec = with_extras(TABLES[name], {own: one.kind for own, one in settings.extra.items()})
        return with_event_types(spec, self.event_types) if name == "events" else spec

    @property
    def currency_digits(self) -> int:
        """Decimals of the currency's minor unit (ISO 4217): 2 for CNY, 0 for JPY."""
        return currency_exponent(self.currency)

    @property
    def zone(self) -> ZoneInfo:
        """The lender's time zone."""
        return ZoneInfo(self.timezone)

    def dated(self, text: str) -> str:
        """`text` with the business date for {as_of} and {as_of:%Y%m%d}; all other braces stay."""
        return _AS_OF.sub(lambda found: self.as_of.strftime(found[1] or "%Y-%m-%d"), text)
