"""The one place where real objects are built: settings, clock, ledger, templates."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError

from carloan_notify.config.load import load_settings
from carloan_notify.config.model import AppSettings
from carloan_notify.delivery.provider import LOOPBACK, Provider, ProviderSettings
from carloan_notify.delivery.registry import (
    ConsoleProviderSettings,
    HttpProviderSettings,
    build_provider,
)
from carloan_notify.errors import ConfigError, LedgerError, LockedError
from carloan_notify.ledger.keys import read_private
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.store import POSTGRESQL, Store, locate
from carloan_notify.messages.links import LinkKeys, parse_keys
from carloan_notify.messages.render import TemplateSet, open_templates
from carloan_notify.messages.settings import LINK_KEY_FILE
from carloan_notify.phones import PhoneResult, normalise_phone
from carloan_notify.records import Lender

# The clock of a run. Everything below the pipeline is told the time; only this file and the CLI read it.

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, as aware UTC. Providers always get this one: a rehearsal does not change what time it is for them."""
    return datetime.now(UTC)


def rehearsal_clock(start: datetime) -> Clock:
    """A clock that starts at `start` (aware) and runs at the true speed: `--now`, for rehearsals and tests."""
    began = time.monotonic()
    return lambda: start.astimezone(UTC) + timedelta(seconds=time.monotonic() - began)


def business_date(now: datetime, timezone: str) -> date:
    """The date in the lender's own zone: the as-of date where none is given."""
    return now.astimezone(ZoneInfo(timezone)).date()


@dataclass(frozen=True, slots=True)
class App:
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
            self.path(self.settings.messages.templates_dir),
            self.settings.messages,
            self.lender,
            {name: one.kind.value for name, one in self.settings.sources.loans.extra.items()},
        )

    def link_key(self) -> bytes:
        """The secret that signs links; empty where no link base is configured.

        Raises:
            ConfigError: the key file cannot be read as one.
        """
        messages = self.settings.messages
        if not (messages.pay_link_base or messages.certificate_link_base):
            return b""
        return self.link_keys().current

    def link_keys(self) -> LinkKeys:
        """The secrets that links are believed by: the one that signs, and earlier ones whose links are still valid.

        Raises:
            ConfigError: the key file cannot be read as one.
        """
        path = self.path(LINK_KEY_FILE)
        try:
            return parse_keys(read_private(path).decode("utf-8", "replace"), self.clock())
        except ValueError as problem:
            cure = "restore it from your safe copy"
            raise ConfigError([f"{path}: {problem}; {cure}"]) from None

    def provider(self, name: str) -> Provider:
        """The configured provider of this name; opens no connection yet."""
        settings = self.settings
        return build_provider(
            name, settings.delivery.providers[name], self.clock, settings.inbound.public_url
        )

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


def build_app(config_path: Path, now: datetime | None = None) -> App:
    """Read the configuration and make the app. `now` (aware) replaces the clock for a rehearsal.

    Raises:
        ConfigError: with every problem of the configuration.
    """
    settings = load_settings(config_path)
    return App(
        settings=settings,
        folder=config_path.resolve().parent,
        lender=settings.lender.record(),
        clock=rehearsal_clock(now) if now else system_clock,
        rehearsal=now,
    )


# A rehearsal, with a clock of its own (`--now`), must not reach anybody.


def require_rehearsable(app: App) -> None:
    """Do nothing with the true clock; with another, let no provider in that could reach people.

    Contact hours would be those of the other clock, and what is sent would carry a time at which the provider
    knows nothing of it: asked later, it would say "never arrived", and the message would go twice.

    Raises:
        ConfigError: with every provider of a channel that is neither the console nor on this machine.
    """
    if app.rehearsal is None:
        return
    delivery = app.settings.delivery
    real = [name for name in delivery.used if not _reaches_nobody(delivery.providers[name])]
    if real:
        raise ConfigError(
            [
                f"delivery.providers.{name}: --now is for rehearsals; use the console or the simulator"
                for name in real
            ]
        )


def _reaches_nobody(settings: ProviderSettings) -> bool:
    if isinstance(settings, ConsoleProviderSettings):
        return True
    return isinstance(settings, HttpProviderSettings) and urlsplit(settings.request.url).hostname in LOOPBACK


# One night, or one upkeep, at a time: locks that the operating system and the database let go with their holder.

ADVISORY_KEY: Final = 0x6361_726C_6F61_6E21  # "carloan!"; advisory locks are per database, as ledgers are
LOCK_FILE: Final = "run.lock"
"""Beside the configuration, so that every command of one lender meets the same lock."""
SOMEBODY: Final = "another process is at work"
_NAME_LENGTH: Final = 63  # PostgreSQL cuts application_name there
_PROBES: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A host that fell silent is noticed within a minute from our side as well."""

_TAKE: Final = sa.text("SELECT pg_try_advisory_lock(:key)")
_HOLDER: Final = sa.text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted "
    "AND l.locktype = 'advisory' AND l.classid::bigint = :high AND l.objid::bigint = :low AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@contextmanager
def one_night(app: App, operator: str, doing: str = "runs a night") -> Iterator[None]:
    """Hold the night's lock: on this machine, and among all machines that share a PostgreSQL ledger.

    Upkeep that no night may meet takes it as well, and says what it is `doing`. A crash leaves no stale lock
    behind: the kernel lets go of the file, the database of the session.

    Raises:
        LockedError: another process holds it; the text names the holder and what it does.
        LedgerError: the database does not answer.
    """
    holder = f"{operator} on {socket.gethostname()}, process {os.getpid()} {doing}"
    with _file_lock(app.path(LOCK_FILE), holder), _database_lock(app, holder):
        yield


@contextmanager
def _file_lock(path: Path, holder: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    signature = path.with_name(path.name + ".holder")
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _locked(str(path), _signed(signature)) from None
    try:
        signature.write_text(holder, encoding="utf-8")
        yield
    finally:
        signature.unlink(missing_ok=True)
        lock.release()


def _signed(signature: Path) -> str:
    try:
        return signature.read_text(encoding="utf-8") or SOMEBODY
    except FileNotFoundError:
        return SOMEBODY  # it has the lock and is about to sign, or has just finished


@contextmanager
def _database_lock(app: App, holder: str) -> Iterator[None]:
    """The advisory lock of a PostgreSQL ledger, held by a connection of its own; nothing for SQLite."""
    url = locate(app.settings.ledger.url, app.folder)
    if url.get_backend_name() != POSTGRESQL:
        yield
        return
    name = holder[:_NAME_LENGTH]
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"application_name": name, **_PROBES},
    )
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise LedgerError(
            f"ledger.url: the database does not answer ({type(error.orig).__name__}); see that it runs"
        ) from error
    with connection:
        if not connection.execute(_TAKE, {"key": ADVISORY_KEY}).scalar_one():
            raise _locked(f"the ledger's database {url.database}", _session_name(connection))
        yield


def _session_name(connection: sa.Connection) -> str:
    high, low = divmod(ADVISORY_KEY, 2**32)
    return connection.execute(_HOLDER, {"high": high, "low": low}).scalars().first() or SOMEBODY


def _locked(place: str, holder: str) -> LockedError:
    return LockedError(f"{place}: {holder} already; wait for it to end")


# Numbers that a person or a provider wrote.


def any_number(app: App, written: str) -> PhoneResult:
    """A number of whatever country and kind; the lender's country where it carries none."""
    return normalise_phone(
        written,
        region=app.lender.country,
        allow_international=True,
        allow_landline=True,
        allow_fictitious=True,
    )
