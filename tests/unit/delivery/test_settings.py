import io
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_args

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from carloan_notify.app import system_clock
from carloan_notify.delivery.gateway.provider import HttpProvider
from carloan_notify.delivery.provider import (
    CheckVerdict,
    Inquiry,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.delivery.providers.console import ConsoleProvider
from carloan_notify.delivery.registry import (
    ConsoleProviderSettings,
    DeliverySettings,
    HttpProviderSettings,
    build_channels,
    build_provider,
    provider_types,
    settings_class,
)
from carloan_notify.delivery.simulator.settings import SIMULATOR_SMS, SIMULATOR_VOICE
from carloan_notify.records import Channel, Outcome, PushRequest
from carloan_notify.settings import Settings
from tests.unit.delivery.gateways import NOW, described
from tests.unit.delivery.world import message

SAMPLES = sorted((Path(__file__).parents[3] / "samples" / "gateways").glob("*.yaml"))


def pushed(body: bytes) -> PushRequest:
    return PushRequest("POST", "https://us.example/main/secret", {}, body)


LAZY = """
import sys
from carloan_notify.config.model import AppSettings
from carloan_notify.delivery.registry import DeliverySettings
key = {"access_key_id": "LTAI", "access_key_secret": "s"}
providers = {"a": {"type": "console"}, "b": {"type": "aliyun", **key}}
DeliverySettings.model_validate({"channels": {"sms": ["a"]}, "providers": providers})
print(*{name.split(".")[3] for name in sys.modules if name.startswith("carloan_notify.delivery.providers.")})
"""
SEND = {"url": "https://g.example/s", "body_format": "json"}
ANSWER = {"code": "c", "codes": {"accepted": ["0"]}}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_sample_gateways_are_valid(path: Path) -> None:
    for name, raw in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        provider = build_provider(name, HttpProviderSettings.model_validate(raw), system_clock)
        assert provider.name == name
        assert "GATEWAY" in repr(raw)
        assert "GATEWAY" not in repr(HttpProviderSettings.model_validate(raw))


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 3


@pytest.mark.parametrize("raw", [SIMULATOR_SMS, SIMULATOR_VOICE])
def test_the_simulators_presets_are_valid(raw: dict[str, Any]) -> None:
    provider = build_provider("sim", HttpProviderSettings.model_validate(raw), system_clock)
    assert provider.capabilities.receipts is ReceiptMode.PULL
    assert provider.capabilities.look_up_window == timedelta(hours=72)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"request": {"url": "ftp://x"}}, "url"),
        ({"request": {"url": "http://g.example/s"}}, "request.url: phone numbers would travel in the clear"),
        ({"request": {"url": "https://u:p@g.example/s"}}, "request.url: credentials do not belong"),
        ({"request": {**SEND, "charset": "klingon"}}, "request.charset: 'klingon' is no encoding"),
        ({"request": {**SEND, "time_zone": "Mars"}}, "request.time_zone: 'Mars'"),
        ({"request": {**SEND, "body": {"a": ["{phon}"]}}}, "request.body: {phon} is nothing we know"),
        ({"request": {"url": "https://g.example/{x}"}}, "request.url: {x} is nothing"),
        ({"request": {**SEND, "headers": {"a": "{x}"}}}, "request.headers: {x}"),
        ({"request": {**SEND, "query": {"a": "{items}"}}}, "request.query: {items}"),
        ({"request": {"url": "https://g.example", "body": {"a": "b"}}}, "request.body_format: a body needs"),
        ({"request": {**SEND, "body_format": "xml", "body": {"a": "b", "c": "d"}}}, "exactly one key"),
        (
            {
                "request": {**SEND, "body": {"s": "{s}"}},
                "signatures": {"s": {"algorithm": "md5", "text": "{body}"}},
            },
            "request.body: a signature over the body cannot stand in the body",
        ),
        (
            {"signatures": {"s": {"algorithm": "md5", "text": "{later}"}}},
            "signatures.s.text: {later} is nothing",
        ),
        (
            {"signatures": {"s": {"algorithm": "hmac_md5", "text": "x"}}},
            "signatures.s.key: hmac_md5 needs a key",
        ),
        ({"signatures": {"s": {"algorithm": "md5", "text": "x", "key": "{no}"}}}, "signatures.s.key: {no}"),
        ({"batch": {"limit": 5, "item": {"a": "{x}"}}}, "batch.item: {x}"),
        ({"batch": {"limit": 5, "item": {"a": "{phone}"}}}, "request.body: a batch has no place"),
        ({"batch": {"limit": 5, "item": {"a": "{phone}"}}}, "answer.items: a batch needs the path"),
        ({"answer": {**ANSWER, "items": "x", "item_code": "c"}}, "answer.items: belongs to a batch"),
        ({"answer": {**ANSWER, "items": "x"}}, "answer.item_code: needed"),
        ({"answer": {"code": "c"}}, "answer.codes.accepted: without it"),
        (
            {"answer": {"code": "c", "codes": {"accepted": ["0"], "rejected": ["0"]}}},
            "'0' is also listed as accepted",
        ),
        ({"answer": {**ANSWER, "format": "text"}}, "answer.pattern: text needs a pattern"),
        (
            {"answer": {**ANSWER, "pattern": "x"}},
            "answer.pattern: text needs a pattern, and only text has one",
        ),
        ({"answer": {**ANSWER, "format": "text", "pattern": "("}}, "answer.pattern: no regular expression"),
        (
            {"look_up": {"request": {"url": "https://g.example/{text}"}, "state": "s", "states": {}}},
            "look_up.request.url: {text}",
        ),
        ({"receipts": {"state": "s", "delivered": []}}, "receipts.reference: nothing tells which message"),
        (
            {
                "receipts": {
                    "state": "s",
                    "delivered": [],
                    "provider_ref": "i",
                    "request": {"url": "https://g/{phone}"},
                }
            },
            "receipts.request.url: {phone}",
        ),
    ],
)
def test_a_wrong_description_says_where_and_how(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        described(**changes)
    assert problem in str(caught.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        described(request={"url": "http://g.example/{x}", "charset": "klingon"}, answer={"code": "c"})
    for part in ("request.url: {x}", "in the clear", "klingon", "answer.codes.accepted"):
        assert part in str(caught.value)


def test_plain_http_is_for_this_machine_or_on_demand() -> None:
    for url in ("http://127.0.0.1:1/s", "http://localhost/s", "http://[::1]/s"):
        described(request={"url": url})
    described(request={"url": "http://g.example/s"}, allow_plain_http=True)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"channels": {"sms": ["nobody"]}}, "channels.sms: no provider is called 'nobody'"),
        (
            {"channels": {"voice": ["a"]}, "providers": {"a": {"type": "console", "channels": ["sms"]}}},
            "channels.voice: provider 'a' does not serve voice; add voice to its `channels`",
        ),
        (
            {
                "channels": {"voice": ["a"]},
                "providers": {"a": {"type": "kannel", "username": "u", "password": "p"}},
            },
            "channels.voice: provider 'a' does not serve voice; name one that does",
        ),
        ({"providers": {"a": {"type": "pigeon"}}}, "pigeon"),
        ({"speed": 3}, "speed"),
    ],
)
def test_wrong_delivery_settings_say_where(raw: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DeliverySettings.model_validate(raw)
    assert problem in str(caught.value)


def test_the_defaults_print_and_send_nothing() -> None:
    channels = build_channels(DeliverySettings(), system_clock)
    assert {c: [p.name for p in ps] for c, ps in channels.items()} == {
        Channel.SMS: ["console"],
        Channel.VOICE: ["console"],
    }
    assert channels[Channel.SMS][0] is channels[Channel.VOICE][0]


def every_settings_class(of: type[Settings] = Settings) -> set[type[Settings]]:
    own = {c for c in of.__subclasses__() if ".delivery." in c.__module__}
    return own.union(*(every_settings_class(c) for c in own))


@pytest.mark.parametrize("kind", sorted(every_settings_class(), key=str), ids=str)
def test_every_option_is_described(kind: type[Settings]) -> None:
    assert all(field.description for field in kind.model_fields.values())


@pytest.mark.parametrize("kind", provider_types())
def test_every_type_has_settings_of_its_name_and_an_adapter(kind: str) -> None:
    found = settings_class(kind)
    assert found is not None
    assert get_args(found.model_fields["type"].annotation) == (kind,)
    assert callable(resolve_name(found.adapter))


def test_every_type_stands_in_the_schema() -> None:
    schema = DeliverySettings.model_json_schema()
    kinds = schema["properties"]["providers"]["additionalProperties"]["discriminator"]["mapping"]
    assert set(kinds) == set(provider_types())
    assert all(place.removeprefix("#/$defs/") in schema["$defs"] for place in kinds.values())


def test_a_vendor_that_nobody_configured_is_not_imported() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LAZY], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said == ["aliyun"]


