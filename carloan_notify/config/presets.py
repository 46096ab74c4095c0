"""The presets of places, read from the files beside this one: `policy.presets` names them."""

import difflib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

import pydantic
import yaml

from carloan_notify.notices.law_settings import Preset

_FOLDER: Final = "presets"
PRESETS: Final = ("cn", "us-reg-f", "us-ma", "us-tcpa", "in", "th", "id", "au", "ph")


@cache
def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ValueError: there is none, or (a broken installation) its file is not in order.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name.casefold(), PRESETS, n=1)
        cure = f"did you mean {near[0]!r}?" if near else f"write any of {', '.join(PRESETS)}"
        raise ValueError(f"there is no preset {name!r}; {cure}")
    text = files("carloan_notify.config").joinpath(_FOLDER, f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return Preset.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, pydantic.ValidationError) as error:
        raise ValueError(f"preset {name!r} cannot be read; install the program anew ({error})") from error


def load_presets(names: Sequence[str]) -> tuple[Preset, ...]:
    """The presets of these names, in their order.

    Raises:
        ValueError: with every name that is none.
    """
    found, problems = [], []
    for place, name in enumerate(names):
        try:
            found.append(preset(name))
        except ValueError as error:
            problems.append(f"presets[{place}]: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(found)
