"""The canonical columns of every table: what a cell means, when it must be there, who may see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, Literal

from carloan_notify.sources import aliases
from carloan_notify.sources.words import word_key

TableName = Literal["loans", "installments", "payments", "changes", "events", "contacts"]
Basis = Literal["supplied", "computed", "snapshot"]

RUNNING_STATUSES: Final = ("active",)


class Kind(StrEnum):
    """How a cell is read."""

    IDENTIFIER = "identifier"
    TEXT = "text"
    AMOUNT = "amount"
    RATE = "rate"
    DATE = "date"
    COUNT = "count"
    FLAG = "flag"
    PHONE = "phone"
    LANGUAGE = "language"
    TIMEZONE = "timezone"
    HOURS = "hours"
    CHOICE = "choice"
    CHOICES = "choices"


class Need(Enum):
    """What must be there: nothing, the column, or the cell (of every row, or of running loans only)."""

    OPTIONAL = 0
    COLUMN = 1
    RUNNING_CELL = 2
    CELL = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column. `name` is the input's, `frame_name` the frame's; bounds are in frame units.

    `need` holds under the bases in `bases` (empty: all); `personal` values are masked wherever shown.
    """

    name: str
    frame_name: str
    kind: Kind
    need: Need = Need.OPTIONAL
    bases: frozenset[str] = frozenset()
    personal: bool = False
    least: int | None = None
    most: int | None = None
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table's columns.

    `key`: the frame columns that name a row once (empty: rows may repeat). `owner`: whose row it is.
    `any_of`: columns of which every row fills at least one.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    owner: str = "loan_id"
    any_of: tuple[str, ...] = ()

    def need(self, column: Column, basis: str) -> Need:
        """What must be there of a column under one basis of the schedule."""
        return column.need if not column.bases or basis in column.bases else Need.OPTIONAL


