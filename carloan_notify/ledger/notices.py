"""Keys of notices: taken once for ever, unless a message is known never to have left.

A released key is renamed to `key~message_id`: the key is free again, and the row still tells which loans the
message was for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, bulk
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.prepared import Prepared, among, listed
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.tables import MESSAGE_KEYS, MESSAGES, NOTICES, RULINGS, RUNS
from carloan_notify.records import AuditEvent, Decision

if TYPE_CHECKING:
    import pandas as pd

PER_QUERY: Final = 1_000
_KNOWN: Final = Prepared(
    sa.select(MESSAGE_KEYS.c.idempotency_key).where(among(MESSAGE_KEYS.c.idempotency_key, "keys"))
)
_RELEASED: Final = "~"
_AGAIN: Final = "#"


def in_parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """`names` in parts that one statement can take."""
    for start in range(0, len(names), PER_QUERY):
        yield names[start : start + PER_QUERY]


def known(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Which of `keys` are taken."""
    return set(_KNOWN.run(tx.connection, keys=listed(keys)).scalars()) if keys else set()


def is_released(key: str) -> bool:
    """Whether a key of a message was freed: the message never left, and a later night may tell that notice."""
    return _RELEASED in key


def again(key: str, mark: str) -> str:
    """The key under which a notice is told once more; `mark` is its own for each time."""
    return f"{first_key(key)}{_AGAIN}{mark}"


def is_again(key: str) -> bool:
    """Whether it is the key of a resend."""
    return _AGAIN in key


def first_key(key: str) -> str:
    """The notice's own key, also of one that was freed or sent again."""
    return key.partition(_RELEASED)[0].partition(_AGAIN)[0]


def release(tx: Transaction, message_ids: Sequence[str], keys: Sequence[str] | None = None) -> None:
    """Free the keys of these messages, all or only `keys`, so that a later night may tell those notices."""
    column = MESSAGE_KEYS.c.idempotency_key
    its_id = sa.select(MESSAGES.c.message_id).where(MESSAGES.c.message_no == MESSAGE_KEYS.c.message_no)
    statement = sa.update(MESSAGE_KEYS).values(idempotency_key=column + _RELEASED + its_id.scalar_subquery())
    statement = statement.where(column.not_like(f"%{_RELEASED}%"))
    for part in in_parts(message_ids):
        numbers = sa.select(MESSAGES.c.message_no).where(MESSAGES.c.message_id.in_(part))
        of_part = statement.where(MESSAGE_KEYS.c.message_no.in_(numbers))
        if keys is None:
            tx.connection.execute(of_part)
            continue
        for some in in_parts(keys):
            tx.connection.execute(of_part.where(column.in_(some)))


# What was decided about every notice of a night, told or not, and why; without personal data.

_CHUNK: Final = 10_000
_DATES: Final = ("due_on", "original_due_on")
_INSTANTS: Final = ("not_before", "expires_at")
_RULED: Final = ("notice", "channel", "role", "message_class", "decision", "reason", "presets", *_INSTANTS)
"""Columns that thousands of decisions of a night share: they stand in `rulings`."""
_OWN: Final = (
    *("loan_id", "customer_ref", "installment_no", "due_on", "original_due_on"),
    *("amount_minor", "days_past_due", "idempotency_key", "merged_into"),
)
_SAME: Final = (
    *("loan_id", "notice", "channel", "role", "message_class", "installment_no"),
    *("amount_minor", "days_past_due", "decision", "reason", "idempotency_key", "merged_into"),
)
DECIDED: Final = (
    sa.select(
        *(column for column in NOTICES.c if column.name != "ruling_no"),
        *(column for column in RULINGS.c if column.name != "ruling_no"),
    )
    .join(RULINGS, RULINGS.c.ruling_no == NOTICES.c.ruling_no)
    .subquery("decided")
)
"""Decisions with all that is known of them, for reading."""


def to_rows(
    run_id: str,
    decisions: "pd.DataFrame",
    customer_ref: Callable[[str], str],
    presets: "pd.Series | None" = None,
) -> "pd.DataFrame":
    """What is kept of a frame of `frames.DECISIONS`, same order: columns `run_id`, _RULED and _OWN.

    `presets` are those of law that bind each person (`law.bound_by`), on the same index; None for none.
    """
    import pandas as pd  # noqa: PLC0415 - only a night decides; senders and receipts, which use keys, need no frame

    from carloan_notify import frames  # noqa: PLC0415 - as above

    rows = decisions[list(_SAME)].copy()
    rows["run_id"] = run_id
    rows["presets"] = "" if presets is None else presets
    rows["customer_ref"] = frames.per_value(decisions["customer_id"], customer_ref)
    for names, form in ((_DATES, "%Y-%m-%d"), (_INSTANTS, "%Y-%m-%dT%H:%M:%S.%fZ")):
        for name in names:
            rows[name] = pd.Series(_texts(decisions[name], form), index=rows.index, dtype=object)
    return rows


