"""API 3.0 of Tencent Cloud: one signed POST per action, one `Response` or one `Error` as the answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from carloan_notify.delivery.providers.tencent.settings import TencentCredentials
from carloan_notify.delivery.providers.tencent.signing import (
    CONTENT_TYPE,
    Key,
    authorization,
    canonical_request,
)
from carloan_notify.delivery.vendor import json_object, text_of
from carloan_notify.delivery.wire import Wire, WireAnswer, WireFault, WireRequest


@dataclass(frozen=True, slots=True)
class Service:
    """One of the vendor's services, as its host name and its signature name it."""

    name: str
    version: str


SMS: Final = Service("sms", "2021-01-11")
VOICE: Final = Service("vms", "2020-09-02")


class Interface:
    """Calls the actions of one service. Safe for many threads."""

    def __init__(
        self, service: Service, settings: TencentCredentials, wire: Wire, clock: Callable[[], datetime]
    ) -> None:
        """`clock` gives the aware time of the signature; the vendor allows it to be five minutes off."""
        base_url = settings.base_url or f"https://{service.name}.tencentcloudapi.com"
        self._service = service
        self._url = base_url.rstrip("/") + "/"
        self._host = urlsplit(base_url).netloc.lower()
        self._region = settings.region
        self._key = Key(settings.secret_id, settings.secret_key.get_secret_value())
        self._wire = wire
        self._clock = clock

    def call(self, action: str, parameters: Mapping[str, Any]) -> WireAnswer | WireFault:
        """The answer to one action, or what its absence means."""
        return self._wire.exchange(self.request(action, parameters))

    def request(self, action: str, parameters: Mapping[str, Any]) -> WireRequest:
        """The signed request, with the body exactly as the vendor's SDK writes it."""
        now = self._clock()
        body = json.dumps(parameters).encode()
        headers = {
            "Authorization": authorization(
                self._key, self._service.name, canonical_request(self._host, body), now
            ),
            "Content-Type": CONTENT_TYPE,
            "Host": self._host,
            "X-TC-Action": action,
            "X-TC-Region": self._region,
            "X-TC-Timestamp": str(int(now.timestamp())),
            "X-TC-Version": self._service.version,
        }
        return WireRequest("POST", self._url, headers, body)


def response_in(end: WireFault | WireAnswer) -> dict[str, Any] | None:
    """The `Response` of an answer, whatever its status and content type; None when there is none."""
    fields = json_object(end)
    response = fields.get("Response") if fields is not None else None
    return response if isinstance(response, dict) else None


def error_code(response: Mapping[str, Any] | None) -> str:
    """The code of the `Error` in a response, "" when there is none."""
    error = response.get("Error") if response is not None else None
    return text_of(error, "Code") if isinstance(error, dict) else ""


def entries(response: Mapping[str, Any] | None, name: str) -> list[Any]:
    """The list of that name in a response, empty when it is missing or no list."""
    found = response.get(name) if response is not None else None
    return found if isinstance(found, list) else []
