"""What the tests of the Tencent adapters share: settings, messages, answers, and what the vendor's SDK sends."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carloan_notify.delivery.http import WireAnswer, WireFault
from carloan_notify.delivery.providers.tencent.settings import TencentSettings, TencentVoiceSettings
from carloan_notify.delivery.providers.tencent.sms import TencentSms, TencentVoice
from carloan_notify.records import Channel, OutboundMessage, SendResult

SDK: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "data" / "wire" / "tencent.json").read_text(encoding="utf-8")
)
NOW = datetime.fromtimestamp(SDK["now"], UTC)
SIGN = "安达车贷"
TEMPLATE: dict[str, Any] = {
    "notices": ["due_today"],
    "code": "1234567",
    "sign": SIGN,
    "params": {str(n + 1): f"{{params.p{n}}}" for n in range(4)},
}


def sms_settings(**changes: Any) -> TencentSettings:
    """A lender's settings, with these keys replaced."""
    return TencentSettings.model_validate({"type": "tencent", **_common(), **changes})


def voice_settings(**changes: Any) -> TencentVoiceSettings:
    """The same for calls."""
    return TencentVoiceSettings.model_validate({"type": "tencent_voice", **_common(), **changes})


def _common() -> dict[str, Any]:
    return {
        "secret_id": SDK["secret_id"],
        "secret_key": SDK["secret_key"],
        "app_id": "1400006666",
        "templates": [TEMPLATE],
    }


def message(
    number: int = 0, *values: str, phone: str = "", channel: Channel = Channel.SMS, notice: str = "due_today"
) -> OutboundMessage:
    """Message `number` to a number reserved for fiction; `values` become the parameters p0, p1, …."""
    return OutboundMessage(
        f"M{number:025d}",
        channel,
        notice,
        "zh-CN",
        phone or f"+120255501{number:02d}",
        "unused",
        {f"p{place}": value for place, value in enumerate(values or ("a", "b", "c", "d"))},
    )


def answer(response: Any, status: int = 200, **headers: str) -> WireAnswer:
    """An answer of the vendor, as the wire hands it over."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WireAnswer(status, named, json.dumps({"Response": response}).encode())


def error(code: str) -> dict[str, Any]:
    """The response to a request that was refused as a whole."""
    return {"Error": {"Code": code, "Message": "says +12025550100"}, "RequestId": "r"}


def status(phone: str, code: str = "Ok", serial: str = "s") -> dict[str, Any]:
    """What the vendor says of one number."""
    return {"SerialNo": serial, "PhoneNumber": phone, "Fee": 1, "SessionContext": "", "Code": code}


_SMS = TencentSms("t", sms_settings(), clock=lambda: NOW)
_VOICE = TencentVoice("t", voice_settings(), clock=lambda: NOW)


def read_statuses(end: WireAnswer, batch: list[OutboundMessage]) -> list[SendResult]:
    """What an answer to SendSms says of each message."""
    return _SMS.read(end, batch)


def read_call(end: WireAnswer | WireFault, of: OutboundMessage) -> SendResult:
    """What the end of SendTtsVoice says of the call."""
    (only,) = _VOICE.read_fault(end, [of]) if isinstance(end, WireFault) else _VOICE.read(end, [of])
    return only
