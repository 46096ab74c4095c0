"""Read the YAML file, fill in its references and report every problem with its dotted path."""

import difflib
import os
import re
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pydantic
import yaml

from carloan_notify.config.model import AppSettings
from carloan_notify.config.secrets import Filler, literal_secrets
from carloan_notify.errors import ConfigError

try:
    from yaml import CSafeLoader as SafeLoader  # the same in C: a tenth of the time
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

_SECRET = re.compile("password|secret|token|key|values|url", re.IGNORECASE)
"""Options whose value is not repeated in an error: it may be a credential."""


class _UniqueKeyLoader(SafeLoader):
    """SafeLoader that refuses a key written twice: YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - yaml's signature
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    None, None, f"line {line}: {key!r} is given twice; keep one"
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_settings(path: Path, environment: Mapping[str, str] = os.environ) -> AppSettings:
    """The validated settings of the file at `path`.

    Raises:
        ConfigError: with every problem found, each `dotted.path: what is wrong; how to fix it`.
    """
    raw = read_yaml(path)
    filler = Filler(path.resolve().parent, environment)
    filled = filler.fill(raw)
    literal = [f"{path}: {problem}" for problem in literal_secrets(raw)]
    if filler.problems:  # what is empty now would only bring up more
        raise ConfigError([*filler.problems, *literal])
    try:
        settings = validate(filled, source=path)
    except ConfigError as error:
        raise ConfigError([*error.problems, *literal]) from None
    if literal:
        raise ConfigError(literal)
    return settings


def read_yaml(path: Path) -> dict[str, Any]:
    """The file as plain data; its top level must be a mapping."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: no such file; make one with `carloan-notify init` or name it with --config"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read as UTF-8 text ({error})"]) from error
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader subclass
    except yaml.YAMLError as error:
        raise ConfigError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(data, dict):
        raise ConfigError([f"{path}: holds no options; start from `carloan-notify config example`"])
    return data


def validate(data: Mapping[str, Any], *, source: Path) -> AppSettings:
    """Settings from plain data; `source` only names the file in errors."""
    try:
        return AppSettings.model_validate(data)
    except pydantic.ValidationError as error:
        raise ConfigError([f"{source}: {_sentence(item, data)}" for item in error.errors()]) from None


def _sentence(item: Any, data: Any) -> str:  # noqa: ANN401 - pydantic's error dictionary
    path, keys_here = _dotted(item["loc"], data)
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown option; {_suggestion(path, keys_here)}"
    if item["type"] == "missing":
        return f"{path}: is required; see `carloan-notify config example`"
    message = item["msg"].removeprefix("Value error, ")
    return f"{path}: {message[0].lower()}{message[1:]}{_given(item)}"


def _given(item: Any) -> str:  # noqa: ANN401 - pydantic's error dictionary
    """The value that was given, where showing it helps and gives nothing away."""
    value, told = item.get("input"), item["type"] != "value_error"
    if not told or not isinstance(value, str | int | float) or any(map(_is_secret, item["loc"])):
        return ""
    return f" (given: {value!r})"


def _is_secret(part: int | str) -> bool:
    return isinstance(part, str) and _SECRET.search(part) is not None


def _dotted(location: tuple[int | str, ...], data: Any) -> tuple[str, list[str]]:  # noqa: ANN401 - YAML data
    """The path as a person writes it, without the tags pydantic adds for a union, and the names around its end."""
    path, here = "", data
    for depth, part in enumerate(location):
        last = depth == len(location) - 1
        if isinstance(here, list) and isinstance(part, int):
            path, here = f"{path}[{part}]", here[part]
        elif isinstance(here, dict) and (part in here or last):
            path = f"{path}.{part}".lstrip(".")
            if not last:
                here = here[part]
    return path or "(top level)", [str(key) for key in here] if isinstance(here, dict) else []


def _suggestion(path: str, given: list[str]) -> str:
    wrong = path.rsplit(".", 1)[-1]
    known = [name for name in option_names() if name not in given]
    close = difflib.get_close_matches(wrong, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "remove it, or see `carloan-notify config schema`"


@cache
def option_names() -> tuple[str, ...]:
    """Every option name of the schema, for suggestions."""
    names: set[str] = set()
    schema = AppSettings.model_json_schema()
    for node in [schema, *schema.get("$defs", {}).values()]:
        names.update(node.get("properties", {}))
    return tuple(sorted(names))
