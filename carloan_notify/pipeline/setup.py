"""Set a lender up: config, templates, keys and a sample export."""

import secrets
import shutil
from importlib.resources import files
from pathlib import Path

from carloan_notify.config.sample import example_text
from carloan_notify.errors import ConfigError
from carloan_notify.ledger.keys import write_private
from carloan_notify.ledger.places import create_keys
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.messages.folder import default_templates_dir
from carloan_notify.messages.settings import MessagesSettings

SAMPLE_DATE = "2026-11-23"


def init_folder(folder: Path) -> list[Path]:
    """Write config, templates, keys and a sample export into `folder`; the paths made.

    Raises:
        ConfigError: something of it is there already. Nothing is overwritten, nothing half done.
    """
    wanted = {name: folder / name for name in ("config.yaml", "templates", "export")}
    present = [path for path in wanted.values() if path.exists()]
    if present:
        raise ConfigError(
            [f"{path}: is there already; choose another folder or remove it" for path in present]
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(default_templates_dir(), wanted["templates"])
    shutil.copytree(sample_export_dir(), wanted["export"])
    wanted["config.yaml"].write_text(example_text(), encoding="utf-8")
    link_key = folder / MessagesSettings().link_key_file
    write_private(link_key, secrets.token_hex(32).encode())
    return [*wanted.values(), *create_keys(LedgerSettings(), folder), link_key]


def sample_export_dir() -> Path:
    """The sample export that comes with the package: inside a wheel, or at the top of an editable clone.

    Raises:
        ConfigError: neither is there.
    """
    package = Path(str(files("carloan_notify")))
    for folder in (package / "_data" / "export", package.parent / "samples" / "export"):
        if folder.is_dir():
            return folder
    raise ConfigError(["the packaged sample export is missing; install carloan-notify again"])
