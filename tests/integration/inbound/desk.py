"""A lender whose gateway pushes: a real ledger, a real server on the loopback interface."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from carloan_notify.app import App
from carloan_notify.cli.returns import make_server
from carloan_notify.config.example import sample_values
from carloan_notify.config.model import AppSettings
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    Inquiry,
    LookUp,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.inbound.listen import Listener
from carloan_notify.inbound.page import LinkPage
from carloan_notify.ledger import intake, views
from carloan_notify.records import Channel, OutboundMessage, Outcome, PushRequest, SendResult
from tests.integration.ledger.drafts import NOW, answer, draft, name_of, put_on_wire
from tests.transactions import commit, look

SECRET = "s3cret-s3cret-s3cret"
GATE: dict[str, Any] = {
    "type": "http",
    "request": {"url": "https://gate.example/send", "body_format": "json", "body": {"to": "{phone}"}},
    "answer": {"code": "code", "codes": {"accepted": ["0"]}},
    "receipts": {
        "items": "reports",
        "reference": "ref",
        "state": "stat",
        "delivered": ["DELIVRD"],
        "time": "at",
        "time_format": "unix",
    },
    "push_secret": SECRET,
}


def settings_with(*, url: str = "sqlite:///ledger.db", **providers: Any) -> AppSettings:
    """The sample configuration with these providers beside the console."""
    values = sample_values()
    values["delivery"]["providers"] |= providers
    values["ledger"] = {"url": url, "busy_timeout_seconds": 1}
    return AppSettings.model_validate(values)


def house_at(folder: Path, now: datetime = NOW, *, url: str = "sqlite:///ledger.db", **providers: Any) -> App:
    settings = settings_with(url=url, **(providers or {"gate": GATE}))
    return App(settings, folder, settings.lender.record(), lambda: now)


def make_ledger(app: App, messages: int = 3) -> list[str]:
    """A ledger whose messages the gateway has accepted; their ids."""
    with app.open_ledger(create=True) as ledger:
        commit(ledger, intake.enqueue, "run", [draft(number) for number in range(messages)], NOW)
        ids = put_on_wire(ledger)
        for number, message_id in enumerate(ids):
            answer(ledger, message_id, Outcome.ACCEPTED, f"ref{number}")
    return [name_of(number) for number in range(messages)]


def states(app: App) -> dict[str, str]:
    with app.open_ledger() as ledger:
        return {row["message_id"]: row["state"] for row in look(ledger, views.messages).to_dict("records")}


@dataclass
class Server:
    """A served listener."""

    url: str

    def push(self, path: str, **request: Any) -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        with session:
            return session.request(request.pop("method", "POST"), self.url + path, timeout=10, **request)


@contextmanager
def served(app: Listener | LinkPage) -> Iterator[Server]:
    """The application on waitress, as `receipts listen` serves it."""
    server = make_server(app, "127.0.0.1", 0)

    def run() -> None:
        with suppress(OSError):  # its sockets are closed under it in the end
            server.run()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield Server(f"http://127.0.0.1:{server.effective_port}")
    finally:
        server.close()
        server.task_dispatcher.shutdown()


class Scripted:
    """A provider whose `receive` does as told."""

    name = "gate"
    channels = frozenset({Channel.SMS})
    batch_limit = 1
    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.PUSH)

    def __init__(self, heard: Received | Refused | Exception) -> None:
        """What `receive` returns or raises."""
        self.heard = heard

    def receive(self, request: PushRequest) -> Received | Refused:
        del request
        if isinstance(self.heard, Exception):
            raise self.heard
        return self.heard

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        return [SendResult(message.message_id, Outcome.ACCEPTED) for message in batch]

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        raise NotImplementedError(inquiries)

    def batch_key(self, message: OutboundMessage) -> str:
        return message.notice

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        raise NotImplementedError(since, cursor)

    def check(self) -> list[CheckResult]:
        return []
