"""Every scenario of the files beside this one: just these messages, at these hours, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scenarios.lived import lived
from tests.e2e.scenarios.parse import Scenario, Step, read_group

FILES = sorted(Path(__file__).parent.glob("*.txt"))


def whole(scenario: Scenario) -> Iterator[Step]:
    """Every day from the first to the last; nothing is told on one that is not named."""
    named = {step.day: step for step in scenario.steps}
    for day in scenario.days:
        yield named.get(day, Step(day, (), ()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenarios(path: Path, tmp_path: Path) -> None:
    group = read_group(path)
    told = lived(group, tmp_path / "lender")
    wrong = []
    for scenario in group.scenarios:
        for step in whole(scenario):
            got = told[scenario.title][step.day]
            withheld = {part for part in step.told if part.startswith("held ")} & set(got)
            said = [part for part in got if not part.startswith("held ")] + [*withheld]
            if sorted(said) != sorted(step.told):
                wrong.append(f"{scenario.title}: {step.day}: told {sorted(got)}, wanted {sorted(step.told)}")
    assert not wrong, "\n".join(wrong)


def test_there_are_enough() -> None:
    assert sum(len(read_group(path).scenarios) for path in FILES) >= 80
