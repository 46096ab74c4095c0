"""From a template and a context to the text that leaves, or to a stated reason why there is none."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from jinja2 import Template, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2 import TemplateError as JinjaError

from carloan_notify.codes import RenderCode
from carloan_notify.errors import TemplateError
from carloan_notify.gsm import Segments, china_units, count_segments
from carloan_notify.messages.columns import FAULTS, Body, Columns, taken_apart
from carloan_notify.messages.context import VARIABLES
from carloan_notify.messages.sandbox import MessageEnvironment, StepsSpentError, allow_steps
from carloan_notify.messages.settings import SIGN_BRACKETS, MessagesSettings, for_language
from carloan_notify.messages.values import build_filters
from carloan_notify.records import Channel, Lender, Rendered, TemplateWording
from carloan_notify.text import inline

LONGEST: Final[Mapping[str, int]] = {Channel.SMS: 500, Channel.VOICE: 350}
"""Characters that may leave, sign included: more is a template gone wrong, not a message."""

# The template folder: `<language>/<template>.<channel>.j2`, and `<language>/_*.j2` for shared wording.

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
        return version_of(self._sources_of(name))

    def wording(self, name: str, channel: Channel) -> TemplateWording:
        """A template's sources as they stand, with its version."""
        sources = self._sources_of(name)
        return TemplateWording(
            f"{self.language}/{name}", version_of(sources), self.language, channel, sources
        )

    def _sources_of(self, name: str) -> dict[str, str]:
        return {part: self.sources[part] for part in (name, *sorted(self.parts()))}


def version_of(sources: Mapping[str, str]) -> str:
    """Hash of these sources, the template's own first: SHA-256 over `name:bytes:source` of each, 16 hex digits."""
    digest = hashlib.sha256()
    for name, source in sources.items():
        content = source.encode()
        digest.update(f"{name}:{len(content)}:".encode() + content)
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


SPOKEN: Final = "speech"
_LINE_END: Final = " \t"
_BLANKS: Final = re.compile(r" {2,}")


