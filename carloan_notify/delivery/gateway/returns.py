"""What a gateway says later: receipts and replies, pulled or pushed, and the fate of a message we ask about."""

import hmac
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from carloan_notify.delivery.codes import CodeTable, carrier_codes, public_code
from carloan_notify.delivery.gateway.answer import UnreadableError, at, fields_of, list_at, text_at
from carloan_notify.delivery.gateway.request import (
    FIELD,
    HEADER,
    SORTED_FIELDS,
    TIMESTAMP,
    as_text,
    body_values,
    compiled,
    signature,
    sorted_fields,
)
from carloan_notify.delivery.gateway.settings import (
    GatewaySettings,
    LookUpSettings,
    PullSettings,
    PushSettings,
    ReplySettings,
    RequestSettings,
    ReturnSettings,
    ShapeSettings,
)
from carloan_notify.delivery.http import WireAnswer
from carloan_notify.delivery.provider import (
    UNLISTED_CODE,
    Inquiry,
    LookUp,
    Received,
    Refused,
    ReturnPage,
    unclear,
)
from carloan_notify.delivery.vendor import UnreadableRecordError, read_records
from carloan_notify.phones import e164
from carloan_notify.records import PushAnswer, PushRequest, Receipt, Reply

NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Stands for a time that cannot be; whoever keeps the record takes the time of arrival instead and says so."""


class _Reader(ABC):
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
    def _read(self, now: datetime, item: Any) -> Receipt | Reply | None:  # noqa: ANN401 - any JSON value
        """One record, None when it says nothing yet; UnreadableRecordError when it is none."""

    def read(self, body: bytes, now: datetime) -> ReturnPage:
        """The records of an answer or a push."""
        try:
            fields = fields_of(body, self.settings)
        except UnreadableError:
            problem = f"{self.provider}: {self.what} are not {self.settings.format}"
            return ReturnPage(problems=(problem,), unread=body)
        items = list_at(fields, self.settings.items)
        page = read_records(self.provider, items, partial(self._read, now), body, f"{self.one} ")
        cursor, more = text_at(fields, self.settings.cursor), self.settings.more
        goes_on = text_at(fields, more) == "true" if more else bool(items and cursor)
        return replace(page, cursor=cursor, more=goes_on)

    def _phone(self, item: Any) -> str:  # noqa: ANN401 - any JSON value
        """The borrower's number in E.164, "" when the record tells none."""
        written = text_at(item, self.settings.phone)
        return (e164(written, self.settings.country) or "") if written else ""

    def _moment(self, item: Any, now: datetime) -> datetime:  # noqa: ANN401 - any JSON value
        settings = self.settings
        if not settings.time:
            return now
        return moment(at(item, settings.time), settings.time_format, settings.time_zone)


class ReceiptReader(_Reader):
    """Receipts of one gateway."""

    one, what = "receipt", "receipts"

    def __init__(self, provider: str, settings: PullSettings) -> None:
        super().__init__(provider, settings, settings.state)
        self._paths = settings
        lists = {
            "delivered": settings.delivered,
            "pending": settings.pending,
            "blocked": settings.blocked,
            "dead": settings.dead,
        }
        self._table = CodeTable(lists)

    def _read(self, now: datetime, item: Any) -> Receipt | None:  # noqa: ANN401 - any JSON value
        reference = text_at(item, self._paths.reference)
        provider_ref = text_at(item, self._paths.provider_ref)
        state = text_at(item, self._paths.state)
        if not (reference or provider_ref):
            raise UnreadableRecordError("neither our reference nor the provider's")
        if not state:
            raise UnreadableRecordError("no state")
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
            listed == "dead" or bool(known and known.dead and listed is None),
        )


