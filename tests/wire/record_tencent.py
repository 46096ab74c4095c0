"""Records what Tencent Cloud's own Python SDK puts on the wire, with frozen time and made-up credentials.

Run from the top of the repository where the extra `wire` is installed: `python -m tests.wire.record_tencent`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tencentcloud.common.abstract_client import Sign
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111 import errorcodes as sms_codes
from tencentcloud.sms.v20210111 import models as sms_models
from tencentcloud.sms.v20210111.sms_client import SmsClient
from tencentcloud.vms.v20200902 import errorcodes as vms_codes
from tencentcloud.vms.v20200902 import models as vms_models
from tencentcloud.vms.v20200902.vms_client import VmsClient
from urllib3.util import connection

from tests.wire.loopback import Loopback

OUT = Path(__file__).parent.parent / "data" / "wire" / "tencent.json"
NOW = 1795395723  # 2026-11-23 01:02:03 UTC
KEY = ("AKIDexample", "made-up secret, ~*+")
REGION = "ap-guangzhou"
APP_ID = "1400006666"
NASTY = ["王小明", "a+b c~d*e", "😀 “车贷”", "line\nbreak\t\"quoted\" 'single' \\ / & = % <>"]
HEADERS = (
    "authorization",
    "content-type",
    "host",
    "x-tc-action",
    "x-tc-region",
    "x-tc-timestamp",
    "x-tc-version",
)

SEND = {"SmsSdkAppId": APP_ID, "TemplateId": "1234567", "SignName": "安达车贷"}
ONE = {**SEND, "ExtendCode": "10", "SenderId": "ANDA"}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "send_one": (
        "sms",
        "SendSms",
        {
            **ONE,
            "PhoneNumberSet": ["+12025550100"],
            "TemplateParamSet": NASTY,
            "SessionContext": "M" + "0" * 24 + "1",
        },
    ),
    "send_three_alike": (
        "sms",
        "SendSms",
        {**SEND, "PhoneNumberSet": [f"+1202555010{n}" for n in range(3)], "TemplateParamSet": NASTY},
    ),
    **{
        f"send_different_{n}": (
            "sms",
            "SendSms",
            {
                **SEND,
                "PhoneNumberSet": [f"+1202555010{n}"],
                "TemplateParamSet": [NASTY[n], str(n)],
                "SessionContext": "M" + "0" * 24 + str(n),
            },
        )
        for n in range(3)
    },
    "send_without_params": (
        "sms",
        "SendSms",
        {
            **SEND,
            "PhoneNumberSet": ["+12025550100"],
            "TemplateParamSet": [],
            "SessionContext": "M" + "0" * 24 + "1",
        },
    ),
    "query": (
        "sms",
        "PullSmsSendStatusByPhoneNumber",
        {
            "BeginTime": NOW - 3660,
            "Offset": 0,
            "Limit": 100,
            "PhoneNumber": "+12025550100",
            "SmsSdkAppId": APP_ID,
            "EndTime": NOW,
        },
    ),
    "pull_statuses": ("sms", "PullSmsSendStatus", {"Limit": 100, "SmsSdkAppId": APP_ID}),
    "pull_replies": ("sms", "PullSmsReplyStatus", {"Limit": 100, "SmsSdkAppId": APP_ID}),
    "look_at_statistics": (
        "sms",
        "SendStatusStatistics",
        {
            "BeginTime": "2026112309",
            "EndTime": "2026112309",
            "SmsSdkAppId": APP_ID,
            "Limit": 0,
            "Offset": 0,
        },
    ),
    "look_at_template": ("sms", "DescribeSmsTemplateList", {"International": 0, "TemplateIdSet": [1234567]}),
    "look_at_signs": ("sms", "DescribeSmsSignList", {"International": 0, "Limit": 100, "Offset": 0}),
    "call": (
        "vms",
        "SendTtsVoice",
        {
            "TemplateId": "4356",
            "CalledNumber": "+12025550100",
            "VoiceSdkAppid": APP_ID,
            "TemplateParamSet": NASTY,
            "PlayTimes": 3,
            "SessionContext": "M" + "0" * 24 + "1",
        },
    ),
    "call_nobody": ("vms", "SendTtsVoice", {"VoiceSdkAppid": APP_ID}),
}


@contextmanager
def every_host_is(port: int) -> Iterator[None]:
    """Send every connection to the recorder, so that the requests still name the vendor's host."""
    connect = connection.create_connection
    with patch.object(
        connection, "create_connection", lambda _, *args, **kw: connect(("127.0.0.1", port), *args, **kw)
    ):
        yield


@contextmanager
def signed_strings() -> Iterator[list[str]]:
    """What the SDK signs."""
    signed: list[str] = []
    sign = Sign.sign_tc3

    def noting(key: str, date: str, service: str, text: str) -> str:
        signed.append(text)
        return str(sign(key, date, service, text))

    with patch.object(Sign, "sign_tc3", noting):
        yield signed


def call(service: str, action: str, parameters: dict[str, Any]) -> None:
    """One call through the SDK."""
    client_class, models = (SmsClient, sms_models) if service == "sms" else (VmsClient, vms_models)
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http"))
    request = getattr(models, f"{action}Request")()
    for name, value in parameters.items():
        setattr(request, name, value)
    getattr(client_class(Credential(*KEY), REGION, profile), action)(request)


def record() -> dict[str, Any]:
    """Every case as the SDK sends it."""
    cases = {}
    with (
        Loopback({"Response": {"RequestId": "r"}}, headers=HEADERS) as vendor,
        every_host_is(int(vendor.host.split(":")[1])),
        patch("time.time", lambda: NOW),
        signed_strings() as signed,
    ):
        for name, (service, action, parameters) in CASES.items():
            call(service, action, parameters)
            cases[name] = {
                "service": service,
                "parameters": parameters,
                "string_to_sign": signed[-1],
                "request": vendor.requests[-1],
            }
    return cases


def codes(module: object) -> list[str]:
    """Every code that the SDK lists for a service."""
    return sorted(value for name, value in vars(module).items() if name.isupper())


def main() -> None:
    """Write the fixture."""
    packages = ("common", "sms", "vms")
    fixture = {
        "recorded_by": "tests/wire/record_tencent.py",
        "sdk": {
            f"tencentcloud-sdk-python-{p}": metadata.version(f"tencentcloud-sdk-python-{p}") for p in packages
        },
        "now": NOW,
        "secret_id": KEY[0],
        "secret_key": KEY[1],
        "region": REGION,
        "codes": {"sms": codes(sms_codes), "vms": codes(vms_codes)},
        "cases": record(),
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(fixture, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
