"""Any gateway with an HTTP interface, as its settings describe it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from carloan_notify.delivery.gateway.answer import AnswerReader
from carloan_notify.delivery.gateway.later import LookUpReader, ReceiptReader
from carloan_notify.delivery.gateway.request import RequestWriter
from carloan_notify.delivery.gateway.settings import BasicAuthSettings, BearerAuthSettings, RequestSettings
from carloan_notify.delivery.gateway.signing import chain
from carloan_notify.delivery.gateway.template import compiled
from carloan_notify.delivery.gateway.values import (
    batch_reference,
    of_inquiry,
    of_message,
    of_request,
    written,
)
from carloan_notify.delivery.provider import (
    Capabilities,
    Inquiry,
    LookUp,
    ReceiptMode,
    ReceiptPage,
    Standing,
    same_for_all,
)
from carloan_notify.delivery.settings import HttpProviderSettings
from carloan_notify.delivery.wire import Wire, WireFault, WireRequest, new_session
from carloan_notify.records import Channel, OutboundMessage, Outcome, SendResult


def _utc_now() -> datetime:
    return datetime.now(UTC)


class HttpProvider:
    """A described gateway. Safe for many threads; one session for all of them."""

    def __init__(
        self,
        name: str,
        settings: HttpProviderSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Compile the description; nothing is sent yet."""
        self._name = name
        self._settings = settings
        self._clock = clock
        self._constants = {key: secret.get_secret_value() for key, secret in settings.values.items()}
        session = session or new_session(settings.concurrency, settings.ca_file)
        self._wire = Wire(session, settings.connect_timeout_s, settings.read_timeout_s)
        self._auth = _auth(settings.auth)
        self._writer = RequestWriter(settings.request, settings.signatures)
        self._item = compiled(settings.batch.item) if settings.batch else None
        self._answers = AnswerReader(settings.answer)
        self._receipts = ReceiptReader(name, settings.receipts) if settings.receipts else None

    @property
    def name(self) -> str:
        """The name the configuration gives it."""
        return self._name

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it serves."""
        return frozenset(self._settings.channels)

    @property
    def batch_limit(self) -> int:
        """Messages in one request."""
        return self._settings.batch.limit if self._settings.batch else 1

    @property
    def capabilities(self) -> Capabilities:
        """What the description covers."""
        receipts, look_up = self._settings.receipts, self._settings.look_up
        mode = (
            ReceiptMode.NONE
            if receipts is None
            else ReceiptMode.PULL
            if receipts.request
            else ReceiptMode.PUSH
        )
        return Capabilities(
            client_reference=look_up is not None or bool(receipts and receipts.reference),
            look_up_window=timedelta(hours=look_up.window_hours) if look_up else None,
            receipts=mode,
        )

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One request; one result per message. A message the charset cannot write is REJECTED, alone."""
        writable = [m for m in batch if _writable(m, self._settings.request.charset)]
        refused = [m for m in batch if m not in writable] if len(writable) < len(batch) else []
        results = same_for_all(refused, Outcome.REJECTED, f"not_in_charset:{self._settings.request.charset}")
        if not writable:
            return results
        end = self._wire.exchange(self._written(writable), self._auth)
        if isinstance(end, WireFault):
            return results + same_for_all(writable, end.outcome, end.code)
        return results + self._answers.read(end, writable, self._clock())

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """One request per inquiry; what is older than the gateway's memory is UNCLEAR without asking."""
        return [self._looked_up(inquiry) for inquiry in inquiries]

    def parse_receipts(self, body: bytes, headers: Mapping[str, str]) -> ReceiptPage:  # noqa: ARG002 - the contract's
        """Read a pushed receipt request."""
        if self._receipts is None:
            return ReceiptPage((), (f"{self._name}: no receipts are described; add `receipts`",))
        return self._receipts.read(body, self._clock())

    def pull_receipts(self, since: datetime, cursor: str) -> ReceiptPage:
        """Fetch one page; a fault is a problem of the page, and the cursor stays where it was."""
        receipts = self._settings.receipts
        if receipts is None or receipts.request is None or self._receipts is None:
            return ReceiptPage((), (f"{self._name}: cannot be asked for receipts; add `receipts.request`",))
        values = {"cursor": cursor, "since": written(since, receipts.request)}
        end = self._wire.exchange(self._request(receipts.request, values), self._auth)
        if isinstance(end, WireFault):
            return ReceiptPage((), (f"{self._name}: receipts: {end.code}",), cursor)
        if end.status >= 300:  # noqa: PLR2004 - no success
            return ReceiptPage((), (f"{self._name}: receipts: http_{end.status}",), cursor)
        page = self._receipts.read(end.body, self._clock())
        return ReceiptPage(page.receipts, page.problems, page.cursor or cursor, page.more)

    def _written(self, batch: Sequence[OutboundMessage]) -> WireRequest:
        shared = of_request(self._settings.request, self._constants, self._clock())
        if self._item is None:
            return self._writer.write(of_message(batch[0], shared.__getitem__))
        items = [self._item(of_message(message, shared.__getitem__)) for message in batch]
        return self._writer.write(chain({"items": items, "batch_reference": batch_reference(batch)}, shared))

    def _looked_up(self, inquiry: Inquiry) -> LookUp:
        settings = self._settings.look_up
        if settings is None:
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code="no_look_up")
        if self._clock() - inquiry.sent_at > timedelta(hours=settings.window_hours):
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code="outside_look_up_window")
        values = of_inquiry(inquiry, settings.request)
        end = self._wire.exchange(self._request(settings.request, values), self._auth)
        if isinstance(end, WireFault):
            return LookUp(inquiry.message_id, Standing.UNCLEAR, code=end.code)
        return LookUpReader(settings).read(end, inquiry)

    def _request(self, settings: RequestSettings, values: Mapping[str, object]) -> WireRequest:
        shared = of_request(settings, self._constants, self._clock())
        return RequestWriter(settings, self._settings.signatures).write(chain(values, shared))


def _writable(message: OutboundMessage, charset: str) -> bool:
    try:
        for text in (message.text, *message.params.values()):
            text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _auth(settings: BasicAuthSettings | BearerAuthSettings | None) -> AuthBase | None:
    if isinstance(settings, BasicAuthSettings):
        return HTTPBasicAuth(settings.username.encode(), settings.password.get_secret_value().encode())
    return _Bearer(settings.token.get_secret_value()) if settings else None
