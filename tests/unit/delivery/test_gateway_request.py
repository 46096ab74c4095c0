import hashlib
import hmac
import json
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.gateway.request import (
    RequestWriter,
    batch_reference,
    chain,
    compiled,
    names_in,
    national,
    of_message,
    of_request,
)
from carloan_notify.delivery.gateway.settings import RequestSettings, SignatureSettings
from carloan_notify.delivery.http import WireRequest
from carloan_notify.records import Channel, OutboundMessage
from tests.unit.delivery.gateways import NOW
from tests.unit.delivery.world import message

AWKWARD = st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    ['"},"to":"+1', "{secret}", "{text}", "</t><t>", "a&b=c", "%0d%0a", "\\u0000", "{{7*7}}"]
)


def write(
    request: dict[str, Any],
    signatures: dict[str, dict[str, str]] | None = None,
    text: str = "你好",
    **params: str,
) -> WireRequest:
    settings = RequestSettings.model_validate({"url": "https://g.example/s", **request})
    signers = {k: SignatureSettings.model_validate(v) for k, v in (signatures or {}).items()}
    of = OutboundMessage("REF", Channel.SMS, "due", "zh-CN", "+12025550100", text, params)
    shared = of_request(settings, {"account": "acc", "secret": "s3cret"}, NOW)
    return RequestWriter(settings, signers).write(of_message(of, shared.__getitem__))


@given(text=AWKWARD)
def test_json_values_are_data(text: str) -> None:
    body = {"to": "{phone}", "t": "{text}", "nested": [{"x": "<{text}>"}], "n": 3, "on": True}
    sent = json.loads(write({"body_format": "json", "body": body}, text=text).body)
    assert sent == {"to": "+12025550100", "t": text, "nested": [{"x": f"<{text}>"}], "n": 3, "on": True}


@given(text=AWKWARD)
def test_form_values_are_data(text: str) -> None:
    request = write({"body_format": "form", "body": {"t": "{text}", "p": "{params}"}}, text=text, name=text)
    fields = parse_qs(request.body.decode(), keep_blank_values=True)
    assert fields == {
        "t": [text],
        "p": [json.dumps({"name": text}, ensure_ascii=False, separators=(",", ":"))],
    }


@given(text=AWKWARD)
def test_xml_values_are_data(text: str) -> None:
    body = {"req": {"@v": "1", "to": ["{phone}", "x"], "t": "{text}"}}
    request = write({"body_format": "xml", "body": body}, text=text)
    root = ET.fromstring(request.body)  # noqa: S314 - our own document
    printable = (
        "".join(c for c in text if c >= " " or c in "\t\n\r").replace("\r\n", "\n").replace("\r", "\n")
    )
    assert (root.tag, root.get("v"), [e.text for e in root.iter("to")]) == ("req", "1", ["+12025550100", "x"])
    assert (root.findtext("t") or "") == printable


@given(text=AWKWARD)
def test_url_and_query_values_are_data(text: str) -> None:
    request = write(
        {"method": "GET", "url": "https://g.example/m/{text}/x?v=1", "query": {"q": "{text}"}}, text=text
    )
    parts = urlsplit(request.url)
    assert parts.netloc == "g.example"
    assert parts.path.count("/") == 3
    assert parse_qs(parts.query, keep_blank_values=True) == {"v": ["1"], "q": [text]}


