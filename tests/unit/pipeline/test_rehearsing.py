from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.app import App, require_rehearsable, system_clock
from carloan_notify.config.example import sample_values
from carloan_notify.config.model import AppSettings
from carloan_notify.errors import ConfigError

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
GATEWAY = {"type": "http", "answer": {"code": "c", "codes": {"accepted": ["0"]}}}
REAL = GATEWAY | {"request": {"url": "https://gateway.example/send"}}
NEAR = GATEWAY | {"request": {"url": "http://127.0.0.1:9/send"}}
KANNEL = {"type": "kannel", "username": "u", "password": "p"}


def app(now: datetime | None, **providers: Any) -> App:
    values = sample_values()
    console = {"type": "console", "channels": ["voice"]}
    values["delivery"] = {
        "channels": {"sms": [name for name in providers if name != "unused"], "voice": ["console"]},
        "providers": {**providers, "console": console},
    }
    settings = AppSettings.model_validate(values)
    return App(settings, Path(), settings.lender.record(), system_clock, now)


def test_the_true_clock_lets_everybody_in() -> None:
    require_rehearsable(app(None, main=REAL, own=KANNEL))


def test_a_rehearsal_may_reach_the_console_and_this_machine() -> None:
    require_rehearsable(app(NOW, main=NEAR, unused=REAL))


def test_a_rehearsal_may_not_reach_people_and_every_provider_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        require_rehearsable(app(NOW, main=REAL, near=NEAR, own=KANNEL))
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "delivery.providers.main",
        "delivery.providers.own",
    ]
