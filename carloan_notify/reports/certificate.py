"""A settlement certificate as HTML page and as PDF, from templates that the lender may replace; and read back again.

Both say the same texts. The HTML template is Jinja (sandboxed, everything escaped); the PDF template is Typst, whose
compiler and Chinese fonts come with the extra `pdf`, so that no system package is needed. Nothing is fetched.
"""

import base64
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from carloan_notify.certificate_codes import Fact

if TYPE_CHECKING:
    import segno
    import typst

HTML: Final = "html"
PDF: Final = "pdf"
TEMPLATES: Final[Mapping[str, str]] = {HTML: "certificate.html", PDF: "certificate.typ"}
"""The template of each form, in the folder of a language beside the messages' templates."""
EXTRA: Final = 'certificates.pdf: a PDF needs the extra: pip install "carloan-notify[pdf]"'
MOST_SEAL: Final = 500_000
"""Bytes of a seal image: it stands in every file."""

Shown = Mapping[str, str]
"""The texts of a certificate by `Fact`, as its reader sees them; "" where there is none."""


@dataclass(frozen=True, slots=True)
class PressFault:
    """Why a file could not be made: what, where and how to fix it, without personal data."""

    message: str


# The seal and the QR code.

_KINDS: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


def seal_uri(content: bytes) -> str | PressFault:
    """An image as a data: address, for both forms; PNG, JPEG or SVG."""
    if len(content) > MOST_SEAL:
        return PressFault(f"certificates.seal_image: larger than {MOST_SEAL:,} bytes; save it smaller")
    kinds = [kind for start, kind in _KINDS if content.startswith(start)]
    if not kinds and b"<svg" in content[:1_000]:
        kinds = ["image/svg+xml"]
    if not kinds:
        return PressFault("certificates.seal_image: neither PNG, JPEG nor SVG; save it as one of them")
    return f"data:{kinds[0]};base64,{base64.b64encode(content).decode()}"


_QR_BORDER: Final = 2
_QR_DOTS: Final = 10
"""Dots of a PDF's QR code along the side of a module: 330 dots on 30 mm, as a picture, because a reader of the text
would walk through thousands of lines."""


def qr_svg(text: str) -> str:
    """A QR code (ISO/IEC 18004, error correction M) as SVG without a size of its own."""
    return str(_qr(text).svg_inline(border=_QR_BORDER, omitsize=True))


def qr_png(text: str) -> bytes:
    """The same as PNG."""
    out = io.BytesIO()
    _qr(text).save(out, kind="png", border=_QR_BORDER, scale=_QR_DOTS)
    return out.getvalue()


@lru_cache(maxsize=1)  # page and PDF of one certificate
def _qr(text: str) -> "segno.QRCode":
    import segno

    return segno.make(text, error="m", boost_error=False)


# Making files.


@dataclass(frozen=True)
class Press:
    """Makes the files of certificates of one language. `seal` is a data: address, "" for none."""

    html: Template = field(repr=False)
    typst: bytes | None = field(repr=False)
    seal: str = field(repr=False)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms it makes."""
        return (HTML,) if self.typst is None else (HTML, PDF)

    def make(self, form: str, shown: Shown, link: str) -> bytes | PressFault:
        """One file; the same texts always give the same bytes. `link` is where its reader may check it, or ""."""
        return self.page(shown, link) if form == HTML else self.pdf(shown, link)

    def page(self, shown: Shown, link: str) -> bytes | PressFault:
        """The HTML page, one file that fetches nothing."""
        qr = Markup(qr_svg(link or shown[Fact.CODE]))  # noqa: S704 - made here, of squares alone
        try:
            text = self.html.render(**shown, link=link, qr=qr, seal=self.seal)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            return PressFault(f"{self.html.name}: {_said(error)}; correct the template")
        return text.encode() + b"\n"

    def pdf(self, shown: Shown, link: str) -> bytes | PressFault:
        """The PDF, with the used part of its fonts inside; every text in it can be found and copied."""
        if self.typst is None or not has_pdf():
            return PressFault(EXTRA)
        import typst

        told = {**shown, "link": link, "qr": [*qr_png(link or shown[Fact.CODE])], "seal": _framed(self.seal)}
        try:
            made = _compiler().compile(
                self.typst, format="pdf", sys_inputs={"certificate": json.dumps(told, ensure_ascii=False)}
            )
        except typst.TypstError as error:
            return PressFault(f"{TEMPLATES[PDF]}: {error.message}; correct the template")
        content = made if isinstance(made, bytes) else b""
        lost = [name for name in _lost(content, shown) if name]
        if lost:
            return PressFault(
                f"{TEMPLATES[PDF]}: no font has every character of: {', '.join(lost)}; use the HTML page"
            )
        return content


def open_press(templates: Callable[[str], str], seal: str, *, pdf: bool) -> Press | PressFault:
    """A press of these templates (by file name); `pdf` asks for both forms."""
    try:
        environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
        html = environment.from_string(templates(TEMPLATES[HTML]))
        html.name = TEMPLATES[HTML]
    except TemplateError as error:
        return PressFault(f"{TEMPLATES[HTML]}: {_said(error)}; correct the template")
    return Press(html, templates(TEMPLATES[PDF]).encode() if pdf else None, seal)


@cache
def has_pdf() -> bool:
    """Whether the extra is installed."""
    try:
        import pylopdf_fonts_zh_cn
        import pypdf
        import typst
    except ImportError:
        return False
    return all((pylopdf_fonts_zh_cn, pypdf, typst))


@cache
def _compiler() -> "typst.Compiler":
    """Typst with the packaged fonts alone: what a file looks like does not depend on the machine."""
    import pylopdf_fonts_zh_cn as chinese
    import typst

    folder = Path(chinese.serif_path()).parent
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[folder])
    return typst.Compiler(font_paths=fonts)


def _framed(uri: str) -> str:
    """The seal as an SVG, which Typst takes whatever the image is; "" for none."""
    if not uri:
        return ""
    image = f'<image href="{uri}" width="100" height="100"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100">{image}</svg>'


def _lost(content: bytes, shown: Shown) -> Iterator[str]:
    """Facts whose text the PDF shows with a hole in it, because no font has some character."""
    text = text_of(content, PDF) or ""
    if "\x00" not in text and "\ufffd" not in text:
        return
    plain = _squeezed(text)
    yield from (name for name, value in shown.items() if _squeezed(value) not in plain)


def _said(error: Exception) -> str:
    """What is wrong with a template; other errors than Jinja's might name a value, so only their kind is told."""
    return str(error.message) if isinstance(error, TemplateError) else type(error).__name__


