"""How much of a bare `requests` loop the dispatcher keeps, and how many batched messages a second it carries.

Run: python -m benchmarks.delivery_throughput. Wanted: single ≥ 0.85 of the bare loop of the same run (with
the concurrency that such a rate calls for, 16), batched
(100 a request) ≥ 20,000 messages a second, both on loopback with zero latency. The gateway runs in a process
of its own; the outbox is in memory, so that the figure is delivery's alone (`--profile` says where it goes).
"""

import cProfile
import itertools
import multiprocessing
import pstats
import statistics
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection

import requests

from carloan_notify.delivery.dispatcher import Dispatcher
from carloan_notify.delivery.registry import build_channels
from carloan_notify.delivery.settings import DeliverySettings
from carloan_notify.delivery.simulator import Simulator, simulator_settings
from carloan_notify.delivery.surroundings import Surroundings
from carloan_notify.records import Channel, OutboundMessage, SendResult

SINGLE = 1_500
ROUNDS = 5
BATCHED = 100_000
TEXT = "Andar Auto Finance: your payment of USD 412.00 is due on 2026-11-30. Questions? 800-555-0100."


class MemoryOutbox:
    """Hands out every message once and counts the answers."""

    def __init__(self, messages: int) -> None:
        """So many messages wait."""
        self._waiting = iter(range(messages))
        self.recorded = 0

    def claim(
        self, *, channels: Collection[Channel], limit: int, owner: str, now: datetime, lease_s: float
    ) -> list[OutboundMessage]:
        """The next ones."""
        del channels, owner, now, lease_s
        return [message(number) for number in itertools.islice(self._waiting, limit)]

    def begin(
        self, message_ids: Sequence[str], provider: str, now: datetime, *, owner: str, lease_s: float
    ) -> list[str]:
        """All may go."""
        del provider, now, owner, lease_s
        return list(message_ids)

    def record(
        self,
        results: Sequence[SendResult],
        provider: str,
        now: datetime,
        retry_at: Mapping[str, datetime] | None = None,
    ) -> None:
        """Count."""
        del provider, now, retry_at
        self.recorded += len(results)

    def release(self, message_ids: Sequence[str], now: datetime) -> None:
        """Nothing is ever put back."""
        raise AssertionError(f"{len(message_ids)} messages came back at {now}")

    def expire(self, now: datetime) -> int:
        """Nothing is late."""
        del now
        return 0

    def recover(self, now: datetime) -> None:
        """Nothing was left over."""
        del now


def message(number: int) -> OutboundMessage:
    """A message like any other."""
    return OutboundMessage(f"M{number:025d}", Channel.SMS, "due", "en", "+12025550100", TEXT, {})


def serve(port: Connection) -> None:
    """A simulator in this process, until the pipe closes."""
    with Simulator() as simulator:
        port.send(simulator.url)
        port.recv()


@contextmanager
def gateway() -> Iterator[str]:
    """A simulator in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    yield ours.recv()
    ours.send(None)
    process.join()


def bare_loop(url: str, messages: int) -> float:
    """Requests a second of the plainest loop over one tuned session."""
    session = requests.Session()
    session.trust_env = False
    began = time.perf_counter()
    for number in range(messages):
        fields = {"reference": f"B{number}", "to": "+12025550100", "text": TEXT, "language": "en"}
        answer = session.post(f"{url}/sms/send", json=fields, timeout=(5, 20))
        if answer.status_code != requests.codes.ok or answer.json()["code"] != "0":
            raise AssertionError(answer.status_code)
    return messages / (time.perf_counter() - began)


def dispatched(url: str, messages: int, batch_limit: int, concurrency: int) -> float:
    """Messages a second through the dispatcher."""
    provider = {**simulator_settings(url, Channel.SMS, batch_limit=batch_limit), "concurrency": concurrency}
    settings = DeliverySettings.model_validate({"channels": {"sms": ["sim"]}, "providers": {"sim": provider}})
    outbox = MemoryOutbox(messages)
    surroundings = Surroundings(clock=lambda: datetime.now(UTC), owner="benchmark")
    dispatcher = Dispatcher(outbox, build_channels(settings), settings, surroundings)
    began = time.perf_counter()
    summary = dispatcher.drain()
    rate = messages / (time.perf_counter() - began)
    if not summary.accepted == outbox.recorded == messages:
        raise AssertionError(summary)
    return rate


def main(*, profile: bool) -> None:
    """Print the figures as ratios; bare loop and dispatcher take turns, so that a busy machine hits both."""
    with gateway() as url:
        bare_loop(url, SINGLE)  # warm both sides up
        for concurrency in (1, 8, 16, 32):
            rounds = [
                (bare_loop(url, SINGLE), dispatched(url, SINGLE, 1, concurrency)) for _ in range(ROUNDS)
            ]
            bare, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = statistics.median(ours / theirs for theirs, ours in rounds)
            figures = f"{rate:9,.0f} messages/s  bare loop {bare:7,.0f}  ratio {ratio:.2f}"
            print(f"single, {concurrency:2} on the wire  {figures} (wanted 0.85)")
        for concurrency in (1, 4):
            rate = statistics.median(dispatched(url, BATCHED, 100, concurrency) for _ in range(ROUNDS))
            print(f"batches of 100, {concurrency:2}     {rate:9,.0f} messages/s  (wanted 20,000)")
        if profile:
            with cProfile.Profile() as profiler:
                dispatched(url, SINGLE, 1, 16)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(15)


if __name__ == "__main__":
    main(profile="--profile" in sys.argv)
