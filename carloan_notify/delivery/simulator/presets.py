"""Settings of the `http` provider that talk to the simulator, for `init`, the demo and the tests."""

from typing import Any, Final

from carloan_notify.records import Channel

PORT: Final = 8025
"""Where `carloan-notify simulator` listens unless told otherwise."""


def simulator_settings(url: str, channel: Channel, *, batch_limit: int = 1) -> dict[str, Any]:
    """Provider settings for a simulator at `url`; a batch limit above 1 uses its batch address."""
    message: dict[str, Any] = {
        "reference": "{reference}",
        "to": "{phone}",
        "text": "{text}",
        "language": "{language}",
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
