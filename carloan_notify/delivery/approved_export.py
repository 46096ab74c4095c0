"""The approved texts as a provider's console exports them: CSV or JSON, code → text."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from carloan_notify.errors import ConfigError

_CODE: Final = ("code", "templatecode", "templateid", "模板code", "模板id", "模板编号")
_TEXT: Final = ("text", "templatecontent", "模板内容", "短信内容", "内容")
_CURE: Final = "give a CSV or JSON with columns `code` and `text`"


def read_export(path: Path) -> dict[str, str]:
    """The texts of a file by their code. A CSV is UTF-8 or GB18030; JSON is an object or a list of rows.

    Columns are `code` and `text`, or as Chinese consoles call them (模板CODE, 模板内容); others are not read.

    Raises:
        ConfigError: with everything wrong in the file, each with its row.
    """
    text = _decoded(path)
    rows = _json_rows(path, text) if text.lstrip()[:1] in ("[", "{") else _csv_rows(path, text)
    texts: dict[str, str] = {}
    problems = []
    for number, row in rows:
        code, worded = _cell(row, _CODE), _cell(row, _TEXT)
        if not code or not worded:
            problems.append(f"{path}:{number}: has no code or no text; {_CURE}")
        elif texts.setdefault(code, worded) != worded:
            problems.append(f"{path}:{number}: {code} stands above with another text; keep one")
    if problems or not texts:
        raise ConfigError(problems or [f"{path}: holds no template; {_CURE}"])
    return texts


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({type(error).__name__})"]) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError([f"{path}: is neither UTF-8 nor GB18030 text; export it again as CSV"])


def _csv_rows(path: Path, text: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    named = {_plain(name) for name in reader.fieldnames or () if name}
    if not (named & set(_CODE) and named & set(_TEXT)):
        raise ConfigError([f"{path}:1: names no column for code and text; {_CURE}"])
    return ((reader.line_num, row) for row in reader)


def _json_rows(path: Path, text: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError([f"{path}: is not valid JSON; {_CURE}"]) from None
    if isinstance(read, dict):
        read = [{"code": code, "text": worded} for code, worded in read.items()]
    return ((number, row if isinstance(row, dict) else {}) for number, row in enumerate(read, 1))


def _cell(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (value for name, value in row.items() if name is not None and _plain(name) in names)
    return next((str(value).strip() for value in found if isinstance(value, str | int)), "")


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", "").replace(" ", "")
