"""What the simulated gateway knows: who was accepted how often, and what the network says of it later."""

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Final

from carloan_notify.delivery.simulator.settings import Faults

OK: Final = "0"
BAD_NUMBER: Final = "bad_number"
BUSY: Final = "busy"
NO_BALANCE: Final = "no_balance"
UNLISTED: Final = "code_of_the_day"
PAGE: Final = 500
"""Receipts in one answer."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    reference: str
    provider_ref: str
    channel: str
    delivered: bool
    at: float


class Gateway:
    """A gateway without a network. Safe for many threads; `clock` gives Unix seconds."""

    def __init__(self, faults: Faults, seed: int, clock: Callable[[], float]) -> None:
        """Start empty."""
        self.faults = faults
        self._seed = seed
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._accepted: dict[str, _Accepted] = {}
        self._receipts: list[_Accepted] = []
        self._recent: deque[tuple[float, int]] = deque()
        self._requests = 0

    def fate(self, references: list[str]) -> tuple[str, int]:
        """The fault that this request meets ("" for none) and how often its first message came before."""
        with self._lock:
            self._requests += 1
            first = references[0] if references else ""
            self._tries[first] += 1
            tries = self._tries[first]
            if self._too_fast(len(references)):
                return "throttled", tries
        return self.faults.request_fault(self._draw("request", first, tries)), tries

    def take(self, channel: str, reference: str, tries: int) -> tuple[str, str]:
        """Accept or refuse one message: its code and, when accepted, the gateway's id."""
        refusal = self._refusal(reference, tries)
        if refusal:
            return refusal, ""
        with self._lock:
            if self.faults.balance is not None and self._counts.total() >= self.faults.balance:
                return NO_BALANCE, ""
            self._counts[reference] += 1
            delivered = self._draw("delivered", reference, 0) >= self.faults.undelivered
            accepted = _Accepted(
                reference, f"sim-{len(self._receipts) + 1}", channel, delivered, self._clock()
            )
            self._accepted.setdefault(reference, accepted)
            twice = self._draw("receipt", reference, 0) < self.faults.duplicate_receipts
            self._receipts += [accepted, accepted] if twice else [accepted]
        return OK, accepted.provider_ref

    def message(self, reference: str) -> dict[str, Any] | None:
        """What became of one message, None when it never arrived."""
        with self._lock:
            accepted = self._accepted.get(reference)
        return None if accepted is None else {**_entry(accepted), "state": self._state(accepted)}

    def receipts(self, cursor: int) -> dict[str, Any]:
        """A page of receipts from a position on, and the next position."""
        with self._lock:
            waiting = self._receipts[cursor : cursor + PAGE]
        now = self._clock()
        ready = list(takewhile(lambda a: now - a.at >= self.faults.receipt_delay_s, waiting))
        entries = [{**_entry(a), "state": self._state(a)} for a in ready]
        after = cursor + len(ready)
        more = len(ready) == PAGE
        return {
            "receipts": entries[::-1] if self.faults.receipts_out_of_order else entries,
            "cursor": str(after),
            "more": more,
        }

    def counts(self) -> dict[str, int]:
        """How often each message was accepted; more than once is a message told twice."""
        with self._lock:
            return dict(self._counts)

    def stats(self) -> dict[str, int]:
        """Requests, messages accepted, and how many of those were told twice."""
        with self._lock:
            twice = sum(1 for count in self._counts.values() if count > 1)
            return {"requests": self._requests, "accepted": self._counts.total(), "duplicates": twice}

    def _state(self, accepted: _Accepted) -> str:
        if self._clock() - accepted.at < self.faults.receipt_delay_s:
            return "accepted"
        return "delivered" if accepted.delivered else "undelivered"

    def _refusal(self, reference: str, tries: int) -> str:
        faults = self.faults
        if faults.rejected and self._draw("rejected", reference, 0) < faults.rejected:
            return BAD_NUMBER
        if faults.busy and self._draw("busy", reference, tries) < faults.busy:
            return BUSY
        if faults.unlisted and self._draw("unlisted", reference, tries) < faults.unlisted:
            return UNLISTED
        return ""

    def _too_fast(self, messages: int) -> bool:
        """Whether these messages pass the limit in the last second; refused ones do not count."""
        limit = self.faults.rate_limit
        if limit is None:
            return False
        now = self._clock()
        while self._recent and now - self._recent[0][0] >= 1:
            self._recent.popleft()
        if sum(count for _, count in self._recent) + messages > limit:
            return True
        self._recent.append((now, messages))
        return False

    def _draw(self, kind: str, reference: str, tries: int) -> float:
        """A number in [0, 1) that depends on the seed and the message alone, not on threads or time."""
        text = f"{self._seed}:{kind}:{reference}:{tries}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big") / 2**48


def _entry(accepted: _Accepted) -> dict[str, Any]:
    return {
        "reference": accepted.reference,
        "id": accepted.provider_ref,
        "channel": accepted.channel,
        "at": datetime.fromtimestamp(accepted.at, UTC).isoformat(),
    }
