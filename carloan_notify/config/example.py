"""Write a commented YAML file from the settings model: description, examples and default beside each option."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from carloan_notify.config.model import AppSettings
from carloan_notify.notices.ladder import DEFAULT_LADDER

WIDTH = 100


def write_example(model: type[BaseModel], values: Mapping[str, Any], header: str) -> str:
    """YAML text that holds `values`, each with its description; other options follow as comments with their defaults.

    The text parses back to exactly `values`.
    """
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    told: set[type[BaseModel]] = set()
    for name, field in model.model_fields.items():
        lines += ["", *_option(_key(name, field), field, values, told, depth=0)]
    return "\n".join(lines) + "\n"


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _option(
    key: str, field: FieldInfo, values: Mapping[str, Any], told: set[type[BaseModel]], depth: int
) -> Iterator[str]:
    pad = "  " * depth
    yield from _comment(field, pad)
    if key not in values:
        yield from (f"{pad}# {line}" for line in _dump({key: _default(field)}))
        return
    value, nested = values[key], _model(field)
    if nested is None or nested in told or not isinstance(value, Mapping):
        # A class that stands here a second time (each table, say) needs no second explanation.
        yield from (pad + line for line in _dump({key: value}))
        return
    told.add(nested)
    yield f"{pad}{key}:"
    for name, inner in nested.model_fields.items():
        yield from _option(_key(name, inner), inner, value, told, depth + 1)


def _comment(field: FieldInfo, pad: str) -> Iterator[str]:
    text = field.description or ""
    if field.examples:
        text += f" For example: {', '.join(_flow(example) for example in field.examples)}"
    for line in textwrap.wrap(text, WIDTH - len(pad)):
        yield f"{pad}# {line}"


def _default(field: FieldInfo) -> Any:  # noqa: ANN401 - any YAML value
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return (field.examples or [""])[0]
    return to_jsonable_python(value, by_alias=True, exclude_none=False)


def _model(field: FieldInfo) -> type[BaseModel] | None:
    """The settings class of a field that holds one, also behind `| None`."""
    candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
    models = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return models[0] if len(models) == 1 else None


def _dump(data: Mapping[str, Any]) -> Sequence[str]:
    text = yaml.dump(dict(data), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=WIDTH)
    return text.rstrip("\n").split("\n")


def _flow(value: object) -> str:
    text = yaml.dump(value, allow_unicode=True, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


class _Dumper(yaml.SafeDumper):
    """Lists of scalars on one line, list items indented: how a person writes YAML."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - yaml's signature
        super().increase_indent(flow, False)  # noqa: FBT003 - yaml's signature


def _represent_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    scalars = all(isinstance(item, str | int | float | bool) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=scalars)


_Dumper.add_representer(list, _represent_list)


# The configuration that `init` writes and `config.example.yaml` shows: a Chinese lender, ready to run.

HEADER = """carloan-notify: every option, with its default where it is commented out.

Relative paths start at the folder of this file. ${NAME} takes a value from the environment, ${file:secrets/NAME}
from a file that only its owner can read (chmod 600): write secrets so.
Check the file with `carloan-notify config check`; `carloan-notify config schema` serves editors.
Printed by `carloan-notify config example`."""

EXPORT_TABLES = ("loans", "payments", "changes", "events", "contacts")


def sample_values() -> dict[str, Any]:
    """The options that a new lender sees filled in."""
    return {
        "lender": {
            "lender_id": "anda",
            "name": "安达汽车金融有限公司",
            "sign": "安达车贷",
            "hotline": "400-000-0000",
            "currency": "CNY",
            "timezone": "Asia/Shanghai",
            "country": "CN",
        },
        "sources": {
            name: {"path": f"export/{name}.csv", "fictitious_phones": True} for name in EXPORT_TABLES
        },
        "schedule": {"basis": "computed"},
        "rules": ladder_values(),
        "policy": {"default_language": "zh-CN"},
        "guards": {"export_date_column": "data_date"},
        "messages": {
            "templates_dir": "templates",
            "default_language": "zh-CN",
            "pay_link_base": "https://pay.example.com/p/",
            "certificate_link_base": "https://pay.example.com/c/",
        },
        "delivery": {
            "channels": {"sms": ["console"], "voice": ["console"]},
            "providers": {
                "console": {"type": "console", "channels": ["sms", "voice"], "unit_price_minor": 4.5}
            },
            "canary": {"size": 5},
        },
        "certificates": {"nightly": True},
        "ledger": {"url": "sqlite:///ledger.db"},
        "reports": {"folder": "reports"},
    }


def ladder_values() -> list[dict[str, Any]]:
    """The default ladder as plain YAML values, without what is default in each rule."""
    return [_plain(rule.model_dump(by_alias=True, exclude_defaults=True)) for rule in DEFAULT_LADDER]


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = to_jsonable_python(rule)
    return plain


def example_text() -> str:
    """The commented file."""
    return write_example(AppSettings, sample_values(), HEADER)
