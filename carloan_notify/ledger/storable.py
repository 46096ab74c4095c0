"""What others say of our messages, as both databases can hold it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final, TypeVar

from carloan_notify.records import Receipt, SendResult

LONGEST: Final = 500
"""Characters. An index of PostgreSQL takes 2,704 bytes."""
RESULT_TEXTS: Final = ("provider_ref", "code", "detail")
RECEIPT_TEXTS: Final = ("provider_ref", "message_id", "code", "detail", "phone")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL's text holds no NUL, and half of a surrogate pair is no UTF-8; JSON may carry both."""

Told = TypeVar("Told", SendResult, Receipt)


def storable(text: str) -> str:
    """The text itself where it can be stored, else without what cannot and cut to `LONGEST`."""
    return whole(text)[:LONGEST]


def whole(text: str) -> str:
    """The text without what cannot be stored, however long: for what stands in no index."""
    return _UNSTORABLE.sub("", text)


def cleaned(records: Sequence[Told], names: Sequence[str]) -> Sequence[Told]:
    """The records with these texts storable: an answer that cannot be written down would be lost."""
    texts = [text for name in names for text in map(attrgetter(name), records)]
    if len(max(texts, key=len, default="")) <= LONGEST and not _UNSTORABLE.search("".join(texts)):
        return records  # nearly every answer of a night
    return [replace(record, **_storable_texts(record, names)) for record in records]


def _storable_texts(record: SendResult | Receipt, names: Sequence[str]) -> dict[str, Any]:
    return {name: storable(getattr(record, name)) for name in names}
