"""The press: what a page and a PDF say, what a template may get wrong, and what is read back."""

import base64
import html
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.certificate_codes import Fact
from carloan_notify.reports.certificate import (
    HTML,
    MOST_SEAL,
    PDF,
    Press,
    PressFault,
    differing,
    form_of,
    open_press,
    qr_png,
    seal_uri,
    text_of,
    written_codes,
    written_numbers,
)

TEMPLATES: Final = Path(__file__).parents[3] / "templates"
CODE: Final = "K7QX-2M4D-9RT3-XH2C"
LINK: Final = "https://pay.example.com/c/K7QX2M4D9RT3XH2C"
SHOWN: Final = {
    **{name.value: "" for name in Fact},
    "number": "AD-2026-000001-K",
    "lender": "安达汽车金融有限公司",
    "borrower": "王小明",
    "contract": "HT-1",
    "amount": "100,000.00元",
    "disbursed_on": "2023年1月5日",
    "settled_on": "2026年11月20日",
    "issued_on": "2026年11月23日",
    "code": CODE,
}
PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4" cx="4" cy="4"/></svg>'
)


def press(language: str = "zh-CN", seal: str = "", *, pdf: bool = True) -> Press:
    def packaged(name: str) -> str:
        return (TEMPLATES / language / name).read_text("utf-8")

    opened = open_press(packaged, seal, pdf=pdf)
    assert isinstance(opened, Press)
    return opened


def made(form: str, language: str = "zh-CN", seal: str = "", **facts: str) -> bytes:
    content = press(language, seal).make(form, SHOWN | facts, LINK)
    assert isinstance(content, bytes), content
    return content


@pytest.mark.parametrize("form", [HTML, PDF])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("optional", ["", "沪A·1<2>&3"])
def test_both_forms_say_everything(form: str, language: str, optional: str) -> None:
    given = dict.fromkeys(("address", "id_number", "plate", "vin"), optional) | {
        "copy": "2" if optional else ""
    }
    content = made(form, language, **given)
    assert form_of(content) == form
    text = text_of(content, form)
    assert text is not None
    plain = "".join(text.split())
    for name, value in (SHOWN | given).items():
        assert "".join(value.split()) in plain, name
    assert written_codes(content) == [CODE]
    assert SHOWN["number"] in written_numbers(content)
    assert content == made(form, language, **given), "the same texts give the same bytes"


def test_a_page_fetches_nothing_and_escapes() -> None:
    page = made(HTML, borrower="<script>alert(1)</script>").decode()
    assert "<script" not in page
    assert html.escape("<script>") in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("image", [PNG, SVG])
def test_a_seal_stands_in_both_forms(image: bytes) -> None:
    seal = seal_uri(image)
    assert isinstance(seal, str)
    assert seal in made(HTML, seal=seal).decode()
    assert len(made(PDF, seal=seal)) > len(made(PDF))


@pytest.mark.parametrize(
    ("image", "why"), [(b"GIF89a", "neither PNG"), (PNG + b"0" * MOST_SEAL, "larger than")]
)
def test_a_seal_that_is_none(image: bytes, why: str) -> None:
    fault = seal_uri(image)
    assert isinstance(fault, PressFault)
    assert why in fault.message


@pytest.mark.parametrize(
    ("page", "document", "why"),
    [
        ("{{ number }", "x", "certificate.html: unexpected"),
        ("{{ unknown }}", "x", "certificate.html: 'unknown' is undefined"),
        ("{{ number.__class__.__mro__ }}", "x", "certificate.html"),
        ("{{ 1 / 0 }}", "x", "certificate.html: ZeroDivisionError"),
        ("x", "#panic(", "certificate.typ: "),
        ("x", '#read("/etc/passwd")', "certificate.typ: "),
    ],
)
def test_what_a_template_gets_wrong_is_told(page: str, document: str, why: str) -> None:
    sources = {"certificate.html": page, "certificate.typ": document}
    opened = open_press(sources.__getitem__, "", pdf=True)
    results = (
        [opened] if isinstance(opened, PressFault) else [opened.make(form, SHOWN, "") for form in (HTML, PDF)]
    )
    faults = [result.message for result in results if isinstance(result, PressFault)]
    assert any(fault.startswith(why) for fault in faults), faults
    assert all("王小明" not in fault for fault in faults)


def test_a_character_that_no_font_has() -> None:
    fault = press().pdf(SHOWN | {"borrower": "䶮𠮷"}, "")
    assert fault == PressFault("certificate.typ: no font has every character of: borrower; use the HTML page")


def test_a_code_is_a_picture_in_a_pdf() -> None:
    assert qr_png(LINK).startswith(b"\x89PNG")
    assert len(qr_png(LINK)) < 1_500


def test_what_is_said_otherwise() -> None:
    page = made(HTML)
    text = text_of(page, HTML)
    assert text is not None
    assert differing(SHOWN, text, text) == []
    assert differing(SHOWN, text, text.replace("100,000.00", "100,000.01")) == ["amount"]
    assert set(differing(SHOWN, text, "")) == {name for name, value in SHOWN.items() if value}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(noise: bytes) -> None:
    for content in (noise, b"%PDF-1.7\n" + noise):
        form = form_of(content)
        assert isinstance(text_of(content, form), str | None)
        written_codes(content)
        written_numbers(content)
