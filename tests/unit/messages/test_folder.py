"""Finding and reading template folders."""

from pathlib import Path

import pytest

from carloan_notify.errors import TemplateError
from carloan_notify.messages.render import (
    default_templates_dir,
    find_templates_dir,
    open_templates,
    read_folder,
)
from carloan_notify.messages.settings import MessagesSettings
from tests.unit.messages.lenders import CHINESE, folder_of


def test_the_packaged_templates_are_found() -> None:
    assert (default_templates_dir() / "zh-CN" / "due_today.sms.j2").is_file()
    assert open_templates(None, MessagesSettings(), CHINESE).languages == ("en", "zh-CN")


def test_a_wheel_holds_them_inside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "carloan_notify"
    inside, beside = package / "_data" / "templates", tmp_path / "templates"
    beside.mkdir()
    assert find_templates_dir(package) == beside
    inside.mkdir(parents=True)
    assert find_templates_dir(package) == inside


def test_a_package_without_templates_says_so(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="install carloan-notify again"):
        find_templates_dir(tmp_path / "carloan_notify")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="templates_dir"):
        read_folder(tmp_path / "none")
    with pytest.raises(TemplateError, match="holds no templates"):
        read_folder(tmp_path)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    folder_of(
        tmp_path,
        {
            "en/t.sms.j2": "\ufeffx",
            "en/T.sms.j2": "x",
            "en/t.fax.j2": "x",
            "en/_p.j2": "x",
            "en/note.txt": "x",
        },
    )
    (language,) = read_folder(tmp_path)
    assert dict(language.sources) == {"t.sms.j2": "x", "_p.j2": "x"}
    assert set(language.problems) == {"T.sms.j2", "t.fax.j2"}
    assert language.file_of("t", "sms") == "t.sms.j2"
    assert language.file_of("t", "voice") == ""
