"""Kannel's adapter through the contract; its faults are in test_vendors, the real one in tests/integration."""

from datetime import UTC, datetime

from pytest_httpserver import HTTPServer

from carloan_notify.delivery.providers.kannel.kannel import KannelSettings, KannelSms
from carloan_notify.delivery.testing import check_provider
from tests.unit.delivery.providers.vendors import message

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


def at(url: str) -> KannelSms:
    options = {
        "type": "kannel",
        "base_url": url,
        "username": "lender",
        "password": "made-up",
        "push_secret": "0123456789abcdef",
    }
    push_url = "http://127.0.0.1:8080/main/0123456789abcdef"
    return KannelSms("main", KannelSettings.model_validate(options), clock=lambda: NOW, push_url=push_url)


def test_the_contract(httpserver: HTTPServer) -> None:
    answer = {"Server": "Kannel/1.4.5"}
    httpserver.expect_request("/cgi-bin/sendsms").respond_with_data("0: Accepted for delivery", 202, answer)
    assert check_provider(at(httpserver.url_for("").rstrip("/")), message(), NOW) == []
