"""The values behind `{name}`: those of a message, of an inquiry and of a request."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import phonenumbers

from carloan_notify.delivery.gateway.settings import RequestSettings
from carloan_notify.delivery.provider import Inquiry
from carloan_notify.records import OutboundMessage

ValueOf = Callable[[str], Any]

MESSAGE_NAMES: Final[Mapping[str, Callable[[OutboundMessage], Any]]] = {
    "reference": lambda m: m.message_id,
    "phone": lambda m: m.phone,
    "phone_digits": lambda m: m.phone.removeprefix("+"),
    "phone_national": lambda m: national(m.phone),
    "text": lambda m: m.text,
    "channel": lambda m: str(m.channel),
    "notice": lambda m: m.notice,
    "language": lambda m: m.language,
    "params": lambda m: dict(m.params),
}
INQUIRY_NAMES: Final = (
    "reference",
    "provider_ref",
    "sent_time",
    "channel",
    "phone",
    "phone_digits",
    "phone_national",
)
PULL_NAMES: Final = ("cursor", "since")
REQUEST_NAMES: Final = ("timestamp", "timestamp_ms", "time", "nonce")


def national(phone: str) -> str:
    """An E.164 number without its country code, +8613… → 13…; what is no number stays, to be refused."""
    try:
        return str(phonenumbers.national_significant_number(phonenumbers.parse(phone)))
    except phonenumbers.NumberParseException:
        return phone.removeprefix("+")


def of_message(message: OutboundMessage, rest: ValueOf) -> ValueOf:
    """Values of one message, then of its request. A parameter that the message lacks is empty."""

    def value_of(name: str) -> Any:  # noqa: ANN401 - a value is any JSON value
        read = MESSAGE_NAMES.get(name)
        if read is not None:
            return read(message)
        if name.startswith("params."):
            return message.params.get(name.removeprefix("params."), "")
        return rest(name)

    return value_of


def of_request(settings: RequestSettings, constants: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Values that all messages of one request share."""
    return {
        **constants,
        "timestamp": str(int(now.timestamp())),
        "timestamp_ms": str(int(now.timestamp() * 1000)),
        "time": written(now, settings),
        "nonce": secrets.token_hex(16),
    }


def of_inquiry(inquiry: Inquiry, settings: RequestSettings) -> dict[str, Any]:
    """Values of one inquiry."""
    return {
        "reference": inquiry.message_id,
        "provider_ref": inquiry.provider_ref,
        "sent_time": written(inquiry.sent_at, settings),
        "channel": str(inquiry.channel),
        "phone": inquiry.phone,
        "phone_digits": inquiry.phone.removeprefix("+"),
        "phone_national": national(inquiry.phone),
    }


def written(moment: datetime, settings: RequestSettings) -> str:
    """An instant in the gateway's format and time zone."""
    return moment.astimezone(ZoneInfo(settings.time_zone)).strftime(settings.time_format)


def batch_reference(batch: Sequence[OutboundMessage]) -> str:
    """An id of a batch that is the same whenever the same messages go together: 32 hexadecimal digits."""
    return hashlib.sha256("\n".join(m.message_id for m in batch).encode()).hexdigest()[:32]
