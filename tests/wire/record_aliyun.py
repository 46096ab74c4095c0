"""Records what Alibaba Cloud's own SDKs put on the wire: `python -m tests.wire.record_aliyun` (tests/wire/README.md).

Time and nonces are frozen, credentials are made up, and only this computer is called. The SDK also signs its
User-Agent and the name of its credentials' provider; both are left out, because they say nothing about us.
"""

import json
import threading
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

PORT = 18713
OUT = Path(__file__).parents[1] / "data" / "wire" / "aliyun.json"
NONCE = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 23, 1, 2, 3)  # noqa: DTZ001 - the SDK asks for naive UTC
KEY_ID, SECRET, TOKEN = "LTAIexample", "s3cret+/=~示例", "CAISexample+/=="
PACKAGES = (
    "alibabacloud_dysmsapi20170525",
    "alibabacloud_dyvmsapi20170525",
    "alibabacloud_dybaseapi20170525",
    "alibabacloud_tea_openapi",
    "aliyun-mns-sdk",
)
NASTY = {"name": "张三 & 李四+~*'\"\n😀", "amount": "1,234.50", "empty": ""}
OTHERS = [{"name": "王 五", "amount": "0.01"}, {"name": "a/b?c=d%20#é", "amount": "~"}]
MESSAGE_ID, OTHER_IDS = "A" * 25 + "1", ["B" * 25 + "2", "C" * 25 + "3"]
PHONES = ["13800138000", "13800138001", "12025550100"]
ANSWER = b'{"Code":"OK","Message":"OK","RequestId":"R","BizId":"1^0","CallId":"2^0"}'
COMPARED = ("host", "accept", "content-type", "content-md5", "date", "authorization", "security-token")


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Recorder(BaseHTTPRequestHandler):
    seen: list[dict[str, Any]] = []  # noqa: RUF012 - http.server makes the handler

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        kept = {n: v for n, v in headers.items() if n in COMPARED or n.startswith(("x-acs-", "x-mns-"))}
        self.seen.append(
            {"method": self.command, "target": self.path, "headers": kept, "body": body.decode()}
        )
        mns = self.path.startswith("/queues/")
        answer = b"<Messages xmlns='http://mns.aliyuncs.com/doc/v1/'/>" if mns else ANSWER
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _take  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def openapi_config() -> Any:
    from alibabacloud_tea_openapi.models import Config  # noqa: PLC0415 - only where the SDKs are

    return Config(
        access_key_id=KEY_ID, access_key_secret=SECRET, endpoint=f"127.0.0.1:{PORT}", protocol="http"
    )


def sms() -> dict[str, Callable[[], object]]:
    from alibabacloud_dysmsapi20170525 import models as m  # noqa: PLC0415
    from alibabacloud_dysmsapi20170525.client import Client  # noqa: PLC0415

    client = Client(openapi_config())
    one = m.SendSmsRequest(
        phone_numbers=PHONES[0],
        sign_name="安达 车贷",
        template_code="SMS_1",
        template_param=compact(NASTY),
        out_id=MESSAGE_ID,
    )
    batch = m.SendBatchSmsRequest(
        phone_number_json=compact(PHONES),
        sign_name_json=compact(["安达 车贷"] * 3),
        template_code="SMS_1",
        template_param_json=compact([NASTY, *OTHERS]),
        out_id=batch_out_id(),
    )
    details = m.QuerySendDetailsRequest(
        biz_id="1^0", phone_number=PHONES[0], send_date="20261123", page_size=50, current_page=1
    )
    return {
        "send": lambda: client.send_sms(one),
        "batch": lambda: client.send_batch_sms(batch),
        "query": lambda: client.query_send_details(details),
        "sign": lambda: client.get_sms_sign(m.GetSmsSignRequest(sign_name="安达 车贷")),
        "template": lambda: client.get_sms_template(m.GetSmsTemplateRequest(template_code="SMS_1")),
        "templates": lambda: client.get_sms_template_list(
            m.GetSmsTemplateListRequest(page_index=1, page_size=1)
        ),
    }


