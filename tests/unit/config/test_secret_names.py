"""A credential in the configuration is found by its option's name or inside an address, and nothing else is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from carloan_notify.config.example import sample_values
from carloan_notify.config.secrets import address_with_password, literal_secrets, names_a_secret
from carloan_notify.delivery.simulator.settings import SIMULATOR_SMS, SIMULATOR_VOICE

GATEWAYS = sorted((Path(__file__).parents[3] / "samples" / "gateways").glob("*.yaml"))


def found(**sections: Any) -> list[str]:
    return [line.split(": ")[0] for line in literal_secrets(sections)]


def of_provider(**options: Any) -> list[str]:
    return found(delivery={"providers": {"main": {"type": "http", **options}}})


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "passwd",
        "user_pwd",
        "spPassword",
        "pass",
        "secret",
        "appSecret",
        "secret2",
        "token",
        "access_token",
        "X-Api-Key",
        "key",
        "keys",
        "sign",
        "signKey",
        "SIGN",
        "userkey",
        "Authorization",
        "auth",
        "pin",
        "credentials",
        "api.key",
        "signature",
    ],
)
def test_a_secret_by_its_name(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "account",
        "user",
        "username",
        "app_id",
        "accessKeyId",
        "key_id",
        "key_file",
        "sign_name",
        "sign_type",
        "token_url",
        "token_lifetime",
        "keyword",
        "passenger",
        "author",
        "designer",
        "pinned",
        "reference",
        "Idempotency",
        "mobile",
        "content",
        "assigned",
    ],
)
def test_what_is_none(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("address", "has_one"),
    [
        ("postgresql://u:p@h/d", True),
        ("postgresql+psycopg://${USER}:pw@h/d", True),
        ("mysql://u:a/b#c@h/d", True),
        ("postgresql://h/d?user=x&password=y", True),
        ("https://gateway.example/send?api%5Fkey=abc", True),
        ("https://u:p@gateway.example/", True),
        ("postgresql://u@h/d", False),
        ("postgresql://u:${PW}@h/d", False),
        ("postgresql://u:a${PW}b@h/d", False),
        ("postgresql://u:${file:secrets/db}@h/d", False),
        ("postgresql://postgres:@/d?host=/run/pg", False),
        ("${DATABASE}", False),
        ("sqlite:///ledger.db", False),
        ("https://gateway.example:8443/x?key={key}&to=a@b", False),
        ("http://127.0.0.1:8080/a@b", False),
        ("call https://x?key=abc", False),
        ("https://x?key=abc is where", False),
    ],
)
def test_a_password_in_an_address(address: str, has_one: bool) -> None:  # noqa: FBT001 - a case
    assert address_with_password(address) is has_one


def test_constants_of_a_gateway_by_their_names() -> None:
    values = {"account": "N1234567", "secret": "hush", "signKey": "hush", "user": "u", "sign": "安达车贷"}
    assert of_provider(values=values) == [
        "delivery.providers.main.values.secret",
        "delivery.providers.main.values.signKey",
    ]
    values = {"secret": "${SECRET}", "token": "abc${X}def", "key": "${file:secrets/key}", "password": ""}
    assert of_provider(values=values) == []


def test_parts_of_requests_by_their_names() -> None:
    headers = {"Authorization": "Bearer abc", "X-Api-Key": "{key}", "Idempotency-Key": "{reference}"}
    asked = {"url": "https://g.example/?token=abc", "query": {"pwd": "hush", "sign": "{sign}"}}
    pulled = {"request": {"body": {"auth": {"password": "hush", "user": "u"}, "list": [{"pin": 1234}]}}}
    assert of_provider(request={"headers": headers, **asked}, receipts=pulled) == [
        f"delivery.providers.main.{path}"
        for path in (
            "request.headers.Authorization",
            "request.query.pwd",
            "receipts.request.body.auth.password",
            "receipts.request.body.list[0].pin",
            "request.url",
        )
    ]


def test_names_of_our_own_tell_nothing() -> None:
    """`signature_field` and `signatures` are options, not credentials."""
    push = {
        "signature_field": "sign",
        "signature": {"algorithm": "md5", "text": "{sorted_fields}&key={secret}"},
    }
    assert of_provider(push=push, signatures={"sign": {"algorithm": "md5", "text": "{secret}"}}) == []


def test_options_of_an_installed_provider() -> None:
    options = {"account": "N1", "password": 123456, "use_token": True, "deep": [{"apiKey": "hush"}]}
    mine = {"type": "mine", "options": {**options, "tokens": ["a"], "keys": []}}
    assert found(delivery={"providers": {"mine": mine}}) == [
        "delivery.providers.mine.options.password",
        "delivery.providers.mine.options.deep[0].apiKey",
        "delivery.providers.mine.options.tokens",
    ]


def test_databases() -> None:
    told = found(
        ledger={"url": "postgresql+psycopg://u:hush@h/d"},
        sources={
            "loans": {"url": "mysql://u:hush@h/d", "query": "SELECT 1"},
            "payments": {"url": "mysql://u@h/d"},
        },
    )
    assert told == ["ledger.url", "sources.loans.url"]


def test_one_place_is_told_once() -> None:
    assert of_provider(base_url="https://u:p@h/", push_secret="hush" * 4) == [
        "delivery.providers.main.push_secret",
        "delivery.providers.main.base_url",
    ]


@pytest.mark.parametrize("path", GATEWAYS, ids=lambda path: path.stem)
def test_sample_gateways_hold_none(path: Path) -> None:
    assert found(delivery={"providers": yaml.safe_load(path.read_text(encoding="utf-8"))}) == []


def test_what_we_write_holds_none() -> None:
    assert literal_secrets(sample_values()) == []
    assert found(delivery={"providers": {"sms": SIMULATOR_SMS, "voice": SIMULATOR_VOICE}}) == []
