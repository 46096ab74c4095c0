"""Reading small tables from text, as an operator would see them in a file."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.sources.read import Table, read_table
from carloan_notify.sources.settings import ReadContext, TableSettings
from carloan_notify.sources.tables import TableName

ReadText = Callable[..., Table]


@pytest.fixture
def context(tmp_path: Path) -> ReadContext:
    return ReadContext(
        as_of=date(2026, 11, 23),
        base_dir=tmp_path,
        basis="supplied",
        currency="CNY",
        phone_region="CN",
        timezone="Asia/Shanghai",
    )


@pytest.fixture
def read_text(tmp_path: Path, context: ReadContext) -> ReadText:
    """Write `content` to a file and read it as `name`; other arguments are table settings or context."""

    def read(
        name: TableName,
        content: str | bytes,
        *,
        file: str = "table.csv",
        **options: Any,
    ) -> Table:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / file).write_bytes(data)
        of_context = {
            key: options.pop(key) for key in list(options) if key in ReadContext.__dataclass_fields__
        }
        circumstances = {
            field: getattr(context, field) for field in ReadContext.__dataclass_fields__
        } | of_context
        return read_table(name, TableSettings(path=file, **options), context=ReadContext(**circumstances))

    return read