def batch_out_id() -> str:
    """As our adapter makes it; this script runs without our dependencies."""
    import importlib.util  # noqa: PLC0415

    path = (
        Path(__file__).parents[2] / "carloan_notify" / "delivery" / "providers" / "aliyun" / "references.py"
    )
    spec = importlib.util.spec_from_file_location("references", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.batch_out_id([MESSAGE_ID, *OTHER_IDS]))


def voice() -> dict[str, Callable[[], object]]:
    from alibabacloud_dyvmsapi20170525 import models as m  # noqa: PLC0415
    from alibabacloud_dyvmsapi20170525.client import Client  # noqa: PLC0415

    client = Client(openapi_config())
    call = m.SingleCallByTtsRequest(
        called_number=PHONES[0],
        called_show_number="057100000000",
        tts_code="TTS_1",
        tts_param=compact(NASTY),
        play_times=2,
        out_id=MESSAGE_ID[:15],
    )
    details = m.QueryCallDetailByCallIdRequest(
        call_id="2^0", prod_id=11010000138001, query_date=1795395723000
    )
    return {
        "call": lambda: client.single_call_by_tts(call),
        "call_query": lambda: client.query_call_detail_by_call_id(details),
    }


def queues() -> dict[str, Callable[[], object]]:
    from alibabacloud_dybaseapi20170525 import models as m  # noqa: PLC0415
    from alibabacloud_dybaseapi20170525.client import Client  # noqa: PLC0415
    from mns.account import Account  # noqa: PLC0415

    queue_name = "Alicom-Queue-1-SmsReport"
    client = Client(openapi_config())
    queue = Account(f"http://127.0.0.1:{PORT}", KEY_ID, SECRET, TOKEN).get_queue(queue_name)
    asked = m.QueryTokenForMnsQueueRequest(message_type="SmsReport", queue_name=queue_name)
    return {
        "token": lambda: client.query_token_for_mns_queue(asked),
        "fetch": lambda: queue.batch_receive_message(16),
        "delete": lambda: queue.batch_delete_message(["h-1/&<>", "h-2"]),
    }


def frozen() -> list[Any]:
    """Everything that would differ between two recordings."""
    from alibabacloud_credentials.models import CredentialModel  # noqa: PLC0415
    from alibabacloud_tea_openapi import utils  # noqa: PLC0415

    plain = CredentialModel(access_key_id=KEY_ID, access_key_secret=SECRET, type="access_key")
    canonical = utils.get_canonicalized_headers

    def without_user_agent(headers: dict[str, str]) -> Any:
        return canonical({name: value for name, value in headers.items() if name != "user-agent"})

    timestamp = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        mock.patch.object(utils.Utils, "get_timestamp", return_value=timestamp),
        mock.patch.object(utils.Utils, "get_nonce", return_value=NONCE),
        mock.patch.object(utils, "get_canonicalized_headers", without_user_agent),
        mock.patch("alibabacloud_credentials.client.Client.get_credential", return_value=plain),
        mock.patch("mns.mns_client.time.gmtime", return_value=NOW.timetuple()),
    ]


def main() -> None:
    """Call every interface once and write down what arrived."""
    server = HTTPServer(("127.0.0.1", PORT), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    exchanges: dict[str, Any] = {}
    for patch in frozen():
        patch.start()
    for name, ask in {**sms(), **voice(), **queues()}.items():
        Recorder.seen.clear()
        ask()
        (exchanges[name],) = Recorder.seen
    server.shutdown()
    recorded = {
        "recorded_with": {package: version(package) for package in PACKAGES},
        "now": NOW.isoformat() + "Z",
        "nonce": NONCE,
        "key_id": KEY_ID,
        "secret": SECRET,
        "token": TOKEN,
        "params": [NASTY, *OTHERS],
        "exchanges": exchanges,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(recorded, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
