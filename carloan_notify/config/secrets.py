"""Credentials come from the environment or a private file, never from the configuration itself."""

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr

from carloan_notify.delivery.registry import settings_class

# `${NAME}` and `${file:PATH}` in a configuration: values that stand elsewhere, secrets above all.

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


# What looks like a credential in a configuration: by its option's name, or inside an address.

_SECRET: Final = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret|token|credential|authorization|key"
    r"|(?:^|_)(?:pass|auth|pin|sign|signature))s?_?\d*$"
)
"""The last word decides: `sign_key` is a secret, `key_file`, `sign_name` and `token_lifetime` are none."""
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BEFORE_HOST: Final = (
    re.compile(r"https?://[^/?#@]*?:([^/?#@]*)@"),
    re.compile(r"(?!https?:)[A-Za-z][\w+.-]*://[^:/@]*:([^@]*)@"),  # as SQLAlchemy reads it
)
_ADDRESS: Final = re.compile(r"[A-Za-z][\w+.-]*://\S+$")
_PARAMETER: Final = re.compile(r"[?&]([^=&#]+)=([^&#]*)")
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")


def names_a_secret(name: str) -> bool:
    """Whether an option of this name (`app_secret`, `signKey`, `X-Api-Key`) holds a credential."""
    words = _HUMP.sub("_", name).replace("-", "_").replace(".", "_").lower()
    return _SECRET.search(words) is not None


def is_literal(value: object) -> bool:
    """Whether a value stands there in so many words: a number, or text that takes nothing from elsewhere.

    Text with other than ASCII characters is no credential but something to read, such as a message's sign.
    """
    if isinstance(value, list):
        return any(map(is_literal, value))
    if isinstance(value, str):
        return value.isascii() and _says_itself(value)
    return isinstance(value, int) and not isinstance(value, bool)


def address_with_password(text: str) -> bool:
    """Whether an address holds a password in so many words, before the host or as a parameter."""
    if not _ADDRESS.match(text):
        return False
    before = [found[1] for pattern in _BEFORE_HOST if (found := pattern.match(text))]
    parameters = [value for name, value in _PARAMETER.findall(text) if names_a_secret(unquote(name))]
    return any(map(_says_itself, [*before, *parameters]))


def _says_itself(text: str) -> bool:
    """Neither empty, nor `${NAME}` in it, nor the `{name}` of a gateway's description."""
    return bool(text) and not REFERENCE.search(text) and not _PLACEHOLDER.search(text)


_NAMED_BY_OTHERS: Final = ("values", "options", "headers", "query", "body", "item")
"""Mappings whose names are the gateway's or the package's own: only their look tells what is a secret."""


def literal_secrets(raw: Mapping[str, Any]) -> list[str]:
    """A problem for each credential that stands in the configuration in so many words.

    That is: an option of a provider which the code takes as a secret; a constant, header, field or option of a
    described gateway or an installed provider whose name looks like one; an address with a password in it.
    """
    found: dict[str, None] = {}
    for name, options in _providers(raw):
        path = f"delivery.providers.{name}"
        if kind := settings_class(str(options.get("type", ""))):
            found |= dict.fromkeys(_literals(kind, options, path))
        found |= dict.fromkeys(_looking_like_one(options, path))
    for section in ("delivery", "ledger", "sources"):
        found |= dict.fromkeys(_addresses(raw.get(section), section))
    return [
        f"{path}: a secret does not belong in this file; write ${{NAME}} or ${{file:secrets/NAME}}"
        for path in found
    ]


def _providers(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    delivery = raw.get("delivery")
    providers = delivery.get("providers") if isinstance(delivery, Mapping) else None
    for name, options in providers.items() if isinstance(providers, Mapping) else ():
        if isinstance(options, Mapping):
            yield name, options


def _literals(kind: type[BaseModel], given: Mapping[str, Any], path: str) -> Iterator[str]:
    """Options that the settings take as a secret."""
    for name, field in kind.model_fields.items():
        value = given.get(name)
        inside = set(_classes_in(field.annotation))
        if SecretStr in inside and isinstance(value, str) and value and not REFERENCE.search(value):
            yield f"{path}.{name}"
        for place, part in _parts(value, f"{path}.{name}"):
            for model in sorted((c for c in inside if issubclass(c, BaseModel)), key=lambda c: c.__name__):
                yield from _literals(model, part, place)


def _looking_like_one(options: object, path: str, *, free: bool = False) -> Iterator[str]:
    """Values under names that look like a secret, wherever names are `free` to be anything."""
    for place, part in _parts(options, path):
        for name, value in part.items():
            here = f"{place}.{name}"
            if free and names_a_secret(str(name)) and is_literal(value):
                yield here
            yield from _looking_like_one(value, here, free=free or name in _NAMED_BY_OTHERS)


def _addresses(value: object, path: str) -> Iterator[str]:
    if isinstance(value, str) and address_with_password(value):
        yield path
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _addresses(item, f"{path}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _addresses(item, f"{path}[{number}]")


def _parts(value: object, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings at a path: the value itself, or the elements of a list."""
    if isinstance(value, Mapping):
        yield path, value
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _parts(item, f"{path}[{number}]")


def _classes_in(annotation: object) -> Iterator[type]:
    """Every class that an annotation names, also inside unions and containers."""
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes_in(argument)