class ReplyReader(_Reader):
    """Replies that came through one gateway."""

    one, what = "reply", "replies"

    def __init__(self, provider: str, settings: ReplySettings) -> None:
        super().__init__(provider, settings, settings.text)
        self._paths = settings

    def _read(self, now: datetime, item: Any) -> Reply:  # noqa: ANN401 - any JSON value
        phone = self._phone(item)
        if not phone:
            raise UnreadableRecordError("no number that could be a sender's")
        if at(item, self._paths.text) is None:
            raise UnreadableRecordError("no text")
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
        UnreadableRecordError: the value is not a time in that format; its text is left out.
    """
    try:
        parsed = _TIMES.get(time_format, _in_format(time_format))(str(value))
    except ValueError:
        raise UnreadableRecordError(f"time is not in the format {time_format}") from None
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
        self._settings = settings
        self._table = CodeTable(settings.states)

    def read(self, answer: WireAnswer, inquiry: Inquiry) -> LookUp:
        """What became of it; UNCLEAR for an unreadable answer or an unlisted state."""
        listed = self._settings.http_status.get(answer.status)
        if listed is not None:
            return LookUp(inquiry.message_id, listed, code=answer.code)
        if not answer.ok:
            return unclear(inquiry, answer.code)
        try:
            fields = fields_of(answer.body, self._settings)
        except UnreadableError:
            return unclear(inquiry, "unreadable_answer")
        state = text_at(fields, self._settings.state)
        standing = self._table.get(state) if state else None
        reference = text_at(fields, self._settings.provider_ref)
        if standing is None:
            return unclear(inquiry, public_code(state), reference, UNLISTED_CODE)
        return LookUp(inquiry.message_id, standing, reference, public_code(state))


# What a gateway hands out when it is asked: receipts, then replies, page by page.

Fetch = Callable[[RequestSettings, str], bytes | str]
"""Request and cursor → the answer's body, or as text the code of what came instead."""

SECOND: Final = "replies:"
"""Marks a cursor of the second queue; a cursor without it belongs to the first."""


class Queues:
    """The queues of one gateway that can be asked."""

    def __init__(self, name: str, settings: GatewaySettings) -> None:
        """Those with a request of their own; there may be none."""
        self._name = name
        asked: list[tuple[RequestSettings, ReceiptReader | ReplyReader]] = []
        if settings.receipts and settings.receipts.request:
            asked.append((settings.receipts.request, ReceiptReader(name, settings.receipts)))
        if settings.replies and settings.replies.request:
            asked.append((settings.replies.request, ReplyReader(name, settings.replies)))
        self._asked = asked

    def __len__(self) -> int:
        return len(self._asked)

    def page(self, cursor: str, fetch: Fetch, now: datetime) -> ReturnPage:
        """The page at a cursor, "" for the first. A fault ends its queue, not the next one."""
        second = cursor.startswith(SECOND)
        place = cursor.removeprefix(SECOND)
        page = self._page(int(second), place, fetch, now)
        if second:
            return replace(page, cursor=SECOND + page.cursor)
        if len(self) == 1 or (page.more and page.cursor != place):
            return page
        return replace(page, cursor=SECOND, more=True)

    def _page(self, number: int, place: str, fetch: Fetch, now: datetime) -> ReturnPage:
        request, reader = self._asked[number]
        body = fetch(request, place)
        if isinstance(body, str):
            return ReturnPage(problems=(f"{self._name}: {reader.what}: {body}",), cursor=place)
        page = reader.read(body, now)
        return replace(page, cursor=page.cursor or place)


# Pushed receipts and replies: whether they may be believed, which of the two they are, how they are answered.

FORBIDDEN: Final = 403
NOT_FOUND: Final = 404


