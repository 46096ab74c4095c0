"""Is a configured rate kept? 200 messages a second for a minute, counted second by second at the simulator.

Wanted: 196-204 a second on average (within 2 %), the default burst included.
Run: `python -m benchmarks delivery_rate [SECONDS [RATE]]`.
"""

import itertools
import threading
import time
from collections.abc import Callable

import requests

from benchmarks.provider import dispatcher, gateway, queued
from carloan_notify.pipeline.send import LedgerOutbox

TOLERANCE = 0.02


def accepted_at(url: str) -> Callable[[], int]:
    """How many messages the simulator has accepted so far."""
    session = requests.Session()
    session.trust_env = False
    return lambda: int(session.get(f"{url}/stats", timeout=5).json()["accepted"])


def watched(url: str, rate: float, seconds: float) -> list[tuple[float, int]]:
    """Drain at this rate; (moment, accepted so far) about every half second, at the simulator."""
    with queued(int(rate * seconds * 1.1) + 100) as ledger:
        drain = dispatcher(LedgerOutbox(ledger), url, 1, rate_per_second=rate)
        sender = threading.Thread(target=drain.drain, daemon=True)
        accepted = accepted_at(url)
        sender.start()
        while not accepted():
            time.sleep(0.01)
        seen = [(time.perf_counter(), accepted())]
        while time.perf_counter() - seen[0][0] < seconds:
            time.sleep(0.5)
            seen.append((time.perf_counter(), accepted()))
        sender.join()
    return seen


def run(seconds: float = 60, rate: float = 200) -> dict[str, float]:
    """Measure, print and return the figures; `ok` is 1 when the average is within the tolerance."""
    with gateway() as url:
        seen = watched(url, rate, seconds)
    (began, first), (ended, last) = seen[0], seen[-1]
    mean = (last - first) / (ended - began)
    steps = [
        (b - a) / (at - before) for (before, a), (at, b) in itertools.pairwise(seen[4:])
    ]  # the first two seconds hold the canary's pause and the burst
    low, high = min(steps), max(steps)
    print(
        f"rate {rate:g}/s for {ended - began:.1f} s: {mean:.1f} messages/s at the simulator "
        f"(wanted {rate * (1 - TOLERANCE):g}-{rate * (1 + TOLERANCE):g}); half seconds from {low:.0f} to {high:.0f}"
    )
    ok = abs(mean - rate) <= TOLERANCE * rate
    return {"mean_per_second": round(mean, 1), "ok": float(ok)}


if __name__ == "__main__":
    run()
