"""The template folder: `<language>/<template>.<channel>.j2`, and `<language>/_*.j2` for shared wording."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from carloan_notify.errors import TemplateError
from carloan_notify.records import Channel

SUFFIX: Final = ".j2"
_NAME: Final = re.compile(r"(?P<template>[a-z0-9_]+)\.(?P<channel>[a-z]+)\.j2")


@dataclass(frozen=True, slots=True)
class LanguageFolder:
    """One language: file name → source. `problems` are the files that cannot be read, with the reason."""

    language: str
    sources: Mapping[str, str]
    problems: Mapping[str, str]

    def file_of(self, template: str, channel: str) -> str:
        """The file of a template on a channel, or "" when this language has none."""
        name = f"{template}.{channel}{SUFFIX}"
        return name if name in self.sources or name in self.problems else ""

    def parts(self) -> Mapping[str, str]:
        """The files of shared wording."""
        return {name: source for name, source in self.sources.items() if name.startswith("_")}

    def version(self, name: str) -> str:
        """Hash of a template's source with the shared wording of its language (16 hex digits)."""
        digest = hashlib.sha256()
        for part in (name, *sorted(self.parts())):
            source = self.sources[part].encode()
            digest.update(f"{part}:{len(source)}:".encode() + source)
        return digest.hexdigest()[:16]


def default_templates_dir() -> Path:
    """The templates that come with the package.

    Raises:
        TemplateError: there are none.
    """
    return find_templates_dir(Path(str(files("carloan_notify"))))


def find_templates_dir(package: Path) -> Path:
    """The templates of an installed package, inside it; of an editable clone, beside it.

    Raises:
        TemplateError: neither is there.
    """
    for folder in (package / "_data" / "templates", package.parent / "templates"):
        if folder.is_dir():
            return folder
    raise TemplateError("The packaged templates are missing; install carloan-notify again.")


def read_folder(folder: Path) -> tuple[LanguageFolder, ...]:
    """Every language of a template folder, sorted by tag.

    Raises:
        TemplateError: the folder is missing or holds no template.
    """
    if not folder.is_dir():
        raise TemplateError(f"{folder}: no such template folder; set messages.templates_dir or run `init`.")
    languages = tuple(
        _read_language(sub)
        for sub in sorted(folder.iterdir())
        if sub.is_dir() and any(sub.glob(f"*{SUFFIX}"))
    )
    if not languages:
        raise TemplateError(
            f"{folder}: holds no templates; expected files such as zh-CN/due_today.sms.j2. Run `init` for "
            f"a set."
        )
    return languages


def _read_language(folder: Path) -> LanguageFolder:
    sources: dict[str, str] = {}
    problems: dict[str, str] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        named = _NAME.fullmatch(path.name)
        if not path.name.startswith("_") and not (named and named["channel"] in set(Channel)):
            problems[path.name] = (
                "file name must be <template>.sms.j2 or <template>.voice.j2, in small letters"
            )
            continue
        try:
            sources[path.name] = path.read_text(encoding="utf-8-sig")
        except (UnicodeDecodeError, OSError) as error:
            problems[path.name] = f"cannot be read as UTF-8 text ({type(error).__name__}); save it as UTF-8"
    return LanguageFolder(folder.name, sources, problems)
