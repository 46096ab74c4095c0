"""How much of a bare `requests` loop a whole drain keeps, and how many batched messages a second it carries.

End to end: SQLite ledger on disk (WAL, synchronous FULL), claims, *sending* and answers committed and
audited, the dispatcher, real sockets on loopback, the simulator with zero latency in a process of its own.
Wanted: single ≥ 0.85 of the bare loop of the same run with the default concurrency, batched (100 a request)
≥ 20,000 messages a second. Bare loop and drain take turns, so that a busy machine hits both; CPU time a message tells
more than the rate where others use the processors. PostgreSQL is measured besides, without a target.

Run: `python -m benchmarks delivery_throughput`.
"""

import cProfile
import os
import pstats
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from benchmarks.provider import dispatcher, gateway, postgres, queued
from carloan_notify.delivery.provider import ProviderSettings
from carloan_notify.pipeline.send import LedgerOutbox

SINGLE = 1_500
BATCHED = 20_000
ROUNDS = 5
WANTED_RATIO = 0.85
WANTED_BATCHED = 20_000
DEFAULT_CONCURRENCY = ProviderSettings().concurrency
TEXT = "Andar Auto Finance: your payment of USD 412.00 is due on 2026-11-30. Questions? 800-555-0100."


def bare_loop(url: str, messages: int, batch_limit: int = 1) -> float:
    """Messages a second of the plainest loop over one session."""
    session = requests.Session()
    session.trust_env = False
    began = time.perf_counter()
    for start in range(0, messages, batch_limit):
        items = [
            {"reference": f"B{number}", "to": "+12025550100", "text": TEXT, "language": "en"}
            for number in range(start, start + batch_limit)
        ]
        place, fields = ("batch", {"messages": items}) if batch_limit > 1 else ("send", items[0])
        answer = session.post(f"{url}/sms/{place}", json=fields, timeout=(5, 20))
        if answer.status_code != requests.codes.ok or answer.json()["code"] != "0":
            raise AssertionError(answer.status_code)
    return messages / (time.perf_counter() - began)


class Spent:
    """Seconds that the drain's own thread spends in each call of the outbox; the rest is delivery's."""

    def __init__(self, outbox: Any) -> None:  # noqa: ANN401 - stands for every method of it
        """Nothing yet."""
        self._outbox = outbox
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The outbox's method under a stop-watch."""
        method = getattr(self._outbox, name)

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the method's own
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                passed = time.perf_counter() - began
                self.seconds[name] = self.seconds.get(name, 0.0) + passed
                self.calls[name] = self.calls.get(name, 0) + 1

        return timed

    def shares(self, wall: float) -> str:
        """Every call that took a hundredth of the time or more, with how often it was made."""
        spent = sorted(self.seconds.items(), key=lambda pair: -pair[1])
        shares = [f"{name} {s / wall:.0%} in {self.calls[name]}" for name, s in spent if s > wall / 100]
        rest = 1 - sum(self.seconds.values()) / wall
        return ", ".join([*shares, f"delivery and waiting {rest:.0%}"])


@dataclass(frozen=True, slots=True)
class Drained:
    """Messages a second, CPU microseconds a message (without the provider's), and where the time went."""

    rate: float
    cpu: float
    shares: str


def drained(url: str, messages: int, batch_limit: int, concurrency: int, server: str = "") -> Drained:
    """One drain of a fresh ledger, on SQLite or on a PostgreSQL server."""
    with queued(messages, server) as ledger:
        spent = Spent(LedgerOutbox(ledger))  # a stop-watch around the same
        drain = dispatcher(spent, url, batch_limit, concurrency=concurrency)
        began, cpu = time.perf_counter(), time.process_time()
        summary = drain.drain()
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    if summary.accepted != messages:
        raise AssertionError(summary)
    return Drained(messages / wall, cpu / messages * 1e6, spent.shares(wall))


def against(
    bare: Callable[[], float], ours: Callable[[], Drained], what: str, wanted: str
) -> tuple[float, float]:
    """Take turns, print a row; the median ratio and the median rate."""
    rounds = [(bare(), ours()) for _ in range(ROUNDS)]
    ratios = [drained.rate / floor for floor, drained in rounds]
    ratio, rate = statistics.median(ratios), statistics.median(drained.rate for _, drained in rounds)
    floor = statistics.median(floor for floor, _ in rounds)
    cpu = statistics.median(drained.cpu for _, drained in rounds)
    print(
        f"{what}  {rate:7,.0f} messages/s  bare loop {floor:7,.0f}  ratio {ratio:.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f})  {cpu:4.0f} us CPU a message  wanted {wanted}\n"
        f"    the drain's thread: {rounds[-1][1].shares}",
        flush=True,
    )
    return ratio, rate


def profile(url: str) -> None:
    """Print the drain's own thread, function by function."""
    with queued(BATCHED) as ledger:
        drain = dispatcher(LedgerOutbox(ledger), url, 100)
        with cProfile.Profile() as profiler:
            drain.drain()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(15)


def single(url: str, wires: int) -> tuple[float, float]:
    """One message a request."""
    return against(
        lambda: bare_loop(url, SINGLE),
        lambda: drained(url, SINGLE, 1, wires),
        f"single, {wires:2} on the wire ",
        f"ratio {WANTED_RATIO}",
    )


def batched(url: str, wires: int) -> tuple[float, float]:
    """A hundred messages a request."""
    return against(
        lambda: bare_loop(url, BATCHED, 100),
        lambda: drained(url, BATCHED, 100, wires),
        f"by 100, {wires:2} on the wire ",
        f"{WANTED_BATCHED:,} messages/s",
    )


def on_postgres(url: str) -> None:
    """Print what a drain by 100 carries on PostgreSQL."""
    with postgres() as server:
        best = max((drained(url, BATCHED, 100, 8, server) for _ in range(2)), key=lambda one: one.rate)
    print(
        f"by 100 on PostgreSQL  {best.rate:7,.0f} messages/s  {best.cpu:4.0f} us CPU a message, without the server\n"
        f"    the drain's thread: {best.shares}",
        flush=True,
    )


def run() -> dict[str, float]:
    """Measure, print and return the figures; `ok` is 1 when both wants are met."""
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    with gateway() as url:
        bare_loop(url, SINGLE)  # warm both sides up
        ratio = {wires: single(url, wires)[0] for wires in (8, DEFAULT_CONCURRENCY)}[DEFAULT_CONCURRENCY]
        rate = max(batched(url, wires)[1] for wires in (8, DEFAULT_CONCURRENCY))
        on_postgres(url)
        profile(url)
    ok = ratio >= WANTED_RATIO and rate >= WANTED_BATCHED
    return {"single_ratio": round(ratio, 2), "batched_per_second": round(rate), "ok": float(ok)}


if __name__ == "__main__":
    run()
