"""What goes wrong at the simulator, and how often. Shares are drawn from the seed, never from the clock."""

from typing import Any, Final, Self

from pydantic import Field, model_validator

from carloan_notify.records import Channel
from carloan_notify.settings import Settings

_REQUEST_FAULTS = (
    "dropped_before",
    "dropped_after",
    "hanging",
    "html",
    "truncated",
    "server_error",
    "unavailable",
    "throttled",
)


def _share(description: str) -> float:
    return Field(default=0.0, ge=0, le=1, description=description, examples=[0.05])


class Faults(Settings):
    """Faults of one simulated evening. The shares of request faults add up to 1 at most."""

    latency_s: float = Field(default=0, ge=0, description="Seconds before every answer.", examples=[0.05])
    dropped_before: float = _share("Share of requests whose connection drops before anything was accepted.")
    dropped_after: float = _share("Share of requests that are accepted and whose connection then drops.")
    hanging: float = _share("Share of requests that are accepted and never answered in time.")
    hang_s: float = Field(default=60, ge=0, description="Seconds that a hanging request hangs.")
    html: float = _share("Share of requests that are accepted and answered with a web page.")
    truncated: float = _share("Share of requests that are accepted and answered with half of the JSON.")
    server_error: float = _share("Share of requests answered 500; every other one of them was accepted.")
    unavailable: float = _share("Share of requests answered 503; none of them was accepted.")
    throttled: float = _share("Share of requests answered 429; none of them was accepted.")
    retry_after_s: float = Field(default=1, ge=0, description="What a 429 asks to wait.")
    rate_limit: float | None = Field(
        default=None, gt=0, description="Messages a second above which 429 is answered.", examples=[200]
    )
    rejected: float = _share("Share of messages refused for good.")
    busy: float = _share("Share of messages refused for now.")
    unlisted: float = _share("Share of messages answered with a code nobody knows; not accepted.")
    balance: int | None = Field(
        default=None,
        ge=0,
        description="Messages that are paid for; then the account is empty.",
        examples=[1000],
    )
    undelivered: float = _share("Share of accepted messages that the network does not deliver.")
    receipt_delay_s: float = Field(
        default=0, ge=0, description="Seconds until a receipt is there.", examples=[5]
    )
    duplicate_receipts: float = _share("Share of receipts that come twice.")
    receipts_out_of_order: bool = Field(
        default=False, description="Each page of receipts comes backwards.", examples=[True]
    )

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        if sum(getattr(self, name) for name in _REQUEST_FAULTS) > 1:
            raise ValueError(f"the shares of {', '.join(_REQUEST_FAULTS)} add up to more than 1")
        return self

    def request_fault(self, draw: float) -> str:
        """The request fault that a draw from [0, 1) hits, "" for none."""
        for name in _REQUEST_FAULTS:
            draw -= getattr(self, name)
            if draw < 0:
                return name
        return ""


# Settings of the `http` provider that talk to the simulator, for `init`, the demo and the tests.

PORT: Final = 8025
"""Where `carloan-notify simulator` listens unless told otherwise."""


def simulator_settings(url: str, channel: Channel, *, batch_limit: int = 1) -> dict[str, Any]:
    """Provider settings for a simulator at `url`; a batch limit above 1 uses its batch address."""
    message: dict[str, Any] = {
        "reference": "{reference}",
        "to": "{phone}",
        "text": "{text}",
        "language": "{language}",
        "valid_minutes": "{validity_minutes}",
    }
    batched = batch_limit > 1
    settings: dict[str, Any] = {
        "type": "http",
        "channels": [str(channel)],
        "request": {
            "url": f"{url}/{channel}/{'batch' if batched else 'send'}",
            "body_format": "json",
            "body": {"messages": "{items}"} if batched else message,
        },
        "answer": {
            "code": "code",
            "provider_ref": "id",
            "codes": {
                "accepted": ["0"],
                "rejected": ["bad_number"],
                "retryable": ["busy"],
                "account": ["no_balance"],
            },
            "http_status": {503: "retryable"},
        },
        "look_up": {
            "request": {"method": "GET", "url": f"{url}/messages/{{reference}}"},
            "state": "state",
            "provider_ref": "id",
            "states": {"accepted": ["accepted"], "delivered": ["delivered"], "undelivered": ["undelivered"]},
            "http_status": {404: "absent"},
        },
        "receipts": {
            "request": {"method": "GET", "url": f"{url}/receipts", "query": {"cursor": "{cursor}"}},
            "items": "receipts",
            "reference": "reference",
            "provider_ref": "id",
            "state": "state",
            "delivered": ["delivered"],
            "pending": ["accepted"],
            "time": "at",
            "cursor": "cursor",
            "more": "more",
        },
        "read_timeout_s": 5,
    }
    if batched:
        settings["batch"] = {"limit": batch_limit, "item": message}
        settings["answer"] |= {
            "items": "results",
            "item_code": "code",
            "item_provider_ref": "id",
            "item_reference": "reference",
        }
    return settings


SIMULATOR_SMS: Final = simulator_settings(f"http://127.0.0.1:{PORT}", Channel.SMS)
SIMULATOR_VOICE: Final = simulator_settings(f"http://127.0.0.1:{PORT}", Channel.VOICE)
