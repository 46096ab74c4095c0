"""Simulated nights for people: tables, CSV, JSON and a page; two configurations side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import IO, Any, Final

from carloan_notify.reports.html import STYLE, page
from carloan_notify.reports.tables import print_json, print_rows
from carloan_notify.words import word

Row = Mapping[str, Any]
FIGURES: Final = ("sent", "withheld", "caps_hit", "cancelled", "waiting", "parts", "cost")
"""Counted per day, per notice and channel, and in all. `cost` is a decimal text in the lender's currency."""
OUTCOMES: Final = ("day", "notice", "channel", "outcome", "reason", "notices", "parts", "cost")


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the nights of `first` to `last` (ISO dates) would do with `loans` loans under one configuration.

    `outcomes` has the columns OUTCOMES, a row per day, notice, channel and why; `days`, `notices` and `total` have
    FIGURES; `reasons` says why notices are withheld, with a sentence in `why`. `name` is the configuration's.
    """

    name: str
    first: str
    last: str
    payers: str
    loans: int
    currency: str
    total: Row
    days: tuple[Row, ...]
    notices: tuple[Row, ...]
    reasons: tuple[Row, ...]
    outcomes: tuple[Row, ...]


def print_simulations(done: Sequence[Simulation], stream: IO[str], form: str, language: str) -> None:
    """One simulation, or two beside each other, as "table", "json" or "csv"."""
    if form == "json":
        told = [as_object(each) for each in done]
        print_json(told[0] if len(told) == 1 else told, stream)
        return
    if form == "csv":
        named = [{"configuration": each.name, **row} for each in done for row in each.outcomes]
        print_rows(named, stream, "csv", columns=OUTCOMES if len(done) == 1 else ("configuration", *OUTCOMES))
        return
    for title, rows in sections(done):
        worded = [
            {_head(name, language): _cell(value, language) for name, value in row.items()} for row in rows
        ]
        print_rows(worded, stream, "table", title=_title(title, done, language))


def as_object(simulation: Simulation) -> dict[str, Any]:
    """The JSON value of a simulation; the figures of `days` and of `notices` both sum to `total`."""
    head = {"name": simulation.name, "from": simulation.first, "to": simulation.last}
    return {
        **head,
        "payers": simulation.payers,
        "loans": simulation.loans,
        "currency": simulation.currency,
        "total": dict(simulation.total),
        "days": [dict(row) for row in simulation.days],
        "notices": [dict(row) for row in simulation.notices],
        "reasons": [dict(row) for row in simulation.reasons],
    }


# Side by side: each figure of the second stands behind that of the first.

_OTHER: Final = " ②"
_KEYS: Final = {
    "days": ("day",),
    "notices": ("notice", "channel"),
    "reasons": ("notice", "outcome", "reason"),
}


def sections(done: Sequence[Simulation]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The tables of one simulation, or of two beside each other, by name; those without a row are left out."""
    for name, keys in _KEYS.items():
        rows = beside([getattr(each, name) for each in done], keys)
        if rows:
            yield name, rows
    yield "total", beside([[{"payers": each.payers, **each.total}] for each in done], ("payers",))


def beside(tables: Sequence[Sequence[Row]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of all tables by their keys, in order; a figure that a table lacks is what `_lacking` says."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place, table in enumerate(tables):
        for row in table:
            found = rows.setdefault(tuple(row[key] for key in keys), {key: row[key] for key in keys})
            found |= {name + _OTHER * place: value for name, value in row.items() if name not in keys}
    figures = [name + _OTHER * place for name in _figures(tables, keys) for place in range(len(tables))]
    return [
        {name: row[name] if name in row else _lacking(name, row) for name in (*keys, *figures)}
        for _, row in sorted(rows.items())
    ]


def _lacking(name: str, row: Row) -> object:
    """What stands for a figure that one table lacks: 0, or for a sentence that of the other one.

    An amount is a text with the decimals of its currency: so is this 0.
    """
    plain = name.removesuffix(_OTHER)
    other = row.get(plain, row.get(plain + _OTHER, ""))
    if name.startswith("why"):
        return other
    return str(Decimal(other) * 0) if plain == "cost" and other else 0


def _figures(tables: Sequence[Sequence[Row]], keys: Sequence[str]) -> list[str]:
    return list(
        dict.fromkeys(name for table in tables for row in table[:1] for name in row if name not in keys)
    )


def _head(name: str, language: str) -> str:
    plain = name.removesuffix(_OTHER)
    return word(plain, language) + name[len(plain) :]


def _cell(value: object, language: str) -> object:
    return word(value, language) if isinstance(value, str) else value


def _title(section: str, done: Sequence[Simulation], language: str) -> str:
    first = done[0]
    names = " · ".join(f"{'①②'[place]} {each.name}" for place, each in enumerate(done) if len(done) > 1)
    head = f"{word(section, language)}: {first.first} – {first.last}"
    return f"{head}  {names}" if names else head


# The page.

_BARS: Final = """
.bars { display: flex; align-items: flex-end; gap: 2px; height: 9rem; border-bottom: 1px solid #8c959f; }
.bars i { flex: 1; display: block; background: #0a6c3a; min-width: 2px; } .bars i.two { background: #b35900; }
"""


def simulation_page(done: Sequence[Simulation], language: str) -> str:
    """A whole HTML document: messages per day as bars, then every table. No script, nothing fetched."""
    first = done[0]
    title = escape(f"{word('simulation', language)} {first.first} – {first.last}")
    names = "".join(
        f"<p>{'①②'[place]} {escape(each.name)}: {each.loans} {escape(word('loans', language))}, "
        f"{escape(word(each.payers, language))}</p>"
        for place, each in enumerate(done)
    )
    tables = "".join(_table(name, rows, language) for name, rows in sections(done))
    body = f"<h1>{title}</h1>\n{names}{_bars(done, language)}{tables}"
    return page(title, body, style=STYLE + _BARS, language="zh-CN" if language.startswith("zh") else "en")


def _bars(done: Sequence[Simulation], language: str) -> str:
    """One bar per day and configuration; the tables below say the same in figures."""
    most = max((int(row["sent"]) for each in done for row in each.days), default=0) or 1
    bars = "".join(
        f'<i{" class=two" if place else ""} style="height:{100 * int(row["sent"]) / most:.1f}%" '
        f'title="{escape(str(row["day"]))}: {row["sent"]}"></i>'
        for days in zip(*(each.days for each in done), strict=True)
        for place, row in enumerate(days)
    )
    label = escape(word("sent", language))
    return f'<div class="bars" role="img" aria-label="{label}">{bars}</div>\n'


def _table(name: str, rows: Sequence[Row], language: str) -> str:
    heads = "".join(f'<th scope="col">{escape(_head(column, language))}</th>' for column in rows[0])
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td class="n">{value}</td>'
            if isinstance(value, int)
            else f"<td>{escape(str(_cell(value, language)))}</td>"
            for value in row.values()
        )
        + "</tr>\n"
        for row in rows
    )
    caption = escape(word(name, language))
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>\n<tbody>{lines}</tbody></table>\n"
