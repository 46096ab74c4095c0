"""Huawei and Twilio set up for tests, and messages to send through them. All credentials are made up."""

import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Self

import requests
import yaml
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from carloan_notify.delivery.providers.huawei.huawei import HuaweiSettings, HuaweiSms
from carloan_notify.delivery.providers.twilio.settings import TwilioSettings, TwilioVoiceSettings
from carloan_notify.delivery.providers.twilio.twilio import TwilioSms, TwilioVoice
from carloan_notify.records import Channel, OutboundMessage

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
SECRET = "0123456789abcdef"
PUBLIC = "https://notify.example"
CALLBACK = f"{PUBLIC}/main/{SECRET}"
ACCOUNT = "AC" + "0" * 32
TOKEN = "made-up-auth-token"

HUAWEI: Mapping[str, Any] = {
    "type": "huawei",
    "app_key": "made-up-app-key",
    "app_secret": "made-up-app-secret",
    "sender": "8823111111111",
    "push_secret": SECRET,
    "templates": [
        {
            "notices": ["due_today"],
            "code": "0c5a7f1e000000000000000000000001",
            "sign": "安达车贷",
            "params": {"name": "{name}", "amount": "{amount}"},
        },
        {"notices": ["settled"], "code": "plain"},
    ],
}
_TWILIO: Mapping[str, Any] = {
    "account_sid": ACCOUNT,
    "auth_token": TOKEN,
    "sender": "+12025550199",
    "push_secret": SECRET,
}


Answers = Callable[[requests.PreparedRequest], tuple[int, object]]


class Network(BaseAdapter):
    """Stands in for the network: keeps requests, and answers each with a status and JSON (or bytes as they are)."""

    def __init__(self, answers: Answers, headers: Mapping[str, str] | None = None) -> None:
        """`answers` is asked for every request."""
        super().__init__()
        self.requests: list[requests.PreparedRequest] = []
        self.answers = answers
        self.headers = headers or {}

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """The answer to one request."""
        self.requests.append(request)
        status, fields = self.answers(request)
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        response = requests.Response()
        response.status_code = status
        response.headers.update(self.headers)
        response.raw = HTTPResponse(io.BytesIO(body), status=status, preload_content=False)
        return response

    def close(self) -> None:
        """Nothing to close."""

    @property
    def session(self) -> requests.Session:
        """A session that reaches nothing but this."""
        session = requests.Session()
        session.mount("https://", self)
        session.mount("http://", self)
        return session

    @classmethod
    def saying(cls, status: int, fields: object, headers: Mapping[str, str] | None = None) -> Self:
        """Always the same answer."""
        return cls(lambda _: (status, fields), headers)


def listed(path: str) -> list[tuple[str, str]]:
    """Every code of a table beside an adapter, with what it is listed under."""
    text = resources.files("carloan_notify.delivery.providers").joinpath(path).read_text(encoding="utf-8")
    tables: dict[str, dict[str, str]] = yaml.safe_load(text)
    return [(code, kind) for kind, codes in tables.items() for code in codes]


def clock() -> datetime:
    return NOW


def huawei_settings(**changes: Any) -> HuaweiSettings:
    return HuaweiSettings.model_validate({**HUAWEI, **changes})


def huawei(session: requests.Session | None = None, *, public_url: str = PUBLIC, **changes: Any) -> HuaweiSms:
    settings = huawei_settings(**changes)
    push_url = settings.push_url(public_url, "main")
    return HuaweiSms("main", settings, session=session, clock=clock, push_url=push_url)


def twilio_settings(**changes: Any) -> TwilioSettings:
    return TwilioSettings.model_validate({**_TWILIO, "type": "twilio", **changes})


def twilio(session: requests.Session | None = None, *, public_url: str = PUBLIC, **changes: Any) -> TwilioSms:
    settings = twilio_settings(**changes)
    push_url = settings.push_url(public_url, "main")
    return TwilioSms("main", settings, session=session, clock=clock, push_url=push_url)


def twilio_voice(session: requests.Session | None = None, **changes: Any) -> TwilioVoice:
    settings = TwilioVoiceSettings.model_validate({**_TWILIO, "type": "twilio_voice", **changes})
    push_url = settings.push_url(PUBLIC, "main")
    return TwilioVoice("main", settings, session=session, clock=clock, push_url=push_url)


def message(
    phone: str = "+8613800138000",
    *,
    reference: str = "A" * 26,
    notice: str = "due_today",
    text: str = "您好",
    language: str = "zh-CN",
    **params: str,
) -> OutboundMessage:
    values = {"name": "张三", "amount": "12.50"} | params
    return OutboundMessage(reference, Channel.SMS, notice, language, phone, text, values)


def messages(count: int) -> list[OutboundMessage]:
    """Different references and different numbers."""
    return [message(f"+86100555500{n:02d}", reference=f"{n:026d}") for n in range(count)]