def _texts(instants: "pd.Series", form: str) -> list[str | None]:
    import pandas as pd  # noqa: PLC0415 - as above

    codes, days = pd.factorize(instants)
    written = [*pd.DatetimeIndex(days).strftime(form), None]  # the last one for what is not there: code -1
    return [written[code] for code in codes]


def record(tx: Transaction, run_id: str, rows: "pd.DataFrame", now: datetime) -> None:
    """Keep every decision of a run, as `to_rows` made them, and their tally in the audit."""
    for start in range(0, len(rows), _CHUNK):
        _insert(tx, run_id, rows.iloc[start : start + _CHUNK])
    audit.append(tx, [AuditEvent("run.decided", run_id, tally(rows))], now)


def _insert(tx: Transaction, run_id: str, rows: "pd.DataFrame") -> None:
    audit.lock_head(tx)  # numbers of rulings and decisions are given under it
    ruled = [*zip(*(rows[name].tolist() for name in _RULED), strict=True)]
    number_of = _rulings(tx, run_id, ruled)
    first = bulk.next_number(tx.connection, NOTICES.c.notice_no)
    own = (rows[name].tolist() for name in _OWN)
    numbered = zip(range(first, first + len(rows)), map(number_of.__getitem__, ruled), *own, strict=True)
    bulk.insert(tx.connection, NOTICES, ("notice_no", "ruling_no", *_OWN), numbered)


def _rulings(tx: Transaction, run_id: str, ruled: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    """The numbers of these rulings (values of _RULED) of a run, those that are new made."""
    names = [RULINGS.c[name] for name in _RULED]
    stored = tx.connection.execute(sa.select(RULINGS.c.ruling_no, *names).where(RULINGS.c.run_id == run_id))
    known = {tuple(row)[1:]: row.ruling_no for row in stored}
    fresh = [each for each in dict.fromkeys(ruled) if each not in known]
    numbered = list(enumerate(fresh, start=bulk.next_number(tx.connection, RULINGS.c.ruling_no)))
    rows = [(number, run_id, *each) for number, each in numbered]
    bulk.insert(tx.connection, RULINGS, ("ruling_no", "run_id", *_RULED), rows)
    return known | {each: number for number, each in numbered}


def tally(decisions: "pd.DataFrame") -> dict[str, int]:
    """How many notices per decision and reason, e.g. `{"queued": 7, "suppressed:opted_out": 2}`."""
    labels = decisions["decision"].where(
        decisions["reason"] == "", decisions["decision"] + ":" + decisions["reason"]
    )
    return {str(label): int(count) for label, count in labels.value_counts().sort_index().items()}


def held_last(tx: Transaction, kind: str, status: str) -> tuple[date, "pd.DataFrame"] | None:
    """Newest business date of runs of this kind and status, and what they left held (OPEN).

    Looked at are the last run of that date and those that began after it, which made up for an earlier one; what
    a later of them decided otherwise is not held any more.
    """
    from carloan_notify.notices.endings import OPEN  # noqa: PLC0415 - only a night asks; it brings in pandas

    ran = sa.select(RUNS).where(RUNS.c.kind == kind, RUNS.c.status == status)
    newest = ran.order_by(RUNS.c.as_of.desc(), RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(1)
    run = tx.connection.execute(newest).one_or_none()
    if run is None:
        return None
    since = ran.where(RUNS.c.started_at >= run.started_at).with_only_columns(RUNS.c.run_id)
    later = DECIDED.alias("later")
    again = sa.exists().where(
        later.c.loan_id == DECIDED.c.loan_id,
        later.c.idempotency_key == DECIDED.c.idempotency_key,
        later.c.notice_no > DECIDED.c.notice_no,
        later.c.run_id.in_(since),
    )
    query = sa.select(*(DECIDED.c[name] for name in OPEN)).where(
        DECIDED.c.run_id.in_(since), DECIDED.c.decision == Decision.HELD.value, ~again
    )
    rows = [tuple(row) for row in tx.connection.execute(query)]
    return date.fromisoformat(run.as_of), as_frame(rows, OPEN)


def asked_for(tx: Transaction, since: date, kind: str, status: str) -> tuple["pd.DataFrame", date | None]:
    """Installments and the notices that asked for them in runs of this kind and status from `since` on.

    The text columns loan_id, original_due_on, notice and as_of (dates as ISO text), a row per run's business date,
    whatever was decided; and the newest of those dates.
    """
    runs = (RUNS.c.kind == kind, RUNS.c.status == status, RUNS.c.as_of >= since.isoformat())
    columns = (DECIDED.c.loan_id, DECIDED.c.original_due_on, DECIDED.c.notice, RUNS.c.as_of)
    query = sa.select(*columns).join_from(DECIDED, RUNS, RUNS.c.run_id == DECIDED.c.run_id)
    query = query.where(*runs, DECIDED.c.original_due_on.is_not(None)).distinct()
    rows = [tuple(row) for row in tx.connection.execute(query)]
    newest = tx.connection.execute(sa.select(sa.func.max(RUNS.c.as_of)).where(*runs)).scalar_one()
    return as_frame(rows, [column.name for column in columns]), date.fromisoformat(newest) if newest else None
