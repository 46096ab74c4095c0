"""Records what Huawei Cloud's SDK puts on the wire: `python -m tests.wire.record_huawei` with the `wire` extra.

The SDK signs every header it sets. Its User-Agent names this machine and differs each time, so it is left out
of the signed headers here, by the SDK's own signer; time is frozen. There is no query and no voice call: the
vendor offers neither.
"""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer import signer
from huaweicloudsdksmsapi.v1 import (
    BatchSendDiffSmsRequest,
    BatchSendDiffSmsRequestBody,
    SMSApiClient,
    SmsContent,
)
from huaweicloudsdksmsapi.v1.smsapi_credentials import SMSApiCredentials

from tests.wire.loopback import Loopback, Recorded, write_down

FIXTURE: Final = Path(__file__).parents[1] / "data" / "wire" / "huawei.json"
HEADERS: Final = ("authorization", "content-type", "host", "x-sdk-date")
PORT: Final = 18753
NOW: Final = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
GIVEN: Final[dict[str, Any]] = {
    "app_key": "made-up-app-key",
    "app_secret": "made-up-app-secret",
    "sender": "8823111111111",
    "callback": "https://notify.example/main/0123456789abcdef",
    "sign": "安达车贷",
    "template": "0c5a7f1e000000000000000000000001",
    "now": NOW.isoformat(),
    "phones": ["+8613800138000", "+8610055550001", "+8610055550002"],
    "values": [["张三 + ~ *", "12.50"], ['说"好"\n换行', "😀 emoji"], ["a/b?c=d&e%20f", "\\ 反斜线"]],
    "references": ["A" * 26, "B" * 26, "C" * 26],
}


class _FrozenTime(datetime):
    @classmethod
    def utcnow(cls) -> Self:
        """The instant of the fixture."""
        return cls(NOW.year, NOW.month, NOW.day, NOW.hour, NOW.minute, NOW.second)


def _without_user_agent() -> None:
    signed_headers = signer.Signer._process_signed_headers  # noqa: SLF001 - the one place where the SDK lists them

    def trimmed(_: type[signer.Signer], request: SdkRequest) -> list[str]:
        return [name for name in signed_headers(request) if name in HEADERS]

    signer.Signer._process_signed_headers = classmethod(trimmed)  # noqa: SLF001 - as above


def _send(client: SMSApiClient, places: range, extend: str) -> None:
    contents = [
        SmsContent(
            to=[GIVEN["phones"][place]],
            template_id=GIVEN["template"],
            template_paras=GIVEN["values"][place],
            signature=GIVEN["sign"],
        )
        for place in places
    ]
    body = BatchSendDiffSmsRequestBody(
        _from=GIVEN["sender"], status_callback=GIVEN["callback"], sms_content=contents, extend=extend
    )
    client.batch_send_diff_sms(BatchSendDiffSmsRequest(body=body))


def record() -> dict[str, Recorded]:
    """One send and a batch of three."""
    signer.datetime = _FrozenTime
    _without_user_agent()
    with Loopback({"code": "000000", "result": []}, headers=HEADERS, port=PORT) as loopback:
        client = (
            SMSApiClient.new_builder()
            .with_http_config(HttpConfig.get_default_config())
            .with_credentials(SMSApiCredentials(GIVEN["app_key"], GIVEN["app_secret"]))
            .with_endpoint(loopback.url)
            .build()
        )
        _send(client, range(1), GIVEN["references"][0])
        _send(client, range(3), f"batch-{GIVEN['references'][0]}")
        return dict(zip(("one", "batch"), loopback.requests, strict=True))


if __name__ == "__main__":
    write_down(FIXTURE, f"huaweicloudsdksmsapi {version('huaweicloudsdksmsapi')}", GIVEN, record())
