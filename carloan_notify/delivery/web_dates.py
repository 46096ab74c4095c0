"""Dates as headers and mail write them: Mon, 23 Nov 2026 01:02:03 GMT."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def web_date(text: str) -> datetime:
    """An RFC 9110 §5.6.7 or RFC 5322 date as an aware UTC instant; one without a zone is in UTC.

    Raises:
        ValueError: it is none, or one that no calendar holds.
    """
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("a date that no calendar holds") from None
