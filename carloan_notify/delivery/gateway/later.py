"""What a gateway says later: receipts, pulled or pushed, and the fate of a message we ask about."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from carloan_notify.delivery.gateway.answer import (
    Table,
    UnreadableError,
    at,
    fields_of,
    list_at,
    public_code,
    text_at,
)
from carloan_notify.delivery.gateway.settings import LookUpSettings, PullSettings
from carloan_notify.delivery.provider import UNLISTED_CODE, Inquiry, LookUp, ReceiptPage, Standing
from carloan_notify.delivery.wire import WireAnswer
from carloan_notify.records import Receipt


class ReceiptReader:
    """Receipts of one gateway."""

    def __init__(self, provider: str, settings: PullSettings) -> None:
        """`provider` is the name that receipts carry."""
        self._provider = provider
        self._settings = settings

    def read(self, body: bytes, now: datetime) -> ReceiptPage:
        """The receipts of an answer or a push; a record that cannot be read is a problem, not an end."""
        settings = self._settings
        try:
            fields = fields_of(body, settings)
        except UnreadableError:
            return ReceiptPage((), (f"{self._provider}: receipts are not {settings.format}",))
        receipts: list[Receipt] = []
        problems: list[str] = []
        items = list_at(fields, settings.items)
        for place, item in enumerate(items):
            try:
                receipt = self._receipt(item, now)
            except ValueError as error:
                problems.append(f"{self._provider}: receipt {place}: {error}")
            else:
                receipts += [] if receipt is None else [receipt]
        cursor = text_at(fields, settings.cursor)
        more = text_at(fields, settings.more) == "true" if settings.more else bool(items and cursor)
        return ReceiptPage(tuple(receipts), tuple(problems), cursor, more)

    def _receipt(self, item: Any, now: datetime) -> Receipt | None:  # noqa: ANN401 - any JSON value
        settings = self._settings
        reference = text_at(item, settings.reference)
        provider_ref = text_at(item, settings.provider_ref)
        state = text_at(item, settings.state)
        if not (reference or provider_ref):
            raise ValueError("neither our reference nor the provider's")
        if not state:
            raise ValueError("no state")
        if state in settings.pending:
            return None
        occurred_at = (
            moment(at(item, settings.time), settings.time_format, settings.time_zone)
            if settings.time
            else now
        )
        delivered = state in settings.delivered
        return Receipt(
            self._provider, provider_ref, reference, delivered, public_code(state), "", occurred_at
        )


def moment(value: object, time_format: str, time_zone: str) -> datetime:
    """An aware UTC instant.

    Raises:
        ValueError: the value is not a time in that format; its text is left out.
    """
    try:
        parsed = _TIMES.get(time_format, _in_format(time_format))(str(value))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"time is not in the format {time_format}") from None
    return (parsed.replace(tzinfo=ZoneInfo(time_zone)) if parsed.tzinfo is None else parsed).astimezone(UTC)


def _in_format(time_format: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, time_format)  # noqa: DTZ007 - the zone is added by the caller


_TIMES: Final[Mapping[str, Callable[[str], datetime]]] = {
    "iso": datetime.fromisoformat,
    "unix": lambda text: datetime.fromtimestamp(float(text), UTC),
    "unix_ms": lambda text: datetime.fromtimestamp(float(text) / 1000, UTC),
}


class LookUpReader:
    """The fate of one message."""

    def __init__(self, settings: LookUpSettings) -> None:
        """Turn the state lists into a table."""
        self._settings = settings
        self._table = Table(settings.states)

    def read(self, answer: WireAnswer, inquiry: Inquiry) -> LookUp:
        """What became of it; UNCLEAR for an unreadable answer or an unlisted state."""
        listed = self._settings.http_status.get(answer.status)
        if listed is not None:
            return LookUp(inquiry.message_id, listed, code=f"http_{answer.status}")
        if answer.status >= 300:  # noqa: PLR2004 - no success
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code=f"http_{answer.status}")
        try:
            fields = fields_of(answer.body, self._settings)
        except UnreadableError:
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code="unreadable_answer")
        state = text_at(fields, self._settings.state)
        standing = self._table.get(state) if state else None
        reference = text_at(fields, self._settings.provider_ref)
        if standing is None:
            return LookUp(inquiry.message_id, Standing.UNCLEAR, reference, public_code(state), UNLISTED_CODE)
        return LookUp(inquiry.message_id, standing, reference, public_code(state))
