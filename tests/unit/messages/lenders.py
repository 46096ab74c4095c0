"""Lenders and small template folders for the message tests."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from carloan_notify.messages.render import TemplateSet, open_templates
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.records import Lender

CHINESE = Lender("anda", "安达汽车金融有限公司", "安达车贷", "400-000-0000", "CNY", "Asia/Shanghai", "CN")
US = Lender("anda", "Anda Auto Finance Inc.", "Anda Auto", "+1 202-555-0100", "USD", "America/New_York", "US")
DAY = date(2026, 11, 30)


def folder_of(root: Path, files: Mapping[str, str]) -> Path:
    """A template folder with these files."""
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def templates_of(
    root: Path, files: Mapping[str, str], settings: MessagesSettings | None = None, lender: Lender = CHINESE
) -> TemplateSet:
    """The templates of a folder made of these files."""
    return open_templates(folder_of(root, files), settings or MessagesSettings(), lender)
