"""Drafts into the outbox: each notice at most once for ever, a merged message whole or not at all.

They come as columns, a slice of a night at a time: three rows a message (`tables`), its keys, and one row of the audit
for the whole slice, whose root vouches for the facts of every message (`merkle`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import islice, repeat
from json.encoder import encode_basestring as _quoted
from typing import Any, Final

from carloan_notify.ledger import audit, bulk, contents, notices, stopping, templates
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import CONTENTS, LOTS, MESSAGE_KEYS, MESSAGES
from carloan_notify.records import Draft, MessageState, TemplateWording
from carloan_notify.text import mask_digits

DRAFTS_PER_TRANSACTION: Final = 10_000

LOT: Final = (
    "notice",
    "role",
    "message_class",
    "language",
    "template",
    "template_version",
    "encoding",
    "until_paid",
    "not_before",
    "expires_at",
)
"""What makes a lot: columns of `Slice.messages` that thousands of messages share."""
OWN: Final = (
    "message_id",
    "channel",
    "customer_ref",
    "phone_hash",
    "due_on",
    "amount_minor",
    "units",
    "segments",
    "resend_of",
    "operator",
    "reason",
    "content",
)
COVER: Final = ("message", "idempotency_key", "loan_id", "installment_no", "original_due_on")


@dataclass(frozen=True, slots=True)
class Slice:
    """Messages as columns of equal length, values as the tables hold them (days and instants as text).

    `messages` has the columns LOT and OWN, `content` being a `contents.Content`. `covers` has the columns COVER, the
    keys that each message takes: `message` is its place in `messages`, and covers of one message stand together.
    `wordings` are the sources of their templates, as far as they are at hand.
    """

    messages: Mapping[str, Sequence[Any]] = field(repr=False)
    covers: Mapping[str, Sequence[Any]] = field(repr=False)
    wordings: Sequence[TemplateWording] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.messages["message_id"])

    def at(self, places: Sequence[int]) -> "Slice":
        """The messages at these places, with their covers."""
        new = {old: number for number, old in enumerate(places)}
        kept = [number for number, old in enumerate(self.covers["message"]) if old in new]
        covers = {name: [column[number] for number in kept] for name, column in self.covers.items()}
        covers["message"] = [new[old] for old in covers["message"]]
        messages = {name: [column[number] for number in places] for name, column in self.messages.items()}
        told = {*zip(messages["template"], messages["template_version"], strict=True)}
        said = [each for each in self.wordings if (each.template, each.version) in told]
        return Slice(messages, covers, said)


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """What became of drafts.

    `queued` messages went in. `already` are keys the ledger knew. `left_out` are keys that would have been
    told in one message with one of those, so that this message stayed out as a whole: the next night tells
    them.
    """

    queued: int
    already: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __add__(self, other: "EnqueueResult") -> "EnqueueResult":
        return EnqueueResult(
            self.queued + other.queued, self.already + other.already, self.left_out + other.left_out
        )


def in_chunks(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    """Drafts in transaction-sized lists; the source is read lazily."""
    iterator = iter(drafts)
    while chunk := list(islice(iterator, DRAFTS_PER_TRANSACTION)):
        yield chunk


def enqueue(
    tx: Transaction,
    run_id: str,
    drafts: Sequence[Draft],
    now: datetime,
) -> EnqueueResult:
    """`queue` drafts, at most `DRAFTS_PER_TRANSACTION`."""
    return queue(tx, run_id, sliced(tx.cipher, drafts), now)


def sliced(cipher: Cipher, drafts: Sequence[Draft]) -> Slice:
    """Drafts as columns."""
    rows = [_row(cipher, draft) for draft in drafts]
    covers = [
        (place, cover.idempotency_key, cover.loan_id, cover.installment_no, _day(cover.original_due_on))
        for place, draft in enumerate(drafts)
        for cover in draft.covers
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len((*LOT, *OWN))
    covered = list(zip(*covers, strict=True)) or [()] * len(COVER)
    return Slice(
        dict(zip((*LOT, *OWN), columns, strict=True)),
        dict(zip(COVER, covered, strict=True)),
        wordings(drafts),
    )


def wordings(drafts: Iterable[Draft]) -> list[TemplateWording]:
    """The sources of these messages' templates, each once."""
    said = (draft.rendered.wording for draft in drafts)
    return list({(each.template, each.version): each for each in said if each is not None}.values())


def _row(cipher: Cipher, draft: Draft) -> tuple[Any, ...]:
    """The values of LOT and OWN."""
    rendered = draft.rendered
    return (
        draft.notice,
        draft.role,
        draft.message_class.value,
        draft.language,
        rendered.template,
        rendered.template_version,
        rendered.encoding,
        draft.until_paid,
        to_text(draft.not_before),
        to_text(draft.expires_at),
        draft.message_id,
        draft.channel.value,
        cipher.customer_ref(draft.customer_id),
        cipher.phone_hash(draft.phone),
        _day(draft.due_on),
        draft.amount_minor,
        rendered.units,
        rendered.segments,
        draft.resend_of,
        draft.operator,
        mask_digits(draft.reason),
        contents.content_of(draft),
    )


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def queue(tx: Transaction, run_id: str, messages: Slice, now: datetime) -> EnqueueResult:
    """Queue a slice in the caller's transaction; a known key is a value.

    What somebody refused while the night was planned is queued and cancelled at once.
    """
    audit.lock_head(tx)  # puts intakes of several hosts in line before they look for known keys
    taken = notices.known(tx, messages.covers["idempotency_key"])
    fresh, result = _sift(messages, taken)
    if result.queued:
        templates.keep(tx, run_id, fresh.wordings, now)
        first = _insert(tx, run_id, fresh, now)
        audit.append_block(tx, run_id, _facts(tx.cipher, run_id, fresh), now)
        stopping.cancel_suppressed(tx, first, now)
    return result


