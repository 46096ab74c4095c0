"""Credentials come from the environment or a private file, never from the configuration itself."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, SecretStr

from carloan_notify.config.references import REFERENCE
from carloan_notify.config.secret_names import (
    address_with_password,
    is_literal,
    names_a_secret,
)
from carloan_notify.delivery.settings import AnyProviderSettings

_KINDS: Final[Mapping[str, type[BaseModel]]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in get_args(get_args(AnyProviderSettings)[0])
}
"""Type → settings class."""
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
        if kind := _KINDS.get(str(options.get("type"))):
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
