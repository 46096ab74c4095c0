"""The page behind a link, as a WSGI application: it holds the limits and the words, another knows the loan and decides.

A GET changes nothing, however often scanners and previews of messages fetch it. Nothing is fetched from elsewhere, no
script runs, no cookie is set, and no page is kept by a cache or told to another site by a referrer.
"""

import hashlib
import ipaddress
import time
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

import jinja2
import structlog

from carloan_notify.inbound.listen import HEALTH, body_of, phrase, place_of
from carloan_notify.page_codes import LinkFault, PageWord

LANGUAGES: Final = {"zh-CN": "中文", "en": "English"}
"""Languages of the page by tag, each with its own name."""
METHODS: Final = ("GET", "HEAD", "POST")
LONGEST_FORM: Final = 4096
"""Bytes; an answer has some 100."""
FORM_TYPE: Final = "application/x-www-form-urlencoded"
WINDOW_S: Final = 600.0
"""Tries are counted within ten minutes."""
WRONG_TRIES: Final = 20
"""Links that are not valid, from one address; many telephones share one, so it is not a handful."""
LOOKS: Final = 120
"""Requests for one link."""
ANSWERS: Final = 12
"""Answers to one link."""
MOST_REMEMBERED: Final = 50_000
ROBOTS: Final = "/robots.txt"
_TEMPLATE: Final = "link_page.html.j2"
_STYLE: Final = "link_page.css"
_IPV6_NETWORK: Final = 64

_log = structlog.get_logger()


class Answer(StrEnum):
    """What somebody may tell the lender on the page."""

    PAID = "paid"
    TIME = "time"
    CALL = "call"
    WRONG = "wrong"


ANSWER_WORDS: Final = {
    Answer.PAID: (PageWord.PAID, PageWord.PAID_MORE),
    Answer.TIME: (PageWord.TIME, PageWord.TIME_MORE),
    Answer.CALL: (PageWord.CALL, PageWord.CALL_MORE),
    Answer.WRONG: (PageWord.WRONG, PageWord.WRONG_MORE),
}


