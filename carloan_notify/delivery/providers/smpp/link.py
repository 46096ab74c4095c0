"""A link that is bound when it is needed and again after a loss, never in a storm."""

import threading
import time
from collections.abc import Callable
from typing import Final, Literal

from carloan_notify.delivery.codes import ByCode, Listed
from carloan_notify.delivery.providers.smpp.mailbox import Mailbox
from carloan_notify.delivery.providers.smpp.pdus import OK, Unit, status_name, written
from carloan_notify.delivery.providers.smpp.session import Session
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.delivery.providers.smpp.stream import connect
from carloan_notify.delivery.wire import WireFault
from carloan_notify.records import Outcome

Role = Literal["bind_transceiver", "bind_transmitter", "bind_receiver"]

SMPP_3_4: Final = 0x34
_CERTAIN: Final = frozenset({Outcome.ACCOUNT, Outcome.THROTTLED, Outcome.RETRYABLE})


class Link:
    """At most one session at a time. Safe for many threads."""

    def __init__(
        self,
        role: Role,
        settings: SmppSettings,
        codes: ByCode[Listed],
        mailbox: Mailbox,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens no connection yet."""
        self._role = role
        self._settings = settings
        self._codes = codes
        self._mailbox = mailbox
        self._monotonic = monotonic
        self._binding = threading.Lock()
        self._session: Session | None = None
        self._fault = WireFault(Outcome.RETRYABLE, "not_bound")
        self._quiet_until = monotonic()

    def bound(self) -> Session | WireFault:
        """The session, bound now if need be; or why there is none. A fresh failure is not tried again at once."""
        with self._binding:
            if self._session is not None and self._session.alive:
                return self._session
            if self._monotonic() < self._quiet_until:
                return self._fault
            end = self._bind()
            if isinstance(end, WireFault):
                self._fault = end
                self._quiet_until = self._monotonic() + self._settings.rebind_pause_s
                return end
            self._session = end
            return end

    def ask(self, make: Callable[[int], bytes]) -> Unit | WireFault:
        """The answer to a unit, over a bound session."""
        session = self.bound()
        return session if isinstance(session, WireFault) else session.ask(make)

    def close(self) -> None:
        """Unbind; a later `bound` would bind again."""
        with self._binding:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _bind(self) -> Session | WireFault:
        """Nothing was sent yet, so every failure is a certain one."""
        try:
            stream = connect(self._settings)
        except OSError as error:
            return WireFault(Outcome.RETRYABLE, f"not_connected:{type(error).__name__}")
        session = Session(stream, self._settings, self._mailbox, self._monotonic)
        answer = session.ask(self._unit)
        if isinstance(answer, Unit) and answer.status == OK:
            return session
        session.drop()
        if isinstance(answer, WireFault):
            return WireFault(Outcome.RETRYABLE, f"not_bound:{answer.code}")
        name = status_name(answer.status)
        listed = self._codes.get(name)
        outcome = listed.outcome if listed and listed.outcome in _CERTAIN else Outcome.RETRYABLE
        return WireFault(outcome, f"not_bound:{name}")

    def _unit(self, sequence: int) -> bytes:
        settings = self._settings
        return written(
            self._role,
            sequence,
            system_id=settings.system_id,
            password=settings.password.get_secret_value(),
            system_type=settings.system_type,
            interface_version=SMPP_3_4,
        )
