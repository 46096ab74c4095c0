"""Take what providers push: check who speaks, read it, keep it, and only then say yes.

A push that is repeated changes nothing. Whatever goes wrong on our side answers with 5xx, so that the provider
sends it again. The night's lock is not needed: a night and senders may run at the same time.
"""

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog

from carloan_notify.app import App, build_app
from carloan_notify.delivery.codes import public_code
from carloan_notify.delivery.provider import Provider, Received, Refused, WiredSettings
from carloan_notify.errors import ConfigError, LedgerError
from carloan_notify.inbound.listen import Listener, place_of, plain
from carloan_notify.ledger import runs
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.pipeline.inbox import Keep, keeper
from carloan_notify.records import PushAnswer, PushRequest

FRESH_FOR_S: Final = 60.0
"""An open ledger is opened anew after so long: keys may have been rotated, the database moved."""
_NOBODY: Final = ""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Door:
    """A provider that may push, and the last part of its address."""

    provider: Provider
    secret: str = field(repr=False)


def doors(app: App) -> dict[str, Door]:
    """Every provider with a `push_secret`, also one that no channel names any more: receipts come late.

    Raises:
        ConfigError: none has one, or one cannot stand in an address.
    """
    secrets = {
        name: settings.push_secret.get_secret_value()
        for name, settings in app.settings.delivery.providers.items()
        if isinstance(settings, WiredSettings) and settings.push_secret
    }
    problems = [
        f"delivery.providers.{name}.push_secret: cannot stand in an address; use letters, digits, - and _ only"
        for name, secret in secrets.items()
        if not (secret.isascii() and secret.replace("-", "").replace("_", "").isalnum())
    ]
    if not secrets:
        problems.append(
            "delivery.providers: none has a push_secret, so nobody could push; give one to a provider"
        )
    if problems:
        raise ConfigError(problems)
    return {name: Door(app.provider(name), secret) for name, secret in secrets.items()}


class OpenLedger:
    """The ledger for many threads, opened when needed, anew after a failure or a while."""

    def __init__(self, app: App, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._house = app
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._opened_at = 0.0

    def get(self) -> Ledger:
        """The ledger, ready to use.

        Raises:
            LedgerError: it cannot be opened.
        """
        with self._lock:
            if self._ledger is None or self._monotonic() - self._opened_at > FRESH_FOR_S:
                self._close()
                self._ledger, self._opened_at = self._house.open_ledger(), self._monotonic()
            return self._ledger

    def drop(self) -> None:
        """Open it anew the next time."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        """A connection that another thread uses closes when that one is done with it."""
        if self._ledger is not None:
            with suppress(LedgerError):  # closing fails as well when the database is gone
                self._ledger.close()
            self._ledger = None


class Receiving:
    """What the listener asks: is this push to be believed, and is it on disk?"""

    def __init__(self, app: App, opened: Mapping[str, Door], ledger: OpenLedger, keep: Keep) -> None:
        """`opened` are the providers that may push; `keep` puts what they say on disk."""
        self._house = app
        self._doors = opened
        self._ledger = ledger
        self._keep = keep

    def take(self, name: str, secret: str, request: PushRequest) -> PushAnswer:
        """The answer to one push. An unknown provider and a wrong secret are told alike, in the same time."""
        door = self._doors.get(name)
        if not _same(secret, door.secret if door else _NOBODY) or door is None:
            return _told("", HTTPStatus.NOT_FOUND)
        try:
            heard = door.provider.receive(request)
            if isinstance(heard, Refused):
                return _told(name, heard.status, code=public_code(heard.code))
            return self._kept(name, heard)
        except LedgerError as error:
            self._ledger.drop()
            return _told(name, HTTPStatus.SERVICE_UNAVAILABLE, ledger=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one bad push must not end the listener; it is logged, and comes again
            _log.error("push failed: a bug", provider=name, error=type(error).__name__, at=place_of(error))
            return _told(name, HTTPStatus.INTERNAL_SERVER_ERROR)

    def healthy(self) -> bool:
        """Whether the ledger opens and answers."""
        try:
            with self._ledger.get().read() as tx:
                runs.last(tx)
        except LedgerError:
            self._ledger.drop()
            return False
        return True

    def _kept(self, name: str, heard: Received) -> PushAnswer:
        kept = self._keep(self._house, self._ledger.get(), name, heard.page)
        _log.info("push", provider=name, status=heard.answer.status, **kept.figures)
        return heard.answer


def application(config_path: str | Path) -> Listener:
    """The listener of a configuration as a WSGI application, for gunicorn, uWSGI or any other server.

    Raises:
        ConfigError: the configuration or the lexicon is wrong, or no provider may push.
    """
    app = build_app(Path(config_path))
    receiving = Receiving(app, doors(app), OpenLedger(app), keeper(app))
    return Listener(receiving.take, receiving.healthy, app.settings.inbound.public_url)


def _same(given: str, expected: str) -> bool:
    """Whether two secrets agree; takes as long whatever they are. Nothing agrees with no secret."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, expected)]
    return hmac.compare_digest(*digests) and expected != _NOBODY


def _told(provider: str, status: int, **facts: str) -> PushAnswer:
    _log.info("push", provider=provider, status=int(status), **facts)
    return plain(status)
