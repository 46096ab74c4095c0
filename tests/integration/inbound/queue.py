"""A provider that hands each page out once, and a pull from it."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from carloan_notify.app import App
from carloan_notify.delivery.provider import Capabilities, ReceiptMode, ReturnPage
from carloan_notify.pipeline.inbox import Keep, keeper
from carloan_notify.pipeline.returns import Pulling, spool_of
from carloan_notify.records import Receipt, Reply
from tests.integration.inbound.desk import Scripted
from tests.integration.ledger.drafts import NOW, PHONE, name_of

SECRET = "我住院了"


def receipt(number: int, at: datetime = NOW, **changes: Any) -> Receipt:
    told = Receipt(
        "gate", f"ref{number}", name_of(number), delivered=True, code="OK", detail="", occurred_at=at
    )
    return replace(told, **changes)


def reply(text: str = SECRET, phone: str = PHONE, at: datetime = NOW, reply_id: str = "1") -> Reply:
    return Reply("gate", reply_id, phone, text, at)


class OnceOnly(Scripted):
    """A queue that hands each page out once."""

    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.PULL)

    def __init__(self, *pages: ReturnPage) -> None:
        """Hands out these, then empty ones."""
        super().__init__(ValueError())
        self._pages = list(pages)

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        assert since < NOW
        page = self._pages.pop(0) if self._pages else ReturnPage()
        return replace(page, cursor=f"{cursor}x", more=bool(self._pages))


def pulled(app: App, provider: OnceOnly, keep: Keep | None = None) -> tuple[dict[str, Any], list[str]]:
    """Figures of the gate and every problem of one pull."""
    told: list[str] = []
    with app.open_ledger() as ledger:
        pulling = Pulling(app, ledger, keep or keeper(app), told.append, spool_of(app, ledger))
        pulling.take_up()
        pulling.fetch(provider, NOW - timedelta(days=1))
    return dict(pulling.figures.get("gate", {})), told


def left(app: App) -> list[Path]:
    return sorted((app.folder / "returned").glob("*"))
