"""What comes back: receipts and replies pulled or imported, and the fate of messages nobody knows about."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from carloan_notify.delivery.provider import LookUp, Provider, Standing
from carloan_notify.delivery.registry import build_provider
from carloan_notify.errors import ConfigError
from carloan_notify.inbound.export_file import sentences
from carloan_notify.inbound.receipts import read_export
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.unknowns import Unknown, Verdict
from carloan_notify.pipeline.asking import endings, inquiry
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.clock import system_clock
from carloan_notify.pipeline.keeping import (
    RECEIPT_FIGURES,
    REPLY_FIGURES,
    believed_times,
    keeper,
    masked,
)
from carloan_notify.pipeline.pulling import Pulling, Tell, log_problem, spool_of
from carloan_notify.pipeline.rehearsing import require_rehearsable
from carloan_notify.records import Outcome, SendResult

ABSENCE_COUNTS_AFTER = timedelta(minutes=10)
"""A gateway may read a request late, after our time-out; sent again too soon, the message would go twice."""
TOO_SOON = "not_arrived_yet"
PER_QUESTION = 20
"""Messages asked about before the answers are written down."""


def configured_providers(house: House) -> list[Provider]:
    """Every provider of the configuration, also one that no channel names any more: what it sent comes back late."""
    providers = house.settings.delivery.providers
    return [build_provider(name, providers[name], system_clock) for name in sorted(providers)]


def pull_returns(house: House, tell: Tell = log_problem) -> list[dict[str, Any]]:
    """Fetch receipts and replies from every provider that hands them out, each page put on disk before the next.

    What an earlier pull could not put into the ledger is taken up first. A provider that hands nothing out but
    can be asked is asked about accepted messages without a receipt. Every problem is told as it is met, and
    audited. Returns one row per provider: its name, `RECEIPT_FIGURES` and `REPLY_FIGURES`.
    """
    since = house.clock() - timedelta(days=house.settings.inbound.pull_days)
    keep = keeper(house)
    with house.open_ledger() as ledger:
        pulling = Pulling(house, ledger, keep, tell, spool_of(house, ledger))
        pulling.take_up()
        for provider in configured_providers(house):
            pulling.fetch(provider, since)
    blank = dict.fromkeys((*RECEIPT_FIGURES, *REPLY_FIGURES), 0)
    return [{"provider": name, **blank, **counts} for name, counts in pulling.figures.items()]


def import_receipts(house: House, path: Path, kind: str, tell: Tell) -> dict[str, Any]:
    """Settle the receipts of a portal's export; `kind` is a name under inbound.receipt_files.

    Every problem is told, one of the file with its place.

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
    read = read_export(path, kinds[kind], house.clock(), believed_times(house))
    with house.open_ledger() as ledger:
        done = ledger.outbox.settle(read.receipts, house.clock())
    for problem in (*sentences(read.findings), *masked(done.refused)):
        tell(problem)
    return {
        "provider": kinds[kind].provider,
        "receipts": len(read.receipts),
        "settled": done.settled,
        "repeated": done.repeated,
        "unmatched": done.unmatched,
        "refused": len(done.refused),
        "problems": len(read.findings),
    }


def reconcile(house: House) -> list[dict[str, Any]]:
    """Ask providers about unknown messages within their declared window; what stays unknown is for an operator.

    Returns one row per message that is or was unknown: message_id, provider, before, now, code.
    """
    require_rehearsable(house)
    with house.open_ledger() as ledger:
        ledger.outbox.recover(house.clock())
        waiting = ledger.outbox.unknown()
        providers = {provider.name: provider for provider in configured_providers(house)}
        answers: dict[str, LookUp] = {}
        for name, provider in providers.items():
            its = [m for m in waiting if m.provider == name and _in_window(house, provider, m)]
            for start in range(0, len(its), PER_QUESTION):
                asked = {message.message_id: message for message in its[start : start + PER_QUESTION]}
                found = _found(house, provider, asked)
                _apply(house, ledger, name, found, asked)
                answers |= {answer.message_id: answer for answer in found}
    return [
        _row(message, answers.get(message.message_id), _unasked(message, providers.get(message.provider)))
        for message in waiting
    ]


def _in_window(house: House, provider: Provider, message: Unknown) -> bool:
    window = provider.capabilities.look_up_window
    return window is not None and house.clock() - message.sent_at <= window


def _unasked(message: Unknown, provider: Provider | None) -> str:
    """Why a message was not asked about."""
    if not message.provider:  # a restored ledger cannot know
        return "not asked: nobody knows which provider had it"
    if provider is None:
        return "not asked: its provider is no longer configured"
    if provider.capabilities.look_up_window is None:
        return "not asked: its provider cannot be asked"
    return "not asked: outside the provider's look-up window"


def _found(house: House, provider: Provider, asked: Mapping[str, Unknown]) -> list[LookUp]:
    answers = provider.look_up([inquiry(message) for message in asked.values()])
    return [_believed(answer, asked[answer.message_id].sent_at, house.clock()) for answer in answers]


def _believed(answer: LookUp, sent_at: datetime, now: datetime) -> LookUp:
    """The answer; but "never arrived" says nothing while the request may still be on its way."""
    if answer.standing is Standing.ABSENT and now - sent_at < ABSENCE_COUNTS_AFTER:
        return replace(answer, standing=Standing.UNCLEAR, code=TOO_SOON)
    return answer


def _apply(
    house: House, ledger: Ledger, provider: str, answers: list[LookUp], asked: Mapping[str, Unknown]
) -> None:
    """Write down what the provider says. ABSENT means the request never arrived: the message may go again.

    What went out again while we asked is another attempt, of which the answer says nothing.
    """
    now = house.clock()
    results = [
        SendResult(a.message_id, OUTCOMES[a.standing], a.provider_ref, a.code, a.detail)
        for a in answers
        if a.standing in OUTCOMES
    ]
    if results:
        tries = {message_id: message.attempts for message_id, message in asked.items()}
        ledger.outbox.record(results, provider, now, tries=tries)
    receipts = endings(provider, answers, now)
    if receipts:
        ledger.outbox.settle(receipts, now)


OUTCOMES = {
    Standing.ACCEPTED: Outcome.ACCEPTED,
    Standing.REJECTED: Outcome.REJECTED,
    Standing.ABSENT: Outcome.RETRYABLE,
}


def _row(message: Unknown, answer: LookUp | None, unasked: str) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "notice": message.notice,
        "provider": message.provider,
        "sent_at": message.sent_at.isoformat(timespec="seconds"),
        "found": answer.standing.value if answer else unasked,
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
