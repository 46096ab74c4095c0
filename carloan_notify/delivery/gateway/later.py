"""What a gateway says later: receipts and replies, pulled or pushed, and the fate of a message we ask about."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from carloan_notify.delivery.codes import Table, carrier_codes
from carloan_notify.delivery.gateway.answer import (
    UnreadableError,
    at,
    fields_of,
    list_at,
    public_code,
    text_at,
)
from carloan_notify.delivery.gateway.later_settings import (
    LookUpSettings,
    PullSettings,
    ReplySettings,
    ReturnSettings,
)
from carloan_notify.delivery.msisdn import e164
from carloan_notify.delivery.provider import UNLISTED_CODE, Inquiry, LookUp, ReturnPage, Standing
from carloan_notify.delivery.wire import WireAnswer
from carloan_notify.records import Receipt, Reply

Came = TypeVar("Came", Receipt, Reply)
NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Stands for a time that cannot be; whoever keeps the record takes the time of arrival instead and says so."""


class _Reader(ABC, Generic[Came]):
    """Records of one kind, one by one: what cannot be read is a problem, not an end."""

    one: str
    what: str

    def __init__(self, provider: str, settings: ReturnSettings, mark: str) -> None:
        """`provider` is the name that records carry, `mark` the path of what only such a record holds."""
        self.provider = provider
        self.settings = settings
        self._mark = mark

    def recognises(self, body: bytes) -> bool:
        """Whether the first record is one of this kind."""
        try:
            items = list_at(fields_of(body, self.settings), self.settings.items)
        except UnreadableError:
            return False
        return bool(items and text_at(items[0], self._mark))

    @abstractmethod
    def _read(self, item: Any, now: datetime) -> Came | None:  # noqa: ANN401 - any JSON value
        """One record, None when it says nothing yet; ValueError when it is none."""

    def _page(self, body: bytes, now: datetime) -> tuple[list[Came], ReturnPage]:
        """The records, and a page with all the rest."""
        try:
            fields = fields_of(body, self.settings)
        except UnreadableError:
            problem = f"{self.provider}: {self.what} are not {self.settings.format}"
            return [], ReturnPage(problems=(problem,), unread=body)
        came: list[Came] = []
        problems: list[str] = []
        items = list_at(fields, self.settings.items)
        for place, item in enumerate(items):
            try:
                read = self._read(item, now)
            except ValueError as error:
                problems.append(f"{self.provider}: {self.one} {place}: {error}")
            else:
                came += [] if read is None else [read]
        cursor, more = text_at(fields, self.settings.cursor), self.settings.more
        goes_on = text_at(fields, more) == "true" if more else bool(items and cursor)
        return came, ReturnPage((), (), tuple(problems), cursor, goes_on, body if problems else b"")

    def _phone(self, item: Any) -> str:  # noqa: ANN401 - any JSON value
        """The borrower's number in E.164, "" when the record tells none."""
        written = text_at(item, self.settings.phone)
        return (e164(written, self.settings.country) or "") if written else ""

    def _moment(self, item: Any, now: datetime) -> datetime:  # noqa: ANN401 - any JSON value
        settings = self.settings
        if not settings.time:
            return now
        return moment(at(item, settings.time), settings.time_format, settings.time_zone)


class ReceiptReader(_Reader[Receipt]):
    """Receipts of one gateway."""

    one, what = "receipt", "receipts"

    def __init__(self, provider: str, settings: PullSettings) -> None:
        """Turn the state lists into a table."""
        super().__init__(provider, settings, settings.state)
        self._paths = settings
        lists = {
            "delivered": settings.delivered,
            "pending": settings.pending,
            "blocked": settings.blocked,
        }
        self._table = Table(lists)

    def read(self, body: bytes, now: datetime) -> ReturnPage:
        """The receipts of an answer or a push."""
        came, page = self._page(body, now)
        return replace(page, receipts=tuple(came))

    def _read(self, item: Any, now: datetime) -> Receipt | None:  # noqa: ANN401 - any JSON value
        reference = text_at(item, self._paths.reference)
        provider_ref = text_at(item, self._paths.provider_ref)
        state = text_at(item, self._paths.state)
        if not (reference or provider_ref):
            raise ValueError("neither our reference nor the provider's")
        if not state:
            raise ValueError("no state")
        listed = self._table.get(state)
        if listed == "pending":
            return None
        # A gateway's own numbers mean what it likes; words are the carriers'.
        known = None if state.isdecimal() else carrier_codes().get(state)
        return Receipt(
            self.provider,
            provider_ref,
            reference,
            listed == "delivered",
            public_code(state),
            known.reason if known else "",
            self._moment(item, now),
            self._phone(item),
            listed == "blocked" or bool(known and known.blocked and listed is None),
        )


class ReplyReader(_Reader[Reply]):
    """Replies that came through one gateway."""

    one, what = "reply", "replies"

    def __init__(self, provider: str, settings: ReplySettings) -> None:
        """Keep the paths."""
        super().__init__(provider, settings, settings.text)
        self._paths = settings

    def read(self, body: bytes, now: datetime) -> ReturnPage:
        """The replies of an answer or a push."""
        came, page = self._page(body, now)
        return replace(page, replies=tuple(came))

    def _read(self, item: Any, now: datetime) -> Reply:  # noqa: ANN401 - any JSON value
        phone = self._phone(item)
        if not phone:
            raise ValueError("no number that could be a sender's")
        if at(item, self._paths.text) is None:
            raise ValueError("no text")
        return Reply(
            self.provider,
            text_at(item, self._paths.id),
            phone,
            text_at(item, self._paths.text),
            self._moment_or_never(item, now),
            text_at(item, self._paths.reference),
        )

    def _moment_or_never(self, item: Any, now: datetime) -> datetime:  # noqa: ANN401 - any JSON value
        """It may say "stop": a time in another format is no reason not to read it."""
        try:
            return self._moment(item, now)
        except ValueError:
            return NEVER


def moment(value: object, time_format: str, time_zone: str) -> datetime:
    """An aware UTC instant; `NEVER` for one that no calendar holds.

    Raises:
        ValueError: the value is not a time in that format; its text is left out.
    """
    try:
        parsed = _TIMES.get(time_format, _in_format(time_format))(str(value))
    except ValueError:
        raise ValueError(f"time is not in the format {time_format}") from None
    try:
        zoned = parsed.replace(tzinfo=ZoneInfo(time_zone)) if parsed.tzinfo is None else parsed
        return zoned.astimezone(UTC)
    except OverflowError:
        return NEVER


def _since_1970(text: str, per_second: int) -> datetime:
    seconds = float(text) / per_second
    if not math.isfinite(seconds):
        raise ValueError(text)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return NEVER


def _in_format(time_format: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, time_format)  # noqa: DTZ007 - the zone is added by the caller


_TIMES: Final[Mapping[str, Callable[[str], datetime]]] = {
    "iso": datetime.fromisoformat,
    "unix": lambda text: _since_1970(text, 1),
    "unix_ms": lambda text: _since_1970(text, 1000),
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
