"""Descriptions of gateways for tests, and answers to feed them."""

from datetime import UTC, datetime
from typing import Any

from carloan_notify.delivery.http import WireAnswer
from carloan_notify.delivery.registry import HttpProviderSettings

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def described(**changes: Any) -> HttpProviderSettings:
    """A single-message JSON gateway with these keys replaced."""
    raw: dict[str, Any] = {
        "type": "http",
        "request": {
            "url": "https://g.example/send",
            "body_format": "json",
            "body": {"to": "{phone}", "t": "{text}"},
        },
        "answer": {
            "code": "code",
            "provider_ref": "id",
            "codes": {
                "accepted": ["0"],
                "rejected": ["1"],
                "account": ["9"],
                "throttled": ["T.*"],
                "retryable": ["5"],
            },
        },
    }
    return HttpProviderSettings.model_validate(raw | changes)


def batched(**answer: Any) -> HttpProviderSettings:
    """A batch gateway whose answer is described by these keys."""
    return described(
        request={"url": "https://g.example/b", "body_format": "json", "body": {"list": "{items}"}},
        batch={"limit": 10, "item": {"to": "{phone}", "ref": "{reference}"}},
        answer={
            "items": "results",
            "item_code": "code",
            "codes": {"accepted": ["0"], "rejected": ["1"], "account": ["9"]},
            **answer,
        },
    )


def wire_answer(body: str | bytes, status: int = 200, **headers: str) -> WireAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WireAnswer(status, named, body if isinstance(body, bytes) else body.encode())