def _sift(messages: Slice, taken: set[str]) -> tuple[Slice, EnqueueResult]:
    """Messages all of whose keys are new, also among themselves; `taken` grows with them."""
    keys = messages.covers["idempotency_key"]
    if not taken and len(set(keys)) == len(keys):
        return messages, EnqueueResult(len(messages))
    grouped: list[list[str]] = [[] for _ in range(len(messages))]
    for place, key in zip(messages.covers["message"], keys, strict=True):
        grouped[place].append(key)
    fresh: list[int] = []
    already: list[str] = []
    left_out: list[str] = []
    for place, its in enumerate(grouped):
        if taken.isdisjoint(its):
            taken.update(its)
            fresh.append(place)
            continue
        for key in its:
            (already if key in taken else left_out).append(key)
    return messages.at(fresh), EnqueueResult(len(fresh), tuple(already), tuple(left_out))


# The rows.

_MESSAGE: Final = (
    *("message_no", "message_id", "lot_no", "channel", "due_at", "operator", "reason"),
    *("state", "owner", "attempts", "provider", "provider_ref", "code", "detail"),
)
_UNSENT: Final = (MessageState.QUEUED.value, "", 0, "", "", "", "")
_CONTENT: Final = (
    *("message_no", "customer_ref", "phone_hash", "due_on", "amount_minor"),
    *("units", "segments", "resend_of", "content_sealed"),
)
_KEY: Final = ("message_no", *COVER[1:])


def _insert(tx: Transaction, run_id: str, messages: Slice, now: datetime) -> int:
    """Every row of these messages; returns the number of the first one."""
    column, first = messages.messages, bulk.next_number(tx.connection, MESSAGES.c.message_no)
    lots = [*zip(*(column[name] for name in LOT), strict=True)]
    number_of = new_lots(tx, dict.fromkeys(lots), run_id, to_text(now))
    numbers = range(first, first + len(messages))
    own = (column["message_id"], map(number_of.__getitem__, lots), column["channel"], column["not_before"])
    told = (column["operator"], column["reason"])
    unsent = (repeat(value) for value in _UNSENT)
    bulk.insert(tx.connection, MESSAGES, _MESSAGE, zip(numbers, *own, *told, *unsent, strict=False))
    kept = (column[name] for name in _CONTENT[1:-1])
    sealed = map(partial(contents.seal, tx.cipher), column["message_id"], column["content"])
    bulk.insert(tx.connection, CONTENTS, _CONTENT, zip(numbers, *kept, sealed, strict=True))
    owners = [first + place for place in messages.covers["message"]]
    covered = (messages.covers[name] for name in COVER[1:])
    bulk.insert(tx.connection, MESSAGE_KEYS, _KEY, zip(owners, *covered, strict=True))
    return first


def new_lots(
    tx: Transaction, lots: Iterable[tuple[Any, ...]], run_id: str, queued_at: str
) -> dict[tuple[Any, ...], int]:
    """Make these lots (values of LOT); their numbers. The caller has locked the audit's head."""
    numbered = {
        lot: number for number, lot in enumerate(lots, start=bulk.next_number(tx.connection, LOTS.c.lot_no))
    }
    rows = [(number, run_id, queued_at, *lot) for lot, number in numbered.items()]
    bulk.insert(tx.connection, LOTS, ("lot_no", "run_id", "queued_at", *LOT), rows)
    return numbered


# The facts that the audit vouches for: canonical JSON, a line for each message, without personal data.


def _facts(cipher: Cipher, run_id: str, messages: Slice) -> list[str]:
    """A line for each message: as `audit.canonical` would write it, only quicker."""
    column, run = messages.messages, _quoted(run_id)
    texts = (
        cipher.told(name, content.phone, content.text)
        for name, content in zip(column["message_id"], column["content"], strict=True)
    )
    own = (column[name] for name in _TOLD)
    told = zip(*own, _loans(messages), _resent(messages), texts, strict=True)
    return [
        f'{{"amount":{amount},"channel":"{channel}","class":"{kind}","customer":"{customer}",'
        f'"due_on":"{due_on or ""}","loans":{loans},"message":{_quoted(name)},'
        f'"notice":{_quoted(notice)},{again}"role":{_quoted(role)},"run":{run},"template":{_quoted(template)},'
        f'"template_version":{_quoted(version)},"text":"{text}"}}'
        for amount, channel, kind, customer, due_on, name, notice, role, template, version, loans, again, text in told
    ]


_TOLD: Final = (
    *("amount_minor", "channel", "message_class", "customer_ref", "due_on"),
    *("message_id", "notice", "role", "template", "template_version"),
)


def _resent(messages: Slice) -> list[str]:
    """What a message that is sent again adds to its facts: by whom, why, and which one it repeats."""
    names = ("operator", "reason", "resend_of")
    columns = (messages.messages[name] for name in names)
    return [
        "".join(f'"{name}":{_quoted(value)},' for name, value in zip(names, values, strict=True))
        if values[-1]
        else ""
        for values in zip(*columns, strict=True)
    ]


def _loans(messages: Slice) -> list[str]:
    """Which loan and installment each message tells, as JSON: `[["L1",3]]`."""
    told: list[dict[str, None]] = [{} for _ in range(len(messages))]
    covers = (messages.covers[name] for name in ("message", "loan_id", "installment_no"))
    for place, loan, number in zip(*covers, strict=True):
        told[place][f"[{_quoted(loan)},{number}]"] = None
    return [f"[{','.join(each)}]" for each in told]
