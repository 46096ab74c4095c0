"""Rendering: language, sign, lines, limits, versions."""

from pathlib import Path
from typing import Any, Literal

import pytest

from carloan_notify.codes import RenderCode
from carloan_notify.messages.render import RenderFailure, nearest_language
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.records import Rendered
from tests.unit.messages.lenders import CHINESE, US, folder_of, templates_of

FILES = {
    "zh-CN/t.sms.j2": "{{ borrower_name }}您好。",
    "en/t.sms.j2": "Dear {{ borrower_name }}.",
    "en/t.voice.j2": "Hi.",
}
CONTEXT: dict[str, Any] = {"borrower_name": "Li"}


def good(result: Rendered | RenderFailure) -> Rendered:
    assert isinstance(result, Rendered), result
    return result


def bad(result: Rendered | RenderFailure) -> RenderFailure:
    assert isinstance(result, RenderFailure), result
    return result


@pytest.mark.parametrize(
    ("language", "path"),
    [
        ("zh-CN", "zh-CN/t.sms.j2"),
        ("zh", "zh-CN/t.sms.j2"),
        ("zh_tw", "zh-CN/t.sms.j2"),
        ("ZH-cn", "zh-CN/t.sms.j2"),
        ("en-US", "en/t.sms.j2"),
        ("", "zh-CN/t.sms.j2"),
    ],
)
def test_the_nearest_language_serves(tmp_path: Path, language: str, path: str) -> None:
    assert good(templates_of(tmp_path, FILES).render("t", language, "sms", CONTEXT)).template == path


def test_no_near_language_is_a_failure(tmp_path: Path) -> None:
    templates = templates_of(tmp_path, FILES)
    assert templates.languages == ("en", "zh-CN")
    assert bad(templates.render("t", "fr", "sms", CONTEXT)).code is RenderCode.LANGUAGE_MISSING
    assert bad(templates.render("t", "zh-CN", "voice", CONTEXT)).code is RenderCode.LANGUAGE_MISSING
    assert bad(templates.render("none", "en", "sms", CONTEXT)).code is RenderCode.TEMPLATE_MISSING


def test_the_shortest_tag_of_a_language_is_nearest() -> None:
    assert nearest_language("en-GB", ["en-AU", "en", "zh-CN"]) == "en"
    assert nearest_language("fr", ["en"]) == ""


def test_the_sign_stands_first_in_its_brackets(tmp_path: Path) -> None:
    templates = templates_of(tmp_path, FILES)
    assert good(templates.render("t", "zh-CN", "sms", CONTEXT)).text == "【安达车贷】Li您好。"
    assert good(templates.render("t", "en", "sms", CONTEXT)).text == "[安达车贷] Dear Li."
    assert good(templates.render("t", "en", "voice", CONTEXT)).text == "Hi."


def test_lines_of_a_file_become_one_line(tmp_path: Path) -> None:
    source = "\n{% if true %}\n 一 \n  二{{ x }}  三\n\n{% endif %}\n"
    files = {"zh-CN/t.sms.j2": source, "en/t.sms.j2": source.replace("一", "one").replace("二", "two")}
    templates = templates_of(tmp_path, files)
    assert good(templates.render("t", "zh-CN", "sms", {"x": "\n"})).text == "【安达车贷】一二 三"
    assert good(templates.render("t", "en", "sms", {"x": ""})).text == "[安达车贷] one two 三"


def test_the_lender_is_known_to_every_template(tmp_path: Path) -> None:
    source = "{{ lender_name }}|{{ sign }}|{{ hotline }}|{{ reply_hint }}"
    templates = templates_of(tmp_path, {"en/t.voice.j2": source}, lender=US)
    text = good(templates.render("t", "en", "voice", {})).text
    assert text == "Anda Auto Finance Inc.|Anda Auto|+1 202-555-0100|Reply or"


@pytest.mark.parametrize(
    ("billing", "text", "measured"),
    [
        ("china", "还" * 64, ("UCS-2", 70, 1)),
        ("china", "还" * 65, ("UCS-2", 71, 2)),
        ("china", "a" * 64, ("UCS-2", 70, 1)),
        ("gsm", "还" * 64, ("UCS-2", 70, 1)),
        ("gsm", "还" * 129, ("UCS-2", 135, 3)),
    ],
)
def test_the_sign_is_billed_too(
    tmp_path: Path, billing: Literal["china", "gsm"], text: str, measured: tuple[str, int, int]
) -> None:
    templates = templates_of(tmp_path, {"zh-CN/t.sms.j2": text}, MessagesSettings(billing=billing))
    result = good(templates.render("t", "zh-CN", "sms", {}))
    assert (result.encoding, result.units, result.segments) == measured


