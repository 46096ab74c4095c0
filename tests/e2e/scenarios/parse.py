"""Scenarios as an operations clerk writes them: a title, who it is about, and what happens and is told on which day.

    ## Unpaid on the day after: a call, and a text where nobody answered
    loan   | 1000.00 on the 10th, first unpaid 2026-11-10
    person | CN, Asia/Shanghai, zh-CN
    2026-11-10 |              | sms due_today 08:00
    2026-11-11 |              | voice overdue_1 09:00; sms overdue_1 08:00
    2026-11-12 | pays 1000.00 |

Beside each message stands the hour, where the person is, from which it may leave. On a day between the first and the
last nothing is told where no line says so. `held sms overdue_3 promised` in the last column: it is not told, and why.
Lines in front of the first title hold for the whole file: `presets`, `policy`, `rules` (YAML) and the lender's
`zone`. `night at` is when the night runs, 02:00 unless a scenario says otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

_USUAL: Final = {"person": "CN, Asia/Shanghai, zh-CN", "night at": "02:00"}


@dataclass(frozen=True)
class Step:
    """One line of the table: a day, what happens on it, and what is told that day."""

    day: date
    happens: tuple[str, ...]
    told: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A loan, its person, and the days."""

    title: str
    loan: str
    person: str
    night_at: str
    steps: tuple[Step, ...]

    @property
    def days(self) -> list[date]:
        """Every day from the first to the last that is named."""
        first, last = self.steps[0].day, self.steps[-1].day
        return [first + timedelta(days=day) for day in range((last - first).days + 1)]


@dataclass(frozen=True)
class Group:
    """The scenarios of one file: they live under one configuration and go through the same nights."""

    options: Mapping[str, Any]
    scenarios: tuple[Scenario, ...]

    def days(self, night_at: str) -> list[date]:
        """The days of all scenarios whose night runs at that time, each from its first to its last."""
        own = [each.days for each in self.scenarios if each.night_at == night_at]
        return sorted({day for days in own for day in days})


def read_group(path: Path) -> Group:
    """The scenarios of a file. ValueError names a line that says nothing."""
    head, *blocks = path.read_text(encoding="utf-8").split("\n## ")
    options = dict(_pairs(head))
    values = {name: yaml.safe_load(text) for name, text in options.items()}
    return Group(values, tuple(_scenario(block) for block in blocks))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if "|" in line:
            name, _, value = line.partition("|")
            yield name.strip(), value.strip()


def _scenario(block: str) -> Scenario:
    title, _, body = block.partition("\n")
    facts, steps = dict(_USUAL), []
    for line in filter(str.strip, body.splitlines()):
        cells = [cell.strip() for cell in line.split("|")]
        if cells[0][:1].isdigit():
            steps.append(_step(*cells))
        elif cells[0] in {"loan", *_USUAL}:
            facts[cells[0]] = cells[1]
        else:
            raise ValueError(f"{title}: {line!r} says nothing")
    return Scenario(title.strip(), facts["loan"], facts["person"], facts["night at"], tuple(steps))


def _step(day: str, happens: str, told: str = "") -> Step:
    return Step(date.fromisoformat(day), _parts(happens), _parts(told))


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())
