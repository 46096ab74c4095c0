"""What comes back: receipts pulled or imported, and the fate of messages nobody knows about."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from carloan_notify.delivery.provider import Inquiry, LookUp, Provider, ReceiptMode, Standing
from carloan_notify.delivery.registry import build_provider
from carloan_notify.errors import ConfigError
from carloan_notify.inbound.receipts import pull, read_export
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.unknowns import Unknown, Verdict
from carloan_notify.pipeline.build import House
from carloan_notify.records import Outcome, Receipt, SendResult

ABSENCE_COUNTS_AFTER = timedelta(minutes=10)
"""A gateway may read a request late, after our time-out; sent again too soon, the message would go twice."""
TOO_SOON = "not_arrived_yet"


def used_providers(house: House) -> list[Provider]:
    """The providers that some channel names, each once."""
    delivery = house.settings.delivery
    names = sorted({name for listed in delivery.channels.values() for name in listed})
    return [build_provider(name, delivery.providers[name]) for name in names]


def pull_receipts(house: House) -> list[dict[str, Any]]:
    """Fetch receipts from every provider that hands them out, page by page, each settled before the next.

    Returns one row per provider: receipts, settled, repeated, unmatched, problems.
    """
    since = house.clock() - timedelta(days=house.settings.inbound.pull_days)
    rows = []
    with house.open_ledger() as ledger:
        for provider in used_providers(house):
            if provider.capabilities.receipts is not ReceiptMode.PULL:
                continue
            counts: Counter[str] = Counter()
            for page in pull(provider, since):
                counts.update(_settle(house, ledger, list(page.receipts)))
                counts["problems"] += len(page.problems)
            rows.append({"provider": provider.name, **{name: counts[name] for name in RECEIPT_FIGURES}})
    return rows


RECEIPT_FIGURES = ("receipts", "settled", "repeated", "unmatched", "refused", "problems")


def _settle(house: House, ledger: Ledger, receipts: list[Receipt]) -> dict[str, int]:
    done = ledger.outbox.settle(receipts, house.clock())
    return {
        "receipts": len(receipts),
        "settled": done.settled,
        "repeated": done.repeated,
        "unmatched": done.unmatched,
        "refused": len(done.refused),
    }


def import_receipts(house: House, path: Path, kind: str) -> dict[str, Any]:
    """Settle the receipts of a portal's export; `kind` is a name under inbound.receipt_files.

    Raises:
        ConfigError: no such kind.
        SourceError: the file cannot be read.
    """
    kinds = house.settings.inbound.receipt_files
    if kind not in kinds:
        known = ", ".join(sorted(kinds)) or "none yet"
        raise ConfigError(
            [f"inbound.receipt_files: no kind {kind!r} ({known}); describe the file's columns there"]
        )
    read = read_export(path, kinds[kind])
    with house.open_ledger() as ledger:
        counts = _settle(house, ledger, list(read.receipts))
    return {"provider": kinds[kind].provider, **counts, "problems": len(read.findings)}


def reconcile(house: House) -> list[dict[str, Any]]:
    """Ask providers about unknown messages within their declared window; what stays unknown is for an operator.

    Returns one row per message that is or was unknown: message_id, provider, before, now, code.
    """
    with house.open_ledger() as ledger:
        ledger.outbox.recover(house.clock())
        waiting = ledger.outbox.unknown()
        providers = {provider.name: provider for provider in used_providers(house)}
        answers: dict[str, LookUp] = {}
        for name, provider in providers.items():
            asked = [
                _inquiry(message)
                for message in waiting
                if message.provider == name and _in_window(house, provider, message)
            ]
            if asked:
                sent_at = {inquiry.message_id: inquiry.sent_at for inquiry in asked}
                answered = provider.look_up(asked)
                found = [_believed(a, sent_at[a.message_id], house.clock()) for a in answered]
                _apply(house, ledger, name, found)
                answers |= {answer.message_id: answer for answer in found}
    return [_row(message, answers.get(message.message_id)) for message in waiting]


def _in_window(house: House, provider: Provider, message: Unknown) -> bool:
    window = provider.capabilities.look_up_window
    return window is not None and house.clock() - message.sent_at <= window


def _believed(answer: LookUp, sent_at: datetime, now: datetime) -> LookUp:
    """The answer; but "never arrived" says nothing while the request may still be on its way."""
    if answer.standing is Standing.ABSENT and now - sent_at < ABSENCE_COUNTS_AFTER:
        return replace(answer, standing=Standing.UNCLEAR, code=TOO_SOON)
    return answer


def _inquiry(message: Unknown) -> Inquiry:
    return Inquiry(message.message_id, message.channel, message.provider_ref, message.sent_at, message.phone)


def _apply(house: House, ledger: Ledger, provider: str, answers: list[LookUp]) -> None:
    """Write down what the provider says. ABSENT means the request never arrived: the message may go again."""
    now = house.clock()
    results = [
        SendResult(a.message_id, OUTCOMES[a.standing], a.provider_ref, a.code, a.detail)
        for a in answers
        if a.standing in OUTCOMES
    ]
    if results:
        ledger.outbox.record(results, provider, now)
    receipts = [
        Receipt(
            provider, a.provider_ref, a.message_id, a.standing is Standing.DELIVERED, a.code, a.detail, now
        )
        for a in answers
        if a.standing in (Standing.DELIVERED, Standing.UNDELIVERED)
    ]
    if receipts:
        ledger.outbox.settle(receipts, now)


OUTCOMES = {
    Standing.ACCEPTED: Outcome.ACCEPTED,
    Standing.REJECTED: Outcome.REJECTED,
    Standing.ABSENT: Outcome.RETRYABLE,
}


def _row(message: Unknown, answer: LookUp | None) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "notice": message.notice,
        "provider": message.provider,
        "sent_at": message.sent_at.isoformat(timespec="seconds"),
        "found": answer.standing.value if answer else "not asked: outside the provider's look-up window",
        "code": answer.code if answer else message.code,
    }


def mark_unknown(house: House, message_id: str, verdict: str, operator: str, reason: str) -> None:
    """An operator's word on an unknown message.

    Raises:
        LedgerError: no such message, or it is not unknown.
    """
    with house.open_ledger() as ledger:
        ledger.outbox.mark(message_id, Verdict(verdict.replace("-", "_")), operator, reason, house.clock())


def still_unknown(house: House) -> int:
    """How many messages nobody knows the fate of."""
    with house.open_ledger() as ledger:
        return len(ledger.outbox.unknown())
