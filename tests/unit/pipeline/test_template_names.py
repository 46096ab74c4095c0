"""By which names a template is meant."""

import pytest

from carloan_notify.pipeline.template_history import is_named

PATH = "zh-CN/due_today.sms.j2"


@pytest.mark.parametrize(
    "name", ["", PATH, "zh-CN/due_today.sms", "zh-CN/due_today", "due_today", "due_today.sms"]
)
def test_meant(name: str) -> None:
    assert is_named(PATH, name)


@pytest.mark.parametrize(
    "name",
    ["due", "due_today.voice", "en/due_today", "zh-CN", "due_today.sms.txt", "CN/due_today", "/due_today"],
)
def test_not_meant(name: str) -> None:
    assert not is_named(PATH, name)
