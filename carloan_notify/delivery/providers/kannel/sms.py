"""SMS through Kannel's smsbox: one POST per message, its delivery reports and replies pushed back."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import requests

from carloan_notify.delivery.alphabet import encode
from carloan_notify.delivery.codes import answer_codes, carrier_codes
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    ReceiptMode,
    Received,
    Refused,
    same_for_all,
)
from carloan_notify.delivery.providers.kannel.answers import read_answer
from carloan_notify.delivery.providers.kannel.checking import look
from carloan_notify.delivery.providers.kannel.returns import FINAL_TYPES, REPORT_QUERY, KannelReturns
from carloan_notify.delivery.providers.kannel.settings import KannelSettings
from carloan_notify.delivery.vendor import Vendor
from carloan_notify.delivery.wire import WireRequest
from carloan_notify.errors import ConfigError
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

PATH: Final = "/cgi-bin/sendsms"
_URL_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


class KannelSms(Vendor):
    """Kannel of one's own. The text goes in the body and the number in a header, so no log of addresses has them."""

    batch_limit = 1

    def __init__(
        self,
        name: str,
        settings: KannelSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """Opens no connection yet.

        Raises:
            ConfigError: delivery reports are wanted and the name cannot stand in their address.
        """
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings
        self._codes = answer_codes("kannel")
        self._report_url = _report_url(name, settings)
        self._returns = KannelReturns(name, settings.phone_region, carrier_codes("kannel"), clock)

    @property
    def capabilities(self) -> Capabilities:
        """Reports carry our reference; nothing can be asked for."""
        mode = ReceiptMode.PUSH if self._report_url else ReceiptMode.NONE
        return Capabilities(client_reference=True, look_up_window=None, receipts=mode)

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One request per message."""
        return [result for message in batch for result in self._sent(message)]

    def receive(self, request: PushRequest) -> Received | Refused:
        """A delivery report or a reply."""
        return self._returns.read(request)

    def check(self) -> list[CheckResult]:
        """User and password by a request without a number; the clock; bearerbox's links if it may be asked."""
        return look(self._wire, self._settings, self._request(b"", {}), self._clock())

    def _sent(self, message: OutboundMessage) -> list[SendResult]:
        encoded = encode(message.text)
        if len(encoded.parts) > self._settings.max_parts:
            detail = f"{len(encoded.parts)} parts, and Kannel would cut it after `max_parts`"
            return same_for_all([message], Outcome.REJECTED, "too_many_parts", detail)
        headers = {"X-Kannel-To": message.phone, "X-Kannel-Coding": "2" if encoded.ucs2 else "0"}
        if self._report_url:
            headers["X-Kannel-DLR-Mask"] = str(FINAL_TYPES)
            headers["X-Kannel-DLR-Url"] = self._report_url.replace("{reference}", message.message_id)
        body = message.text.encode("utf-8", "replace")
        end = self._wire.exchange(self._request(body, headers))
        return [read_answer(end, message, self._codes, self._clock())]

    def _request(self, body: bytes, headers: dict[str, str]) -> WireRequest:
        settings = self._settings
        user = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": settings.username,
            "X-Kannel-Password": settings.password.get_secret_value(),
        }
        sender = {"X-Kannel-From": settings.sender} if settings.sender else {}
        url = settings.base_url.rstrip("/") + PATH
        return WireRequest("POST", url, {**user, **sender, **headers}, body)


def _report_url(name: str, settings: KannelSettings) -> str:
    if not settings.public_url or settings.push_secret is None:
        return ""
    if not _URL_NAME.fullmatch(name):
        problem = (
            f"delivery.providers.{name}: Kannel reads % as a sign of its own, so the name of a provider "
            "with delivery reports may hold letters, digits, - and _ only; rename it"
        )
        raise ConfigError([problem])
    address = f"{settings.public_url.rstrip('/')}/{name}/{settings.push_secret.get_secret_value()}"
    return f"{address}?{REPORT_QUERY}"