def test_billing_decides_how_english_counts(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "a" * 148, "en/t.voice.j2": "Hello"}
    gsm = templates_of(tmp_path, files, MessagesSettings(billing="gsm"), US)
    china = templates_of(tmp_path, files, MessagesSettings(billing="china"), US)
    by_gsm, by_china = good(gsm.render("t", "en", "sms", {})), good(china.render("t", "en", "sms", {}))
    assert (by_gsm.encoding, by_gsm.units, by_gsm.segments) == ("GSM-7", 162, 2)
    assert (by_china.units, by_china.segments) == (160, 3)
    spoken = good(china.render("t", "en", "voice", {}))
    assert (spoken.encoding, spoken.units, spoken.segments) == ("speech", 5, 1)


@pytest.mark.parametrize(("channel", "limit"), [("sms", 500), ("voice", 350)])
def test_too_long_a_text_does_not_leave(tmp_path: Path, channel: str, limit: int) -> None:
    templates = templates_of(tmp_path, {f"zh-CN/t.{channel}.j2": "{{ x }}"})
    room = limit - (len("【安达车贷】") if channel == "sms" else 0)
    assert len(good(templates.render("t", "zh-CN", channel, {"x": "还" * room})).text) == limit
    failure = bad(templates.render("t", "zh-CN", channel, {"x": "还" * (room + 1)}))
    assert failure.code is RenderCode.TOO_LONG
    assert str(limit + 1) in failure.message


def test_an_empty_message_does_not_leave(tmp_path: Path) -> None:
    templates = templates_of(tmp_path, {"en/t.sms.j2": "{% if x %}text{% endif %}\n"})
    assert bad(templates.render("t", "en", "sms", {"x": ""})).code is RenderCode.EMPTY


def test_without_a_sign_there_are_no_brackets(tmp_path: Path) -> None:
    nameless = type(CHINESE)("a", "b", " ", "c", "CNY", "Asia/Shanghai", "CN")
    templates = templates_of(tmp_path, FILES, lender=nameless)
    assert good(templates.render("t", "en", "sms", CONTEXT)).text == "Dear Li."


def test_the_version_follows_template_and_shared_wording(tmp_path: Path) -> None:
    files = {**FILES, "en/_parts.j2": "one", "zh-CN/_parts.j2": "一"}
    first = good(templates_of(tmp_path, files).render("t", "en", "sms", CONTEXT))
    again = good(templates_of(tmp_path, files).render("t", "en", "sms", {"borrower_name": "Wu"}))
    assert first.template_version == again.template_version
    assert len(first.template_version) == 16
    other = good(templates_of(tmp_path, {"en/_parts.j2": "two"}).render("t", "en", "sms", CONTEXT))
    folder_of(tmp_path, {"en/_parts.j2": "one", "zh-CN/_parts.j2": "二"})
    same = good(templates_of(tmp_path, {}).render("t", "en", "sms", CONTEXT))
    assert other.template_version != first.template_version == same.template_version


def test_one_broken_template_stops_no_other(tmp_path: Path) -> None:
    templates = templates_of(tmp_path, {**FILES, "en/bad.sms.j2": "ok\n{{ x"})
    failure = bad(templates.render("bad", "en", "sms", {}))
    assert failure.code is RenderCode.TEMPLATE_BROKEN
    assert failure.message.startswith("en/bad.sms.j2:2: ")
    assert good(templates.render("t", "en", "sms", CONTEXT))


def test_a_file_that_is_not_utf8_is_broken(tmp_path: Path) -> None:
    folder_of(tmp_path, FILES)
    (tmp_path / "zh-CN" / "t.sms.j2").write_bytes("您好".encode("gb18030"))
    failure = bad(templates_of(tmp_path, {}).render("t", "zh-CN", "sms", CONTEXT))
    assert failure.code is RenderCode.TEMPLATE_BROKEN
    assert "UTF-8" in failure.message


def test_a_folder_that_is_no_language_is_broken(tmp_path: Path) -> None:
    failure = bad(templates_of(tmp_path, {"klingon/t.sms.j2": "x"}).render("t", "klingon", "sms", {}))
    assert failure.code is RenderCode.TEMPLATE_BROKEN
    assert "BCP 47" in failure.message


def test_personal_data_is_not_in_the_repr(tmp_path: Path) -> None:
    result = templates_of(tmp_path, FILES).render("t", "en", "sms", {"borrower_name": "Zhang San"})
    assert "Zhang" not in repr(result)
