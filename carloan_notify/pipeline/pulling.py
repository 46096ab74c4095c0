"""Fetch what providers hand out, so that nothing that some queue hands out once is lost on the way to the ledger."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from carloan_notify.delivery.provider import Provider, ReceiptMode, ReturnPage
from carloan_notify.errors import LedgerError
from carloan_notify.inbound.listen import place_of
from carloan_notify.inbound.receipts import pull
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.spool import FOLDER, Spool
from carloan_notify.pipeline.asking import ask_about_accepted
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.keeping import Keep, Kept, dated, masked
from carloan_notify.pipeline.pages import page_of, text_of
from carloan_notify.records import AuditEvent

_log = structlog.get_logger()

Tell = Callable[[str], None]
"""Told of every problem as a sentence, without personal data."""
_UNREADABLE: Final = (LedgerError, ValueError, LookupError, TypeError, OSError)


def log_problem(problem: str) -> None:
    """Tell of a problem in the log."""
    _log.warning("problem with what came back", problem=problem)


def spool_of(house: House, ledger: Ledger) -> Spool:
    """The folder beside the ledger's file, or beside the configuration where the ledger has none."""
    folder = ledger.store.file.parent if ledger.store.file else house.folder
    return Spool(folder / FOLDER, ledger.cipher)


@dataclass(slots=True)
class Pulling:
    """One pull over all providers. `figures` by provider grow as it goes."""

    house: House
    ledger: Ledger
    keep: Keep
    tell: Tell
    spool: Spool
    figures: dict[str, Counter[str]] = field(default_factory=dict)

    def take_up(self) -> None:
        """Take what an earlier pull fetched and could not put into the ledger."""
        for name in self.spool.names():
            try:
                text = self.spool.text(name)
                found = page_of(text) if text is not None else None
            except _UNREADABLE as error:
                problem = f"{self.spool.folder / name}.page: cannot be read ({type(error).__name__})"
                self._told("", [f"{problem}; it stays there, see docs/receiving.md"])
                continue
            if found is not None:
                self._into_ledger(*found, name)

    def fetch(self, provider: Provider, since: datetime) -> None:
        """Every page of a provider, each on disk before the next; or ask, where it hands nothing out."""
        window = provider.capabilities.look_up_window
        if provider.capabilities.receipts is ReceiptMode.PULL:
            self.figures.setdefault(provider.name, Counter())
            for page in pull(provider, since):
                self._take(provider.name, page)
        elif window is not None:
            self._ask(provider, window)

    def _ask(self, provider: Provider, window: timedelta) -> None:
        kept = ask_about_accepted(self.house, self.ledger, provider, window)
        self._count(provider.name, kept)

    def _take(self, provider: str, page: ReturnPage) -> None:
        page = dated(self.house, page)
        self._into_ledger(provider, page, self._put_aside(provider, page))

    def _put_aside(self, provider: str, page: ReturnPage) -> str:
        """The page's name in the spool; "" for an empty one, and where there is no room for it."""
        if not (page.receipts or page.replies or page.unread):
            return ""
        try:
            return self.spool.put(text_of(provider, page), self.house.clock())
        except OSError as error:
            self.tell(f"{provider}: no room to put a page aside first ({error.strerror}); make room")
            return ""

    def _into_ledger(self, provider: str, page: ReturnPage, name: str) -> None:
        """Into the ledger, then out of the spool. What fails for a bug stays there and keeps nobody else."""
        try:
            kept = self.keep(self.house, self.ledger, provider, page)
        except LedgerError:  # the run cannot go on; the next one takes the page up
            raise
        except Exception as error:  # noqa: BLE001 - the page stays, is told of and tried again; others must not wait for it
            where = (
                f"stays in {self.spool.folder / name}.page" if name else "is lost, ask the provider for it"
            )
            what = f"a page could not be taken, a bug ({type(error).__name__} at {place_of(error)})"
            self._count(provider, Kept({"problems": 1}, (f"{provider}: {what}; it {where}",)))
            return
        if name:
            self.spool.drop(name)
        self._count(provider, kept)

    def _count(self, provider: str, kept: Kept) -> None:
        self.figures.setdefault(provider, Counter()).update(kept.figures)
        self._told(provider, kept.problems)

    def _told(self, provider: str, problems: Sequence[str]) -> None:
        """Tell at once, whatever comes after; then the audit."""
        for problem in problems:
            self.tell(problem)
        if problems:
            event = AuditEvent("return.problem", provider, {"problems": list(masked(problems))})
            self.ledger.append_audit([event], self.house.clock())
