"""Any gateway with an HTTP interface, as its settings describe it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Unpack

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from carloan_notify.delivery.gateway.answer import AnswerReader
from carloan_notify.delivery.gateway.request import (
    VALIDITY_NAMES,
    RequestWriter,
    batch_reference,
    chain,
    compiled,
    first_to_expire,
    names_in,
    of_inquiry,
    of_message,
    of_request,
    of_validity,
    written,
)
from carloan_notify.delivery.gateway.returns import LookUpReader, Pushes, Queues
from carloan_notify.delivery.gateway.settings import BasicAuthSettings, BearerAuthSettings, RequestSettings
from carloan_notify.delivery.http import WireAnswer, WireFault, WireRequest
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
    same_for_all,
    unclear,
)
from carloan_notify.delivery.registry import HttpProviderSettings
from carloan_notify.delivery.vendor import Ready, Vendor, Wired
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult


class HttpProvider(Vendor[Ready]):
    """A described gateway. Safe for many threads; one session for all of them."""

    _settings: HttpProviderSettings

    def __init__(self, name: str, settings: HttpProviderSettings, **wired: Unpack[Wired]) -> None:
        """Compile the description; nothing is sent yet."""
        super().__init__(name, settings, **wired)
        self.batch_limit = settings.batch.limit if settings.batch else 1
        self._constants = {key: secret.get_secret_value() for key, secret in settings.values.items()}
        self._auth = _auth(settings.auth)
        self._writer = RequestWriter(settings.request, settings.signatures)
        self._item = compiled(settings.batch.item) if settings.batch else None
        self._bounds = _bounds_delivery(settings)
        self._answers = AnswerReader(settings.answer)
        self._pushes = Pushes(name, settings, self._constants)
        self._queues = Queues(name, settings)

    @property
    def capabilities(self) -> Capabilities:
        """What the description covers."""
        receipts, look_up = self._settings.receipts, self._settings.look_up
        described = receipts or self._settings.replies
        mode = ReceiptMode.PULL if self._queues else ReceiptMode.PUSH if described else ReceiptMode.NONE
        return Capabilities(
            look_up_window=timedelta(hours=look_up.window_hours) if look_up else None,
            receipts=mode,
            bounds_delivery=self._bounds,
        )

    def screen(self, message: OutboundMessage) -> Ready | SendResult:
        """A message that the charset cannot write is REJECTED, alone."""
        charset = self._settings.request.charset
        if _writable(message, charset):
            return Ready(message)
        return SendResult(message.message_id, Outcome.REJECTED, code=f"not_in_charset:{charset}")

    def request(self, going: Sequence[Ready]) -> WireRequest:
        """The described request with the values of its messages."""
        now = self._clock()
        shared = of_request(self._settings.request, self._constants, now)
        batch = [ready.message for ready in going]
        if self._item is None:
            return self._writer.write(of_message(batch[0], chain(self._validity(batch[0], now), shared)))
        items = [
            self._item(of_message(message, chain(self._validity(message, now), shared))) for message in batch
        ]
        whole = {"items": items, "batch_reference": batch_reference(batch)}
        return self._writer.write(chain(whole, self._validity(first_to_expire(batch), now), shared))

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """As described."""
        return self._answers.read(answer, batch, self._clock())

    def read_fault(self, fault: WireFault, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """A described header may hold a message's data: one that cannot be written is the message's fault."""
        return same_for_all(batch, fault.outcome, fault.code)

    def look_up_one(self, inquiry: Inquiry) -> LookUp:
        """One request; what is older than the gateway's memory is not asked for."""
        settings = self._settings.look_up
        if settings is None:
            return unclear(inquiry, "no_look_up")
        if self._clock() - inquiry.sent_at > timedelta(hours=settings.window_hours):
            return unclear(inquiry, "outside_look_up_window")
        values = of_inquiry(inquiry, settings.request)
        end = self.exchange(self._request(settings.request, values))
        return (
            unclear(inquiry, end.code)
            if isinstance(end, WireFault)
            else LookUpReader(settings).read(end, inquiry)
        )

    def receive(self, request: PushRequest) -> Received | Refused:
        """Check and read pushed receipts and replies as described."""
        return self._pushes.receive(request, self._clock())

    def check(self) -> list[CheckResult]:
        """A described gateway has no way to be asked without sending."""
        return [
            CheckResult(
                "credentials", CheckVerdict.UNTOLD, "a described gateway can only be tried: providers test"
            )
        ]

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        """Fetch one page of receipts, after the last of them one of replies.

        A fault is a problem of the page: the next pull begins again, and the other kind is asked meanwhile.
        """
        if not self._queues:
            what = f"{self._name}: cannot be asked for receipts or replies; add `receipts.request`"
            return ReturnPage(problems=(what,))
        return self._queues.page(
            cursor, lambda request, place: self._fetched(request, since, place), self._clock()
        )

    def _fetched(self, request: RequestSettings, since: datetime, cursor: str) -> bytes | str:
        """The answer's body, or the code of what came instead."""
        values = {"cursor": cursor, "since": written(since, request)}
        end = self.exchange(self._request(request, values))
        return end.body if end.ok else end.code

    def _validity(self, message: OutboundMessage, now: datetime) -> dict[str, Any]:
        """Nothing where the description asks for nothing: it would be worked out for every message."""
        return of_validity(message, self._settings.request, now) if self._bounds else {}

    def _request(self, settings: RequestSettings, values: Mapping[str, object]) -> WireRequest:
        shared = of_request(settings, self._constants, self._clock())
        return RequestWriter(settings, self._settings.signatures).write(chain(values, shared))


def _bounds_delivery(settings: HttpProviderSettings) -> bool:
    """Whether each request says until when its messages may arrive."""
    request, item = settings.request, settings.batch.item if settings.batch else {}
    places = [request.url, request.headers, request.query, request.body, item]
    return not VALIDITY_NAMES.isdisjoint(names_in(places))


def _writable(message: OutboundMessage, charset: str) -> bool:
    try:
        "".join((message.text, *message.params.values())).encode(charset)
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
