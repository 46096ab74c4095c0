"""Which header of a source is which canonical column; everything wrong with the headers at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carloan_notify.errors import SourceError
from carloan_notify.sources.settings import TableSettings
from carloan_notify.sources.tables import Column, Need, TableSpec, headers_of
from carloan_notify.sources.words import word_key


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """Where things stand: canonical column name → position, the lender's own header → position.

    `ignored` are headers that would hide a canonical column.
    """

    columns: Mapping[str, int]
    extras: Mapping[str, int]
    ignored: Sequence[str]


def match_headers(
    headers: Sequence[str], spec: TableSpec, settings: TableSettings, basis: str
) -> HeaderMatch:
    """Match by the lender's mapping, then by our names, then by the usual Chinese ones.

    SourceError naming every missing and every repeated column, each with its cure.
    """
    counts = Counter(word_key(header) for header in headers)
    places = {word_key(header): place for place, header in reversed(list(enumerate(headers)))}
    found = {column.name: _place(column, places, settings) for column in spec.columns}
    columns = {name: place for name, place in found.items() if place is not None}
    problems = [
        *(f"header {header!r} stands twice; rename one" for header, n in counts.items() if header and n > 1),
        *_missing(spec, columns, settings, basis),
    ]
    if problems:
        raise SourceError("\n".join(problems))
    return HeaderMatch(columns, *_extras(headers, spec, set(columns.values())))


def _place(column: Column, places: Mapping[str, int], settings: TableSettings) -> int | None:
    mapped = settings.columns.get(column.name)
    if mapped is not None:
        return places.get(word_key(mapped))
    return next((places[header] for header in headers_of(column) if header in places), None)


def _missing(spec: TableSpec, found: Mapping[str, int], settings: TableSettings, basis: str) -> list[str]:
    problems = [
        f"column {header!r}, mapped to {name}, is missing; correct `columns` or the export"
        for name, header in settings.columns.items()
        if name not in found
    ]
    given = {*found, *settings.columns, *settings.defaults}
    problems += [
        f"column {column.name!r} is missing (needed with basis {basis}); add it, or map it in `columns`, "
        "or give it a value in `defaults`"
        for column in spec.columns
        if spec.need(column, basis) is not Need.OPTIONAL and column.name not in given
    ]
    if spec.any_of and not given.intersection(spec.any_of):
        problems.append(
            f"one of the columns {', '.join(spec.any_of)} must be there; add it, or map it in `columns`"
        )
    return problems


def _extras(
    headers: Sequence[str], spec: TableSpec, taken: set[int]
) -> tuple[Mapping[str, int], Sequence[str]]:
    ours = {name for column in spec.columns for name in (column.name, column.frame_name)}
    extras: dict[str, int] = {}
    ignored: list[str] = []
    for place, header in enumerate(headers):
        name = header.strip()
        if place in taken or not name:
            continue
        if name in ours:
            ignored.append(name)
        else:
            extras[name] = place
    return extras, ignored