def _words(choices: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    """Every accepted spelling, in `word_key` form, to its canonical word."""
    return {word_key(word): name for name, others in choices.items() for word in (name, *others)}


def _identifier(name: str, need: Need = Need.CELL) -> Column:
    return Column(name, name, Kind.IDENTIFIER, need)


def _text(name: str, *, personal: bool = False) -> Column:
    return Column(name, name, Kind.TEXT, personal=personal)


def _amount(
    name: str,
    frame_name: str,
    need: Need = Need.OPTIONAL,
    bases: frozenset[str] = frozenset(),
    least: int | None = 0,
) -> Column:
    return Column(name, frame_name, Kind.AMOUNT, need, bases, least=least)


def _date(
    name: str, need: Need = Need.OPTIONAL, bases: frozenset[str] = frozenset(), frame_name: str = ""
) -> Column:
    return Column(name, frame_name or name, Kind.DATE, need, bases)


def _choice(
    name: str,
    choices: Mapping[str, tuple[str, ...]],
    need: Need = Need.CELL,
    bases: frozenset[str] = frozenset(),
) -> Column:
    return Column(name, name, Kind.CHOICE, need, bases, words=_words(choices))


def _choices(name: str, choices: Mapping[str, tuple[str, ...]]) -> Column:
    return Column(name, name, Kind.CHOICES, words=_words(choices))


def _flag(name: str) -> Column:
    return Column(name, name, Kind.FLAG)


_COMPUTED: Final = frozenset({"computed"})
_SNAPSHOT: Final = frozenset({"snapshot"})
_PHONE: Final = Column("phone", "phone", Kind.PHONE, Need.COLUMN, personal=True)
_LANGUAGE: Final = Column("language", "language", Kind.LANGUAGE)
_TIMEZONE: Final = Column("timezone", "timezone", Kind.TIMEZONE)
_MOST_INSTALLMENTS: Final = 600

_LOANS: Final = (
    _identifier("loan_id"),
    _identifier("customer_id"),
    _text("borrower_name", personal=True),
    _PHONE,
    _text("product"),
    Column("principal", "principal_minor", Kind.AMOUNT, Need.RUNNING_CELL, _COMPUTED, least=0),
    Column("annual_rate", "annual_rate_ppb", Kind.RATE, Need.RUNNING_CELL, _COMPUTED),
    Column(
        "term_months",
        "term_months",
        Kind.COUNT,
        Need.RUNNING_CELL,
        _COMPUTED,
        least=1,
        most=_MOST_INSTALLMENTS,
    ),
    _date("disbursed_on"),
    _date("first_due_on", Need.RUNNING_CELL, _COMPUTED),
    Column("due_day", "due_day", Kind.COUNT, least=1, most=31),
    _choice("repayment_method", aliases.METHODS, Need.RUNNING_CELL, _COMPUTED),
    _choice("status", aliases.STATUSES),
    _amount("paid_to_date", "paid_to_date_minor"),
    _LANGUAGE,
    _TIMEZONE,
    _text("account_tail", personal=True),
    _text("plate_no", personal=True),
    _flag("in_dispute"),
    _amount("balloon", "balloon_minor"),
    _date("next_due_on", Need.COLUMN, _SNAPSHOT),
    _amount("amount_due", "amount_due_minor", Need.RUNNING_CELL, _SNAPSHOT),
    _amount("overdue_amount", "overdue_minor", Need.RUNNING_CELL, _SNAPSHOT),
    Column("days_past_due", "days_past_due", Kind.COUNT, Need.RUNNING_CELL, _SNAPSHOT, least=0, most=36_500),
    Column("next_installment_no", "next_installment_no", Kind.COUNT, least=0, most=_MOST_INSTALLMENTS),
)
_INSTALLMENTS: Final = (
    _identifier("loan_id"),
    Column("installment_no", "installment_no", Kind.COUNT, Need.CELL, least=1, most=_MOST_INSTALLMENTS),
    _date("due_on", Need.CELL),
    _amount("principal_due", "principal_minor"),
    _amount("interest_due", "interest_minor"),
    _amount("fees_due", "fees_minor"),
    _amount("total_due", "total_minor"),
    _amount("paid_amount", "paid_minor"),
)
_PAYMENTS: Final = (
    _identifier("payment_id"),
    _identifier("loan_id"),
    _date("paid_on", Need.CELL),
    _amount("amount", "amount_minor", Need.CELL, least=None),
)
_CHANGES: Final = (
    _identifier("change_id"),
    _identifier("loan_id"),
    _choice("type", aliases.CHANGE_TYPES),
    _date("effective_on", Need.CELL),
    _text("value"),
)
_EVENTS: Final = (
    _identifier("event_id"),
    _identifier("loan_id"),
    _choice("type", aliases.EVENT_TYPES),
    _date("occurred_at", Need.CELL, frame_name="occurred_on"),
    _amount("amount", "amount_minor", least=None),
    _text("detail"),
)
_CONTACTS: Final = (
    _identifier("customer_id"),
    _identifier("loan_id", Need.OPTIONAL),
    _choice("role", aliases.ROLES),
    _text("name", personal=True),
    _PHONE,
    _LANGUAGE,
    _TIMEZONE,
    _choices("channels", aliases.CHANNELS),
    Column("preferred_hours", "preferred_hours", Kind.HOURS),
    _choices("consent", aliases.MESSAGE_CLASSES),
    _choices("opt_out", aliases.MESSAGE_CLASSES),
    _flag("do_not_contact"),
    _flag("in_dispute"),
)

TABLES: Final[Mapping[TableName, TableSpec]] = {
    "loans": TableSpec(_LOANS, ("loan_id",)),
    "installments": TableSpec(
        _INSTALLMENTS, ("loan_id", "installment_no"), any_of=("total_due", "principal_due")
    ),
    "payments": TableSpec(_PAYMENTS, ("payment_id",)),
    "changes": TableSpec(_CHANGES, ("change_id",)),
    "events": TableSpec(_EVENTS, ("event_id",)),
    "contacts": TableSpec(_CONTACTS, (), owner="customer_id"),
}


def headers_of(column: Column) -> tuple[str, ...]:
    """The headers by which a column is known without a mapping, in `word_key` form, best first."""
    return tuple(word_key(header) for header in (column.name, *aliases.HEADERS.get(column.name, ())))
