"""What templates said on earlier nights, and what has changed in them since."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import PurePosixPath
from typing import Any, Final

from carloan_notify.app import App
from carloan_notify.errors import ConfigError
from carloan_notify.ledger import templates
from carloan_notify.ledger.templates import Turn
from carloan_notify.messages.render import SUFFIX
from carloan_notify.records import Channel, TemplateWording

HISTORY_COLUMNS: Final = ("template", "turn", "version", "first_used_at", "last_used_at", "is_current")
SHORTEST_VERSION: Final = 4
"""Digits of a version that name it, where no other version of the template begins so."""


def is_named(template: str, name: str) -> bool:
    """Whether `name` means this template: its path, or notice, with or without language, channel and suffix.

    `zh-CN/due_today.sms.j2` is meant by itself, `due_today`, `due_today.sms`, `zh-CN/due_today` and "".
    """
    path = PurePosixPath(template)
    wanted = PurePosixPath(name.removesuffix(SUFFIX))
    file = path.name.removesuffix(SUFFIX)
    languages = ("", ".", str(path.parent))
    return not name or (str(wanted.parent) in languages and wanted.name in (file, file.partition(".")[0]))


def history_rows(app: App, name: str = "") -> list[dict[str, Any]]:
    """A row for each turn of the templates that `name` means: HISTORY_COLUMNS, the runs and the sources.

    Raises:
        ConfigError: there is no such template, neither in the folder nor in the ledger.
    """
    now = _in_folder(app)
    kept = _kept(app)
    _require_known(name, {*now, *(turn.wording.template for turn in kept)})
    return [_row(turn, now) for turn in kept if is_named(turn.wording.template, name)]


def _row(turn: Turn, now: Mapping[str, TemplateWording]) -> dict[str, Any]:
    said = turn.wording
    return {
        "template": said.template,
        "turn": turn.turn,
        "version": said.version,
        "first_used_at": turn.first_used_at,
        "last_used_at": turn.last_used_at,
        "is_current": said.template in now and now[said.template].version == said.version,
        "first_run": turn.first_run,
        "last_run": turn.last_run,
        "sources": dict(said.sources),
    }


def _kept(app: App) -> list[Turn]:
    if not app.has_ledger():
        return []
    with app.open_ledger() as ledger, ledger.read() as tx:
        return templates.turns(tx)


def _in_folder(app: App) -> dict[str, TemplateWording]:
    """Every template of the folder as it stands, by path."""
    return {
        f"{tag}/{name}": folder.wording(name, Channel(name.split(".")[1]))
        for tag, folder in app.templates().folders.items()
        for name in sorted(folder.sources)
        if not name.startswith("_")
    }


def _require_known(name: str, paths: Iterable[str]) -> None:
    if name and not any(is_named(path, name) for path in paths):
        raise ConfigError([f"{name}: no such template; see: carloan-notify templates list"])


# What has changed.


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs: its path, the unified diff without line ends, and the templates that it words.

    `before` and `after` tell which wordings are compared.
    """

    file: str
    before: str
    after: str
    lines: tuple[str, ...] = field(repr=False)
    templates: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.file,
            "from": self.before,
            "to": self.after,
            "templates": list(self.templates),
            "diff": list(self.lines),
        }


@dataclass(frozen=True, slots=True)
class TemplateChanges:
    """What differs; `never_used` templates have sent nothing yet, those `gone` are in the folder no more."""

    files: tuple[FileChange, ...]
    never_used: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """A wording to compare, and what to call it."""

    said: TemplateWording
    label: str


def changes(app: App, name: str = "", since: str = "", until: str = "") -> TemplateChanges:
    """The folder against what each template last said; or two versions (first digits) of the templates named.

    Raises:
        ConfigError: no such template or version, or its digits name several.
    """
    if (since or until) and not name:
        raise ConfigError(["--from and --to name versions of one template; name it too"])
    kept, now = _kept(app), _in_folder(app)
    _require_known(name, {*now, *(turn.wording.template for turn in kept)})
    before = _side(kept, now, name, since) if since else _last(kept, name)
    after = _side(kept, now, name, until) if until else _current(now, name)
    both = [(before[path], after[path]) for path in sorted(before.keys() & after.keys())]
    return TemplateChanges(
        tuple(_together(both)),
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
    )


def _last(kept: Iterable[Turn], name: str) -> dict[str, _Side]:
    """What each template said last."""
    return {
        turn.wording.template: _Side(turn.wording, f"{turn.wording.version}, last used {turn.last_used_at}")
        for turn in kept
        if is_named(turn.wording.template, name)
    }


def _current(now: Mapping[str, TemplateWording], name: str) -> dict[str, _Side]:
    return {
        path: _Side(said, f"{said.version}, in the folder")
        for path, said in now.items()
        if is_named(path, name)
    }


def _side(
    kept: Iterable[Turn], now: Mapping[str, TemplateWording], name: str, digits: str
) -> dict[str, _Side]:
    """The wordings of this version, each under its template."""
    if len(digits) < SHORTEST_VERSION:
        raise ConfigError([f"{digits}: give at least {SHORTEST_VERSION} digits of the version"])
    folder = [said for path, said in now.items() if is_named(path, name)]
    known = [turn.wording for turn in kept if is_named(turn.wording.template, name)]
    found = {
        (each.template, each.version): each for each in (*folder, *known) if each.version.startswith(digits)
    }
    if not found:
        raise ConfigError([f"{name}: no version {digits}; see: carloan-notify templates history {name}"])
    if len({template for template, _ in found}) < len(found):
        raise ConfigError([f"{name}: several versions begin with {digits}; give more digits"])
    return {template: _Side(said, said.version) for (template, _), said in found.items()}


def _together(both: Iterable[tuple[_Side, _Side]]) -> Iterator[FileChange]:
    """Each differing file once, however many templates it words."""
    found: dict[tuple[str, str, str], FileChange] = {}
    words: dict[tuple[str, str, str], list[str]] = {}
    for before, after in both:
        folder = PurePosixPath(before.said.template).parent
        for name in dict.fromkeys((*before.said.sources, *after.said.sources)):
            old, new = before.said.sources.get(name, ""), after.said.sources.get(name, "")
            if old == new:
                continue
            file = str(folder / name)
            lines = unified_diff(
                old.splitlines(),
                new.splitlines(),
                f"{file} ({before.label})",
                f"{file} ({after.label})",
                lineterm="",
            )
            key = (file, old, new)
            found.setdefault(key, FileChange(file, before.label, after.label, tuple(lines)))
            words.setdefault(key, []).append(before.said.template)
    for key, change in found.items():
        yield FileChange(change.file, change.before, change.after, change.lines, tuple(words[key]))
