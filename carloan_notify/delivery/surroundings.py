"""What the run around a drain gives it: time, a way to stop, the last look before a batch leaves."""

import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from carloan_notify.records import OutboundMessage


@dataclass(frozen=True, slots=True)
class Screened:
    """What the last look before a batch leaves said. `cancelled` are cancelled in the outbox already."""

    to_send: Sequence[OutboundMessage]
    cancelled: Collection[str] = ()


def send_all(messages: Sequence[OutboundMessage]) -> Screened:
    """The last look that finds nothing."""
    return Screened(messages)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world around a drain. `clock` gives aware UTC, `monotonic` seconds; `stop` ends the drain politely.

    `owner` names this sender among others; a lease has to outlast the slowest provider's time-outs.
    `before_send` may raise: nothing leaves then.
    """

    clock: Callable[[], datetime]
    owner: str
    lease_s: float = 300.0
    stop: threading.Event = field(default_factory=threading.Event)
    kill_switch: Path | None = None
    before_send: Callable[[Sequence[OutboundMessage]], Screened] = send_all
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None
    rng: random.Random = field(default_factory=random.Random)


def engaged(kill_switch: Path) -> bool:
    """Whether the kill-switch file is there; a place that cannot be looked at counts as yes."""
    try:
        kill_switch.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
