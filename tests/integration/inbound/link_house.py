"""A lender with the sample export, one night behind it, and the links that its messages hold."""

import re
import shutil
from collections.abc import Mapping
from contextlib import redirect_stderr
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from carloan_notify.app import App, build_app
from carloan_notify.config.example import sample_values
from carloan_notify.inbound.page import Caller, LinkPage
from carloan_notify.ledger import audit, replies, views
from carloan_notify.pipeline.link_page import LinkDesk
from carloan_notify.pipeline.listen import OpenLedger
from carloan_notify.pipeline.night import NightOrder, run_night
from carloan_notify.pipeline.setup import MORNING, NIGHT, init_folder
from tests.transactions import commit

BASE = "https://pay.example.com/p/"
PAYMENT = (
    "https://pay.lender.example/checkout?t={token}&amount={amount}{currency}&l={loan_id}&lang={language}"
)
_TOKEN = re.compile(re.escape(BASE) + r"([\w-]{16})")


def make_house(folder: Path, *, run: bool = True) -> Path:
    """The folder of a lender whose messages hold links; `run`: after one night."""
    init_folder(folder)
    values = sample_values()
    values["messages"]["pay_link_base"] = BASE
    values["links"] = {"payment_url": PAYMENT}
    (folder / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    if run:
        with redirect_stderr(StringIO()):
            report = run_night(house(folder, NIGHT), NightOrder(NIGHT.date(), "test"))
        assert not report.stopping_guards
    return folder


def house(folder: Path, now: datetime = MORNING) -> App:
    return build_app(folder / "config.yaml", now)


def copy_of(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def sent(folder: Path) -> dict[str, dict[str, str]]:
    """Token, loan, notice and number of each message with a link, by notice and loan."""
    app = house(folder)
    with app.open_ledger() as ledger:
        rows = commit(
            ledger, views.reveal, views.MessageFilter(limit=1000), "test", "for a test", app.clock()
        )
    found = {}
    for row in rows.to_dict("records"):
        if token := _TOKEN.search(row["text"]):
            found[f"{row['notice']}:{row['loans']}"] = {
                "token": token[1],
                "loan": row["loans"],
                "notice": row["notice"],
                "phone": row["phone"],
                "message_id": row["message_id"],
            }
    return dict(sorted(found.items()))


def first(links: Mapping[str, dict[str, str]], notice: str) -> dict[str, str]:
    """The first message of a notice that holds a link."""
    return next(link for name, link in links.items() if name.startswith(f"{notice}:"))


def page_of(folder: Path, now: datetime = MORNING, proxies: int = 0) -> LinkPage:
    app = house(folder, now)
    caller = Caller(app.lender.name, app.lender.hotline, "zh-CN")
    return LinkPage(LinkDesk(app, OpenLedger(app)), caller, proxies)


class Got:
    """An answer of the page."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        """As PEP 3333 has them."""
        self.status = int(status.split(maxsplit=1)[0])
        self.headers = dict(headers)
        self.text = body.decode()

    @property
    def form(self) -> str:
        """What its forms carry."""
        found = re.search(r'name="form" value="([\w-]+)"', self.text)
        return found[1] if found else ""


def ask(
    page: LinkPage, path: str, form: Mapping[str, str] | None = None, method: str = "", **environ: Any
) -> Got:
    """One request, without a server."""
    place, _, query = path.partition("?")
    body = urlencode(form).encode() if form is not None else b""
    heard: list[Any] = []
    asked = {
        "REQUEST_METHOD": method or ("POST" if form is not None else "GET"),
        "PATH_INFO": place,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.7",
        "CONTENT_TYPE": "application/x-www-form-urlencoded" if form is not None else "",
        "CONTENT_LENGTH": str(len(body)) if form is not None else "",
        "wsgi.input": BytesIO(body),
    }
    parts = page(asked | environ, lambda status, headers: heard.extend((status, headers)))
    return Got(heard[0], heard[1], b"".join(parts))


def work_list(folder: Path) -> list[dict[str, str]]:
    """Open replies, with their words."""
    app = house(folder)
    with app.open_ledger() as ledger:
        rows = commit(
            ledger, replies.reveal, replies.ReplyFilter(open_only=True), "test", "for a test", app.clock()
        )
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def audited(folder: Path, kind: str) -> list[str]:
    """The data of every audit row of a kind."""
    app = house(folder)
    with app.open_ledger() as ledger, ledger.read() as tx:
        return [row.data for row in audit.stream(tx) if row.kind == kind]