@dataclass(frozen=True, slots=True)
class RenderFailure:
    """No message, and why: `message` says where, what and how to fix it, without personal data."""

    code: RenderCode
    message: str


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A template of one language and channel, ready to render."""

    wording: TemplateWording = field(repr=False)
    opening: str
    body: Template = field(repr=False)
    names: Mapping[str, Any] = field(repr=False)
    settings: MessagesSettings = field(repr=False)
    apart: Body | None = field(repr=False)

    @property
    def path(self) -> str:
        """Where it lies, relative to the folder."""
        return self.wording.template

    @property
    def version(self) -> str:
        """A hash of its sources."""
        return self.wording.version

    @property
    def language(self) -> str:
        """The tag of its folder."""
        return self.wording.language

    @property
    def channel(self) -> Channel:
        """How it reaches a person."""
        return self.wording.channel

    @property
    def needs(self) -> frozenset[str] | None:
        """The values it uses (a lender's own column by `columns.extra`); None where only rendering can tell."""
        return self.apart.needs if self.apart else None

    def render_all(
        self, columns: Columns, count: int, context: Callable[[int], Mapping[str, Any]]
    ) -> list[Rendered | RenderFailure]:
        """The messages of `count` contexts, as `render` gives them.

        `columns` holds the values that the template `needs`; `context(row)` is one message's whole context, for
        those that must be rendered by themselves.
        """
        bodies = self.apart.texts(columns, count) if self.apart else [None] * count
        limit = LONGEST[self.channel]
        return [
            self.render(context(row))
            if body is None or len(body) > limit or not (text := self._joined(body))
            else self._measured(self.opening + text)
            for row, body in enumerate(bodies)
        ]

    def render(self, context: Mapping[str, Any]) -> Rendered | RenderFailure:
        """The message for one context (see `context.VARIABLES`); a fault of the template is a value."""
        allow_steps()
        try:
            body = "".join(
                self.body.root_render_func(self.body.new_context({**self.names, **context}, shared=True))
            )
        except FAULTS as error:
            return self._failure(error)
        text = self._joined(body)
        if not text:
            return RenderFailure(
                RenderCode.EMPTY, f"{self.path}: the message is empty; write text for this case"
            )
        return self._measured(self.opening + text)

    def _joined(self, body: str) -> str:
        """One line: line breaks of the file join its lines, in Chinese without a blank."""
        text = body.strip()
        if "\n" in text:
            lines = [line.lstrip().rstrip(_LINE_END) for line in text.split("\n")]
            text = ("" if self.language.startswith("zh") else " ").join([line for line in lines if line])
        return _BLANKS.sub(" ", text) if "  " in text else text

    def _measured(self, text: str) -> Rendered | RenderFailure:
        limit = LONGEST[self.channel]
        if len(text) > limit:
            return RenderFailure(
                RenderCode.TOO_LONG,
                f"{self.path}: {len(text)} characters, {limit} may leave; shorten the template or what is "
                f"put into it",
            )
        measured = measure(text, self.channel, self.settings)
        said = self.wording
        return Rendered(
            text,
            measured.encoding,
            measured.units,
            measured.segments,
            said.template,
            said.version,
            said,
        )

    def _failure(self, error: Exception) -> RenderFailure:
        code = RenderCode.RENDER_FAILED
        if isinstance(error, StepsSpentError | RecursionError):
            code = RenderCode.TEMPLATE_ENDLESS
        elif isinstance(error, UndefinedError):
            code = RenderCode.UNKNOWN_VARIABLE
        elif isinstance(error, TemplateSyntaxError):
            code = RenderCode.TEMPLATE_BROKEN
        place = f"{self.path}:{_line(error.__traceback__)}"
        return RenderFailure(
            code, f"{place}: {_reason(error)}; correct the template and run `templates lint`"
        )


class TemplateSet:
    """All templates of a folder. Not bound to a night: the same set renders any number of messages."""

    def __init__(
        self,
        languages: tuple[LanguageFolder, ...],
        settings: MessagesSettings,
        lender: Lender,
        extra_kinds: Mapping[str, str] | None = None,
    ) -> None:
        """Templates are compiled when first asked for. `extra_kinds`: what the lender's own columns hold, by name."""
        self.folders = {folder.language: folder for folder in languages}
        self.settings = settings
        self.lender = lender
        self.extra_kinds = extra_kinds or {}
        self._environments: dict[tuple[str, Channel], MessageEnvironment] = {}
        self._resolved: dict[tuple[str, str, str], CompiledTemplate | RenderFailure] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the folder, sorted."""
        return tuple(self.folders)

    def render(
        self, template: str, language: str, channel: str, context: Mapping[str, Any]
    ) -> Rendered | RenderFailure:
        """The message, or why there is none.

        Args:
            template: name without channel, such as `due_today`.
            language: BCP 47 tag of the recipient; "" means the default language. Falls back from the exact
                tag to one with the same primary subtag (zh → zh-CN, en-US → en), then to the languages of
                `messages.fallback`, else `language_missing`.
            channel: "sms" or "voice".
            context: values for `context.VARIABLES`; lender_name, sign, hotline and reply_hint are known
            already.
        """
        found = self.find(template, language, channel)
        return found if isinstance(found, RenderFailure) else found.render(context)

    def find(self, template: str, language: str, channel: str) -> CompiledTemplate | RenderFailure:
        """The compiled template that serves this language."""
        key = (template, language, channel)
        if key not in self._resolved:
            self._resolved[key] = self._resolve(*key)
        return self._resolved[key]

    def environment(self, language: str, channel: Channel) -> MessageEnvironment:
        """The Jinja environment of one language and channel.

        Raises:
            ValueError: the folder's name is no known language.
        """
        key = (language, channel)
        if key not in self._environments:
            names = {
                "lender_name": self.lender.name,
                "sign": self.lender.sign,
                "hotline": self.lender.hotline,
                "reply_hint": for_language(self.settings.reply_hint, language, ""),
            }
            filters = build_filters(language, channel, self.lender)
            self._environments[key] = MessageEnvironment(self.folders[language].sources, filters, names)
        return self._environments[key]

    def _resolve(self, template: str, language: str, channel: str) -> CompiledTemplate | RenderFailure:
        holders = [tag for tag, folder in self.folders.items() if folder.file_of(template, channel)]
        if not holders:
            expected = f"{template}.{channel}.j2"
            return RenderFailure(
                RenderCode.TEMPLATE_MISSING,
                f"{expected}: in no language; write it or correct the rule's template",
            )
        wanted = language or self.settings.default_language
        chain = (wanted, *for_language(self.settings.fallback, wanted, ()))
        chosen = next((found for tag in chain if (found := nearest_language(tag, holders))), "")
        if not chosen:
            return RenderFailure(
                RenderCode.LANGUAGE_MISSING,
                f"{language or self.settings.default_language}/{template}.{channel}.j2: no such language; "
                f"write it or correct the recipient's language (there is {', '.join(holders)})",
            )
        return self._compiled(
            self.folders[chosen], self.folders[chosen].file_of(template, channel), Channel(channel)
        )

    def _compiled(
        self, folder: LanguageFolder, name: str, channel: Channel
    ) -> CompiledTemplate | RenderFailure:
        path = f"{folder.language}/{name}"
        if name in folder.problems:
            return RenderFailure(RenderCode.TEMPLATE_BROKEN, f"{path}: {folder.problems[name]}")
        try:
            environment = self.environment(folder.language, channel)
            body = environment.get_template(name)
        except TemplateSyntaxError as error:
            place = f"{folder.language}/{error.name or name}:{error.lineno}"
            return RenderFailure(RenderCode.TEMPLATE_BROKEN, f"{place}: {error.message}")
        except (ValueError, SyntaxError, RecursionError) as error:
            return RenderFailure(RenderCode.TEMPLATE_BROKEN, f"{path}:1: {error}")
        opening = opening_of(folder.language, channel, self.lender)
        return CompiledTemplate(
            folder.wording(name, channel),
            opening,
            body,
            environment.globals,
            self.settings,
            taken_apart(environment, name, VARIABLES),
        )


def open_templates(
    folder: Path | None,
    settings: MessagesSettings,
    lender: Lender,
    extra_kinds: Mapping[str, str] | None = None,
) -> TemplateSet:
    """The templates of a folder, or those that come with the package when it is None.

    Raises:
        TemplateError: the folder is missing or holds no template. A single broken template raises nothing:
            it is a finding of `lint` and a `RenderFailure` of each message that needs it.
    """
    return TemplateSet(read_folder(folder or default_templates_dir()), settings, lender, extra_kinds)


def nearest_language(wanted: str, available: list[str]) -> str:
    """The exact tag, else the shortest with its primary subtag, else ""; case and `_` do not matter."""
    tag = wanted.replace("_", "-").casefold()
    by_tag = {name.casefold(): name for name in available}
    same = [name for name in available if name.casefold().split("-", 1)[0] == tag.split("-", 1)[0]]
    return by_tag.get(tag) or min(same, key=lambda name: (len(name), name), default="")


def opening_of(language: str, channel: Channel, lender: Lender) -> str:
    """The sign in its brackets, first in every text message; "" for voice, whose templates say it."""
    sign = inline(lender.sign).strip()
    if channel != Channel.SMS or not sign:
        return ""
    brackets = for_language(SIGN_BRACKETS, language, "[]")
    blank = "" if language.startswith("zh") else " "
    return f"{brackets[0]}{sign}{brackets[1]}{blank}"


def measure(text: str, channel: Channel, settings: MessagesSettings) -> Segments:
    """What a message costs under the configured billing; a voice message is one unit of speech."""
    if channel == Channel.VOICE:
        return Segments(SPOKEN, len(text), 1)
    counted = count_segments(text)
    return counted if settings.billing == "gsm" else Segments(counted.encoding, len(text), china_units(text))


def _line(trace: TracebackType | None) -> int:
    """The template line of the innermost frame that runs template code."""
    line = 1
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _reason(error: Exception) -> str:
    """Jinja's and our own sentences name no values; other errors might, so only their kind is told."""
    if isinstance(error, RecursionError):
        return "macros call each other without end"
    if isinstance(error, TemplateNotFound):
        return f"imports `{error.name}`, which does not exist in this language"
    if isinstance(error, JinjaError | TypeError):
        return str(error.message if isinstance(error, JinjaError) else error)
    return type(error).__name__
