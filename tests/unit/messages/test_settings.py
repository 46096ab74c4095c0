"""Options of the message room."""

from typing import Any

import pytest
from pydantic import ValidationError

from carloan_notify.messages.settings import MessagesSettings, for_language


def test_defaults_hold_together() -> None:
    settings = MessagesSettings()
    assert (settings.billing, settings.default_language) == ("china", "zh-CN")
    assert set(settings.forbidden_words).isdisjoint(settings.marketing_words)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"segment_limit": {"en": 0}}, "limit of 1 or more for en"),
        ({"pay_link_base": "http://pay.example.com/"}, "https://"),
        ({"certificate_link_base": "https://pay.example.com/c"}, "ends with"),
        ({"forbidden_words": ["x", " "]}, "empty"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_wrong_options_are_refused_with_the_reason(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        MessagesSettings(**values)


def test_every_field_is_described() -> None:
    for name, field in MessagesSettings.model_fields.items():
        assert field.description, name
        assert field.examples, name


def test_a_language_falls_back_to_its_primary_subtag() -> None:
    values = {"zh-CN": "中", "en": "e"}
    assert for_language(values, "zh", "-") == "中"
    assert for_language(values, "en-GB", "-") == "e"
    assert for_language(values, "fr", "-") == "-"
