"""One harness that drives any provider through the contract; third parties run it too."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from carloan_notify.delivery.provider import Inquiry, Provider, ReceiptMode
from carloan_notify.records import OutboundMessage


def check_provider(provider: Provider, sample: OutboundMessage, now: datetime) -> list[str]:
    """What the provider does against the contract, as sentences; none when it keeps it.

    It really sends: one message, then a full batch, all like `sample` and under ids of their own.
    """
    return [*_declared(provider, sample), *_sent(provider, sample), *_asked(provider, sample, now)]


def _declared(provider: Provider, sample: OutboundMessage) -> Iterator[str]:
    if not provider.name:
        yield "name: is empty"
    if sample.channel not in provider.channels:
        yield f"channels: {sample.channel} is not served"
    if provider.batch_limit < 1:
        yield f"batch_limit: {provider.batch_limit} is less than 1"


def _sent(provider: Provider, sample: OutboundMessage) -> Iterator[str]:
    for size in sorted({1, max(1, provider.batch_limit)}):
        batch = [replace(sample, message_id=f"TEST{size:06d}{number:016d}") for number in range(size)]
        answered = Counter(result.message_id for result in provider.send(batch))
        if answered != Counter(message.message_id for message in batch):
            yield f"send: a batch of {size} got {answered.total()} results, or results for other messages"


def _asked(provider: Provider, sample: OutboundMessage, now: datetime) -> Iterator[str]:
    inquiry = Inquiry("TEST" + "0" * 22, sample.channel, "", now, sample.phone)
    if [found.message_id for found in provider.look_up([inquiry])] != [inquiry.message_id]:
        yield "look_up: not one answer per inquiry"
    pulls = provider.capabilities.receipts is ReceiptMode.PULL
    if pulls and (problems := provider.pull_receipts(now, "").problems):
        yield f"pull_receipts: {'; '.join(problems)}"
