"""Alibaba Cloud as the tests see it: settings, messages, and a vendor that answers from a list."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from carloan_notify.delivery.providers.aliyun.aliyun import AliyunSms, AliyunVoice
from carloan_notify.delivery.providers.aliyun.settings import AliyunSettings, AliyunVoiceSettings
from carloan_notify.records import Channel, OutboundMessage

RECORDED: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[3] / "data" / "wire" / "aliyun.json").read_text(encoding="utf-8")
)
"""What the vendor's SDK put on the wire: tests/wire/record_aliyun.py."""
NOW = datetime.fromisoformat(RECORDED["now"]).astimezone(UTC)
BASE_URL = "http://127.0.0.1:18713"
PHONES = ["+8613800138000", "+8613800138001", "+12025550100"]
IDS = ["A" * 25 + "1", "B" * 25 + "2", "C" * 25 + "3"]
TEMPLATE = {
    "notices": ["due_today"],
    "code": "SMS_1",
    "sign": "安达 车贷",
    "params": {"name": "{name}", "amount": "{amount}", "empty": "{empty}"},
}
SHORT = {**TEMPLATE, "language": "en", "params": {"name": "{name}", "amount": "{amount}"}}


def message(number: int = 0, **changes: Any) -> OutboundMessage:
    """One of the recorded messages, or another like it."""
    known = number < len(IDS)
    made = OutboundMessage(
        IDS[number] if known else f"M{number:025d}",
        Channel.SMS,
        "due_today",
        "zh-CN" if number == 0 else "en",
        PHONES[number] if known else f"+861380013{number:04d}",
        "text",
        RECORDED["params"][number] if known else {"name": "N", "amount": "1"},
    )
    return replace(made, **changes)


def sms_settings(**changes: Any) -> AliyunSettings:
    raw = {
        "type": "aliyun",
        "access_key_id": RECORDED["key_id"],
        "access_key_secret": RECORDED["secret"],
        "base_url": BASE_URL,
        "templates": [SHORT, TEMPLATE],
        **changes,
    }
    return AliyunSettings.model_validate(raw)


def voice_settings(**changes: Any) -> AliyunVoiceSettings:
    raw = {
        "type": "aliyun_voice",
        "access_key_id": RECORDED["key_id"],
        "access_key_secret": RECORDED["secret"],
        "base_url": BASE_URL,
        "called_show_number": "057100000000",
        "templates": [{**TEMPLATE, "code": "TTS_1", "sign": ""}],
        **changes,
    }
    return AliyunVoiceSettings.model_validate(raw)


class Answers(BaseAdapter):
    """Keeps every request and answers from a list; what is missing is a connection that failed."""

    def __init__(self, answers: Sequence[tuple[int, object]] = ()) -> None:
        """Each answer is a status and JSON, or a status and text."""
        super().__init__()
        self.requests: list[requests.PreparedRequest] = []
        self._answers = list(answers)

    @property
    def session(self) -> requests.Session:
        """A session that leads here."""
        made = requests.Session()
        for scheme in ("http://", "https://"):
            made.mount(scheme, self)
        return made

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.requests.append(request)
        if not self._answers:
            raise requests.ConnectionError
        return response(*self._answers.pop(0))

    def close(self) -> None:
        """Nothing is open."""


def response(status: int, body: object) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.raw = HTTPResponse(
        BytesIO(body.encode() if isinstance(body, str) else json.dumps(body).encode()), preload_content=False
    )
    made.headers["Date"] = "Mon, 23 Nov 2026 01:02:05 GMT"
    return made


def sms(answers: Sequence[tuple[int, object]] = (), **changes: Any) -> tuple[AliyunSms, Answers]:
    vendor = Answers(answers)
    made = AliyunSms("main", sms_settings(**changes), session=vendor.session, clock=at(NOW), nonce=nonce)
    return made, vendor


def voice(answers: Sequence[tuple[int, object]] = (), **changes: Any) -> tuple[AliyunVoice, Answers]:
    vendor = Answers(answers)
    settings = voice_settings(**changes)
    return AliyunVoice("calls", settings, session=vendor.session, clock=at(NOW), nonce=nonce), vendor


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def nonce() -> str:
    return str(RECORDED["nonce"])
