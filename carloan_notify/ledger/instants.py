"""Instants as fixed-width UTC text, so that they sort alike on every database and in every export."""

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=1024)  # a night's messages share a few hundred instants
def to_text(instant: datetime) -> str:
    """`2026-11-23T02:00:00.000000Z`, always 27 characters. A naive instant raises `ValueError`."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone: pass an aware datetime")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def from_text(text: str) -> datetime:
    """The instant that `to_text` wrote, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
