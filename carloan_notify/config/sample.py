"""The configuration that `init` writes and `config.example.yaml` shows: a Chinese lender, ready to run."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from carloan_notify.config.example import write_example
from carloan_notify.config.model import AppSettings
from carloan_notify.notices.ladder import DEFAULT_LADDER

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
