"""Check a set-up before the first night needs it."""

from collections.abc import Iterator

from carloan_notify.errors import ConfigError
from carloan_notify.pipeline.authoring import lint_templates
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.keeping import open_lexicon


def check_setup(house: House) -> Iterator[str]:
    """One line per thing that is in order.

    Raises:
        ConfigError: with everything that is not.
    """
    yield f"options: {len(house.settings.rules)} rules, basis {house.settings.schedule.basis}"
    problems = [f"templates: {row['place']}: {row['message']}" for row in lint_templates(house)]
    problems += _key_problems(house)
    problems += _lexicon_problems(house)
    if problems:
        raise ConfigError(problems)
    yield "templates: no findings"
    yield "keys: present and private"
    yield f"lexicon of replies: {len(open_lexicon(house))} rules"


def _key_problems(house: House) -> list[str]:
    settings = house.settings.ledger
    names = (settings.key_file, settings.signing_key_file)
    return [
        f"ledger: {house.path(name)}: no such key file; run `carloan-notify ledger migrate` for a new ledger"
        for name in names
        if not house.path(name).exists()
    ]


def _lexicon_problems(house: House) -> list[str]:
    try:
        open_lexicon(house)
    except ConfigError as error:
        return list(error.problems)
    return []
