"""docs/links.md: its code checks its own vectors, and agrees with ours."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.messages.links import Purpose, tokens

TEXT: Final = (Path(__file__).parents[2] / "docs" / "links.md").read_text(encoding="utf-8")
VECTORS: Final = re.findall(
    r"^\| (pay|certificate) \| (\S+) \| (\+\d+) \| ([\w-]{16}) \|$", TEXT, re.MULTILINE
)
KEY: Final = b"0123456789abcdef" * 4
UNTIL: Final = date(2026, 12, 23)


def check(*given: Any) -> Any:
    """The code of the document."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own document
    return names["check"](*given)


def test_the_vectors_are_those_of_the_code() -> None:
    people = [(loan_id, number) for _, loan_id, number, _ in VECTORS]
    assert len(VECTORS) == 4
    for purpose, loan_id, number, token in VECTORS:
        made = tokens(KEY, Purpose(purpose), [loan_id], [number], datetime(2026, 11, 23, tzinfo=UTC))
        assert made == [token]
        for today in (date(2026, 11, 22), date(2026, 11, 23), UNTIL):
            assert check(token, KEY, people, today) == (loan_id, number, purpose, UNTIL)
        assert check(token, KEY, people, date(2026, 12, 24)) is None
        assert check(token, KEY[1:], people, UNTIL) is None


@given(st.text(max_size=20))
def test_rubbish_proves_nothing(token: str) -> None:
    assert check(token, KEY, [("HT-2026-000123", "+8613800138000")], UNTIL) is None