# Reading them back.

_CODE: Final = re.compile(r"(?<![0-9A-Z])[0-9A-HJ-NP-RTUWXY]{4}(?:-?[0-9A-HJ-NP-RTUWXY]{4}){3}(?![0-9A-Z])")
_NUMBER: Final = re.compile(r"(?<![0-9A-Z-])[0-9A-Z-]{0,16}?[0-9]{4}-[0-9]{6,9}-[0-9A-Y](?![0-9A-Z])")
_BLANK: Final = re.compile(r"\s+")


def form_of(content: bytes) -> str:
    """Whether these bytes are a PDF; else they are taken for a page."""
    return PDF if b"%PDF-" in content[:1_024] else HTML


def written_codes(content: bytes) -> list[str]:
    """Every text in a file that looks like a verification code, in order, each once."""
    raw = content.decode("latin-1")
    text = text_of(content, form_of(content)) or ""
    return list(dict.fromkeys(_CODE.findall(f"{raw} {text}")))


def written_numbers(content: bytes) -> list[str]:
    """Every text in a file that looks like a certificate's number, in order, each once."""
    text = text_of(content, form_of(content)) or ""
    return list(dict.fromkeys(_NUMBER.findall(f"{content.decode('latin-1')} {text}")))


def text_of(content: bytes, form: str) -> str | None:
    """What a reader sees in a file; None where it cannot be read (a PDF without the extra, or a damaged one)."""
    return _pdf_text(content) if form == PDF else _page_text(content)


def differing(shown: Shown, original: str, found: str) -> list[str]:
    """The facts that `found` says more or less often than `original`: what seems to have been changed."""
    texts = _squeezed(original), _squeezed(found)
    return [
        name for name, value in shown.items() if value and _times(texts[0], value) != _times(texts[1], value)
    ]


def _times(text: str, value: str) -> int:
    return text.count(_squeezed(value))


def _squeezed(text: str) -> str:
    return _BLANK.sub("", text)


class _Seen(HTMLParser):
    """Collects the text that a page shows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self._hidden: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ANN401, ARG002 - the parser's signature
        self._hidden[tag] += tag in {"style", "script", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden[tag] -= self._hidden[tag] > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden.total():
            self.texts.append(data)


def _page_text(content: bytes) -> str:
    reader = _Seen()
    reader.feed(content.decode("utf-8", "replace"))
    reader.close()
    return " ".join(reader.texts)


def _pdf_text(content: bytes) -> str | None:
    if not has_pdf():
        return None
    import pypdf
    from pypdf.errors import PyPdfError

    try:
        pages = pypdf.PdfReader(io.BytesIO(content)).pages
        return "\n".join(page.extract_text() for page in pages)
    except (
        PyPdfError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        OSError,
        RecursionError,
    ):
        return None  # a damaged file may fail in any of these ways; its bytes tell that it was changed
