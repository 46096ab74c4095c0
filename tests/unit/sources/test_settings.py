import pytest
from pydantic import ValidationError

from carloan_notify.sources.settings import SourcesSettings, TableSettings


@pytest.mark.parametrize(
    "options",
    [{}, {"path": "a", "url": "b", "query": "c"}, {"url": "b"}, {"query": "c"}, {"path": "a", "query": "c"}],
)
def test_a_table_has_exactly_one_origin(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"give either|belong together"):
        TableSettings.model_validate(options)


def test_every_unknown_column_is_named_at_once() -> None:
    loans = TableSettings(path="a", columns={"nope": "X"}, defaults={"nada": "1"})
    with pytest.raises(ValidationError) as caught:
        SourcesSettings(loans=loans, events=TableSettings(path="b", values={"kind": {}}))
    text = str(caught.value)
    assert "loans.columns.nope" in text
    assert "loans.defaults.nada" in text
    assert "events.values.kind" in text


def test_the_password_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(TableSettings(url="postgresql://u:hunter2@h/d", query="SELECT 1"))


@pytest.mark.parametrize("model", [TableSettings, SourcesSettings])
def test_every_option_is_described(model: type[TableSettings] | type[SourcesSettings]) -> None:
    assert all(field.description for field in model.model_fields.values())