def test_headers_and_content_type() -> None:
    request = write(
        {"headers": {"Idempotency-Key": "{reference}"}, "body_format": "json", "body": {"a": "b"}}
    )
    assert request.headers == {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": "REF"}
    assert write({}).headers == {}
    assert write({}).body == b""


def test_a_charset_is_used_and_its_limits_are_errors() -> None:
    request = write({"body_format": "form", "charset": "gb2312", "body": {"t": "{text}"}})
    assert request.body == b"t=%C4%E3%BA%C3"
    with pytest.raises(UnicodeEncodeError):
        write({"body_format": "form", "charset": "gb2312", "body": {"t": "{text}"}}, text="🚗")
    xml = write({"body_format": "xml", "charset": "gb18030", "body": {"r": "{text}"}})
    assert xml.body == '<?xml version="1.0" encoding="gb18030"?><r>你好</r>'.encode("gb18030")


def test_times_are_in_the_gateways_zone() -> None:
    body = {"t": "{time}", "s": "{timestamp}", "ms": "{timestamp_ms}"}
    sent = json.loads(write({"body_format": "json", "body": body}).body)
    assert sent == {"t": "20261123090000", "s": "1795395600", "ms": "1795395600000"}


def test_parameters_by_name_are_empty_when_the_message_has_none() -> None:
    sent = json.loads(
        write({"body_format": "json", "body": {"a": "{params.name}", "b": "{params.no}"}}, name="李").body
    )
    assert sent == {"a": "李", "b": ""}


def test_a_nonce_differs_every_time() -> None:
    request = {"body_format": "json", "body": {"n": "{nonce}"}}
    assert write(request).body != write(request).body


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"algorithm": "md5"}, hashlib.md5(b"accs3cret").hexdigest()),  # noqa: S324 - a gateway's recipe
        ({"algorithm": "sha256", "encoding": "hex_upper"}, hashlib.sha256(b"accs3cret").hexdigest().upper()),
        (
            {"algorithm": "sha1", "encoding": "base64"},
            b64encode(hashlib.sha1(b"accs3cret").digest()).decode(),  # noqa: S324 - same
        ),
        (
            {"algorithm": "hmac_sha256", "key": "{secret}"},
            hmac.new(b"s3cret", b"accs3cret", "sha256").hexdigest(),
        ),
        ({"algorithm": "none", "encoding": "base64"}, "YWNjczNjcmV0"),
    ],
)
def test_a_signature_over_values(recipe: dict[str, str], expected: str) -> None:
    request = {"body_format": "json", "body": {"sign": "{sign}"}, "headers": {"X-Sign": "v1 {sign}"}}
    written = write(request, {"sign": {"text": "{account}{secret}", **recipe}})
    assert json.loads(written.body) == {"sign": expected}
    assert written.headers["X-Sign"] == f"v1 {expected}"


def test_a_signature_over_sorted_fields_leaves_itself_out() -> None:
    body = {"sign": "{sign}", "b": "{text}", "a": {"x": "{account}"}}
    signatures = {"sign": {"algorithm": "md5", "text": "{sorted_fields}&key={secret}"}}
    sent = json.loads(write({"body_format": "json", "body": body}, signatures).body)
    expected = hashlib.md5('a={"x":"acc"}&b=你好&key=s3cret'.encode()).hexdigest()  # noqa: S324 - a gateway's recipe
    assert sent == {"sign": expected, "b": "你好", "a": {"x": "acc"}}
    assert list(sent) == ["sign", "b", "a"]


def test_a_signature_over_the_sorted_query_of_a_request_without_body() -> None:
    request = {"method": "GET", "query": {"z": "{account}", "b": "2", "sign": "{sign}"}}
    url = write(request, {"sign": {"algorithm": "md5", "text": "{sorted_fields}"}}).url
    assert parse_qs(urlsplit(url).query)["sign"] == [hashlib.md5(b"b=2&z=acc").hexdigest()]  # noqa: S324 - same


def test_a_signature_over_the_finished_body_goes_into_a_header() -> None:
    request = {"body_format": "json", "body": {"t": "{text}"}, "headers": {"X": "{outer}"}}
    inner = {"algorithm": "none", "text": "{body_sha256}|{body_md5}|{body}", "encoding": "base64"}
    written = write(
        request, {"inner": inner, "outer": {"algorithm": "hmac_md5", "text": "{inner}", "key": "{secret}"}}
    )
    body = '{"t":"你好"}'.encode()
    text = b"|".join(
        [hashlib.sha256(body).hexdigest().encode(), hashlib.md5(body).hexdigest().encode(), body]  # noqa: S324 - same
    )
    assert written.body == body
    assert written.headers["X"] == hmac.new(b"s3cret", b64encode(text), "md5").hexdigest()


def test_a_value_is_never_read_as_a_template_again() -> None:
    assert compiled("{a} and {b}")(chain({"a": "{b}", "b": "x"})) == "{b} and x"


def test_names_are_found_everywhere() -> None:
    node = {"a{k}": ["{x}", {"y": "{params.name} {z}"}], "n": 1}
    assert list(names_in(node)) == ["k", "x", "params.name", "z"]


def test_a_name_nobody_knows_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        chain({"a": 1}, {"b": 2})("c")


@pytest.mark.parametrize(
    ("phone", "expected"),
    [("+12025550100", "2025550100"), ("+390612345678", "0612345678"), ("garbage", "garbage"), ("+1", "1")],
)
def test_national_numbers(phone: str, expected: str) -> None:
    assert national(phone) == expected


def test_a_batch_reference_depends_on_its_messages_alone() -> None:
    assert batch_reference([message(1), message(2)]) == batch_reference([message(1), message(2)])
    assert batch_reference([message(1)]) != batch_reference([message(2)])
    assert len(batch_reference([message(1)])) == 32


def test_nothing_personal_or_secret_shows_in_a_repr() -> None:
    shown = repr(write({"body_format": "json", "body": {"t": "{text}"}, "headers": {"K": "{secret}"}}))
    assert "s3cret" not in shown
    assert "你好" not in shown
