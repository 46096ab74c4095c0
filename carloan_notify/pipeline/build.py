"""The one place where real objects are built: settings, clock, ledger, templates."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from carloan_notify.config.load import load_settings
from carloan_notify.config.model import AppSettings
from carloan_notify.ledger.keys import read_private
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.store import Store, locate
from carloan_notify.messages.render import TemplateSet, open_templates
from carloan_notify.pipeline.clock import Clock, business_date, rehearsal_clock, system_clock
from carloan_notify.records import Lender


@dataclass(frozen=True, slots=True)
class House:
    """What every use case needs: the settings, the folder that relative paths start from, the lender, the clock.

    `rehearsal` is the instant given with `--now`, else None; it is written to the audit.
    """

    settings: AppSettings
    folder: Path
    lender: Lender
    clock: Clock
    rehearsal: datetime | None = None

    def business_date(self) -> date:
        """Today in the lender's own zone."""
        return business_date(self.clock(), self.lender.timezone)

    def path(self, name: str | Path) -> Path:
        """`name`, taken from the configuration's folder unless it is absolute."""
        return self.folder / name

    def templates(self) -> TemplateSet:
        """The lender's templates."""
        return open_templates(
            self.path(self.settings.messages.templates_dir), self.settings.messages, self.lender
        )

    def link_key(self) -> bytes:
        """The secret that signs links; empty where no link base is configured."""
        messages = self.settings.messages
        if not (messages.pay_link_base or messages.certificate_link_base):
            return b""
        return read_private(self.path(messages.link_key_file))

    def open_ledger(self, *, create: bool = False) -> Ledger:
        """The ledger, ready to use; `create` makes one where there is none."""
        return Ledger.open(self.settings.ledger, self.folder, create=create, now=self.clock())

    def has_ledger(self) -> bool:
        """Whether a ledger was made already; makes none."""
        settings = self.settings.ledger
        store = Store(locate(settings.url, self.folder), busy_timeout_s=settings.busy_timeout_seconds)
        try:
            return store.exists()
        finally:
            store.close()


def build_house(config_path: Path, now: datetime | None = None) -> House:
    """Read the configuration and make the house. `now` (aware) replaces the clock for a rehearsal.

    Raises:
        ConfigError: with every problem of the configuration.
    """
    settings = load_settings(config_path)
    return House(
        settings=settings,
        folder=config_path.resolve().parent,
        lender=settings.lender.record(),
        clock=rehearsal_clock(now) if now else system_clock,
        rehearsal=now,
    )