class PageState(StrEnum):
    """What the page has to say of a loan."""

    DUE = "due"
    CLEAR = "clear"
    SETTLED = "settled"
    UNCLEAR = "unclear"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class PageView:
    """What one person sees, ready to read in `language`: nothing but a masked name and four characters of the loan.

    `lines` are what is due: label and amount. `payment` is where to pay, "" for nowhere. `answered` are answers taken
    through this link, each with its day. `answers` may be given; `days` are the first and the last that may be asked
    for (ISO), `told_days` the same in words, and `times` when a call may be asked for: value and label.
    """

    language: str
    state: PageState
    name: str = field(default="", repr=False)
    tail: str = field(default="", repr=False)
    lines: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    as_of: str = ""
    payment: str = field(default="", repr=False)
    answered: tuple[tuple[Answer, str], ...] = ()
    answers: tuple[Answer, ...] = ()
    days: tuple[str, str] = ("", "")
    told_days: tuple[str, str] = ("", "")
    times: tuple[tuple[str, str], ...] = ()
    form: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an answer was not taken: what is to be put right, said beside the form of `answer`."""

    answer: Answer | None
    word: PageWord


class Desk(Protocol):
    """Who knows what a token stands for, and takes answers. An exception means that nothing was taken."""

    def look(self, token: str, language: str) -> PageView | LinkFault:
        """What to show; `language` "" for that of the message."""

    def take(self, token: str, form: Mapping[str, str]) -> LinkFault | Refusal | None:
        """Keep an answer; the same answer twice is one. None once it is on disk."""

    def healthy(self) -> bool:
        """Whether links could be looked up, and answers kept, right now."""


class Tries:
    """How often something was tried within `WINDOW_S`, by name; what was longest not tried is forgotten first."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`most` tries are allowed."""
        self._most = most
        self._monotonic = monotonic
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def over(self, name: str) -> bool:
        """Whether all tries are used up."""
        return self._count(name)[1] >= self._most

    def note(self, name: str) -> None:
        """Count one try."""
        began, count = self._count(name)
        self._counts[name] = (began, count + 1)
        self._counts.move_to_end(name)
        while len(self._counts) > MOST_REMEMBERED:
            self._counts.popitem(last=False)

    def _count(self, name: str) -> tuple[float, int]:
        now = self._monotonic()
        began, count = self._counts.get(name, (now, 0))
        return (now, 0) if now - began > WINDOW_S else (began, count)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the lender is, as far as a page without a loan says it."""

    lender: str
    hotline: str
    language: str


@dataclass(frozen=True, slots=True)
class _Shown:
    status: HTTPStatus
    body: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    plain: bool = False


class LinkPage:
    """`/…/TOKEN` for people, `/healthz` for whoever watches. Safe for many threads."""

    def __init__(
        self, desk: Desk, caller: Caller, proxies: int = 0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`proxies` is `links.proxies`."""
        self._desk = desk
        self._caller = caller
        self._proxies = proxies
        self._wrong = Tries(WRONG_TRIES, monotonic)
        self._looks = Tries(LOOKS, monotonic)
        self._answers = Tries(ANSWERS, monotonic)

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        try:
            shown = self._answer(environ)
        except Exception as error:  # noqa: BLE001 - a server would log the address, and the token with it
            _log.error("page failed", error=type(error).__name__, at=place_of(error))
            shown = self._said(HTTPStatus.SERVICE_UNAVAILABLE, PageWord.BUSY_TITLE, PageWord.BUSY, environ)
        body = shown.body.encode()
        kind = "text/plain; charset=utf-8" if shown.plain else "text/html; charset=utf-8"
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *HEADERS, *shown.headers]
        start_response(f"{shown.status.value} {phrase(shown.status)}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: Mapping[str, Any]) -> _Shown:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if path == HEALTH:
            return _plain(HTTPStatus.OK if self._desk.healthy() else HTTPStatus.SERVICE_UNAVAILABLE)
        if path == ROBOTS:
            return _Shown(HTTPStatus.OK, "User-agent: *\nDisallow: /\n", plain=True)
        if method not in METHODS:
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", ", ".join(METHODS)))
        shown = self._of_link(path.rpartition("/")[2], method, environ)
        _log.info("page", method=method, status=shown.status.value)
        return shown

    def _of_link(self, token: str, method: str, environ: Mapping[str, Any]) -> _Shown:
        peer = peer_of(environ, self._proxies)
        if self._wrong.over(peer) or self._looks.over(token):
            return self._too_many(environ)
        self._looks.note(token)
        return self._post(token, peer, environ) if method == "POST" else self._get(token, peer, environ)

    def _get(
        self, token: str, peer: str, environ: Mapping[str, Any], refusal: Refusal | None = None
    ) -> _Shown:
        view = self._desk.look(token, _language(environ))
        if isinstance(view, LinkFault):
            return self._fault(view, peer, environ)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK
        return _Shown(status, self._rendered(view, refusal))

    def _post(self, token: str, peer: str, environ: Mapping[str, Any]) -> _Shown:
        body = _form_body(environ)
        if isinstance(body, HTTPStatus):
            return _plain(body)
        if self._answers.over(token):
            return self._too_many(environ)
        self._answers.note(token)
        done = self._desk.take(token, _form(body))
        if isinstance(done, LinkFault):
            return self._fault(done, peer, environ)
        if done is not None:
            return self._get(token, peer, environ, done)
        language = _language(environ)
        again = f"{token}?lang={language}" if language else token
        return _Shown(HTTPStatus.SEE_OTHER, headers=(("Location", again),))

    def _fault(self, fault: LinkFault, peer: str, environ: Mapping[str, Any]) -> _Shown:
        """A forged token and rubbish look alike; that one has expired is told only of a true one."""
        if fault is LinkFault.EXPIRED:
            return self._said(HTTPStatus.GONE, PageWord.EXPIRED_TITLE, PageWord.EXPIRED, environ)
        self._wrong.note(peer)
        return self._said(HTTPStatus.NOT_FOUND, PageWord.INVALID_TITLE, PageWord.INVALID, environ)

    def _too_many(self, environ: Mapping[str, Any]) -> _Shown:
        status, wait = HTTPStatus.TOO_MANY_REQUESTS, ("Retry-After", str(int(WINDOW_S)))
        return self._said(status, PageWord.TOO_MANY_TITLE, PageWord.TOO_MANY, environ, wait)

    def _said(
        self, status: HTTPStatus, title: PageWord, text: PageWord, environ: Mapping[str, Any], *headers: tuple[str, str]
    ) -> _Shown:  # fmt: skip
        language = _language(environ) or self._caller.language
        return _Shown(status, self._page(language, title=title, text=text, view=None, refusal=None), headers)

    def _rendered(self, view: PageView, refusal: Refusal | None) -> str:
        stranger = view.state is PageState.STRANGER
        title = PageWord.STRANGER_TITLE if stranger else PageWord.TITLE
        text = _STATE_WORDS.get(view.state)
        return self._page(view.language, title=title, text=text, view=view, refusal=refusal)

    def _page(self, language: str, **values: object) -> str:
        caller = self._caller

        def say(word: PageWord, **filled: str) -> str:
            return word.sentence(language).format(hotline=caller.hotline, lender=caller.lender, **filled)

        return _template().render(
            say=say, word=PageWord, answer=Answer, answer_words=ANSWER_WORDS, language=language,
            languages=LANGUAGES, style=_text(_STYLE), lender=caller.lender, **values,
        )  # fmt: skip


_STATE_WORDS: Final = {
    PageState.CLEAR: PageWord.CLEAR,
    PageState.SETTLED: PageWord.SETTLED,
    PageState.UNCLEAR: PageWord.UNCLEAR,
    PageState.STRANGER: PageWord.STRANGER,
}


def peer_of(environ: Mapping[str, Any], proxies: int) -> str:
    """The caller's address for counting tries: an IPv6 network of 64 bits is one caller.

    Of X-Forwarded-For only what our own proxies wrote is believed: the last `proxies` entries.
    """
    heard = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    given = heard[-proxies] if 0 < proxies <= len(heard) else environ.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return environ.get("REMOTE_ADDR", "")  # type: ignore[no-any-return]  # a server gives text
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
    return str(address)


def _language(environ: Mapping[str, Any]) -> str:
    """The language that was chosen on the page, "" for none."""
    wanted = parse_qs(environ.get("QUERY_STRING", "")[:100]).get("lang", [""])[0]
    return wanted if wanted in LANGUAGES else ""


def _form_body(environ: Mapping[str, Any]) -> bytes | HTTPStatus:
    """What a form of our own page sent, or why it is not looked at."""
    if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in {"same-origin", "none"}:
        return HTTPStatus.FORBIDDEN
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return body_of(environ, LONGEST_FORM)


def _form(body: bytes) -> dict[str, str]:
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
    return {name: values[0] for name, values in fields.items()}


def _plain(status: HTTPStatus, *headers: tuple[str, str]) -> _Shown:
    return _Shown(status, f"{phrase(status)}\n", headers, plain=True)


@cache
def _text(name: str) -> str:
    return (resources.files("carloan_notify.inbound") / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_text(_TEMPLATE))


def _style_source() -> str:
    """The only style that a browser may use: ours, by its hash."""
    return "'sha256-" + b64encode(hashlib.sha256(_text(_STYLE).encode()).digest()).decode() + "'"


_POLICY: Final = (
    f"default-src 'none'; style-src {_style_source()}; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = (
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Strict-Transport-Security", "max-age=31536000"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
"""On every answer. Strict-Transport-Security takes effect behind a proxy that speaks HTTPS."""
