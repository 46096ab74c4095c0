"""Consoles' exports are read as they come; what cannot be read is said with its row."""

from pathlib import Path

import pytest

from carloan_notify.delivery.approved import read_export
from carloan_notify.errors import ConfigError

TEXTS = {"SMS_1": "您好${name}", "SMS_2": "一,二\n三"}


@pytest.mark.parametrize(
    "content",
    [
        'code,text\nSMS_1,您好${name}\nSMS_2,"一,二\n三"\n'.encode(),
        '\ufeffTemplate_Code,Template_Content\nSMS_1,您好${name}\nSMS_2,"一,二\n三"\n'.encode(),
        '模板名称,模板CODE,模板内容\n甲,SMS_1,您好${name}\n乙,SMS_2,"一,二\n三"\n'.encode("gb18030"),
        '{"SMS_1": "您好${name}", "SMS_2": "一,二\\n三"}'.encode(),
        '[{"code": "SMS_1", "text": "您好${name}"}, {"code": "SMS_2", "text": "一,二\\n三"}]'.encode(),
        'code,text\r\nSMS_1,您好${name}\r\nSMS_1,您好${name}\r\nSMS_2,"一,二\n三"\r\n'.encode(),
    ],
    ids=["csv", "bom", "gb18030", "object", "list", "the same twice"],
)
def test_exports(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "export"
    file.write_bytes(content)
    assert read_export(file) == TEXTS


def test_codes_may_be_numbers(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text('[{"code": 1234, "text": "您好"}]', encoding="utf-8")
    assert read_export(file) == {"1234": "您好"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ":1: names no column for code and text"),
        (b"name,text\na,b\n", ":1: names no column for code and text"),
        (b"code,text\n", "holds no template"),
        (b"code,text\na,x\n,b\nc,\na,y\n", ":3: has no code or no text"),
        (b"code,text\na,x\n,b\nc,\na,y\n", ":5: a stands above with another text"),
        (b"code,text\na,b,c,d\nb\n", ":3: has no code or no text"),
        (b"[1, 2", "is not valid JSON"),
        (b"[1]", ":1: has no code or no text"),
        (b"\xff\xff\xff", "is neither UTF-8 nor GB18030"),
    ],
)
def test_what_is_no_export(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_export(file)
    assert any(said in problem for problem in caught.value.problems)
    assert all(problem.startswith(str(file)) for problem in caught.value.problems)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_export(tmp_path / "none.csv")