def test_the_console_masks_unless_told_otherwise() -> None:
    for reveal, shown in (
        (False, "****0001 due_today: 6 characters"),
        (True, "+12025550001 due_today: text 1"),
    ):
        stream = io.StringIO()
        settings = ConsoleProviderSettings(type="console", reveal=reveal)
        console = ConsoleProvider("console", settings, stream=stream, clock=system_clock)
        (only,) = console.send([message(1)])
        assert only.outcome is Outcome.ACCEPTED
        assert stream.getvalue() == f"[sms] {shown}\n"


def test_the_console_leaves_standard_output_to_results(capsys: pytest.CaptureFixture[str]) -> None:
    build_provider("console", ConsoleProviderSettings(type="console"), system_clock).send([message(1)])
    out, err = capsys.readouterr()
    assert (out, bool(err)) == ("", True)


def test_the_console_keeps_lines_whole_between_threads() -> None:
    stream = io.StringIO()
    console = ConsoleProvider(
        "console", ConsoleProviderSettings(type="console"), stream=stream, clock=system_clock
    )
    threads = [threading.Thread(target=console.send, args=([message(i)],)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stream.getvalue().splitlines()) == {
        f"[sms] ****{i:04d} due_today: {5 + len(str(i))} characters" for i in range(20)
    }


def test_the_console_answers_no_questions() -> None:
    console = build_provider("console", ConsoleProviderSettings(type="console"), system_clock)
    inquiry = Inquiry("M1", Channel.SMS, "", NOW, "+12025550100")
    assert console.look_up([inquiry])[0].standing is MessageFate.UNCLEAR
    assert console.pull(NOW, "") == ReturnPage()
    assert console.receive(pushed(b"")) == Refused(404, "no_push")
    assert [row.verdict for row in console.check()] == [CheckVerdict.OK]
    assert console.capabilities.receipts is ReceiptMode.NONE
    assert console.channels == {Channel.SMS}


def test_what_is_not_described_is_said() -> None:
    provider = HttpProvider("main", described(), clock=lambda: NOW)
    inquiry = Inquiry("M1", Channel.SMS, "", NOW, "+12025550100")
    assert provider.look_up([inquiry])[0].code == "no_look_up"
    assert provider.receive(pushed(b"")) == Refused(404, "no_push_described")
    assert "cannot be asked" in provider.pull(NOW, "").problems[0]
    assert [row.verdict for row in provider.check()] == [CheckVerdict.UNTOLD]
    assert provider.capabilities.receipts is ReceiptMode.NONE


def test_pushed_receipts_are_read_as_described() -> None:
    receipts = {"items": "r", "reference": "ref", "state": "s", "delivered": ["OK"]}
    provider = HttpProvider("main", described(receipts=receipts), clock=lambda: NOW)
    assert provider.capabilities.receipts is ReceiptMode.PUSH
    received = provider.receive(pushed(b'{"r":[{"ref":"M1","s":"OK"}]}'))
    assert isinstance(received, Received)
    (only,) = received.page.receipts
    assert (only.message_id, only.delivered, only.occurred_at, only.provider) == ("M1", True, NOW, "main")


def test_secrets_do_not_show() -> None:
    settings = described(values={"k": "hush"}, auth={"type": "basic", "username": "u", "password": "hush"})
    assert isinstance(settings.values["k"], SecretStr)
    assert "hush" not in repr(settings) + settings.model_dump_json()