class Pushes:
    """Takes what one gateway pushes. Safe for many threads."""

    def __init__(self, name: str, settings: GatewaySettings, constants: Mapping[str, str]) -> None:
        """`constants` are the gateway's `values`: the key of a signature may be among them."""
        self._receipts = ReceiptReader(name, settings.receipts) if settings.receipts else None
        self._replies = ReplyReader(name, settings.replies) if settings.replies else None
        self._seal = Seal(settings.push, constants) if settings.push else None
        answer = (settings.push or PushSettings()).answer
        self._answer = PushAnswer(answer.status, answer.content_type, answer.body.encode())

    def receive(self, request: PushRequest, now: datetime) -> Received | Refused:
        """Check and read a push. A GET carries its fields in the address."""
        body = request.body or urlsplit(request.url).query.encode()
        reader = self._reader(request.url, body)
        if reader is None:
            return Refused(NOT_FOUND, "no_push_described")
        if self._seal and (fault := self._seal.fault(request, body, reader.settings, now)):
            return Refused(FORBIDDEN, fault)
        return Received(reader.read(body, now), self._answer)

    def _reader(self, url: str, body: bytes) -> ReceiptReader | ReplyReader | None:
        """By the last part of the address (`receipts` or `replies`), else by what the first record holds."""
        receipts, replies = self._receipts, self._replies
        if receipts is None or replies is None:
            return receipts or replies
        ending = urlsplit(url).path.rsplit("/", 1)[-1]
        if ending in (receipts.what, replies.what):
            return receipts if ending == receipts.what else replies
        return replies if replies.recognises(body) and not receipts.recognises(body) else receipts


class Seal:
    """What shows that a push comes from the gateway, and now."""

    def __init__(self, settings: PushSettings, constants: Mapping[str, str]) -> None:
        self._settings = settings
        self._constants = constants
        recipe = settings.signature
        self._recipe = (recipe, compiled(recipe.text), compiled(recipe.key)) if recipe else None

    def fault(self, request: PushRequest, body: bytes, shape: ShapeSettings, now: datetime) -> str:
        """Why the push may not be believed, as a code; "" when it may."""
        fields = _top_fields(body, shape)
        settings = self._settings
        said_at = _found(request, fields, settings.timestamp_header, settings.timestamp_field)
        given = _found(request, fields, settings.signature_header, settings.signature_field)
        try:
            if not self._is_signed(given, self._values(request, body, fields, shape) | {TIMESTAMP: said_at}):
                return "bad_signature"
        except UnicodeDecodeError:
            return "unreadable_push"
        timed = settings.timestamp_header or settings.timestamp_field
        return "stale_push" if timed and not self._is_fresh(said_at, now) else ""

    def _is_signed(self, given: str, values: Mapping[str, str]) -> bool:
        if self._recipe is None:
            return True
        recipe, text, key = self._recipe

        def value_of(name: str) -> str:
            """A field or header that the push does not have is empty."""
            return values.get(name, "")

        expected = signature(recipe, str(text(value_of)), str(key(value_of)))
        return hmac.compare_digest(given.encode(), expected.encode())

    def _is_fresh(self, said_at: str, now: datetime) -> bool:
        try:
            at = moment(said_at, self._settings.time_format, self._settings.time_zone)
        except ValueError:
            return False
        return abs((now - at).total_seconds()) <= self._settings.tolerance_s

    def _values(
        self, request: PushRequest, body: bytes, fields: Mapping[str, Any], shape: ShapeSettings
    ) -> dict[str, str]:
        signed = {name: value for name, value in fields.items() if name != self._settings.signature_field}
        return {
            **{FIELD + name: as_text(value) for name, value in fields.items()},
            **{HEADER + name.replace("-", "_"): value for name, value in request.headers.items()},
            **body_values(body, shape.charset),
            SORTED_FIELDS: sorted_fields(signed),
            **self._constants,
        }


def _top_fields(body: bytes, shape: ShapeSettings) -> Mapping[str, Any]:
    """The fields at the top of a push; none when it cannot be read."""
    try:
        fields = fields_of(body, shape)
    except UnreadableError:
        return {}
    return fields if isinstance(fields, Mapping) else {}


def _found(request: PushRequest, fields: Mapping[str, Any], header: str, field: str) -> str:
    if header:
        return request.headers.get(header.lower(), "")
    return as_text(fields.get(field, "")) if field else ""
