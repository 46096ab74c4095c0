"""`${NAME}` and `${file:PATH}` in a configuration: values that stand elsewhere, secrets above all."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

REFERENCE: Final = re.compile(r"\$\{(?:file:(?P<path>[^}]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*))\}")
_APPROVED_TEXT: Final = re.compile(r"delivery\.providers\..+\.templates\[\d+\]\.text")
"""Here `${amount}` is a variable of an approved template."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Filler:
    """Fills references in; what cannot be filled becomes a problem, and the value is empty there."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """`folder` is where relative paths start: the configuration's own."""
        self._folder = folder
        self._environment = environment
        self.problems: list[str] = []

    def fill(self, value: Any, path: str = "") -> Any:  # noqa: ANN401 - YAML data
        """The same data with every reference replaced; `path` is the dotted path of `value`."""
        if isinstance(value, dict):
            return {key: self.fill(item, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, f"{path}[{number}]") for number, item in enumerate(value)]
        if not isinstance(value, str) or _APPROVED_TEXT.fullmatch(path):
            return value
        return REFERENCE.sub(lambda match: self._found(match, path), value)

    def _found(self, match: re.Match[str], path: str) -> str:
        name = match["name"]
        try:
            return self._from_environment(name) if name else _from_file(self._folder / match["path"])
        except ValueError as problem:
            self.problems.append(f"{path}: {problem}")
            return ""

    def _from_environment(self, name: str) -> str:
        if name not in self._environment:
            raise ValueError(f"the environment has no {name}; set it, or use ${{file:PATH}}")
        return self._environment[name]


def _from_file(path: Path) -> str:
    """The text of a private file without its last line's end.

    Raises:
        ValueError: it cannot be read, is empty or is readable by others; the text never holds its content.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{path}: is no file")
        if mode & _OTHERS:
            raise ValueError(f"{path}: others can read it; run: chmod 600 {path}")
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); write the value into it and chmod 600 it"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8 text") from None
    if not text:
        raise ValueError(f"{path}: is empty; write the value into it")
    return text
